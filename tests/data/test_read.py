from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import topwork.data
from topwork.data import read
from topwork.errors import DataError, MissingExtraError

Make = Callable[..., Path]


def test_the_public_names_are_sorted_and_there() -> None:
    assert topwork.data.__all__ == sorted(topwork.data.__all__, key=lambda name: (name.islower(), name))
    assert all(hasattr(topwork.data, name) for name in topwork.data.__all__)


def test_importing_the_room_loads_no_decoder_and_no_torch() -> None:
    heavy = "{'torch', 'PIL', 'simplejpeg', 'pyarrow', 'datasets'}"
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


@pytest.mark.parametrize("name", ["set.xml", "picture.jpg", "set"])
def test_a_file_of_another_kind_is_refused_with_what_is_understood(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"path,label\n")
    with pytest.raises(DataError, match=r"neither a folder nor a file of a supported kind") as caught:
        read(tmp_path / name)
    assert "(.csv, .tsv, .jsonl, .parquet, .tar)" in caught.value.message
    for known in ("folder", "manifest", "WebDataset", "Hugging Face", "from_arrays"):
        assert known in caught.value.hint


@pytest.mark.parametrize("data", [None, 3, b"set.csv", ["a.jpg"], np.zeros((2, 4, 4, 3), np.uint8)])
def test_an_object_that_is_not_understood_is_refused_with_what_is(data: object) -> None:
    with pytest.raises(DataError, match=f"not a data set: a {type(data).__name__}") as caught:
        read(data)
    assert "from_arrays(images, labels)" in caught.value.hint


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.TAR.XZ", "a.tar.zst"])
def test_a_compressed_shard_is_refused_with_the_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match="is compressed") as caught:
        read(tmp_path / name)
    assert "plain .tar" in caught.value.hint


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "tar"])
def test_fault_13_a_fifo_called_a_manifest_does_not_hang(tmp_path: Path, suffix: str) -> None:
    os.mkfifo(tmp_path / f"set.{suffix}")
    with pytest.raises(DataError, match="neither a folder nor a file"):
        read(tmp_path / f"set.{suffix}")


@pytest.mark.parametrize(
    ("name", "module", "pip"),
    [("set.parquet", "pyarrow", "topwork[parquet]"), ("saved", "datasets", "topwork[datasets]")],
)
def test_a_missing_extra_names_its_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, pip: str
) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": []}')
    (tmp_path / "set.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, module, None)  # import raises
    with pytest.raises(MissingExtraError, match=f"needs {module}") as caught:
        read(tmp_path / name)
    assert f"pip install '{pip}'" in caught.value.hint


def test_a_saved_models_classes_keep_their_order_and_one_suffices(make: Make) -> None:
    dataset = read(make("dog/*2"), classes=("horse", "dog", "cat"))
    assert dataset.classes == ("horse", "dog", "cat")
    assert dataset.labels.tolist() == [1, 1]
    assert dataset.notes == ("no image of 2 classes: 'horse', 'cat': there is nothing to measure for them",)


def test_what_was_read_is_given_back(make: Make) -> None:
    dataset = read(make("cat/*2", "dog/*3"))
    assert read(dataset) is dataset
    assert read(dataset, classes=("dog", "cat")).labels.tolist() == [1, 1, 0, 0, 0]
    with pytest.raises(DataError, match="are not 'cat', 'dog' in another order"):
        read(dataset, classes=("cat", "cow"))


def test_a_class_that_the_saved_model_does_not_know_is_refused(make: Make) -> None:
    with pytest.raises(DataError, match="class 'dgo' is not one that the model knows; nearest: 'dog'"):
        read(make("dgo/*2"), classes=("dog", "cat"))


def test_a_test_folder_alone_is_enough_for_a_saved_model(make: Make) -> None:
    dataset = read(make("test/dog/*2"), classes=("cat", "dog"))
    assert dataset.split("test").labels.tolist() == [1, 1]
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
