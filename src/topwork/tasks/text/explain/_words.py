"""A text's words, and the text without some of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache

NOTHING = "."
"""What a model reads where no word is left: it takes no empty text."""

_WORDS = re.compile("w[wm]*(?:a[wm]+)*|cm*|[pam]+")
_SINGLE = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))  # kana, Chinese characters
_LONGEST = 1_000_000  # characters that are looked at
_SPACES = 100  # after a word that is left out, which go with it


def words_of(text: str) -> list[tuple[int, int]]:
    """Where each word begins and ends, in order.

    A word is a run of letters, digits and the marks on them, with apostrophes inside; a Chinese character or a kana
    alone, since no space tells where a word of these ends; or a run of punctuation, which may tell a class too.
    """
    text = text[:_LONGEST]
    kinds = {sign: _kind(sign) for sign in set(text)}
    return [found.span() for found in _WORDS.finditer("".join(map(kinds.__getitem__, text)))]


@cache
def _kind(sign: str) -> str:
    """One letter: a space, a letter or digit, a sign that is a word by itself, a mark, an apostrophe, punctuation."""
    if sign in "'’":
        return "a"
    if any(first <= ord(sign) <= last for first, last in _SINGLE):
        return "c"
    category = unicodedata.category(sign)
    if category[0] == "M" or category == "Cf":
        return "m"
    if category[0] in "LN" or sign == "_":
        return "w"
    return " " if sign.isspace() or category == "Cc" else "p"


def without(text: str, words: list[tuple[int, int]], left_out: Collection[int]) -> str:
    """The text without these words; of the spaces around each, one stays."""
    kept, end, spaced = [], 0, True
    for start, stop in (words[place] for place in sorted(left_out)):
        kept.append(text[end:start])
        if end < start:
            spaced = text[start - 1].isspace()
        end = stop
        if spaced:
            end += len(text[stop : stop + _SPACES]) - len(text[stop : stop + _SPACES].lstrip())
    rest = "".join([*kept, text[end:]]).strip() if left_out else text
    return rest or NOTHING
