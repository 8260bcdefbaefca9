"""The walk over tar headers, with the standard library's as the oracle."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topwork.data._tar import Member, TarError, members

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def packed(files: list[tuple[str, bytes]], kind: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind, errors="surrogateescape") as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, change: Callable[[tarfile.TarInfo], None]) -> bytes:
    """One member of another kind, without the end mark."""
    info = tarfile.TarInfo(name)
    change(info)
    return info.tobuf(tarfile.USTAR_FORMAT)


def walked(data: bytes) -> list[Member]:
    return list(members(io.BytesIO(data), len(data)))


def followed(data: bytes) -> tuple[list[Member], str]:
    """The members up to the damage, and what that is."""
    seen: list[Member] = []
    try:
        seen.extend(members(io.BytesIO(data), len(data)))
    except TarError as damage:
        return seen, str(damage)
    return seen, ""


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=80, deadline=None)
@given(
    files=st.lists(st.tuples(NAMES, st.binary(max_size=1200)), max_size=6),
    kind=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    deep=st.integers(0, 8),
)
def test_every_member_is_found_where_tarfile_finds_it(files: list[tuple[str, bytes]], kind: int, deep: int) -> None:
    data = packed([("a-long-folder-name/" * deep + name, body) for name, body in files], kind)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [(info.name, info.offset_data, info.size) for info in tar if not info.isdir()]
    assert [(member.name, member.offset, member.size) for member in walked(data)] == expected
    assert [data[m.offset : m.offset + m.size] for m in walked(data)] == [body for _, body in files]


@pytest.mark.parametrize("kind", FORMATS)
def test_names_that_are_long_or_not_utf8(kind: str) -> None:
    names = ["f/" * 60 + "x.jpg", "caf\udce9.jpg"] if kind != "ustar" else ["f" * 90 + "/" + "x" * 90, "caf\udce9.jpg"]
    if kind == "pax":
        names.pop()  # pax headers are UTF-8
    assert [member.name for member in walked(packed([(name, b"1") for name in names], FORMATS[kind]))] == names


def test_archives_joined_in_one_file_are_read_as_one() -> None:
    data = packed([("a.jpg", b"1")]) + packed([("b.jpg", b"22")])
    assert [(member.name, member.size) for member in walked(data)] == [("a.jpg", 1), ("b.jpg", 2)]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (tarfile.SYMTYPE, "a link is not followed"),
        (tarfile.LNKTYPE, "a link is not followed"),
        (tarfile.FIFOTYPE, "not a regular file"),
        (tarfile.CHRTYPE, "not a regular file"),
    ],
)
def test_links_and_devices_are_named_and_what_follows_is_found(kind: bytes, fault: str) -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, "/etc/passwd"

    found = walked(special("x.jpg", change) + packed([("a.jpg", b"1")]))
    assert [(member.name, member.fault) for member in found] == [("x.jpg", fault), ("a.jpg", "")]


def test_folders_are_no_members() -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.type = tarfile.DIRTYPE

    assert [member.name for member in walked(special("d/", change) + packed([("d/a.jpg", b"")]))] == ["d/a.jpg"]


def test_every_truncation_is_told_and_loses_nothing_before_it() -> None:
    files = [("a.jpg", b"1" * 700), ("b" * 120, b"2" * 100), ("c.jpg", b"3" * 512)]
    data = packed(files, tarfile.GNU_FORMAT)
    whole = walked(data)
    end = whole[-1].offset + 512
    for length in [0, 1, *range(100, end, 97), end]:
        seen, damage = followed(data[:length])
        assert damage.startswith("cut off")
        sound = [member for member in seen if not member.fault]
        assert sound == [member for member in whole if member.offset + member.size <= length]
        assert [member.name for member in seen] == [member.name for member in whole[: len(seen)]]


def damaged(data: bytes, at: int, to: bytes, *, fix: bool = True) -> bytes:
    """Change a header's bytes; its checksum is made to fit."""
    changed = bytearray(data)
    changed[at : at + len(to)] = to
    if fix:
        start = at // 512 * 512
        changed[start + 148 : start + 156] = b" " * 8
        changed[start + 148 : start + 156] = b"%06o\0 " % sum(changed[start : start + 512])
    return bytes(changed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"not a tar file" * 100, "not a tar file"),
        (damaged(packed([("a.jpg", b"1")]), 10, b"!", fix=False), "not a tar file"),
        (damaged(packed([("a.jpg", b"1"), ("b.jpg", b"")]), 1030, b"!", fix=False), "a damaged header at byte 1,024"),
        (damaged(packed([("a.jpg", b"1")]), 124, b"9" * 11), "a damaged size"),
        (damaged(packed([("a.jpg", b"1")]), 124, b"\xff" * 12), "a damaged size"),
        (damaged(packed([("a.jpg", b"1")]), 124, b"\x80" + b"\xff" * 11), "cut off within the member"),
        (damaged(packed([("a.jpg", b"1")]), 124, b"7" * 11), "cut off within the member"),
        (damaged(packed([("é" * 80, b"1")]), 124, b"77777777777"), r"an extended header of 8,589,934,591 bytes"),
        (damaged(packed([("é" * 80, b"1")]), 512, b"9999999 ", fix=False), "a damaged extended header"),
        (damaged(packed([("é" * 80, b"1")]), 512, b"3 x", fix=False), "a damaged extended header"),
        (damaged(packed([("é" * 80, b"1")]), 512, b"00 path", fix=False), "a damaged extended header"),
        (damaged(packed([("a.jpg", b"1")]), 156, b"S"), "a sparse"),
        (bytes(2**20 + 2048), "bytes of zeros"),
    ],
)
def test_fault_51_hostile_headers_are_refused_in_bounded_memory(data: bytes, message: str) -> None:
    with pytest.raises(TarError, match=message):
        walked(data)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 3 * 512), to=st.binary(min_size=1, max_size=12), fix=st.booleans())
def test_no_damage_gives_a_member_outside_the_file(at: int, to: bytes, fix: bool) -> None:
    data = damaged(packed([("é" * 60, b"1" * 600), ("b.jpg", b"2")]), at, to, fix=fix)
    for member in followed(data)[0]:
        assert 0 <= member.offset <= member.offset + member.size <= len(data)
