"""The page's texts in one language: by their key, or by what topwork says in English.

They are data: ``texts/LANGUAGE.toml`` of each package whose sections a page has, read when they are first asked for.
"""

from __future__ import annotations

import functools
import re
import string
import tomllib
from collections.abc import Sequence
from importlib import resources
from typing import Any, Literal, get_args

from markupsafe import Markup

from topwork.data import printable
from topwork.errors import ReportError

Language = Literal["en", "ko"]

KIT = "topwork.report"
"""The package whose texts and templates every page has."""

_LONGEST = 600  # characters that are looked up; longer ones are nothing that topwork says


@functools.cache
def catalogue(package: str, language: str) -> dict[str, dict[str, str]]:
    """The file of a package: its ``texts``, and what topwork's values say (``named``), each text by its key."""
    return tomllib.loads((resources.files(package) / "texts" / f"{language}.toml").read_text("utf-8"))


class Texts:
    """The texts in one language: ``t("key", field=value)`` gives the text with its fields filled in.

    Args:
        language: One of ``Language``.
        packages: Besides the kit's, those whose texts are wanted; where several have a text, the last one's holds.

    Raises:
        ReportError: There is no such language.
    """

    def __init__(self, language: str, packages: Sequence[str] = ()) -> None:
        languages = get_args(Language)
        if language not in languages:
            raise ReportError(f"there is no page in {language!r}", hint=f"there are {', '.join(languages)}")
        self._language = language
        self._packages = (KIT, *packages)
        self._texts: dict[str, str] = {}
        for package in self._packages:
            self._texts |= catalogue(package, language)["texts"]

    @property
    def english(self) -> Markup:
        """An attribute for what stays English on a page in another language, so that it is read aloud as English."""
        return Markup("" if self._language == "en" else ' lang="en"')

    def __call__(self, key: str, **fields: Any) -> str:
        """The text of a key, its fields filled in."""
        return self._texts[key].format(**fields)

    def of(self, key: str, otherwise: str) -> str:
        """The text of a key; ``otherwise`` where there is none."""
        return self(key) if key in self._texts else otherwise

    def named(self, kind: str, text: str) -> str:
        """What topwork's values say in English, such as a rung's name, in this language.

        Args:
            kind: What it is, which is how its keys begin: ``rung``, ``reason``, ``detail``, …
            text: English; what is not in the catalogue comes back as it is.
        """
        if self._language == "en" or len(text) > _LONGEST:
            return text
        for pattern, translated in _patterns(kind, self._language, self._packages):
            match = pattern.fullmatch(text)
            if match is not None:
                return translated.format(**{name: self.named(name, value) for name, value in match.groupdict().items()})
        return text

    def told(self, kind: str, text: str) -> Markup:
        """What ``named`` gives, as a part of the page; what stays English says that it is."""
        found = self.named(kind, text)
        return Markup("<span{}>{}</span>").format(self.english if found == text else "", printable(found))

    def listed(self, kind: str, text: str) -> str:
        """Several things with commas between them, each as ``named`` gives it."""
        return ", ".join(self.named(kind, piece) for piece in text.split(", "))


@functools.cache
def _patterns(kind: str, language: str, packages: tuple[str, ...]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Of each text of a kind, what its English matches, and the text in a language."""
    return tuple(
        (_pattern(english), catalogue(package, language)["named"][key])
        for package in reversed(packages)
        for key, english in catalogue(package, "en")["named"].items()
        if key == kind or key.startswith(f"{kind}_")
    )


def _pattern(template: str) -> re.Pattern[str]:
    pieces = string.Formatter().parse(template)
    return re.compile("".join(re.escape(plain) + (f"(?P<{name}>.+?)" if name else "") for plain, name, _, _ in pieces))
