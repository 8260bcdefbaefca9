from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from topwork.data import ImageDataset, read
from topwork.errors import DataError

Make = Callable[..., Path]


def reasons(dataset: ImageDataset) -> dict[str, str]:
    return {item.path: item.reason for item in dataset.left_out}


def test_class_folders_are_read_in_sorted_order(make: Make) -> None:
    dataset = read(make("dog/*2", "cat/*1", "ant/*3"))
    assert dataset.classes == ("ant", "cat", "dog")
    assert dataset.paths == ("ant/0.jpg", "ant/1.jpg", "ant/2.jpg", "cat/0.jpg", "dog/0.jpg", "dog/1.jpg")
    assert dataset.labels.tolist() == [0, 0, 0, 1, 2, 2]
    assert set(dataset.splits.tolist()) == {""}
    assert dataset.full_path(3).read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize("held_out", ["val", "valid", "validation", "Validation"])
def test_parts_are_read_from_folders(make: Make, held_out: str) -> None:
    dataset = read(make("train/a/*2", "train/b/*2", f"{held_out}/a/*1", "test/b/*1"))
    assert dataset.classes == ("a", "b")
    assert dataset.split("val").paths == (f"{held_out}/a/0.jpg",)
    assert dataset.split("test").labels.tolist() == [1]
    assert dataset.split("train").counts().tolist() == [2, 2]


def test_a_class_called_train_is_a_class(make: Make) -> None:
    assert read(make("train/*2", "car/*2", "bus/*2")).classes == ("bus", "car", "train")


def test_parts_without_train_are_refused_for_training(make: Make) -> None:
    with pytest.raises(DataError, match="no 'train'"):
        read(make("val/a/*1", "test/a/*1"))


def test_a_part_given_twice_is_refused(make: Make) -> None:
    with pytest.raises(DataError, match="one split twice"):
        read(make("train/a/*1", "train/b/*1", "val/a/*1", "valid/a/*1"))


def test_a_folder_beside_the_parts_is_listed(make: Make) -> None:
    dataset = read(make("train/a/*1", "train/b/*1", "drafts/*4"))
    assert reasons(dataset) == {"drafts": "a folder beside 'train' that is not 'val' or 'test'"}


def test_fault_1_an_empty_root_is_a_named_error(make: Make) -> None:
    with pytest.raises(DataError, match=r"no class folders in .*set") as caught:
        read(make())
    assert "DATA/cat/1.jpg" in caught.value.hint


def test_fault_1_a_root_of_loose_images_or_an_empty_train_has_no_class_folders(make: Make) -> None:
    with pytest.raises(DataError, match="no class folders in"):
        read(make("*3"))
    with pytest.raises(DataError, match=r"no class folders in .*train"):
        read(make("train/", "val/a/*1", root="other"))


def test_fault_1_class_folders_without_an_image_are_refused(make: Make) -> None:
    with pytest.raises(DataError, match="no usable image") as caught:
        read(make("a/", "b/notes.txt"))
    assert "b/notes.txt" in caught.value.hint


def test_fault_2_one_class_is_refused_with_why(make: Make) -> None:
    with pytest.raises(DataError, match=r"only one class, 'cat'.*at least two classes"):
        read(make("cat/*3"))


def test_fault_2_one_class_with_images_is_refused_too(make: Make) -> None:
    with pytest.raises(DataError, match="only class 'cat' has training images"):
        read(make("cat/*3", "dog/"))


def test_fault_3_an_empty_class_folder_keeps_its_index(make: Make) -> None:
    dataset = read(make("a/*2", "b/", "c/*2"))
    assert dataset.classes == ("a", "b", "c")
    assert dataset.labels.tolist() == [0, 0, 2, 2]
    assert any("no training image of class 'b'" in note for note in dataset.notes)


def test_fault_4_val_may_lack_a_class(make: Make) -> None:
    dataset = read(make("train/a/*1", "train/b/*1", "train/c/*1", "val/c/*2"))
    assert dataset.classes == ("a", "b", "c")
    assert dataset.split("val").labels.tolist() == [2, 2]


