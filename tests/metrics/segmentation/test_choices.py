"""Two segmentations on the same images, the threshold of a mask, and the worst images."""

import numpy as np
import pytest

from topwork.data import Mask
from topwork.errors import DataError
from topwork.metrics import (
    MaskThreshold,
    SegmentationComparison,
    compare_segmentations,
    mask_counts,
    mask_threshold,
    segmentation_report,
    worst_masks,
)

from . import counted, names, simulate


@pytest.fixture(scope="module")
def two():
    """Of the same masks, the second with half of its wrong pixels mended."""
    drawn, first = simulate(10, images=20)
    rng = np.random.default_rng(0)
    mended = [
        (mask, np.where((rng.random(said.shape) < 0.5) & (mask.labels >= 0), mask.labels, said), found, probabilities)
        for mask, said, found, probabilities in drawn
    ]
    return first, [counted(each, 3) for each in mended]


def test_a_better_one_is_told_from_chance_and_an_equal_one_is_not(two):
    first, second = two
    found = compare_segmentations(first, second, 3, has_background=True, resamples=200)
    reports = [segmentation_report(each, names(3), has_background=True, resamples=2) for each in two]
    assert found.iou.value == pytest.approx(reports[1].iou.value - reports[0].iou.value)
    assert found.ap50.value == pytest.approx(reports[1].objects.ap50.value - reports[0].objects.ap50.value)
    assert found.ap.value == pytest.approx(reports[1].objects.ap.value - reports[0].objects.ap.value)
    assert found.iou.low > 0
    assert found.dice.low > 0
    assert SegmentationComparison.from_dict(found.to_dict()) == found
    back = compare_segmentations(second, first, 3, has_background=True, resamples=200)
    assert back.iou.value == -found.iou.value
    assert back.iou.high == pytest.approx(-found.iou.low)
    same = compare_segmentations(first, first, 3, has_background=True, resamples=20)
    assert same.iou.value == 0
    assert same.iou.low < 0 < same.iou.high


def test_other_masks_are_not_compared(two):
    for other in (two[1][1:], two[1][::-1]):
        with pytest.raises(DataError, match="not of the same masks"):
            compare_segmentations(two[0], other, 3, has_background=True)


def of_two(rng, scale, images=15):
    """Counts of two classes whose foreground is told with too small a probability."""
    counts = []
    for _ in range(images):
        labels = (rng.random((40, 40)) < 0.3).astype(np.int32)
        foreground = np.clip(scale * (0.7 * labels + 0.45 * rng.random(labels.shape)), 0, 1).astype(np.float32)
        given = np.stack([1 - foreground, foreground])
        counts.append(
            (mask_counts(Mask(labels), given.argmax(0), 2, has_background=True, probabilities=given), labels, given)
        )
    return counts


def test_the_threshold_is_the_best_and_is_kept_where_it_helps():
    from sklearn.metrics import f1_score, jaccard_score

    drawn = of_two(np.random.default_rng(0), 0.6)
    chosen = mask_threshold([each[0] for each in drawn], resamples=100)
    true = np.concatenate([each[1].ravel() for each in drawn])
    foreground = np.concatenate([each[2][1].ravel() for each in drawn])
    scores = {place: jaccard_score(true, foreground >= place / 100) for place in range(5, 100, 5)}
    assert max(scores.values()) <= chosen.iou.value + 1e-3
    assert jaccard_score(true, foreground >= chosen.threshold) == pytest.approx(chosen.iou.value, abs=1e-3)
    assert chosen.dice.value == pytest.approx(f1_score(true, foreground >= chosen.threshold), abs=1e-3)
    assert chosen.iou_at_half.value == pytest.approx(scores[50], abs=1e-3)
    assert chosen.helps
    assert chosen.threshold < 0.5
    assert MaskThreshold.from_dict(chosen.to_dict()) == chosen


def test_a_threshold_of_half_stays_where_it_is_best():
    drawn = of_two(np.random.default_rng(0), 0.9)
    chosen = mask_threshold([each[0] for each in drawn], resamples=100)
    assert chosen.threshold == 0.5
    assert not chosen.helps


def test_nothing_to_choose_a_threshold_on_is_refused():
    labels = np.zeros((4, 4), np.int32)
    without = mask_counts(Mask(labels), labels, 2, has_background=True)
    flat = np.full((2, 4, 4), 0.5, np.float32)
    empty = mask_counts(Mask(labels), labels, 2, has_background=True, probabilities=flat)
    for counts, told in (([without], "without probabilities"), ([empty], "shows the class"), ([], "no images")):
        with pytest.raises(DataError, match=told):
            mask_threshold(counts)


def test_the_worst_come_first_and_say_what_was_taken_for_what():
    good, bad, empty = (np.zeros((10, 10), np.int32) for _ in range(3))
    good[2:6, 2:6], bad[2:6, 2:6] = 1, 1
    said = good.copy()
    said[2] = 0
    counts = [
        mask_counts(Mask(empty), empty, 3, has_background=True),
        mask_counts(Mask(good), said, 3, has_background=True),
        mask_counts(Mask(bad), bad * 2, 3, has_background=True),
        mask_counts(Mask(good), good, 3, has_background=True),
    ]
    found = worst_masks(counts, 3, has_background=True)
    assert [each.row for each in found] == [2, 1, 3]
    assert found[0] == (2, 0.0, 16, 1, 2, 16)
    assert found[1][1:] == (0.75, 4, 1, 0, 4)
    assert found[2].iou == 1
    assert found[2].pixels == 0
    assert worst_masks(counts, 3, has_background=True, most=1) == found[:1]
