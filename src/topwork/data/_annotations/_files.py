"""Reads files of annotations, which come from others: bounded in size, with nothing in them that acts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from topwork.data._names import printable
from topwork.data._source import opened
from topwork.data._table import UTF_16_MARKS
from topwork.errors import DataError, ImageError

MAX_BYTES = 2**31
"""Of a file of annotations; the largest public ones have a quarter."""
_GLANCE = 2**16  # bytes
_MAX_XML = 2**26  # bytes: an XML file is of one image


def content_of(path: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file.

    Raises:
        DataError: It cannot be read, or is larger than that.
    """
    try:
        with opened(os.fspath(path)) as (file, info):
            if info.st_size > most:
                raise DataError(f"{printable(str(path))}: {info.st_size:,} bytes, more than the {most:,} allowed")
            return file.read(info.st_size)  # not most: room for as much would be made at once
    except ImageError as error:
        raise DataError(error.message.replace("a folder, not an image", "a folder")) from error


def head_of(path: Path) -> bytes:
    """The beginning of a regular file, without what UTF-16 puts between letters; empty where there is none."""
    return ends_of(path)[0]


def ends_of(path: Path) -> tuple[bytes, bytes]:
    """The beginning and the end of a regular file, as :func:`head_of` gives it."""
    try:
        with opened(os.fspath(path)) as (file, info):
            head = file.read(_GLANCE).lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").replace(b"\0", b"")
            file.seek(max(0, info.st_size - _GLANCE))
            return head, file.read(_GLANCE).replace(b"\0", b"")
    except ImageError:
        return b"", b""


def text_of_names(content: bytes) -> str:
    """Text in UTF-8 or UTF-16; a byte that is neither comes as ``os.fsdecode`` carries it, for names to be told by."""
    if content.startswith(UTF_16_MARKS):
        return content.decode("utf-16", "replace")
    return content.decode("utf-8-sig", "surrogateescape")


def json_of(path: Path, made_of: Callable[[dict[str, Any]], Any]) -> Any:
    """What a JSON file holds, with each object replaced at once by what is made of it: so large files fit the memory.

    Raises:
        DataError: It cannot be read, or is no JSON.
    """
    text = text_of_names(content_of(path))
    try:
        return json.loads(text, object_hook=made_of)
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number of thousands of digits
        reason = "it ends too early" if _ends_early(error, text) else printable(str(error))
        raise DataError(f"{printable(str(path))}: not JSON: {reason}", hint="fetch or export it again") from error


def _ends_early(error: Exception, text: str) -> bool:
    at_end = isinstance(error, json.JSONDecodeError) and error.pos >= len(text.rstrip())
    return at_end or str(error).startswith("Unterminated")


class _Plain(ElementTree.TreeBuilder):
    """A tree without a document type, whose entities may stand for gigabytes or for other files."""

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Called before any entity is defined."""
        raise DataError("it declares a document type, which is refused")


def xml_of(path: Path) -> ElementTree.Element:
    """The tree of an XML file; text that is in no encoding that it declares comes as ``os.fsdecode`` carries it.

    Raises:
        DataError: It cannot be read, is no XML, or declares entities. Does not name the file.
    """
    try:
        content = content_of(path, _MAX_XML)
    except DataError as error:
        raise DataError(error.message.removeprefix(f"{printable(str(path))}: ")) from error
    try:
        return ElementTree.fromstring(content, ElementTree.XMLParser(target=_Plain()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: an encoding that is not read
        if content.isascii() or content.startswith(UTF_16_MARKS):
            raise DataError(f"not XML: {printable(str(error))}") from error
    return _of_bytes(content)


def _of_bytes(content: bytes) -> ElementTree.Element:
    """A tree whose markup is ASCII, whatever its text is in."""
    try:
        root = ElementTree.fromstring(content, ElementTree.XMLParser(target=_Plain(), encoding="iso-8859-1"))
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"not XML: {printable(str(error))}") from error
    for element in root.iter():
        if element.text and not element.text.isascii():
            raw = element.text.encode("latin-1", "ignore")
            element.text = raw.decode("utf-8", "surrogateescape")
    return root
