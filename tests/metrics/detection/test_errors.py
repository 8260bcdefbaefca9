"""Kinds of error by hand, and beside data sets that were mended; the table, the worst, and two detectors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topwork.errors import DataError
from topwork.metrics import (
    ClassTable,
    DetectionComparison,
    Detections,
    ErrorReport,
    class_table,
    compare_detections,
    detection_report,
    error_report,
    worst_inventions,
    worst_misses,
)
from topwork.metrics._detection._kinds import NAMES, Faults, Kind
from topwork.metrics._detection._matching import match_at

from . import Objects, coco, detections, objects, simulate

WHOLE, AWAY, NOWHERE = [0, 0, 100, 100], [200, 200, 300, 300], [400, 0, 450, 50]
BESIDE = [0, 0, 100, 40]  # overlaps the whole by 0.4
TRUTH = [objects(WHOLE, AWAY, labels=[0, 1])]


@pytest.mark.parametrize(
    ("row", "kind", "gain"),
    [
        ((0.5, 0, *AWAY), "class", 0.5),  # object 1, called 0: then both classes are whole
        ((0.5, 1, *AWAY[:3], 240), "place", 0.5),
        ((0.95, 0, *AWAY[:3], 240), "both", 0.25),  # neither: class 0 has half its precision
        ((0.8, 0, *WHOLE), "double", 0.0),
        ((0.95, 0, *NOWHERE), "background", 0.25),
    ],
)
def test_each_kind_by_hand(row, kind, gain):
    report = error_report(TRUTH, [detections((0.9, 0, *WHOLE), row)], 2, resamples=5)
    counts = {each.kind: each.count for each in report.kinds}
    missed = kind not in ("class", "place")
    assert counts == {**dict.fromkeys(NAMES, 0), kind: 1, "missed": int(missed)}
    found = next(each for each in report.kinds if each.kind == kind)
    assert found.gain.value == pytest.approx(gain, abs=1e-9)
    if missed:  # class 1 has nothing else to find
        assert report.kinds[Kind.MISSED].gain.value == pytest.approx(report.ap50.value)
    assert ErrorReport.from_dict(report.to_dict()) == report


def mended(truth, found, faults, matches, kind):
    """The data set in which a kind of error is none, made image by image."""
    there = [[list(each) for each in zip(*image, strict=True)] for image in truth]
    said = [[list(each) for each in zip(of.scores, of.labels, of.corners, strict=True)] for of in found]
    if kind is Kind.MISSED:
        for place in np.flatnonzero(faults.missed(matches)):
            there[matches.truth.rows[place]][matches.truth.places[place]] = None
    for place in np.flatnonzero(faults.kinds == kind):
        row, own = matches.found.rows[place], matches.found.places[place]
        meant = faults.meant[place]
        others = np.flatnonzero((faults.meant == meant) & (matches.found.scores > matches.found.scores[place]))
        if meant >= 0 and not faults.found[meant] and not len(others):
            said[row][own] = [said[row][own][0], matches.truth.labels[meant], matches.truth.corners[meant]]
        else:
            said[row][own] = None
    there = [[each for each in image if each] for image in there]
    said = [[each for each in image if each] for image in said]
    return (
        [Objects(*(np.array([each[n] for each in image]) for n in range(3))) for image in there],
        [detections(*((score, label, *corners) for score, label, corners in image)) for image in said],
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_mending_brings_is_what_a_mended_data_set_has(seed):
    truth, found = simulate(seed, images=25, classes=3)
    matches = match_at(truth, found, 3)
    faults, report = Faults.of(matches), error_report(truth, found, 3, resamples=20)
    base = coco(truth, found, 3).stats[1]
    assert report.ap50.value == pytest.approx(base)
    for kind, each in zip(Kind, report.kinds, strict=True):
        better = coco(*mended(truth, found, faults, matches, kind), 3).stats[1]
        assert each.gain.value == pytest.approx(better - base, abs=1e-9)
        assert each.gain.low <= each.gain.value <= each.gain.high
    assert report.most.gain.value == max(each.gain.value for each in report.kinds)


@pytest.mark.parametrize("seed", [3, 4])
def test_kinds_are_the_papers(seed):
    """Section 2.1 of Bolya et al. 2020, detection by detection, with torchvision's overlaps."""
    import torch
    from torchvision.ops import box_iou

    truth, found = simulate(seed, images=30, classes=3, crowd=0)
    matches = match_at(truth, found, 3)
    faults = Faults.of(matches)
    for place in range(len(faults.kinds)):
        there = truth[matches.found.rows[place]]
        corners = torch.tensor(matches.found.corners[place][None])
        near = box_iou(corners, torch.tensor(there.corners).double())[0].numpy()
        same = there.labels == matches.found.labels[place]
        own, other = max(near[same], default=0), max(near[~same], default=0)
        kind = None if faults.kinds[place] < 0 else Kind(faults.kinds[place])
        assert (kind is None) == bool(matches.right[0, 0, place])
        if kind is Kind.CLASS:
            assert other >= 0.5
            assert own < 0.1 or own >= 0.5
        elif kind is Kind.PLACE:
            assert 0.1 <= own < 0.5
        elif kind is Kind.DOUBLE:
            assert own >= 0.5
        elif kind is Kind.BACKGROUND:
            assert max(own, other) <= 0.1
        elif kind is Kind.BOTH:
            assert own <= 0.1 < other < 0.5


