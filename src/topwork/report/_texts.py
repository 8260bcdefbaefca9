"""The page's texts in one language, as parts of HTML."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from topwork._texts import LIBRARY, Language, catalogue
from topwork._texts import Texts as Plain
from topwork.data import printable

__all__ = ["KIT", "Language", "Texts", "catalogue"]

KIT = "topwork.report"
"""The package whose texts and templates every page has."""


class Texts(Plain):
    """The kit's texts, what the library says, and the texts of other packages whose sections the page has."""

    def __init__(
        self, language: str, packages: Sequence[str] = (), thing: str = "image", named: Sequence[str] = ()
    ) -> None:
        super().__init__(language, (LIBRARY, KIT, *packages), thing, named)

    @property
    def english(self) -> Markup:
        """An attribute for what stays English on a page in another language, so that it is read aloud as English."""
        return Markup("" if self._language == "en" else ' lang="en"')

    def told(self, kind: str, text: str) -> Markup:
        """What ``named`` gives, or ``said``, as a part of the page; what stays English says that it is."""
        named = text if kind == "says" else self.named(kind, text)
        found = self.said(text) if named == text else named
        return Markup("<span{}>{}</span>").format(self.english if found == text else "", printable(found))
