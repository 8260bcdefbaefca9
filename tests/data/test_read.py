from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import topwork.data
from topwork.data import read
from topwork.errors import DataError

Make = Callable[..., Path]


def test_the_public_names_are_sorted_and_there() -> None:
    assert topwork.data.__all__ == sorted(topwork.data.__all__, key=lambda name: (name.islower(), name))
    assert all(hasattr(topwork.data, name) for name in topwork.data.__all__)


def test_importing_the_room_loads_no_decoder_and_no_torch() -> None:
    heavy = "{'torch', 'PIL', 'simplejpeg'}"
    code = f"import sys, topwork.data; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_opens_no_image(make: Make) -> None:
    folder = make("cat/*2", "dog/*2", **{"cat/0.jpg": b"", "dog/0.jpg": b"text"})
    assert len(read(folder)) == 4  # nothing has looked inside


@pytest.mark.parametrize("name", ["missing", "missing.csv", "nul\0.csv"])
def test_a_missing_path_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"missing|nul"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["set.jsonl", "set.parquet", "picture.jpg"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"neither a folder nor a manifest \(\.csv\)"):
        read(tmp_path / name)


def test_fault_13_a_fifo_called_a_manifest_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "set.csv")
    with pytest.raises(DataError, match="neither a folder nor a manifest"):
        read(tmp_path / "set.csv")


def test_a_saved_models_classes_keep_their_order_and_one_suffices(make: Make) -> None:
    dataset = read(make("dog/*2"), classes=("horse", "dog", "cat"))
    assert dataset.classes == ("horse", "dog", "cat")
    assert dataset.labels.tolist() == [1, 1]
    assert dataset.notes == ("no image of 2 classes: 'horse', 'cat': nothing will be measured for them",)


def test_a_class_that_the_saved_model_does_not_know_is_refused(make: Make) -> None:
    with pytest.raises(DataError, match="class 'dgo' is not one that the model knows; nearest: 'dog'"):
        read(make("dgo/*2"), classes=("dog", "cat"))


def test_a_test_folder_alone_is_enough_for_a_saved_model(make: Make) -> None:
    dataset = read(make("test/dog/*2"), classes=("cat", "dog"))
    assert dataset.part("test").labels.tolist() == [1, 1]
    named_test = read(make("test/*2", root="other"), classes=("test", "cat"))
    assert named_test.labels.tolist() == [0, 0]


def test_fault_18_a_class_of_one_image_is_noted(make: Make) -> None:
    notes = read(make("a/*1", "b/*3")).notes
    assert notes == ("only one training image of class 'a': nothing can be held out to measure it",)


def test_fault_18_imbalance_is_noted_with_numbers(make: Make) -> None:
    assert read(make("a/*20", "b/*2")).notes == ()
    notes = read(make("a/*23", "b/*2", root="other")).notes
    assert notes == ("imbalanced: 'a' has 23 training images, 'b' has 2 (12:1)",)


def test_fault_18_notes_count_the_training_part_only(make: Make) -> None:
    notes = read(make("train/a/*2", "train/b/*2", "test/a/*40", "test/b/*1")).notes
    assert notes == ()