def test_the_table_by_hand():
    truth = [objects(WHOLE, AWAY, labels=[0, 1]), objects(WHOLE, AWAY, labels=[1, 0], crowd=np.array([False, True]))]
    found = [
        detections((0.9, 1, *WHOLE), (0.6, 0, 0, 0, 100, 90), (0.8, 1, *NOWHERE), (0.1, 1, *AWAY)),
        detections((0.9, 0, *WHOLE), (0.8, 0, 210, 210, 220, 220), (0.7, 1, 210, 210, 220, 220)),
    ]
    table = class_table(truth, found, ["a", "b"], 0.5)
    # The surer 1 lies as well, but 0 is the object's own class; the crowd takes what is called as it is, and no other.
    assert table.counts.tolist() == [[1, 0, 0], [1, 0, 1], [0, 3, 0]]
    again = ClassTable.from_dict(table.to_dict())
    assert (again.classes, again.iou) == (("a", "b"), 0.5)
    np.testing.assert_array_equal(again.counts, table.counts)
    with pytest.raises(DataError, match="names class 3 of 3"):
        ClassTable.from_dict({**table.to_dict(), "counts": [[3, 0, 1]]})
    assert class_table(truth, found, ["a", "b"], [0.5, 0.85]).counts.tolist() == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_every_object_and_what_is_shown_stands_in_the_table_once(seed, threshold):
    truth, found = simulate(seed, images=6, classes=3, crowd=0)
    counts = class_table(truth, found, ["a", "b", "c"], threshold).counts
    boxes = np.bincount(np.concatenate([each.labels for each in truth]), minlength=3)
    shown = np.bincount(np.concatenate([each.labels[each.scores >= threshold] for each in found]), minlength=3)
    np.testing.assert_array_equal(counts[:3].sum(axis=1), boxes)
    np.testing.assert_array_equal(counts[:, :3].sum(axis=0), shown)


def test_the_worst_by_hand():
    truth = [objects(WHOLE, AWAY, labels=[0, 1]), objects(BESIDE, NOWHERE, [0, 300, 30, 330], labels=[0, 0, 1])]
    found = [
        detections((0.3, 0, *WHOLE), (0.7, 0, *AWAY), (0.9, 1, *NOWHERE)),
        detections((0.8, 0, *BESIDE), (0.6, 0, *BESIDE)),
    ]
    misses = worst_misses(truth, found, 2, 0.5)
    assert [(each.row, each.place, each.label) for each in misses] == [(0, 1, 1), (1, 1, 0), (1, 2, 1), (0, 0, 0)]
    assert [round(each.score, 6) for each in misses] == [0, 0, 0, 0.3]  # of equal scores the largest first
    assert [each.called for each in misses] == [0, None, None, None]
    assert misses[0].corners == tuple(AWAY)
    inventions = worst_inventions(truth, found, 2, 0.5)
    assert [(each.row, each.place, each.kind, each.meant) for each in inventions] == [
        (0, 0, "background", None), (0, 1, "class", 1), (1, 1, "double", None)
    ]  # fmt: skip
    assert worst_inventions(truth, found, 2, 0.5, most=1) == inventions[:1]
    assert worst_misses(truth, found, 2, [0.2, 0.5]) == misses[:3]


