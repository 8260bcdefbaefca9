"""The data set of boxes as a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.data import BoxDataset, Boxes, LeftOut, split
from topwork.errors import DataError


def dataset(**changes: Any) -> BoxDataset:
    """Four images with 2, 0, 1 and 3 boxes of three classes."""
    given: dict[str, Any] = {
        "root": Path("/data"),
        "paths": ("a.jpg", "b.jpg", "c.jpg", "d.jpg"),
        "splits": np.array(["train", "", "val", "train"]),
        "corners": np.array([[0, 0, 10, 10], [5, 5, 9, 20], [1, 2, 3, 4], [0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]]),
        "labels": [0, 1, 2, 0, 0, 1],
        "crowd": [False, True, False, False, False, False],
        "counts": [2, 0, 1, 3],
        "sizes": [[20, 30]] * 4,
        "classes": ("cat", "dog", "owl"),
    }
    return BoxDataset(**{**given, **changes})


def test_each_row_has_its_boxes() -> None:
    found = dataset()
    assert [len(found.boxes(row)) for row in range(4)] == [2, 0, 1, 3]
    for row, boxes in enumerate(found.all_boxes()):
        np.testing.assert_array_equal(boxes.corners, found.boxes(row).corners)
    assert found.boxes(3).corners[:, 2].tolist() == [1, 2, 3]
    assert found.boxes(0).crowd.tolist() == [False, True]
    assert found.class_counts().tolist() == [3, 1, 1]
    assert found.rows_of_boxes.tolist() == [0, 0, 2, 3, 3, 3]


@pytest.mark.parametrize("rows", [[3, 0], [1], [], [2, 2, 1], [0, 1, 2, 3]])
def test_rows_take_their_boxes_along(rows: list[int]) -> None:
    whole = dataset()
    found = whole.select(np.array(rows, int))
    assert found.paths == tuple(whole.paths[row] for row in rows)
    for place, row in enumerate(rows):
        for name in ("corners", "labels", "crowd"):
            np.testing.assert_array_equal(getattr(found.boxes(place), name), getattr(whole.boxes(row), name))
    assert len(found.all_boxes()) == len(rows)


def test_what_cannot_be_used_takes_its_boxes_with_it() -> None:
    found = dataset().without([LeftOut("a.jpg", "damaged")])
    assert found.counts.tolist() == [0, 1, 3]
    assert found.boxes(1).labels.tolist() == [2]


def test_boxes_can_be_replaced() -> None:
    whole = dataset()
    again = whole.with_boxes(whole.all_boxes())
    assert again.fingerprint() == whole.fingerprint()
    empty = whole.with_boxes([whole.boxes(1)] * 4)
    assert (len(empty.labels), empty.fingerprint() == whole.fingerprint()) == (0, False)
    with pytest.raises(DataError, match="4 images, but boxes of 1"):
        whole.with_boxes([whole.boxes(0)])


def test_the_fingerprint_is_over_boxes_in_any_order() -> None:
    whole = dataset()
    boxes = whole.all_boxes()
    turned = Boxes(boxes[3].corners[::-1], boxes[3].labels[::-1], boxes[3].crowd[::-1])
    assert whole.with_boxes([*boxes[:3], turned]).fingerprint() == whole.fingerprint()
    assert dataset(labels=[0, 1, 2, 0, 0, 2]).fingerprint() != whole.fingerprint()
    assert dataset(crowd=[False] * 6).fingerprint() != whole.fingerprint()


def test_a_split_keeps_each_class() -> None:
    whole = dataset()
    assert whole.strata().tolist() == [1, 3, 2, 1]  # dog is rarer than cat; b has none
    rows = np.tile(np.arange(4), 10)
    many = whole.select(rows)
    many = BoxDataset(
        **{
            **{name: getattr(many, name) for name in ("corners", "labels", "crowd", "counts", "sizes", "classes")},
            "root": whole.root,
            "paths": tuple(f"{row}.jpg" for row in range(40)),
            "splits": np.array([""] * 40),
        }
    )
    parted = split(many, test=0.2, seed=0)
    held_out = parted.split("test")
    assert np.bincount(held_out.strata(), minlength=4).tolist() == [0, 4, 2, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": [2, 0, 1, 4]}, "4 images with 7 boxes have corners"),
        ({"labels": [0, 1, 3, 0, 0, 1]}, "labels run from 0 to 3"),
        ({"classes": ("cat", "dog", "cat")}, "comes twice"),
        ({"corners": np.zeros((6, 4))}, "no area"),
        ({"corners": np.full((6, 4), np.nan)}, "no area"),
        ({"sizes": [[1, 2]]}, "have sizes of shape"),
    ],
)
def test_what_is_no_data_set_of_boxes_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset(**changes)


def test_a_class_is_shown_by_the_rows_that_have_a_box_of_it() -> None:
    found = dataset()
    for label in range(len(found.classes)):
        rows = [row for row in range(len(found)) if label in found.boxes(row).labels]
        assert found.rows_of_class(label).tolist() == rows
