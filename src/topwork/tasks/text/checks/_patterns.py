"""What stands in texts and is no language: broken encoding, markup, personal data.

Each pattern takes time linear in the text: no repetition is unbounded inside another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

# What UTF-8 looks like when it is read as Windows-1252 or Latin-1: a lead byte and its followers as single characters.
# Only leads that begin common letters (Latin, Cyrillic, Korean) or punctuation, and no follower that is also a quote
# behind a letter: "Spaß”" and "même…” are no fault.
_FOLLOWER = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_BROKEN = re.compile(
    "\ufffd|ï¿½|占쏙옙"  # what could not be read; that read again; that read as Korean
    "|Ã[\x80-\xbf€‰„œŸ]|Â[\x80-\xbf]"
    "|â€[\x80-\xbf™œ˜¦“”]"
    f"|(?:[ìíëê][{_FOLLOWER}]{{2}})"
    f"|(?:[ÐÑ][{_FOLLOWER}]){{2}}"
    "|(?:[\xb0-\xc8][\xa1-\xfe]){3}"  # Korean in EUC-KR, read as Latin-1
)
_QUOTES = re.compile("[êëìí][…‘’“”–—]{2}")  # a French word, and the end of a quotation

_TAGS = (
    "a|abbr|article|b|big|blockquote|body|br|button|center|code|dd|div|dl|dt|em|font|footer|form|h[1-6]|head|header|hr|html|"
    "i|iframe|img|input|label|li|link|meta|nav|ol|option|p|pre|s|script|section|small|span|strike|strong|style|sub|sup|"
    "table|tbody|td|textarea|th|thead|title|tr|tt|u|ul|video"
)
_MARKUP: dict[str, tuple[str, re.Pattern[str]]] = {  # the character without which there is none, and the pattern
    "tags": ("<", re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]{{0,500}})?/?>", re.IGNORECASE)),
    "entities": (
        "&",
        re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|[lr][sd]quo|[mn]dash|hellip|middot|#\d{2,6}|#x[0-9a-f]{2,5});", re.I),
    ),
    "urls": (".", re.compile(r"\bhttps?://[^\s<>\"']{3,}|\bwww\.[^\s<>\"']{3,}", re.IGNORECASE)),
    "markdown": (
        "",
        re.compile(r"\[[^\[\]\n]{1,200}\]\([^()\s]{1,500}\)|^#{1,6} \S|\*\*\S[^*\n]{0,200}\*\*|```", re.MULTILINE),
    ),
}
MARKUP = {"tags": "HTML tags", "entities": "HTML entities", "urls": "web addresses", "markdown": "Markdown"}
"""Kinds of markup, and what they are called."""

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,4}[a-z]{2,24}(?![a-z0-9])", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![0-9A-Za-z.+-])(?:"
    r"01[016789][-. ]?\d{3,4}[-. ]?\d{4}"  # Korea, mobile
    r"|0(?:2|[3-6]\d)[-.)]\s?\d{3,4}[-. ]\d{4}"  # Korea
    r"|(?:\+?1[-. ])?(?:\([2-9]\d\d\)\s?|[2-9]\d\d[-.])[2-9]\d\d[-. ]\d{4}"  # North America
    r"|\+[1-9]\d{0,2}[-. ]?(?:\(0?\d{1,4}\)[-. ]?)?\d(?:[-. ]?\d){6,11}"  # E.164
    r")(?![0-9A-Za-z-])"
)
_CARD = re.compile(r"(?<![0-9A-Za-z.-])[3-6]\d{3}(?:[ -]?\d){9,15}(?![0-9A-Za-z-])")
_RESIDENT = re.compile(r"(?<!\d)\d{6}-?[1-8]\d{6}(?!\d)")
_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)

PERSONAL = {
    "emails": "e-mail address",
    "phones": "phone number",
    "cards": "card number",
    "residents": "Korean resident registration number",
}
"""Kinds of personal data, and what one is called."""

_FEWEST_DIGITS = 9  # of a phone number


class Personal(NamedTuple):
    """Something in a text that may name a person: never shown but masked."""

    kind: str
    start: int
    end: int


def count_broken(text: str) -> int:
    """Places where bytes were read with the wrong encoding; U+FFFD counts."""
    return 0 if text.isascii() else sum(1 for found in _BROKEN.finditer(text) if not _QUOTES.fullmatch(found.group()))


def first_broken(text: str) -> str:
    """Some characters about the first such place; empty where there is none."""
    found = next((each for each in _BROKEN.finditer(text) if not _QUOTES.fullmatch(each.group())), None)
    return text[max(found.start() - 10, 0) : found.end() + 10].strip() if found else ""


def count_markup(text: str) -> tuple[int, ...]:
    """How many of each kind of ``MARKUP``."""
    return tuple(
        sum(1 for _ in pattern.finditer(text)) if not sign or sign in text else 0 for sign, pattern in _MARKUP.values()
    )


def find_personal(text: str) -> list[Personal]:
    """E-mail addresses, phone numbers, payment cards (Luhn) and Korean resident numbers (checksum); none overlap."""
    found: list[Personal] = []
    if "@" in text:
        found += _matches("emails", _EMAIL, text)
    if sum(map(str.isdigit, text)) >= _FEWEST_DIGITS:
        found += _matches("residents", _RESIDENT, text, _is_resident)
        found += _matches("cards", _CARD, text, _is_card)
        found += _matches("phones", _PHONE, text)
    return [each for place, each in enumerate(found) if not any(_overlap(each, other) for other in found[:place])]


def masked(text: str, found: Personal) -> str:
    """What was found, its first two characters and dots."""
    return text[found.start : found.start + 2] + "…" + "•" * min(found.end - found.start - 2, 8)


def _matches(
    kind: str, pattern: re.Pattern[str], text: str, holds: Callable[[str], bool] = lambda digits: True
) -> Iterator[Personal]:
    for each in pattern.finditer(text):
        if holds("".join(filter(str.isdigit, each.group()))):
            yield Personal(kind, each.start(), each.end())


def _overlap(one: Personal, other: Personal) -> bool:
    return one.start < other.end and other.start < one.end


def _is_card(digits: str) -> bool:
    """Whether 13 to 19 digits pass Luhn's check (ISO/IEC 7812-1), and are not all alike."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _is_resident(digits: str) -> bool:
    """Whether 13 digits are a birthday, a sex and century, and end in their check digit (given before 2020)."""
    century = {"1": 1900, "2": 1900, "5": 1900, "6": 1900}.get(digits[6], 2000)
    try:
        date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=False))
    return (11 - total % 11) % 10 == int(digits[12])
