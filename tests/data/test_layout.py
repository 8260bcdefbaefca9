"""Folders as people have them: splits under other names, wrappers, and what topwork wrote beside the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from topwork.data import read
from topwork.data._layout import classes_of, is_own_output, split_of, splits_of
from topwork.errors import DataError
from topwork.explain._pictures import write_picture

Make = Callable[..., Path]
MODEL = Path(__file__).parents[1] / "model" / "formats" / "1-first"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Training", "train"),
        ("training_set", "train"),
        ("trainset", "train"),
        ("train images", "train"),
        ("TEST_SET", "test"),
        ("Testing", "test"),
        ("dev", "val"),
        ("valid", "val"),
        ("eval", "val"),
        ("train_val", ""),
        ("train station", ""),
        ("contest", ""),
        ("invalid", ""),
        ("", ""),
    ],
)
def test_a_name_means_a_split_where_nothing_else_is_said(name: str, split: str) -> None:
    assert split_of(name) == split


def test_a_word_that_the_folders_share_tells_nothing() -> None:
    assert splits_of(["seg_train", "seg_test", "seg_pred"]) == {"seg_train": "train", "seg_test": "test"}
    assert splits_of(["steam_train", "bullet_train", "car"]) == {}


@pytest.mark.parametrize(
    ("train", "test"),
    [("Training", "Testing"), ("seg_train", "seg_test"), ("training_set", "test_set"), ("train", "eval")],
)
def test_splits_are_known_by_their_usual_names(make: Make, train: str, test: str) -> None:
    dataset = read(make(f"{train}/a/*2", f"{train}/b/*2", f"{test}/a/*1", f"{test}/b/*1"))
    assert dataset.classes == ("a", "b")
    assert [str(split) for split in np.unique(dataset.splits)] == sorted({"train", split_of(test) or "test"})
    assert len(dataset.split("train")) == 4


def test_a_wrapper_is_entered(make: Make) -> None:
    dataset = read(make("dataset/a/*2", "dataset/b/*1", "readme.txt"))
    assert dataset.classes == ("a", "b")
    assert dataset.paths == ("dataset/a/0.jpg", "dataset/a/1.jpg", "dataset/b/0.jpg")
    assert "the images are read from the folder 'dataset'" in dataset.notes


def test_a_wrapper_in_a_wrapper_and_in_each_split_is_entered(make: Make) -> None:
    wrapped = make("x/y/seg_train/seg_train/a/*2", "x/y/seg_train/seg_train/b/*2", "x/y/seg_test/seg_test/a/*1")
    dataset = read(wrapped)
    assert dataset.classes == ("a", "b")
    assert dataset.split("test").paths == ("x/y/seg_test/seg_test/a/0.jpg",)


def test_a_single_class_is_no_wrapper(make: Make) -> None:
    with pytest.raises(DataError, match="only one class, 'cat'"):
        read(make("cat/*2", "cat/kitten/*1"))
    with pytest.raises(DataError, match="only one class, 'cat'"):
        read(make("cat/*2", "cat/kitten/*1", "cat/old/*2", root="other"))


def test_folders_that_all_hold_the_same_folders_are_refused(make: Make) -> None:
    with pytest.raises(DataError, match=r"'first', 'second' all hold the folders 'a', 'b'") as caught:
        read(make("first/a/*2", "first/b/*2", "second/a/*1", "second/b/*1"))
    assert "train, val and test" in caught.value.hint


def test_classes_whose_folders_differ_are_classes(make: Make) -> None:
    assert read(make("cat/a/*2", "cat/b/*2", "dog/a/*1", "dog/c/*1")).classes == ("cat", "dog")


def test_two_splits_beside_classes_are_refused(make: Make) -> None:
    with pytest.raises(DataError, match=r"'test', 'train' look like splits"):
        read(make("train/*2", "test/*2", "cat/*2"))
    assert read(make("train/*2", "bus/*2", root="vehicles")).classes == ("bus", "train")


def test_what_topwork_wrote_is_no_class(make: Make) -> None:
    folder = make("cat/*2", "dog/*2", f"m.training/checkpoint-000001-{'0' * 64}.safetensors")
    (folder / "model").symlink_to(MODEL)  # not entered either way
    (folder / "moved").mkdir()
    (folder / "moved" / "model.json").write_bytes((MODEL / "model.json").read_bytes())
    write_picture(np.zeros((8, 8, 3), np.uint8), folder / "explained" / "0-grad-cam.png")
    dataset = read(folder)
    assert dataset.classes == ("cat", "dog")
    told = {item.path: item.reason for item in dataset.left_out}
    assert {name for name, reason in told.items() if "made by topwork" in reason} == {
        "explained",
        "m.training",
        "moved",
    }


def test_a_users_folder_is_not_taken_for_topworks(make: Make) -> None:
    folder = make("cat/*2", "dog/model.json", "dog/*1", "empty/")
    assert not any(is_own_output(str(folder / name)) for name in ("cat", "dog", "empty", "gone"))
    assert read(folder).classes == ("cat", "dog", "empty")


@pytest.mark.parametrize("prefix", ["", "images/"])
def test_pets_as_they_are_downloaded(make: Make, jpeg: bytes, prefix: str) -> None:
    folder = make(f"{prefix}readme.txt", "annotations/list.txt") if prefix else make("readme.txt")
    for name in ("Abyssinian_1", "Abyssinian_102", "american_bulldog_7", "american_bulldog_8"):
        (folder / f"{prefix}{name}.jpg").write_bytes(jpeg)
    dataset = read(folder)
    assert dataset.classes == ("Abyssinian", "american_bulldog")
    assert dataset.counts().tolist() == [2, 2]
    assert any("without the number" in note for note in dataset.notes)
    assert read(folder, classes=("american_bulldog", "Abyssinian")).labels.tolist() == [1, 1, 0, 0]


def test_birds_as_they_are_downloaded(make: Make) -> None:
    beside = ("attributes/a.txt", "parts/p.txt", "classes.txt")
    dataset = read(make("images/001.Albatross/*2", "images/002.Auklet/*2", *beside))
    assert dataset.classes == ("001.Albatross", "002.Auklet")


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_1.jpg", "IMG_2.jpg", "DSC_1.jpg", "DSC_2.jpg"],  # cameras
        ["cat.1.jpg", "cat.2.jpg"],  # one class
        ["cat_1.jpg", "dog_1.jpg", "cow_1.jpg"],  # as many classes as images
        ["cat_1.jpg", "cat_2.jpg", "dog_1.jpg", "dog.jpg"],
        ["1.jpg", "2.jpg", "0001_2.jpg", "0001_3.jpg"],
        [],
    ],
)
def test_other_names_tell_no_classes(names: list[str]) -> None:
    assert classes_of(names) == {}


def test_kaggles_cats_and_dogs_are_told_by_their_names() -> None:
    assert set(classes_of(["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.10.jpg"]).values()) == {"cat", "dog"}
