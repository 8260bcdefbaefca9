"""The page's texts in one language: by their key, or by what topwork says in English."""

from __future__ import annotations

import functools
import re
import string
from typing import Any, Literal, get_args

from markupsafe import Markup

from topwork.data import printable
from topwork.errors import ReportError
from topwork.report._catalogue import NAMES, TEXTS

Language = Literal["en", "ko"]

_LONGEST = 600  # characters that are looked up; longer ones are nothing that topwork says


class Texts:
    """The catalogue in one language: ``t("key", field=value)`` gives the text with its fields filled in.

    Args:
        language: One of ``Language``.

    Raises:
        ReportError: There is no such language.
    """

    def __init__(self, language: str) -> None:
        languages = get_args(Language)
        if language not in languages:
            raise ReportError(f"there is no page in {language!r}", hint=f"there are {', '.join(languages)}")
        self._place = languages.index(language)

    @property
    def english(self) -> Markup:
        """An attribute for what stays English on a page in another language, so that it is read aloud as English."""
        return Markup(' lang="en"' if self._place else "")

    def __call__(self, key: str, **fields: Any) -> str:
        """The text of that key."""
        return TEXTS[key][self._place].format(**fields)

    def of(self, key: str, otherwise: str) -> str:
        """The text of that key, where there is one."""
        return self(key) if key in TEXTS else otherwise

    def named(self, kind: str, text: str) -> str:
        """What topwork's values say in English, such as a rung's name, in this language.

        Args:
            kind: What it is, which is how its keys begin: ``rung``, ``reason``, ``detail``, …
            text: English; what is not in the catalogue comes back as it is.
        """
        if self._place == 0 or len(text) > _LONGEST:
            return text
        for pattern, found in _patterns(kind):
            match = pattern.fullmatch(text)
            if match is not None:
                fields = {name: self.named(name, value) for name, value in match.groupdict().items()}
                return found[self._place].format(**fields)
        return text

    def told(self, kind: str, text: str) -> Markup:
        """Likewise, as a part of the page; what stays English says that it is."""
        found = self.named(kind, text)
        return Markup("<span{}>{}</span>").format(self.english if found == text else "", printable(found))

    def listed(self, kind: str, text: str) -> str:
        """Likewise, for several things with commas between them."""
        return ", ".join(self.named(kind, piece) for piece in text.split(", "))


@functools.cache
def _patterns(kind: str) -> tuple[tuple[re.Pattern[str], tuple[str, str]], ...]:
    """Of each text of a kind, what its English matches, and the text itself."""
    found = [pair for key, pair in NAMES.items() if key == kind or key.startswith(f"{kind}_")]
    return tuple((_pattern(pair[0]), pair) for pair in found)


def _pattern(template: str) -> re.Pattern[str]:
    pieces = string.Formatter().parse(template)
    return re.compile("".join(re.escape(plain) + (f"(?P<{name}>.+?)" if name else "") for plain, name, _, _ in pieces))
