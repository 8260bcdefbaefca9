"""Curves beside COCO's, thresholds beside all that could be chosen, counted one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topwork.errors import DataError
from topwork.metrics import (
    Detections,
    DetectionThresholds,
    OperatingReport,
    PrecisionRecallCurve,
    ScoreCalibration,
    at_thresholds,
    detection_thresholds,
    precision_recall_curves,
    score_calibration,
)

from . import coco, detections, objects, simulate

WHOLE, AWAY = [0, 0, 100, 100], [200, 200, 300, 300]


def counted(truth, found, label, threshold):
    """Objects of a class, those that are found, and what is shown from a threshold on: plainly, with torchvision."""
    import torch
    from torchvision.ops import box_iou

    boxes, right, shown = 0, 0, 0
    for there, said in zip(truth, found, strict=True):
        own = there.labels == label
        corners, crowd = there.corners[own], there.crowd[own]
        boxes += int((~crowd).sum())
        free = ~crowd
        for box in said.corners[(said.labels == label) & (said.scores >= threshold)]:
            near = box_iou(torch.tensor(box[None]).double(), torch.tensor(corners).double())[0].numpy()
            low, high = np.maximum(box[:2], corners[:, :2]), np.minimum(box[2:], corners[:, 2:])
            inside = np.clip(high - low, 0, None).prod(axis=1) / (box[2:] - box[:2]).prod()
            best = np.where(free, near, -1).argmax() if len(near) else 0
            if len(near) and free[best] and near[best] >= 0.5:
                free[best], right, shown = False, right + 1, shown + 1
            elif not (inside[crowd] >= 0.5).any():
                shown += 1
    return boxes, right, shown


@pytest.mark.parametrize("seed", [0, 1])
def test_curves_are_cocos(seed):
    truth, found = simulate(seed, classes=3)
    evaluation = coco(truth, found, 3)
    curves = precision_recall_curves(truth, found, ["a", "b", "c"], ious=(0.5, 0.75))
    assert [(curve.name, curve.iou) for curve in curves] == [(name, iou) for name in "abc" for iou in (0.5, 0.75)]
    for number, curve in enumerate(curves):
        at = (5 * (number % 2), slice(None), number // 2, 0, -1)
        np.testing.assert_allclose(curve.precision, evaluation.eval["precision"][at], atol=1e-12)
        np.testing.assert_array_equal(curve.thresholds[1:], evaluation.eval["scores"][at][1:])
        assert PrecisionRecallCurve.from_dict(curve.to_dict()) == curve
    assert precision_recall_curves([objects(WHOLE)], [Detections.none()], ["a", "b"])[0].precision == (0.0,) * 101


def test_what_thresholds_give_is_the_count_of_it():
    truth, found = simulate(3, classes=4, crowd=0.2)
    thresholds = [0.1, 0.5, 0.8, 0.99]
    report = at_thresholds(truth, found, list("abcd"), thresholds, resamples=100)
    for label, (threshold, point) in enumerate(zip(thresholds, report.per_class, strict=True)):
        boxes, right, shown = counted(truth, found, label, threshold)
        assert (point.boxes, point.right, point.inventions) == (boxes, right, shown - right)
        assert point.recall.value == pytest.approx(right / boxes)
        assert point.precision is None or point.precision.value == pytest.approx(right / shown)
        assert point.misses_per_image.value == pytest.approx((boxes - right) / len(truth))
        assert point.inventions_per_image.value == pytest.approx((shown - right) / len(truth))
    overall = report.overall
    assert overall.boxes == sum(each.boxes for each in report.per_class)
    assert overall.misses == sum(each.misses for each in report.per_class)
    harmonic = 2 / (1 / overall.precision.value + 1 / overall.recall.value)
    assert overall.f1.value == pytest.approx(harmonic)
    assert overall.f1.low < overall.f1.value < overall.f1.high
    assert OperatingReport.from_dict(report.to_dict()) == report


@pytest.mark.parametrize("digits", [None, 1])
def test_the_best_f1_is_the_best_of_all(digits):
    truth, found = simulate(4, classes=2, digits=digits)
    chosen = detection_thresholds(truth, found, ["a", "b"], resamples=5)
    for label, threshold in enumerate(chosen.values):
        scores = np.unique(np.concatenate([each.scores[each.labels == label] for each in found]))
        every = [counted(truth, found, label, score) for score in scores]
        f1 = [2 * right / (boxes + shown) for boxes, right, shown in every]
        assert max(f1) == pytest.approx(chosen.report.per_class[label].f1.value)
        assert threshold == scores[np.flatnonzero(np.isclose(f1, max(f1)))[-1]]
    assert chosen.own == chosen.reached == (True, True)
    assert DetectionThresholds.from_dict(chosen.to_dict()) == chosen


def test_a_wanted_recall_has_the_highest_threshold_that_reaches_it():
    truth, found = simulate(5, images=80, classes=2, crowd=0.05)
    chosen = detection_thresholds(truth, found, ["a", "b"], recall=0.4, resamples=5)
    assert chosen.reached == (True, True)
    for label, threshold in enumerate(chosen.values):
        boxes, right, _ = counted(truth, found, label, threshold)
        allowed = int((boxes + 1) * 0.6) - 1
        assert boxes - right <= allowed
        boxes, right, _ = counted(truth, found, label, np.nextafter(np.float32(threshold), np.float32(2)))
        assert boxes - right > allowed


def test_a_recall_that_none_reaches_and_a_class_without_boxes():
    truth = [objects(WHOLE, AWAY)] * 3
    found = [detections((0.9, 0, *WHOLE), (0.4, 0, 0, 200, 50, 250), (0.3, 1, *AWAY))] * 3
    chosen = detection_thresholds(truth, found, ["a", "b"], recall=0.9, resamples=5)
    assert (chosen.reached, chosen.own) == ((False, False), (True, False))
    assert chosen.values == (pytest.approx(0.9),) * 2
    assert chosen.report.per_class[0].recall.value == 0.5
    assert chosen.report.per_class[1].recall is None
    nothing = detection_thresholds(truth, [Detections.none()] * 3, ["a", "b"], resamples=5)
    assert (nothing.values, nothing.report.overall.precision) == ((1.0, 1.0), None)
    assert nothing.report.overall.misses == 6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_finds_no_more(seed, first, second):
    truth, found = simulate(seed, images=6, classes=2, digits=1)
    low, high = (at_thresholds(truth, found, ["a", "b"], each, resamples=2).overall for each in sorted((first, second)))
    assert low.right >= high.right
    assert low.inventions >= high.inventions
    assert low.right + low.misses == low.boxes == high.boxes


def test_scores_beside_the_share_that_is_right():
    import torch
    from torchmetrics.classification import BinaryCalibrationError

    truth, found = simulate(6, classes=1, crowd=0)
    found = [each.select(each.scores > 0.02) for each in found]
    right = []
    for image, said in zip(truth, found, strict=True):
        first = [counted([image], [said.select(np.arange(n))], 0, 0)[1] for n in range(len(said) + 1)]
        right += np.diff(first).tolist()
    calibration = score_calibration(truth, found, 1)
    theirs = BinaryCalibrationError(n_bins=15)(
        torch.tensor(np.concatenate([each.scores for each in found])), torch.tensor(right)
    )
    assert calibration.ece == pytest.approx(float(theirs), abs=1e-6)
    assert calibration.detections == sum(each.images for each in calibration.reliability) == len(right)
    assert sum(each.accuracy * each.images for each in calibration.reliability) == pytest.approx(sum(right))
    assert ScoreCalibration.from_dict(calibration.to_dict()) == calibration
    assert score_calibration(truth, [Detections.none()] * len(truth), 1).ece is None


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: at_thresholds([objects()], [Detections.none()], ["a"], [0.1, 0.2]), "1 classes, but thresholds"),
        (lambda: at_thresholds([objects()], [Detections.none()], ["a"], float("nan")), "1 classes, but thresholds"),
        (lambda: at_thresholds([], [], ["a"], 0.5), "no images"),
        (lambda: detection_thresholds([objects()], [Detections.none()], ["a"]), "has an object"),
        (lambda: detection_thresholds([objects(WHOLE)], [Detections.none()], ["a"], recall=1), "a recall of 1"),
        (lambda: score_calibration([objects(WHOLE)], [detections((np.nan, 0, *WHOLE))], 1), "1 of 1 scores"),
        (lambda: precision_recall_curves([objects(WHOLE)], [], ["a"]), "detections of 0"),
    ],
)
def test_what_is_none_is_refused(act, said):
    with pytest.raises(DataError, match=said):
        act()
