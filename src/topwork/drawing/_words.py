"""Words in a picture. Pillow's own font has ASCII alone; other letters come from a font of the system that has them."""

from __future__ import annotations

import functools
import unicodedata
from typing import Any, NamedTuple

Font = Any  # Pillow's two kinds of font share no base that says so

_SYSTEM = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "arial.ttf")


class Words(NamedTuple):
    """A line that can be drawn."""

    text: str
    face: Font


@functools.cache
def font(size: int, name: str = "") -> Font | None:
    """A font by its file's name, or Pillow's own, ``size`` in pixels; None where the system has none of that name."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


def line_height(size: int) -> int:
    """Pixels from line to line."""
    return int(1.3 * size)


def words(text: str, size: int, width: float) -> Words:
    """A line that is at most so many pixels wide, three dots at its end where something had to go.

    Letters that no font has lose their accents, or are shown as escapes rather than as empty boxes that look alike.
    """
    shown, face = _drawable(_visible(text), size)
    if face.getlength(shown) <= width:
        return Words(shown, face)
    while shown and face.getlength(f"{shown}...") > width:
        shown = shown[:-1]
    return Words(f"{shown}...", face)


def _visible(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _drawable(text: str, size: int) -> Words:
    for name in ("", *_SYSTEM) if not text.isascii() else ("",):
        face = font(size, name)
        if face is not None and all(_has(each, name) for each in text):
            return Words(text, face)
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return Words(plain.encode("ascii", "backslashreplace").decode("ascii"), font(size))


@functools.cache
def _has(character: str, name: str) -> bool:
    if not name:
        return character.isascii()
    face = font(16, name)
    return face is not None and bytes(face.getmask(character)) != bytes(face.getmask("\uffff"))
