from __future__ import annotations

import gc
import io
import os
import shutil
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from topwork.data import ImageDataset, Slice, _shard_index, decode, read, read_bytes
from topwork.errors import DataError, ImageError

from .test_folder import powerless

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, jpeg: bytes) -> Write:
    """Write one shard; a bytes value is a member's content, a text one a label, None the picture."""

    def write(name: str, *members: tuple[str, bytes | str | None], mode: str = "w") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, mode) as tar:
            for member, content in members:
                data = jpeg if content is None else content if isinstance(content, bytes) else content.encode()
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path

    return write


PAIR: tuple[tuple[str, str | None], ...] = (("0.jpg", None), ("0.cls", "a"), ("1.jpg", None), ("1.cls", "b"))


def reasons(dataset: ImageDataset) -> dict[str, str]:
    return {item.path: item.reason for item in dataset.left_out}


def test_labels_come_from_cls_json_or_txt_in_that_order(write: Write) -> None:
    members = [
        ("f/0.JPG", None),
        ("f/0.cls", "3\n"),
        ("f/0.txt", "a caption"),
        ("f/1.png", None),
        ("f/1.json", '{"label": "cat", "group": 7}'),
        ("f/1.txt", "a caption"),
        ("f/2.webp", None),
        ("f/2.txt", "\ufeffdog"),
        ("3.jpg", None),
        ("3.json", "4"),
        ("4.jpg", None),
        ("4.json", '{"caption": "no label here"}'),
        ("4.txt", "dog"),
    ]
    dataset = read(write("set.tar", *members))
    assert dataset.paths == tuple(f"set.tar/{name}" for name in ("f/0.JPG", "f/1.png", "f/2.webp", "3.jpg", "4.jpg"))
    assert [dataset.classes[label] for label in dataset.labels] == ["3", "cat", "dog", "4", "dog"]
    assert dataset.groups == ("", "7", "", "", "")
    assert dataset.left_out == ()


def test_the_order_of_members_does_not_matter(write: Write) -> None:
    pictures = [(f"{n}.jpg", None) for n in range(4)]
    labels = [(f"{n}.cls", "ab"[n % 2]) for n in range(4)]
    dataset = read(write("set.tar", *labels, *pictures))
    assert dataset.labels.tolist() == [0, 1, 0, 1]


def test_what_is_not_used_is_listed(write: Write) -> None:
    members = [
        *PAIR,
        ("2.jpg", None),
        ("3.cls", "a"),
        ("4.jpg", None),
        ("4.cls", " "),
        ("5.jpg", None),
        ("5.cls", b"\xff\xfe"),
        ("6.jpg", None),
        ("6.json", "{"),
        ("7.jpg", None),
        ("7.json", "[" * 40_000),
        ("8.jpg", None),
        ("8.cls", "x" * 70_000),
        ("9.jpg", None),
        ("9.mask.png", None),
        ("9.cls", "a"),
        ("x.1.jpg", None),
        ("x.2.jpg", None),
        ("x.cls", "a"),
        ("y.jpg", None),
        ("y.json", '{"label": 1.5}'),
        ("README", "text"),
        ("0.jpg", b"again"),
        ("._0.jpg", b""),
        ("__MACOSX/0.jpg", b""),
    ]
    dataset = read(write("set.tar", *members))
    assert dataset.paths == ("set.tar/0.jpg", "set.tar/1.jpg", "set.tar/9.jpg")
    assert dataset.ignored == 2
    several = "several images share the name up to its first dot"
    assert reasons(dataset) == {
        "set.tar/0.jpg": "stored more than once; the first is used",
        "set.tar/2.jpg": "it has no label (.cls, .json, .txt)",
        "set.tar/3.cls": "it belongs to no image",
        "set.tar/4.jpg": "the label is empty",
        "set.tar/5.jpg": "its .cls cannot be read",
        "set.tar/6.jpg": "its .json cannot be read",
        "set.tar/7.jpg": "its .json cannot be read",
        "set.tar/8.jpg": "its .cls has 70,000 bytes, too many for a label",
        "set.tar/9.mask.png": "another image of the sample; '9.jpg' is used",
        "set.tar/x.1.jpg": several,
        "set.tar/x.2.jpg": several,
        "set.tar/y.jpg": "its .json has no 'label'",
        "set.tar/README": "it belongs to no image",
    }


@pytest.mark.parametrize("name", ["../2.jpg", "/2.jpg", "a/../../2.jpg", "..\\2.jpg", "C:\\2.jpg"])
def test_fault_51_a_member_whose_name_leads_out_is_left_out(write: Write, name: str) -> None:
    dataset = read(write("set.tar", *PAIR, (name, None), ("2.cls", "a")))
    assert len(dataset) == 2
    fault = {path: reason for path, reason in reasons(dataset).items() if reason.startswith("its name")}
    assert list(fault.values()) == ["its name leads out of the archive"]