@pytest.mark.parametrize("part", ["val", "test"])
def test_fault_5_an_extra_class_held_out_is_an_error(make: Make, part: str) -> None:
    with pytest.raises(DataError, match=f"class 'cab' is in {part} but not in train.*nearest: 'cat'"):
        read(make("train/cat/*1", "train/dog/*1", f"{part}/cab/*1"))


def test_fault_6_classes_are_sorted_as_text_and_known_by_name(make: Make) -> None:
    folder = make("10/*1", "2/*2")
    assert read(folder).classes == ("10", "2")
    saved = read(folder, classes=("2", "10"))
    assert [saved.classes[label] for label in saved.labels] == ["10", "2", "2"]


@pytest.mark.parametrize(("one", "two"), [("Cat", "cat"), ("caf\u00e9", "cafe\u0301"), ("STRASSE", "straße")])
def test_fault_7_names_that_are_hard_to_tell_apart_are_reported(make: Make, one: str, two: str) -> None:
    dataset = read(make(f"{one}/*2", f"{two}/*2", "other/*2"))
    assert set(dataset.classes) == {one, two, "other"}
    assert sum("differ only by case or Unicode form" in note for note in dataset.notes) == 1


def test_fault_8_html_in_names_survives_as_text(make: Make) -> None:
    dataset = read(make("<b>cat<&>/<script>alert(1)<.jpg", "dog/*2"))
    assert dataset.classes[0] == "<b>cat<&>"
    assert dataset.paths[0] == "<b>cat<&>/<script>alert(1)<.jpg"


def test_fault_9_newline_and_non_utf8_names_are_read(make: Make, jpeg: bytes) -> None:
    folder = make("cat/two\nlines.jpg", "dog/*1")
    raw = os.path.join(os.fsencode(folder), b"cat", b"caf\xe9.jpg")
    try:
        with open(raw, "wb") as file:
            file.write(jpeg)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    dataset = read(folder)
    assert [os.fsencode(path) for path in dataset.paths[:2]] == [b"cat/caf\xe9.jpg", b"cat/two\nlines.jpg"]
    assert dataset.full_path(0).read_bytes() == jpeg
    assert len(dataset.fingerprint()) == 64


def test_fault_9_an_error_about_such_a_name_is_one_line(make: Make) -> None:
    with pytest.raises(DataError) as caught:
        read(make("on\nly/*2"))
    assert "on\\nly" in caught.value.message
    assert len(caught.value.message.splitlines()) == 1


def test_fault_10_links_are_followed_to_files_inside_only(make: Make, tmp_path: Path, jpeg: bytes) -> None:
    folder = make("cat/*1", "dog/*1")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.jpg").write_bytes(jpeg)
    (folder / "cat" / "inside.jpg").symlink_to(folder / "dog" / "0.jpg")
    (folder / "cat" / "out.jpg").symlink_to(outside / "x.jpg")
    (folder / "cat" / "up.jpg").symlink_to("../../outside/x.jpg")
    (folder / "cat" / "gone.jpg").symlink_to("nothing.jpg")
    (folder / "cat" / "self.jpg").symlink_to("self.jpg")
    (folder / "cat" / "loop").symlink_to(folder)
    (folder / "elsewhere").symlink_to(outside)
    dataset = read(folder)
    assert dataset.paths == ("cat/0.jpg", "cat/inside.jpg", "dog/0.jpg")
    assert dataset.classes == ("cat", "dog")
    assert reasons(dataset) == {
        "cat/out.jpg": "a link that leaves the data folder",
        "cat/up.jpg": "a link that leaves the data folder",
        "cat/gone.jpg": "no such file",
        "cat/self.jpg": "a link that leads back to itself",
        "cat/loop": "a link that leaves the data folder",
        "elsewhere": "a link that leaves the data folder",
    }


def test_fault_10_a_folder_that_is_itself_a_link_is_read(make: Make, tmp_path: Path) -> None:
    make("cat/*1", "dog/*1")
    (tmp_path / "alias").symlink_to("set")
    assert len(read(tmp_path / "alias")) == 2


def test_fault_10_a_linked_folder_inside_is_not_followed(make: Make) -> None:
    folder = make("cat/*1", "dog/*1")
    (folder / "cat" / "dogs").symlink_to("../dog")
    assert reasons(read(folder)) == {"cat/dogs": "a linked folder is not followed"}