def test_misses_and_inventions_are_those_that_are_counted():
    from topwork.metrics import at_thresholds

    truth, found = simulate(5, classes=3)
    overall = at_thresholds(truth, found, ["a", "b", "c"], 0.4, resamples=2).overall
    misses, inventions = (worst(truth, found, 3, 0.4, most=10_000) for worst in (worst_misses, worst_inventions))
    assert (len(misses), len(inventions)) == (overall.misses, overall.inventions)
    for each in misses:
        np.testing.assert_array_equal(truth[each.row].corners[each.place], np.array(each.corners, np.float32))
    for each in inventions:
        assert found[each.row].scores[each.place] == np.float32(each.score)
    assert [each.score for each in inventions] == sorted((each.score for each in inventions), reverse=True)


def test_a_pair_of_detectors():
    truth, found = simulate(6, images=100, classes=3, strange=0)
    worse = [Detections.none() if row % 10 == 1 else each for row, each in enumerate(found)]
    change = compare_detections(truth, worse, found, 3, resamples=200)
    values = [coco(truth, each, 3).stats[:2] for each in (found, worse)]
    assert [change.ap.value, change.ap50.value] == pytest.approx((values[0] - values[1]).tolist())
    assert 0 < change.ap50.low < change.ap50.value < change.ap50.high
    own = [detection_report(truth, each, ["a", "b", "c"], resamples=200).ap50 for each in (worse, found)]
    assert own[0].high > own[1].low  # two intervals would say nothing
    assert DetectionComparison.from_dict(change.to_dict()) == change
    same = compare_detections(truth, found, found, 3, resamples=20).ap50
    assert (same.value, same.low) == (0, -same.high)
    assert 0 < same.high < 0.2


def test_nothing_there_and_nothing_found():
    nothing, none = [objects()] * 2, [Detections.none()] * 2
    report = error_report(nothing, none, 1, resamples=5)
    assert (report.ap50, report.most, [each.count for each in report.kinds]) == (None, None, [0] * 6)
    assert error_report(nothing, [detections((0.5, 0, *WHOLE))] * 2, 1, resamples=5).kinds[Kind.BACKGROUND].count == 2
    assert compare_detections(nothing, none, none, 1, resamples=5).ap is None
    assert (worst_misses(nothing, none, 1, 0.5), worst_inventions(nothing, none, 1, 0.5)) == ((), ())
    assert not class_table(nothing, none, ["a"], 0.5).counts.any()
    assert error_report([objects(WHOLE)] * 2, none, 1, resamples=5).kinds[Kind.MISSED].count == 2


@pytest.mark.parametrize(
    "act",
    [
        lambda given: error_report(*given, 1),
        lambda given: class_table(*given, ["a"], 0.5),
        lambda given: worst_misses(*given, 1, 0.5),
        lambda given: worst_inventions(*given, 1, 0.5),
        lambda given: compare_detections(*given, [Detections.none()], 1),
    ],
)
def test_what_is_none_is_refused(act):
    for given_, said in (
        (([], []), "no images|detections of 1"),
        (([objects(WHOLE)], [detections((np.nan, 0, *WHOLE))]), "1 of 1 scores"),
        (([Objects(np.full((1, 4), np.nan), np.zeros(1, int), np.zeros(1, bool))], [Detections.none()]), "no boxes"),
    ):
        with pytest.raises(DataError, match=said):
            act(given_)
