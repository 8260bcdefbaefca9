from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.data import ImageDataset, LeftOut
from topwork.errors import DataError


def dataset(**changes: Any) -> ImageDataset:
    values: dict[str, Any] = {
        "root": Path("/nowhere"),
        "paths": ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"),
        "labels": np.array([0, 0, 1, 1]),
        "classes": ("a", "b"),
        "splits": np.array(["train", "test", "train", "val"]),
        "groups": ("p", "q", "p", ""),
    }
    return ImageDataset(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0, 0, 1])}, "shape"),
        ({"labels": np.zeros((4, 1), int)}, "shape"),
        ({"splits": np.array(["train"])}, "shape"),
        ({"groups": ("p",)}, "1 groups"),
        ({"labels": np.array([0, 0, 1, 2])}, "from 0 to 2"),
        ({"labels": np.array([-1, 0, 1, 1])}, "from -1"),
        ({"labels": np.array([0.5, 0, 1, 1])}, "integers"),
        ({"classes": ("a", "a")}, "twice: 'a'"),
        ({"splits": np.array(["train", "dev", "", ""])}, "'dev'"),
        ({"splits": np.array(["train", "trainer", "", ""])}, "'trainer'"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset(**changes)


def test_arrays_are_read_only_and_the_callers_are_not() -> None:
    labels = np.array([0, 0, 1, 1], dtype=np.int32)
    made = dataset(labels=labels)
    with pytest.raises(ValueError, match="read-only"):
        made.labels[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        made.splits[0] = "val"
    labels[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.ignored = 3  # type: ignore[misc]


def test_rows_are_taken_in_the_order_asked() -> None:
    chosen = dataset().select([3, 0])
    assert chosen.paths == ("b/2.jpg", "a/1.jpg")
    assert chosen.labels.tolist() == [1, 0]
    assert chosen.splits.tolist() == ["val", "train"]
    assert chosen.groups == ("", "p")
    assert dataset().select(np.array([False, True, False, False])).paths == ("a/2.jpg",)
    assert len(dataset().select([])) == 0
    with pytest.raises(IndexError):
        dataset().select([4])


def test_part_takes_one_part_and_refuses_another_name() -> None:
    assert dataset().split("train").paths == ("a/1.jpg", "b/1.jpg")
    assert len(dataset(splits=np.array([""] * 4)).split("test")) == 0
    with pytest.raises(DataError, match="nearest: 'train'"):
        dataset().split("training")


def test_without_moves_rows_to_the_left_out_list() -> None:
    damage = LeftOut("a/2.jpg", "damaged JPEG")
    kept = dataset(left_out=(LeftOut("x.txt", "no"),)).without([damage])
    assert kept.paths == ("a/1.jpg", "b/1.jpg", "b/2.jpg")
    assert kept.left_out == (LeftOut("x.txt", "no"), damage)
    assert kept.counts().tolist() == [1, 2]
    with pytest.raises(DataError, match=r"not in the data set: 'a/9\.jpg'"):
        dataset().without([LeftOut("a/9.jpg", "gone")])


def test_counts_has_a_place_for_an_empty_class() -> None:
    assert dataset(classes=("a", "b", "c")).counts().tolist() == [2, 2, 0]


def test_the_fingerprint_is_of_the_set_and_not_of_its_order() -> None:
    made = dataset()
    assert made.select([2, 0, 3, 1]).fingerprint() == made.fingerprint()
    # The same names by another label order are the same set.
    turned = dataset(classes=("b", "a"), labels=np.array([1, 1, 0, 0]))
    assert turned.fingerprint() == made.fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"paths": ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/3.jpg")},
        {"labels": np.array([0, 1, 1, 1])},
        {"classes": ("a", "c")},
        {"splits": np.array(["train", "test", "train", "test"])},
    ],
)
def test_the_fingerprint_tells_every_change(changes: dict[str, Any]) -> None:
    assert dataset(**changes).fingerprint() != dataset().fingerprint()


def test_fault_9_the_fingerprint_takes_any_name() -> None:
    paths = ("a/\udce9.jpg", "a/\ud800.jpg", "b/1\n.jpg", "b/2.jpg")
    assert len(dataset(paths=paths).fingerprint()) == 64


def test_full_path_starts_at_the_root() -> None:
    assert dataset().full_path(2) == Path("/nowhere/b/1.jpg")
