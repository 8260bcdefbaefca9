from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork.data import decode, from_arrays, read, split
from topwork.errors import DataError, ImageError


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)


def test_rows_are_the_arrays_and_are_not_copied(images: np.ndarray) -> None:
    dataset = from_arrays(images, ["b", "a", "b", "a", "b", "a"])
    assert dataset.paths == ("0", "1", "2", "3", "4", "5")
    assert dataset.classes == ("a", "b")
    assert dataset.labels.tolist() == [1, 0, 1, 0, 1, 0]
    for row, source in enumerate(dataset.sources()):
        assert isinstance(source, np.ndarray)
        assert np.shares_memory(source, images)
        np.testing.assert_array_equal(decode(source), images[row])
    chosen = dataset.select([4, 1])
    np.testing.assert_array_equal(decode(chosen.source(0)), images[4])
    with pytest.raises(ValueError, match="read-only"):
        decode(chosen.source(0))[0] = 0


def test_grey_images_become_rgb(images: np.ndarray) -> None:
    pixels = decode(from_arrays(images[..., 0], [0, 1, 0, 1, 0, 1]).source(2))
    assert pixels.shape == (5, 7, 3)
    np.testing.assert_array_equal(pixels, np.stack([images[2, ..., 0]] * 3, axis=-1))


def test_a_memory_mapped_array_stays_on_disk(images: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(decode(from_arrays(mapped, [0, 1] * 3).source(3)), images[3])


def test_whole_numbers_are_positions_in_classes_or_names_in_numeric_order(images: np.ndarray) -> None:
    assert from_arrays(images, [10, 2, 10, 2, 10, 2]).classes == ("2", "10")
    dataset = from_arrays(images, np.array([2, 0, 2, 0, 2, 0], np.uint8), classes=("z", "unused", "a"))
    assert dataset.classes == ("z", "unused", "a")
    assert dataset.labels.tolist() == [2, 0, 2, 0, 2, 0]
    assert any("no training image of class 'unused'" in note for note in dataset.notes)
    assert from_arrays(images, ["z", "a"] * 3, classes=("z", "a")).labels.tolist() == [0, 1] * 3


def test_parts_and_groups(images: np.ndarray) -> None:
    splits = ["train", "train", "validation", "test", "train", "train"]
    dataset = from_arrays(images, [0, 1] * 3, splits=splits, groups=["p", "", "q", "", "p", "r"])
    assert dataset.splits.tolist() == ["train", "train", "val", "test", "train", "train"]
    assert dataset.groups == ("p", "", "q", "", "p", "r")
    with pytest.raises(DataError, match="group 'p' is in both"):
        from_arrays(images, [0, 1] * 3, splits=splits, groups=["p", "", "p", "", "", ""])


def test_fault_2_one_class_is_enough_only_with_classes(images: np.ndarray) -> None:
    with pytest.raises(DataError, match="only one class, '0'"):
        from_arrays(images, [0] * 6)
    assert from_arrays(images, [0] * 6, classes=("a", "b")).counts().tolist() == [6, 0]


def test_it_is_split_like_any_other(images: np.ndarray) -> None:
    parted = split(from_arrays(images, [0, 1] * 3), test=0.34)
    for row, path in enumerate(parted.split("test").paths):
        np.testing.assert_array_equal(decode(parted.split("test").source(row)), images[int(path)])
    assert parted.split("test").counts().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((2, 4, 4, 3))}, r"uint8 .* not float64 \(2, 4, 4, 3\)"),
        ({"images": np.zeros((2, 3, 4, 4), np.uint8)}, r"not uint8 \(2, 3, 4, 4\)"),
        ({"images": np.zeros((2, 4, 4, 1), np.uint8)}, r"not uint8 \(2, 4, 4, 1\)"),
        ({"images": np.zeros((2, 0, 4, 3), np.uint8)}, "not uint8"),
        ({"images": np.zeros((4, 4), np.uint8)}, "not uint8"),
        ({"images": np.zeros((3, 4, 4), np.uint8)}, r"3 images, but \[2\] labels"),
        ({"labels": [0.5, 1.0]}, "not float64"),
        ({"labels": np.array(["a", None], object)}, "the label of row 1 is missing"),
        ({"labels": np.array(["a", 1], object)}, "not object"),
        ({"labels": [[0, 1]]}, r"not int64 \(1, 2\)"),
        ({"labels": ["a", " "]}, "the label is empty"),
        ({"labels": ["cat", "dgo"], "classes": ["cat", "dog"]}, "'dgo' is not a class; nearest: 'dog'"),
        ({"labels": [0, 2], "classes": ["cat", "dog"]}, "labels run from 0 to 2, but there are 2 classes"),
        ({"labels": [-1, 1], "classes": ["cat", "dog"]}, "labels run from -1 to 1"),
        ({"classes": ["cat", "cat"]}, "a class name comes twice"),
        ({"splits": ["train", "tset"]}, "split 'tset'; nearest: 'test'"),
        ({"splits": ["train"]}, r"2 images, but \[1, 2\]"),
        ({"splits": ["val", "val"]}, "no training rows"),
        ({"images": np.zeros((0, 4, 4), np.uint8), "labels": []}, "no training rows"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": [0, 1], **changes}
    with pytest.raises(DataError, match=message):
        from_arrays(**arguments)


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_pixels_of_another_shape_are_not_decoded(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError, match="an image array must be uint8"):
        decode(pixels)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array(["box", "disc", "box", "disc"], object), ("box", "disc")),
        (np.array([[0], [1], [0], [1]]), ("0", "1")),
        (np.array([True, False, True, False]), ("False", "True")),
        ([1.0, 0.0, 1.0, 0.0], ("0", "1")),
    ],
)
def test_labels_of_every_usual_kind_are_taken(labels: Any, classes: tuple[str, ...]) -> None:
    assert from_arrays(np.zeros((4, 4, 4, 3), np.uint8), labels).classes == classes


def test_columns_of_a_data_frame_are_labels() -> None:
    pandas = pytest.importorskip("pandas")
    images = np.zeros((4, 4, 4), np.uint8)
    for series in (
        pandas.Series(list("abab")),
        pandas.Series(list("abab"), dtype="category"),
        pandas.Series([0, 1, 0, 1]),
    ):
        assert len(from_arrays(images, series).classes) == 2


def test_a_pair_of_images_and_labels_is_a_data_set(photos: list[Path]) -> None:
    pixels = decode(photos[0])
    dataset = read(([str(photos[0]), photos[0].read_bytes(), pixels, Image.fromarray(pixels)], ["a", "a", "b", "b"]))
    assert dataset.classes == ("a", "b")
    for source in dataset.sources():
        np.testing.assert_array_equal(decode(source), pixels)
    assert read((np.zeros((2, 4, 4), np.uint8), ["a", "b"])).classes == ("a", "b")
    with pytest.raises(ImageError, match="a NoneType is not an image"):
        read(([None, None], ["a", "b"])).source(0)


def test_open_files_of_a_pair_may_be_asked_for_again(photos: list[Path]) -> None:
    with photos[0].open("rb") as one, photos[0].open("rb") as other:
        dataset = read(([one, other], ["a", "b"]))
    assert dataset.source(0) == dataset.source(0) == photos[0].read_bytes()
