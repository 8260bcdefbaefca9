"""Two segmenters on the same images, whatever order each has its classes in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.tasks.segmentation.made import segmenter as segmenter_of
from topwork.data import MaskDataset, read_masks
from topwork.errors import DataError
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation._compared import compare
from topwork.tasks.segmentation.network import PixelHead


@pytest.fixture(scope="module")
def data(shapes: Path) -> MaskDataset:
    return read_masks(shapes).select(np.arange(4))


def swapped(model: Segmenter) -> Segmenter:
    """The same model with its second class and its third in each other's place."""
    head, block, order = model.head, model.record.task, [0, 2, 1]
    assert isinstance(head, PixelHead)
    last = ("out", "out_bias") if head.spec.hidden else (*(f"maps.{i}" for i in range(len(head.spec.widths))), "bias")
    arrays = {name: each[order] if name in last else each for name, each in head.arrays.items()}
    task = block.model_copy(update={"classes": tuple(block.classes[each] for each in order), "metrics": None})
    return Segmenter(model.record.model_copy(update={"task": task}), PixelHead(head.spec, arrays), model.backbone)


def test_the_order_of_classes_is_no_difference(segmenter: Segmenter, data: MaskDataset) -> None:
    other = swapped(segmenter)
    assert other.classes != segmenter.classes
    found = compare(segmenter, other, data, seed=1)
    assert found.comparison.iou is not None
    assert found.comparison.iou.value == pytest.approx(0, abs=1e-3)  # a product of matrices, in another order
    assert found.second.report.classes == found.first.report.classes == segmenter.classes
    np.testing.assert_allclose(found.first.report.table, found.second.report.table, atol=9)
    for one, two in zip(found.first.counts, found.second.counts, strict=True):
        np.testing.assert_allclose(one.boundary, two.boundary, atol=9)
    (own,) = segmenter.predict([data.source(0)])
    (theirs,) = other.predict([data.source(0)])
    assert (np.array([0, 2, 1])[theirs.labels] == own.labels).mean() > 0.999


def test_other_classes_and_another_ground_are_refused(data: MaskDataset) -> None:
    one = segmenter_of(64, classes=("a", "b", "c"))
    with pytest.raises(DataError, match="'c', 'd' are in only one of them"):
        compare(one, segmenter_of(64, classes=("a", "b", "d")), data)
    with pytest.raises(DataError, match="the same background"):
        compare(one, segmenter_of(64, classes=("b", "a", "c")), data)


def test_counts_in_another_order_are_those_of_the_classes(segmenter: Segmenter, data: MaskDataset) -> None:
    (counts, *_) = segmenter.evaluate(data).counts
    again = counts.ordered([0, 2, 1])
    assert again.confusion[1, 0] == counts.confusion[2, 0]
    assert again.confusion[1, 2] == counts.confusion[2, 1]
    for field in dataclasses.fields(counts):
        one, two = getattr(again.ordered([0, 2, 1]), field.name), getattr(counts, field.name)
        assert one is two is None or np.array_equal(one, two)