def test_fault_51_a_link_in_a_shard_is_left_out(write: Write, tmp_path: Path) -> None:
    path = write("set.tar", *PAIR)
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("2.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    assert reasons(read(path)) == {"set.tar/2.jpg": "a link is not followed"}


def test_fault_21_a_shard_cut_off_keeps_what_is_whole(write: Write) -> None:
    path = write("set.tar", *PAIR, ("2.jpg", b"x" * 5000), ("2.cls", "a"))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"x" * 5000) + 100])
    dataset = read(path)
    assert len(dataset) == 2
    assert reasons(dataset)["set.tar/2.jpg"] == "truncated: the archive ends before it does"
    assert reasons(dataset)["set.tar"].startswith("cut off within the member")


@pytest.mark.parametrize("content", [b"", b"text", bytes(10240)])
def test_fault_1_a_shard_without_an_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.tar").write_bytes(content)
    with pytest.raises(DataError, match="no training rows"):
        read(tmp_path / "set.tar")


def test_fault_51_a_shard_that_claims_a_huge_image_allocates_nothing(write: Write) -> None:
    path = write("set.tar", *PAIR)
    body = path.read_bytes().rstrip(b"\0")
    body += bytes(-len(body) % 512)
    info = tarfile.TarInfo("2.jpg")
    info.size = 8**11 - 1
    path.write_bytes(body + info.tobuf(tarfile.USTAR_FORMAT) + b"x" * 2048)
    tracemalloc.start()
    dataset = read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert reasons(dataset)["set.tar/2.jpg"].startswith("truncated")


def test_an_image_above_the_limit_is_left_out_unread(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shard_index, "MAX_FILE_BYTES", 100_000)
    path = write("set.tar", *PAIR, ("2.jpg", bytes(100_001)), ("2.cls", "a"))
    assert reasons(read(path))["set.tar/2.jpg"] == "100,001 bytes, more than the 100,000 allowed"


def test_members_beyond_the_limit_are_listed_as_not_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shard_index, "_MAX_MEMBERS", 4)
    path = write("set.tar", *PAIR, ("2.jpg", None))
    assert reasons(read(path)) == {"set.tar": "more than 4 members; the rest is not read"}


def test_a_folder_of_shards_takes_parts_from_words_or_folders(write: Write, tmp_path: Path) -> None:
    for name in ("flowers-train-0.tar", "flowers-train-1.tar", "flowers-val-0.tar"):
        write(f"words/{name}", *PAIR)
    dataset = read(tmp_path / "words")
    assert dataset.splits.tolist() == ["train"] * 4 + ["val"] * 2
    for name in ("train/0.tar", "train/1.tar", "validation/0.tar", "test/0.tar"):
        write(f"folders/{name}", *PAIR)
    dataset = read(tmp_path / "folders")
    assert sorted(dataset.splits.tolist()) == ["test"] * 2 + ["train"] * 4 + ["val"] * 2
    assert dataset.split("val").paths == ("validation/0.tar/0.jpg", "validation/0.tar/1.jpg")
    assert read(tmp_path / "words" / "flowers-val-0.tar").splits.tolist() == ["", ""]  # alone it is the whole


def test_shards_of_which_some_name_a_part_are_refused(write: Write, tmp_path: Path) -> None:
    write("set/train-0.tar", *PAIR)
    write("set/more-0.tar", *PAIR)
    with pytest.raises(DataError, match=r"'train-0\.tar' name a split and 'more-0\.tar' does not"):
        read(tmp_path / "set")


def test_faults_10_to_13_beside_the_shards(write: Write, tmp_path: Path) -> None:
    folder = write("set/0.tar", *PAIR).parent
    (folder / "out.tar").symlink_to(write("elsewhere.tar", *PAIR))
    (folder / "loop.tar").symlink_to("loop.tar")
    (folder / "notes.txt").write_text("text")
    (folder / ".DS_Store").touch()
    (folder / "bad.tar").write_bytes(b"text")
    (folder / "small.tar.gz").write_bytes(b"")
    os.mkfifo(folder / "pipe.tar")
    dataset = read(folder)
    assert len(dataset) == 2
    assert dataset.ignored == 1
    assert reasons(dataset) == {
        "out.tar": "a link that leaves the data folder",
        "loop.tar": "a link that leads back to itself",
        "notes.txt": "not a tar file",
        "bad.tar": "cut off at byte 4; the rest is not read",
        "small.tar.gz": "unpack it to a plain .tar: single images cannot be reached in a compressed one",
        "pipe.tar": "not a regular file",
    }


