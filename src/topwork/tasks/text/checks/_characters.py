"""What kind each character is: a letter of which script, a digit, a mark, a control character."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

SCRIPTS = (
    *("Latin", "Hangul", "Han", "Kana", "Cyrillic", "Arabic", "Hebrew", "Greek", "Devanagari", "Thai"),
    "another script",
)
"""Scripts that letters are counted by; the first word of a letter's name says which, but for two."""

KINDS = ("space", "line", "digit", "punctuation", "symbol", "control", "invisible", *SCRIPTS)
"""What each character is one of."""

_NAMED = {name.upper(): name for name in SCRIPTS} | {"CJK": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana"}
_GROUPS = {"N": "digit", "P": "punctuation", "S": "symbol", "Z": "space"}
_TABLE = 2**16  # beyond it are pictograms, and letters that hardly any text has


@cache
def kinds_table() -> npt.NDArray[np.uint8]:
    """(65,537,): the place in ``KINDS`` of each character of the basic plane; the last is of all others."""
    found = [KINDS.index(_kind(chr(code))) for code in range(_TABLE)]
    return np.array([*found, KINDS.index("symbol")], np.uint8)


@cache
def upper_table() -> npt.NDArray[np.bool_]:
    """(65,537,): which characters are capital letters."""
    return np.array([*(unicodedata.category(chr(code)) == "Lu" for code in range(_TABLE)), False])


def in_table(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Places of code points in the tables."""
    return np.minimum(codes, np.uint32(_TABLE))


def _kind(character: str) -> str:
    if character in "\n\r\u2028\u2029":
        return "line"
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Co") and character != "\t":
        return "control"
    if category in ("Cf", "Cn") or character == "\u3164":
        return "invisible"
    if category[0] in "LM":
        words = unicodedata.name(character, "").replace("-", " ").split()
        name = words[1] if words[:1] in (["FULLWIDTH"], ["HALFWIDTH"]) else next(iter(words), "")
        return _NAMED.get(name, "another script" if category[0] == "L" else "symbol")
    return _GROUPS.get(category[0], "space")