def test_links_are_followed_when_asked(make: Make, tmp_path: Path) -> None:
    pool = make("cats/*3", "dogs/*2", "dogs/deep/*1", root="pool")
    folder = make("cat/", root="subset")
    (folder / "cat" / "a.jpg").symlink_to(pool / "cats" / "0.jpg")
    (folder / "cat" / "b.jpg").symlink_to(pool / "cats" / "2.jpg")
    (folder / "dog").symlink_to(pool / "dogs")
    with pytest.raises(DataError, match="only one class, 'cat'"):
        read(folder)
    dataset = read(folder, follow_links=True)
    assert dataset.paths == ("cat/a.jpg", "cat/b.jpg", "dog/0.jpg", "dog/1.jpg", "dog/deep/0.jpg")
    assert dataset.classes == ("cat", "dog")
    assert all(dataset.full_path(row).is_file() for row in range(len(dataset)))


def test_links_that_lead_round_end(make: Make) -> None:
    folder = make("cat/*1", "dog/*2")
    (folder / "cat" / "up").symlink_to(folder)
    (folder / "cat" / "self").symlink_to(folder / "cat")
    (folder / "cat" / "dogs").symlink_to(folder / "dog")
    (folder / "dog" / "cats").symlink_to(folder / "cat")
    dataset = read(folder, follow_links=True)
    assert dataset.counts().tolist() == [3, 3]  # one real folder is read once a class
    assert set(reasons(dataset).values()) == {"a link to a folder that is read already"}


def test_links_are_named_where_they_are_the_cause(make: Make) -> None:
    pool = make("cats/*2", "dogs/*2", root="pool")
    folder = make("linked/", root="subset")
    (folder / "linked").rmdir()
    for name in ("cats", "dogs"):
        (folder / name).symlink_to(pool / name)
    with pytest.raises(DataError, match="no class folders") as caught:
        read(folder)
    assert "--follow-links" in caught.value.hint
    assert read(folder, follow_links=True).classes == ("cats", "dogs")
    (pool / "birds").symlink_to(folder)
    assert any("links are not followed (1)" in note for note in read(pool).notes)


