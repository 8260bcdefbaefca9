"""Names in messages: shown on one line, and answered with the nearest right ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def printable(name: str) -> str:
    r"""Show a name in a message or a log on one line, whatever bytes it holds.

    Printable characters, HTML among them, stay as they are (a page escapes them itself); control characters,
    line ends and direction marks become escapes, and a byte that was not UTF-8 becomes ``\xNN``.

    >>> printable("two\nlines"), printable("caf\udce9.jpg"), printable("<b>naïve</b>")
    ('two\\nlines', 'caf\\xe9.jpg', '<b>naïve</b>')
    """
    if name.isprintable():
        return name
    return "".join(character if character.isprintable() else _escape(character) for character in name)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how os.fsdecode carries a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def quoted(names: Iterable[str]) -> str:
    """Show several names in one message: ``'cat', 'dog'``."""
    return ", ".join(f"'{printable(name)}'" for name in names)


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Name the known names nearest to a wrong one, the nearest first; all of them where none is near."""
    choices = list(known)
    close = difflib.get_close_matches(name, choices, n=count, cutoff=0.4)
    return quoted(close or sorted(choices)[:10])
