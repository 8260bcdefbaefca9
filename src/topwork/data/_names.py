"""Names in messages: shown on one line, and answered with the nearest right ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence


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


def not_known(unknown: Sequence[str], known: Iterable[str]) -> str:
    """What is said of classes of a data set that a saved model does not know."""
    names, near = quoted(unknown[:3]), nearest(unknown[0], known)
    if len(unknown) == 1:
        return f"class {names} is not one that the model knows; nearest: {near}"
    return f"classes {names} are not among those that the model knows; nearest to the first: {near}"


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Name the known names nearest to a wrong one, the nearest first; all of them where none is near."""
    choices = list(known)
    close = difflib.get_close_matches(name, choices, n=count, cutoff=0.4)
    return quoted(close or sorted(choices)[:10])


_ENCODINGS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("euc_kr", "CP949", lambda letter: "가" <= letter <= "힣"),
    ("cp1252", "Latin-1", lambda letter: letter.isalpha() and letter < "ƀ"),
    ("cp949", "CP949", lambda letter: "가" <= letter <= "힣"),  # the rarer syllables, whose bytes Latin-1 has too
)
"""Encoding, its name for people, and what every letter outside ASCII has to be for text to be taken as being in it."""


def decoded(names: Collection[str]) -> tuple[dict[str, str], str]:
    r"""Read names whose bytes are not UTF-8 in the one encoding that makes letters of them all.

    Args:
        names: As ``os.fsdecode`` carries them.

    Returns:
        Those that are not UTF-8 -> their text, and the encoding's name; empty where all are UTF-8.

    Raises:
        UnicodeError: It cannot be told which encoding they are in.

    >>> decoded(["dog", "caf\udce9"])
    ({'caf\udce9': 'café'}, 'Latin-1')
    """
    strange = {name: name.encode("utf-8", "surrogateescape") for name in names if not _is_utf8(name)}
    for encoding, title, fits in _ENCODINGS if strange else ():
        try:
            texts = {name: raw.decode(encoding) for name, raw in strange.items()}
        except UnicodeDecodeError:
            continue
        if all(fits(letter) for text in texts.values() for letter in text if not letter.isascii()):
            return texts, title
    if strange:
        raise UnicodeError(f"{quoted(list(strange)[:3])} is in an encoding that cannot be recognised")
    return {}, ""


def _is_utf8(name: str) -> bool:
    return name.isascii() or not any(0xD800 <= ord(letter) <= 0xDFFF for letter in name)