@contextmanager
def powerless() -> Iterator[None]:
    """Run as a user without root's rights, since root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="POSIX permissions")
def test_fault_11_unreadable_files_and_folders_are_listed(make: Make) -> None:
    # pytest's own folder is closed to other users, so this one lies elsewhere.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "set"
        shutil.copytree(make("cat/*3", "dog/*2", "cat/deep/*1", "eel/*1"), folder)
        os.chmod(name, 0o755)
        closed = [folder / "cat" / "1.jpg", folder / "cat" / "deep", folder / "eel"]
        for path in closed:
            path.chmod(0)
        with powerless():
            dataset = read(folder)
        for path in closed:
            path.chmod(0o700)
    assert dataset.paths == ("cat/0.jpg", "cat/2.jpg", "dog/0.jpg", "dog/1.jpg")
    assert dataset.classes == ("cat", "dog", "eel")
    denied = "cannot be read: permission denied"
    assert reasons(dataset) == {"cat/1.jpg": denied, "cat/deep": denied, "eel": denied}


def test_fault_12_system_and_hidden_entries_are_ignored_and_counted(make: Make) -> None:
    hidden = [
        "cat/.DS_Store",
        "cat/Thumbs.db",
        "dog/desktop.ini",
        "dog/._0.jpg",
        ".git/a.jpg",
        "cat/.x/0.jpg",
    ]
    dataset = read(make("cat/*1", "dog/*1", "__MACOSX/cat/._0.jpg", *hidden))
    assert dataset.paths == ("cat/0.jpg", "dog/0.jpg")
    assert dataset.classes == ("cat", "dog")
    assert dataset.left_out == ()
    assert dataset.ignored == 7


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_fault_13_a_fifo_and_a_socket_are_listed_without_a_hang(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make("cat/*1", "dog/*1")
    os.mkfifo(folder / "cat" / "pipe.jpg")
    (folder / "dog" / "device.jpg").symlink_to("/dev/zero")
    monkeypatch.chdir(folder)  # a socket's name may be 108 bytes long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("dog/socket.jpg")
        dataset = read(folder)
    assert reasons(dataset) == {
        "cat/pipe.jpg": "not a regular file",
        "dog/device.jpg": "a link that leaves the data folder",
        "dog/socket.jpg": "not a regular file",
    }


def test_fault_14_a_folder_that_vanishes_is_listed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make("cat/*1", "cat/sub/*1", "dog/*1")
    scandir = os.scandir

    def vanish(path: str | os.PathLike[str]) -> Iterator[os.DirEntry[str]]:
        if os.fspath(path).endswith("sub"):
            (folder / "cat" / "sub" / "0.jpg").unlink()
            (folder / "cat" / "sub").rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", vanish)
    assert reasons(read(folder)) == {"cat/sub": "no such file"}


def test_a_file_that_is_no_image_by_its_name_is_listed(make: Make) -> None:
    dataset = read(make("cat/*1", "dog/*1", "dog/notes.TXT", "dog/scan.pdf", "dog/README", "labels.csv", "a.jpg"))
    assert reasons(dataset) == {
        "dog/notes.TXT": "its extension '.txt' is not that of an image",
        "dog/scan.pdf": "its extension '.pdf' is not that of an image",
        "dog/README": "its name has no extension",
        "labels.csv": "its extension '.csv' is not that of an image",
        "a.jpg": "not in a class folder",
    }


def test_masks_beside_images_are_left_out_and_told(make: Make) -> None:
    found = read(
        make(
            "benign/benign (1).png",
            "benign/benign (1)_mask.png",
            "benign/benign (1)_mask_1.png",
            "benign/gas_mask.jpg",
            "normal/a.jpg",
            "normal/a-seg.png",
        )
    )
    assert found.paths == ("benign/benign (1).png", "benign/gas_mask.jpg", "normal/a.jpg")
    assert {item.reason for item in found.left_out} == {"looks like the mask of the image beside it"}
    assert "masks beside images are left out (3), such as 'benign/benign (1)_mask.png'" in found.notes


def test_images_in_nested_folders_belong_to_the_class(make: Make) -> None:
    dataset = read(make("cat/2023/may/*1", "cat/0.jpg", "dog/*1"))
    assert dataset.paths == ("cat/0.jpg", "cat/2023/may/0.jpg", "dog/0.jpg")
    assert dataset.counts().tolist() == [2, 1]


def test_folders_nested_deeper_than_python_recurses_are_read(make: Make) -> None:
    folder = make("cat/*1", "dog/*1")
    deep = "cat" + "/d" * 1200
    try:
        for depth in range(1, 1201):
            os.mkdir(folder / ("cat" + "/d" * depth))
        (folder / deep / "x.jpg").write_bytes(b"")
        assert f"{deep}/x.jpg" in read(folder).paths
    finally:  # pytest's own clean-up recurses
        (folder / deep / "x.jpg").unlink()
        os.removedirs(folder / deep)


ENTRIES = st.sampled_from(
    [
        "ok.jpg",
        "b.PNG",
        "bad.txt",
        "none",
        ".hid.jpg",
        "Thumbs.db",
        "sub/x.gif",
        "sub/.y",
        "sub/z.doc",
        "d e/é.tif",
    ]
)
DAMAGE = st.sampled_from([b"", b"\xff\xd8\xff", b"text", b"\x89PNG\r\n\x1a\n"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    files=st.dictionaries(st.tuples(st.sampled_from(["", "a/", "b/", "c/.h/"]), ENTRIES), DAMAGE, max_size=12),
    part=st.sampled_from(["", "train/"]),
    links=st.sets(st.sampled_from(["a/link.jpg", "b/link.jpg", "link.jpg"])),
)
def test_every_file_is_used_or_listed_exactly_once(
    files: dict[tuple[str, str], bytes], part: str, links: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder, entry in [*files, ("a/", "0.jpg"), ("b/", "0.jpg")]:
            path = root / part / folder / entry
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files.get((folder, entry), b""))
        for link in links:
            (root / part / link).symlink_to("nowhere")
        dataset = read(root)
        expected = [
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if (path.is_symlink() or path.is_file())
            and not any(part.startswith(".") or part == "Thumbs.db" for part in path.relative_to(root).parts)
        ]
    left_out = [item.path for item in dataset.left_out]
    assert sorted([*dataset.paths, *left_out]) == sorted(expected)
