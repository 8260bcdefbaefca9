"""What topwork says in another language: texts by their key, or by what is said in English.

They are data: ``texts/LANGUAGE.toml`` of each package that says something, read when they are first asked for. Values
(findings, notes, errors, results in words) say what they say in English, whoever asks; where it is shown, the English
is looked up here. So there is one way for a page and for the command line, and English needs no file.
"""

from __future__ import annotations

import functools
import re
import string
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Literal, get_args

from topwork.errors import ReportError

Language = Literal["en", "ko"]

LIBRARY = "topwork"
"""The package whose texts the values of the library's rooms say."""

_LONGEST = 600  # characters that are looked up at once; longer ones are nothing that topwork says
_SENTENCES = re.compile(r"(?<=[.!?]) +(?=[A-Z0-9`(])")


@functools.cache
def catalogue(package: str, language: str) -> dict[str, dict[str, str]]:
    """The file of a package: its ``texts``, and what topwork's values say (``named``), each text by its key."""
    found = tomllib.loads((resources.files(package) / "texts" / f"{language}.toml").read_text("utf-8"))
    return {"texts": {}, "named": {}} | found


def row_words(language: str, thing: str) -> dict[str, str]:
    """What a data set's rows are called in a language, by the names of the fields that stand for it in any text.

    ``thing`` is what one is called in English; rows that the catalogue does not know are spoken of as images.
    """
    rows: Any = catalogue(LIBRARY, language)["rows"]
    found: dict[str, str] = rows.get(thing, rows["image"])
    return found


class Texts:
    """The texts in one language: ``t("key", field=value)`` gives the text with its fields filled in.

    A field of what is looked up by its English holds anything; one whose name is a single letter holds one word, which
    is how a number is named. Fields such as ``{things}`` (``row_words``) are filled in by what the
    rows are: a text of a page by ``thing``, what is looked up by what its English says.

    Args:
        language: One of ``Language``.
        packages: Those whose texts are wanted; where several have a text, the last one's holds.
        thing: What a row is called in English.
        named: More packages; what is said is looked up in them too, and none of their texts are on the page.

    Raises:
        ReportError: There is no such language.
    """

    def __init__(
        self,
        language: str,
        packages: Sequence[str] = (LIBRARY,),
        thing: str = "image",
        named: Sequence[str] = (),
    ) -> None:
        languages = get_args(Language)
        if language not in languages:
            raise ReportError(f"there is no page in {language!r}", hint=f"there are {', '.join(languages)}")
        self._language = language
        self._packages = (*named, *packages)
        self._rows = row_words(language, thing)
        self._texts: dict[str, str] = {}
        for package in packages:
            self._texts |= catalogue(package, language)["texts"]

    def __call__(self, key: str, **fields: Any) -> str:
        """The text of a key, its fields filled in."""
        return self._texts[key].format(**{**self._rows, **fields})

    def of(self, key: str, otherwise: str) -> str:
        """The text of a key; ``otherwise`` where there is none."""
        return self(key) if key in self._texts else otherwise

    def named(self, kind: str, text: str) -> str:
        """What topwork's values say in English, such as a rung's name, in this language.

        Args:
            kind: What it is, which is how its keys begin: ``rung``, ``reason``, ``detail``, …
            text: English; what is not in the catalogue comes back as it is.
        """
        found = self._found(kind, text, whole=False)
        return text if found is None else found

    def listed(self, kind: str, text: str) -> str:
        """Several things with commas between them, each as ``named`` gives it."""
        return ", ".join(self.named(kind, piece) for piece in text.split(", "))

    def said(self, text: str) -> str:
        """Sentences that topwork says, in this language; as they are where one is not in the catalogue: none by halves.

        A text of the kind ``says``, or several such with a full stop or a semicolon between them, or one behind a name
        and a colon. Spaces before it stay; a line with tabs is data and stays too.
        """
        if self._language == "en" or "\t" in text:
            return text
        found = self._said(text.strip())
        return text if found is None else text[: len(text) - len(text.lstrip())] + found

    def _said(self, text: str) -> str | None:
        whole = self._sentence(text)
        if whole is not None:
            return whole
        for pieces, mark in ((_SENTENCES.split(text), " "), (text.split("; "), "; ")):
            told = [self._said(piece) for piece in pieces] if len(pieces) > 1 else [None]
            if None not in told:
                return mark.join(filter(None, told))
        for place in (match.end() for match in re.finditer(": ", text)):
            before, behind = text[: place - 2], self._sentence(text[place:])
            if behind is not None:  # what stands before is said too, or is a name
                return f"{self._said(before) or before}: {behind}"
        notes = self._said(text[:-1]) if text.endswith(".") else None  # several notes as one sentence
        return None if notes is None else f"{notes}."

    def _sentence(self, text: str) -> str | None:
        """One text of the kind ``says``; behind a colon it may begin with a small letter."""
        return self._found("says", text) or self._found("says", text[:1].upper() + text[1:])

    def _found(self, kind: str, text: str, *, whole: bool = True) -> str | None:
        """What a text of a kind is in this language; None where no template has it.

        None of its fields stays English where the ``whole`` is wanted, and it is of a kind that has texts.
        """
        if self._language == "en" or len(text) > _LONGEST:
            return None
        for plain, english, translated in _templates(kind, self._language, self._packages):
            match = _pattern(english).fullmatch(text) if plain in text else None
            fields = (
                {name: self._field(name, value, whole) for name, value in match.groupdict().items()} if match else {}
            )
            if match is not None and None not in fields.values():
                return translated.format(**{**self._rows, **fields})
        return None

    def _field(self, name: str, value: str, whole: bool) -> str | None:
        kind = name.rstrip("0123456789")  # several of a kind have a number each
        found = self._said(value) if kind == "says" else self._found(kind, value, whole=whole)
        known = kind == "says" or _templates(kind, self._language, self._packages)
        return value if found is None and not (whole and known) else found


@functools.cache
def _templates(kind: str, language: str, packages: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    """Of each text of a kind its longest plain part, the English, and the text in a language; the plainest first."""
    found = [
        pair
        for package in reversed(packages)
        for key, english in catalogue(package, "en")["named"].items()
        if key == kind or key.startswith(f"{kind}_")
        for pair in _of_each_row(english, catalogue(package, language)["named"][key], language)
    ]
    parts = [[plain for plain, _, _, _ in string.Formatter().parse(english)] for english, _ in found]
    told = [(max(plain, key=len, default=""), *pair) for plain, pair in zip(parts, found, strict=True)]
    order = sorted(range(len(told)), key=lambda place: -sum(map(len, parts[place])))
    return tuple(told[place] for place in order)


def _of_each_row(english: str, translated: str, language: str) -> Iterator[tuple[str, str]]:
    """A text and its translation, once for each kind of row where the English names it."""
    for thing in catalogue(LIBRARY, "en")["rows"]:
        named = _worded(english, row_words("en", thing))
        if named == english:
            yield english, translated
            return
        yield named, _worded(translated, row_words(language, thing))


def _worded(text: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    word = r"(?:[^\s,]|,(?=\d))+?"  # a comma within is a number's
    pieces = string.Formatter().parse(template)
    fields = ((plain, name, word if len(name or "") == 1 else ".+?") for plain, name, _, _ in pieces)
    return re.compile(
        "".join(re.escape(plain) + (f"(?P<{name}>{what})" if name else "") for plain, name, what in fields)
    )
