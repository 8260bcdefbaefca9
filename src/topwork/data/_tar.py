"""Walks the headers of a tar file and says where each member's bytes lie; unpacks nothing.

Own code, since ``tarfile`` ends at a damaged header as if the file ended there, and reads an extended header into
memory however large it says it is. The layout is POSIX.1-2017 ``pax`` (ustar and extended headers) with GNU's long
names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_BLOCK = 512
_MAX_EXTENDED = 2**20  # bytes of one extended header; real ones hold a path and a few times
_MAX_ZEROS = 2**20  # bytes between two archives in one file; tar pads to 10 KiB
_LINKS, _OTHER, _REGULAR = b"12", b"346", b"\x000\x37"


class Member(NamedTuple):
    """One member: its name as stored, why it is no plain file (empty where it is), and where its bytes lie."""

    name: str
    fault: str
    offset: int
    size: int


class TarError(Exception):
    """The headers cannot be followed any further; says where and why."""


def members(file: BinaryIO, size: int) -> Iterator[Member]:
    """Give the members of a file of so many bytes, folders left away; archives joined in one file are read as one.

    Raises:
        TarError: Not a tar file, damaged, or cut off; what came before has been given.
    """
    position, zeros = 0, 0
    name, length, sparse = "", -1, False
    while position < size:
        block = _read(file, position, _BLOCK)
        if not any(block):
            position, zeros = position + _BLOCK, zeros + _BLOCK
            if zeros > _MAX_ZEROS:
                raise TarError(f"more than {_MAX_ZEROS:,} bytes of zeros at byte {position:,}")
            continue
        zeros = 0
        _check_sum(block, position)
        kind, stored = block[156:157], _number(block[124:136], position)
        data = position + _BLOCK
        if kind in (b"L", b"x", b"X"):
            if stored > _MAX_EXTENDED:
                raise TarError(f"an extended header of {stored:,} bytes at byte {data:,}")
            body = _read(file, data, stored)
            if kind == b"L":
                name = _text(body)
            else:
                name, length, sparse = _pax(body, name, data)
        elif kind in (b"S", b"M", b"V"):
            raise TarError(f"a sparse or many-volume archive at byte {position:,}")
        elif kind not in (b"g", b"K", b"N"):
            stored = length if length >= 0 else stored
            shown = name or _stored_name(block)
            if kind in _LINKS or kind in _OTHER or kind == b"5":
                stored = 0
            if data + stored > size:
                yield Member(shown, "truncated: the archive ends before it does", data, 0)
                raise TarError(f"cut off within the member at byte {position:,}")
            if kind != b"5" and not shown.endswith("/"):
                yield Member(shown, _fault(kind, sparse), data, stored)
            name, length, sparse = "", -1, False
        position = data + -(-stored // _BLOCK) * _BLOCK
    if not zeros:
        raise TarError("cut off: the end mark is missing")


def _fault(kind: bytes, sparse: bool) -> str:
    if kind in _LINKS:
        return "a link is not followed"
    if kind not in _REGULAR:
        return "not a regular file"
    return "a sparse file is not read" if sparse else ""


def _read(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    data = file.read(size)
    if len(data) != size:
        raise TarError(f"cut off at byte {position + len(data):,}")
    return data


def _check_sum(block: bytes, position: int) -> None:
    try:
        expected = int(block[148:156].strip(b" \0") or b"0", 8)
    except ValueError:
        expected = -1
    if sum(block) - sum(block[148:156]) + 8 * 32 != expected:
        raise TarError("not a tar file" if position == 0 else f"a damaged header at byte {position:,}")


def _number(field: bytes, position: int) -> int:
    """Read octal digits, or GNU's binary form for sizes above 8 GiB."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        value = int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        value = -1
    if value < 0:
        raise TarError(f"a damaged size at byte {position:,}")
    return value


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _stored_name(block: bytes) -> str:
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{_text(block[:100])}" if prefix else _text(block[:100])


def _pax(body: bytes, name: str, position: int) -> tuple[str, int, bool]:
    """Read the records ``LENGTH KEY=VALUE\\n``: the name, the size (-1 where it is not given), whether sparse."""
    length, sparse = -1, False
    while body.strip(b"\0"):
        digits, _, _ = body.partition(b" ")
        if not digits.isdigit() or len(digits) > 7 or not len(digits) + 2 < int(digits) <= len(body):
            raise TarError(f"a damaged extended header at byte {position:,}")
        record, body = body[len(digits) + 1 : int(digits) - 1], body[int(digits) :]
        key, _, value = record.partition(b"=")
        if key == b"path":
            name = _text(value)
        elif key == b"size" and value.isdigit() and len(value) < 20:
            length = int(value)
        sparse = sparse or key.startswith(b"GNU.sparse.")
    return name, length, sparse