def test_class_folders_beside_a_tar_are_class_folders(write: Write, tmp_path: Path, jpeg: bytes) -> None:
    write("set/0.tar", *PAIR)
    for label in "ab":
        (tmp_path / "set" / label).mkdir()
        (tmp_path / "set" / label / "0.jpg").write_bytes(jpeg)
    dataset = read(tmp_path / "set")
    assert dataset.paths == ("a/0.jpg", "b/0.jpg")
    assert reasons(dataset) == {"0.tar": "its extension '.tar' is not that of an image"}


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="POSIX permissions")
def test_fault_11_an_unreadable_shard_is_listed(write: Write) -> None:
    path = write("set/0.tar", *PAIR)
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to other users
        folder = Path(name) / "set"
        folder.mkdir()
        for shard in ("0.tar", "1.tar"):
            shutil.copy(path, folder / shard)
        os.chmod(name, 0o755)
        (folder / "1.tar").chmod(0)
        with powerless():
            dataset = read(folder)
    assert len(dataset) == 2
    assert reasons(dataset) == {"1.tar": "cannot be read: permission denied"}


def test_the_index_is_built_once(write: Write, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("set.tar", *PAIR, ("caf\udce9.jpg", None), ("3.cls", "a"))
    first = read(path)
    (cached,) = (empty_cache / "shards").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(_shard_index, "members", lambda *_: pytest.fail("the shard was read again"))
        again = read(path)
    assert again.fingerprint() == first.fingerprint()
    assert (again.left_out, again.ignored, again.groups) == (first.left_out, first.ignored, first.groups)
    assert [again.source(row) for row in range(2)] == [first.source(row) for row in range(2)]
    cached.write_bytes(cached.read_bytes().replace(b'"a"', b'"b"'))  # damaged: built anew
    assert read(path).fingerprint() == first.fingerprint()


def test_a_shard_that_changed_gets_another_index(write: Write, empty_cache: Path) -> None:
    assert read(write("set.tar", *PAIR)).counts().tolist() == [1, 1]
    changed = write("set.tar", *PAIR[:3], ("1.cls", "c"))
    os.utime(changed, (1, 1))  # written within one tick of the clock, it would look the same
    assert read(changed).classes == ("a", "c")
    assert len(list((empty_cache / "shards").iterdir())) == 2


def test_a_cache_that_cannot_be_written_does_no_harm(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "cache"))
    assert len(read(write("set.tar", *PAIR))) == 2


def test_fault_14_a_shard_that_changes_after_listing_is_not_read(write: Write, jpeg: bytes) -> None:
    path = write("set.tar", *PAIR)
    dataset = read(path)
    np.testing.assert_array_equal(decode(dataset.source(1)), decode(jpeg))
    os.utime(write("set.tar", *reversed(PAIR)), (1, 1))
    with pytest.raises(ImageError, match=r"set\.tar, bytes .* the file has changed since it was listed"):
        decode(dataset.source(1))


def test_a_slice_is_read_and_named(tmp_path: Path, jpeg: bytes) -> None:
    path = tmp_path / "two\nlines.bin"
    path.write_bytes(b"12345" + jpeg + b"678")
    assert read_bytes(Slice(path, 5, len(jpeg))) == jpeg
    np.testing.assert_array_equal(decode(Slice(path, 5, len(jpeg))), decode(jpeg))
    with pytest.raises(ImageError, match=r"two\\nlines\.bin, bytes 5 to 9,004: the file ends before that"):
        read_bytes(Slice(path, 5, 8_999))
    with pytest.raises(ImageError, match="not an image"):
        decode(Slice(path, 0, 5))
    with pytest.raises(ImageError, match="allowed"):
        read_bytes(Slice(path, 5, 2**30))
    with pytest.raises(ImageError, match="no such file"):
        read_bytes(Slice(tmp_path / "gone", 0, 1))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the package leaves its file open
def test_the_webdataset_package_writes_what_is_read_and_reads_the_same(tmp_path: Path, photos: list[Path]) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "set.tar")) as writer:
        for number, photo in enumerate(photos[:4]):
            writer.write({"__key__": f"k/{number:04d}", "jpg": photo.read_bytes(), "cls": number % 2})
    dataset = read(tmp_path / "set.tar")
    samples = list(webdataset.WebDataset(str(tmp_path / "set.tar"), shardshuffle=False))
    assert [f"set.tar/{sample['__key__']}.jpg" for sample in samples] == list(dataset.paths)
    for row, sample in enumerate(samples):
        assert dataset.classes[dataset.labels[row]] == sample["cls"].decode()
        source = dataset.source(row)
        assert isinstance(source, Slice)
        assert read_bytes(source) == sample["jpg"]
    gc.collect()  # so that the file is closed here
