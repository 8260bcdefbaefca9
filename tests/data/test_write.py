from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topwork.data import ImageDataset, _write, from_arrays, read, read_texts, require_free, split, write_manifest
from topwork.errors import DataError

Make = Callable[..., Path]


def same(one: ImageDataset, two: ImageDataset) -> None:
    assert one.paths == two.paths
    assert one.labels.tolist() == two.labels.tolist()
    assert one.classes == two.classes
    assert one.splits.tolist() == two.splits.tolist()
    assert one.groups == two.groups


def test_what_is_written_reads_back_the_same(make: Make) -> None:
    folder = make("train/a/*3", "train/b, c/*2", "test/a/*1", "train/a/notes.txt")
    dataset = read(folder)
    written = write_manifest(dataset, folder / "clean.csv")
    assert written == folder / "clean.csv"
    same(read(written), dataset)
    assert written.read_bytes().startswith(b"path,label,split\r\n")
    assert b"notes.txt" not in written.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["clean.csv", "test", "train"]


def test_a_manifest_above_the_data_names_the_way_down(make: Make, tmp_path: Path) -> None:
    dataset = read(make("a/*2", "b/*2"))
    (tmp_path / "alias").symlink_to("set")
    for root in (dataset, read(tmp_path / "alias")):
        written = read(write_manifest(root, tmp_path / "clean.csv"))
        assert written.paths == tuple(f"set/{path}" for path in dataset.paths)
        assert written.left_out == ()


def test_a_manifest_beside_the_images_of_one_folder(make: Make) -> None:
    folder = make("deep/set/a/*1", "deep/set/b/*1", "deep/b/*1")
    written = write_manifest(read(folder / "deep" / "set"), folder / "deep" / "clean.csv")
    assert read(written).paths == ("set/a/0.jpg", "set/b/0.jpg")


def test_images_outside_the_manifests_folder_are_refused(make: Make, tmp_path: Path) -> None:
    dataset = read(make("a/*1", "b/*1"))
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(DataError, match="leaves the manifest's folder"):
        write_manifest(dataset, tmp_path / "elsewhere" / "clean.csv")
    with pytest.raises(DataError, match="leaves the manifest's folder"):
        write_manifest(dataset, dataset.root / "a" / "clean.csv")
    assert list((tmp_path / "elsewhere").iterdir()) == []


NAME = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=12)
ODD = st.sampled_from(
    ["two\nlines", "a\r", '"q"', "=1+1", "a,b", " lead", "\udce9", "file:x", "é", "\ufeffbom", "a\r\nb"]
)
# What is read has no class names of other encodings, with white space around them or of several (test_listing.py).
LABEL = (NAME | ODD).filter(lambda name: name == name.strip() and "\udce9" not in name and "," not in name)


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.tuples(LABEL, NAME | ODD, st.sampled_from(["p", "", "q\n,", "é"])), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_any_name_comes_back_or_is_refused(names: list[tuple[str, str, str]], seed: int) -> None:
    rows = sorted({f"{label}/{name}": (label, group) for label, name, group in names}.items())
    rows += [("a/0", ("a", "")), ("b/0", ("b", ""))]
    rows = list(dict(rows).items())
    with tempfile.TemporaryDirectory() as root:
        for path, _ in rows:
            file = os.path.join(root, path)
            if path.split("/")[1] in (".", "..") or path.split("/")[0] in (".", ".."):
                return
            os.makedirs(os.path.dirname(file), exist_ok=True)
            open(file, "wb").close()
        classes = tuple(sorted({label for _, (label, _) in rows}))
        dataset = ImageDataset(
            root=Path(root),
            paths=tuple(path for path, _ in rows),
            labels=np.array([classes.index(label) for _, (label, _) in rows]),
            classes=classes,
            splits=np.array([""] * len(rows)),
            groups=tuple(group for _, (_, group) in rows) if any(group for _, (_, group) in rows) else (),
        )
        try:
            written = write_manifest(dataset, Path(root) / "clean.csv")
        except DataError as error:
            refused = ("absolute", "leaves the manifest's folder", "the label is empty")
            if not error.message.endswith(refused):
                raise
            assert not (Path(root) / "clean.csv").exists()
            return
        same(read(written), dataset)


def test_groups_and_parts_are_written(make: Make) -> None:
    folder = make("x/*8")
    rows = "".join(f"x/{n}.jpg,{'ab'[n % 2]},p{n // 2}\n" for n in range(8))
    (folder / "set.csv").write_text("path,label,group\n" + rows)
    dataset = split(read(folder / "set.csv"), test=0.3)
    same(read(write_manifest(dataset, folder / "parted.csv")), dataset)


def test_another_manifest_goes_only_when_asked(make: Make) -> None:
    folder = make("a/*2", "b/*2")
    dataset = read(folder)
    written = write_manifest(dataset, folder / "clean.csv")
    before = (written.stat().st_ino, written.read_bytes())
    write_manifest(dataset, written)  # the same: nothing to do
    assert (written.stat().st_ino, written.read_bytes()) == before
    with pytest.raises(DataError, match="another manifest is there"):
        write_manifest(dataset.select([0, 2]), written)
    assert written.read_bytes() == before[1]
    write_manifest(dataset.select([0, 2]), written, replace=True)
    assert read(written).paths == ("a/0.jpg", "b/0.jpg")


@pytest.mark.parametrize("content", [b"", b"notes,more\n1,2\n", b"\xff\xd8\xff\xe0path,label"])
def test_what_is_no_manifest_is_never_touched(make: Make, content: bytes) -> None:
    folder = make("a/*1", "b/*1")
    (folder / "clean.csv").write_bytes(content)
    with pytest.raises(DataError, match="is not a manifest; it was not changed"):
        write_manifest(read(folder), folder / "clean.csv", replace=True)
    assert (folder / "clean.csv").read_bytes() == content


