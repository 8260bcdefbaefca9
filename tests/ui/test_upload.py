"""Uploads: what a browser may send lands in its folder, and whatever a stranger packs lands nowhere else."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from topwork.data import read
from topwork.errors import DataError
from topwork.ui import _upload
from topwork.ui._upload import Upload


def given(work: Path, name: str, **files: bytes) -> Path:
    """The data of an upload of these files."""
    upload = Upload(work, name)
    for path, content in files.items():
        add(upload, path, content)
    return upload.finish()


def add(upload: Upload, name: str, content: bytes) -> None:
    with upload.file(name) as incoming:
        for start in range(0, len(content), 1000):
            incoming.write(content[start : start + 1000])


def packed(*entries: tuple[str | zipfile.ZipInfo, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_comes_as_it_was(tmp_path: Path, photos: list[Path]) -> None:
    files = {f"pets/{'cat' if row % 2 else 'dog'}/{photo.name}": photo.read_bytes() for row, photo in enumerate(photos)}
    found = given(tmp_path, "pets", **files)
    assert found == tmp_path / "pets" / "pets"
    assert {str(path.relative_to(found.parent)): path.read_bytes() for path in found.rglob("*.jpg")} == files
    assert read(found).classes == ("cat", "dog")
    assert everything(tmp_path)[0] == "pets"  # no draft is left
    assert given(tmp_path, "pets", **files) == tmp_path / "pets-2" / "pets"  # an earlier one stays


def test_a_zip_is_unpacked_and_its_one_folder_is_the_data(tmp_path: Path, photos: list[Path]) -> None:
    entries = [
        (f"pets/{'cat' if row % 2 else 'dog'}/{photo.name}", photo.read_bytes()) for row, photo in enumerate(photos)
    ]
    zip_of_a_mac = packed(*entries, ("__MACOSX/pets/._cat", b"x"), ("pets/.DS_Store", b"x"))
    found = given(tmp_path, "holiday.zip", **{"holiday.zip": zip_of_a_mac})
    assert found == tmp_path / "pets" / "pets"
    assert len(read(found)) == len(photos)
    loose = packed(*((name.removeprefix("pets/"), content) for name, content in entries))
    assert given(tmp_path, "holiday.zip", **{"holiday.zip": loose}) == tmp_path / "holiday" / "holiday"


def test_a_table_is_the_data_itself_alone_or_in_a_zip(tmp_path: Path) -> None:
    table = "text,label\n안녕하세요,인사\n안녕히 가세요,작별\n".encode()
    for name, content in (("말.csv", table), ("말.zip", packed(("말.csv", table)))):
        found = given(tmp_path / name, name, **{name: content})
        assert found == tmp_path / name / "말" / "말.csv"
        assert found.read_bytes() == table


def test_names_of_windows_and_of_korea_are_read(tmp_path: Path) -> None:
    """A zip without the flag for UTF-8, as Windows in Korea packs it, and one with backslashes."""
    content = packed(("AAAA/1.jpg", b"1"), ("BBBB/1.jpg", b"2"))
    for plain, name in ((b"AAAA", "사과"), (b"BBBB", "배들")):
        content = content.replace(plain, name.encode("cp949"))
    found = given(tmp_path, "fruit.zip", **{"fruit.zip": content})
    assert everything(found) == sorted(["사과", "사과/1.jpg", "배들", "배들/1.jpg"])
    slashed = packed(("one\\1.jpg", b"1"), ("two\\1.jpg", b"2"))
    assert everything(given(tmp_path, "w.zip", **{"w.zip": slashed})) == ["one", "one/1.jpg", "two", "two/1.jpg"]


def linked() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted() -> bytes:
    content = bytearray(packed(("a/1.jpg", b"secret")))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.index(mark) + place
        struct.pack_into("<H", content, start, struct.unpack_from("<H", content, start)[0] | 1)
    return bytes(content)


def spoilt(how: int) -> bytes:
    content = packed(("a/1.jpg", bytes(range(256)) * 50), how=how)
    return content[:50] + b"\xff" * 20 + content[70:]


BOMB = packed(("a/zeros.csv", b"\0" * (_upload._SMALL + 2**20)))
DAMAGED = packed(("a/1.jpg", bytes(range(256)) * 50))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (packed(("../evil.jpg", b"x")), "not that of a file"),
        (packed(("a/../../evil.jpg", b"x")), "not that of a file"),
        (packed(("/tmp/evil.jpg", b"x")), "not that of a file"),
        (packed(("..\\evil.jpg", b"x")), "not that of a file"),
        (packed(("C:/evil.jpg", b"x")), "not that of a file"),
        (packed(("a/" * 30 + "deep.jpg", b"x")), "not that of a file"),
        (packed(("a/" + "n" * 300 + ".jpg", b"x")), "not that of a file"),
        (packed((linked(), b"/etc/passwd")), "link or a device"),
        (packed(("a/1.jpg", b"x"), ("a\\1.jpg", b"y")), "comes twice"),
        (packed(("a", b"x"), ("a/1.jpg", b"y")), "comes twice"),
        (encrypted(), "password"),
        (BOMB, "huge amount"),
        (DAMAGED[:40] + b"\xff" * 20 + DAMAGED[60:], "damaged"),
        (spoilt(zipfile.ZIP_LZMA), "damaged"),
        (spoilt(zipfile.ZIP_BZIP2), "damaged"),
        (packed(), "no file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "zip",  # its bytes have the time in them
)
def test_a_hostile_zip_is_refused_and_writes_nothing(tmp_path: Path, content: bytes, said: str) -> None:
    work = tmp_path / "inner" / "work"
    upload = Upload(work, "a.zip")
    add(upload, "a.zip", content)
    with pytest.raises(DataError, match=said):
        upload.finish()
    upload.drop()
    assert everything(tmp_path) == ["inner", "inner/work"]


@pytest.mark.parametrize(
    "name", ["../x.jpg", "/etc/x.jpg", "", "a//b.jpg", "a/./b.jpg", "a\0b.jpg", "c:\\x.jpg", "x" * 300]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    upload = Upload(tmp_path / "work", "a")
    with pytest.raises(DataError, match="not that of a file"):
        add(upload, name, b"x")
    upload.drop()
    assert everything(tmp_path) == ["work"]


def test_too_many_files_and_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_upload, "MAX_FILES", 2)
    monkeypatch.setattr(_upload, "MAX_BYTES", 5000)
    upload = Upload(tmp_path, "a")
    add(upload, "a/1.jpg", b"x" * 3000)
    with pytest.raises(DataError, match="too much data"):
        add(upload, "a/2.jpg", b"x" * 3000)
    assert not list(tmp_path.rglob("2.jpg"))  # no half of it
    with pytest.raises(DataError, match="more than 2 files"):
        add(upload, "a/3.jpg", b"x")
    with pytest.raises(DataError, match="more than 2 files"):
        given(tmp_path, "b.zip", **{"b.zip": packed(*((f"a/{row}.jpg", b"x") for row in range(3)))})


@pytest.mark.parametrize("name", ["..", "/", "...", "\\", "", "a/../..", "<script>", "名" * 200])
def test_a_folder_is_made_of_any_name(tmp_path: Path, name: str) -> None:
    found = given(tmp_path / "work", name, **{"one/1.jpg": b"1", "two/1.jpg": b"2"})
    assert found.is_dir()
    assert found.resolve().is_relative_to((tmp_path / "work").resolve())
    assert found.parent.parent == tmp_path / "work"