def test_an_image_a_folder_or_a_link_is_never_touched(make: Make, jpeg: bytes) -> None:
    folder = make("a/*1", "b/*1", "d.csv/")
    dataset = read(folder)
    with pytest.raises(DataError, match=r"must end in \.csv"):
        write_manifest(dataset, folder / "a" / "0.jpg", replace=True)
    assert (folder / "a" / "0.jpg").read_bytes() == jpeg
    (folder / "link.csv").symlink_to("a/0.jpg")
    (folder / "broken.csv").symlink_to("nowhere")
    for name in ("d.csv", "link.csv", "broken.csv"):
        with pytest.raises(DataError, match="already exists and is not a manifest; it was not changed"):
            write_manifest(dataset, folder / name, replace=True)
    assert (folder / "a" / "0.jpg").read_bytes() == jpeg
    assert not (folder / "nowhere").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a/0.jpg", r"must end in \.csv"),
        ("d.csv", "already exists and is not a manifest"),
        ("none/clean.csv", "cannot be written: No such file or directory"),
        ("a/clean.csv", "leaves the manifest's folder"),
    ],
)
def test_a_wrong_place_is_refused_before_and_after_the_work(make: Make, name: str, said: str) -> None:
    folder = make("a/*1", "b/*1", "d.csv/")
    for refuse in (require_free, write_manifest):
        with pytest.raises(DataError, match=said):
            refuse(read(folder), folder / name)
    require_free(read(folder), folder / "clean.csv")
    assert not (folder / "clean.csv").exists()


def test_another_manifest_is_refused_only_when_it_is_known_to_be_another(make: Make) -> None:
    folder = make("a/*1", "b/*1")
    dataset = read(folder)
    (folder / "clean.csv").write_bytes(write_manifest(dataset, folder / "set.csv").read_bytes())
    require_free(dataset, folder / "clean.csv")
    write_manifest(dataset, folder / "clean.csv")


def test_fault_32_what_cannot_be_written_leaves_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make("a/*1", "b/*1")
    dataset = read(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_write.os, "fsync", full)
    with pytest.raises(DataError, match="cannot be written: No space left"):
        write_manifest(dataset, folder / "clean.csv")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


def test_what_a_manifest_cannot_say_is_refused(make: Make) -> None:
    folder = make("a/*2", "b/*2")
    dataset = read(folder)
    arrays = from_arrays(np.zeros((2, 4, 4), np.uint8), [0, 1])
    with pytest.raises(DataError, match="are not files: a manifest cannot name them"):
        write_manifest(arrays, folder / "clean.csv")
    with pytest.raises(DataError, match="an image comes twice"):
        write_manifest(dataset.select([0, 0, 2]), folder / "clean.csv")
    some = dataclasses.replace(dataset, splits=np.array(["train", "", "", "test"]))
    with pytest.raises(DataError, match="some rows are in a split and others are not"):
        write_manifest(some, folder / "clean.csv")
    assert not (folder / "clean.csv").exists()


def test_classes_that_no_row_has_come_back_as_classes(make: Make) -> None:
    folder = make("a/*1", "b/", "c/*1")
    dataset = read(folder)
    written = write_manifest(dataset, folder / "clean.csv")
    same(read(written, classes=dataset.classes), dataset)


CELLS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=20).filter(str.strip)


@given(texts=st.lists(CELLS, min_size=4, max_size=8), splits=st.booleans(), groups=st.booleans())
@settings(deadline=None, max_examples=40)
def test_texts_read_back_the_same(texts: list[str], splits: bool, groups: bool) -> None:
    dataset = read_texts((texts, [f"{row % 2}, or so" for row in range(len(texts))]), classes=["0, or so", "1, or so"])
    names = np.array(["train" if row < 3 else "test" for row in range(len(texts))])
    dataset = dataclasses.replace(
        dataset,
        splits=names if splits else dataset.splits,
        groups=tuple("a" if row < 2 else "" for row in range(len(texts))) if groups else (),
    )
    with tempfile.TemporaryDirectory() as folder:
        require_free(dataset, Path(folder) / "clean.csv")
        written = write_manifest(dataset, Path(folder) / "clean.csv")
        again = read_texts(written, classes=dataset.classes)
    assert list(again.sources()) == texts
    assert again.labels.tolist() == dataset.labels.tolist()
    assert again.splits.tolist() == dataset.splits.tolist()
    assert again.groups == dataset.groups


def test_texts_never_go_over_what_they_were_read_from(tmp_path: Path) -> None:
    source = tmp_path / "reviews.csv"
    source.write_text("text,label,note\na,x,1\nb,y,2\n ,y,3\n")
    dataset, before = read_texts(source), source.read_bytes()
    require_free(dataset, source)
    for replace in (False, True):
        with pytest.raises(DataError, match="another manifest is there"):
            write_manifest(dataset, source, replace=replace)
    assert source.read_bytes() == before
    clean = write_manifest(dataset, tmp_path / "clean.csv")
    assert clean.read_bytes() == b"text,label\r\na,x\r\nb,y\r\n"
    assert write_manifest(dataset, clean) == clean
    assert len(read_texts(write_manifest(dataset.select([0]), clean, replace=True), classes=["x", "y"])) == 1
    images = tmp_path / "images.csv"
    images.write_text("path,label\n")
    with pytest.raises(DataError, match="already exists and is not a manifest"):
        write_manifest(dataset, images, replace=True)
