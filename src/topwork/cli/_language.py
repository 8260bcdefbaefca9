"""The language in which the command line speaks: ``--lang``, or the locale's."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from topwork._texts import Language, Texts

OWN = "topwork.cli"
"""The package whose texts are the command line's own."""


class LanguageName(StrEnum):
    """Languages of the command line and of the pages."""

    english = "en"
    korean = "ko"


def language_of(given: Sequence[str]) -> Language:
    """The language that a command line asks for, wherever ``--lang`` stands in it; the locale's where it does not."""
    words = list(itertools.takewhile(lambda each: each != "--", given))
    named = [value for flag, value in itertools.pairwise(words) if flag == "--lang"]
    named += [each.removeprefix("--lang=") for each in words if each.startswith("--lang=")]
    if named and named[-1] in tuple(LanguageName):  # what is none is refused by the option itself
        return "ko" if named[-1] == "ko" else "en"
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "ko" if locale.lower().startswith(("ko_", "ko-", "ko.", "korean")) or locale.lower() == "ko" else "en"


def screen_texts(language: Language) -> Texts:
    """What results, notes and errors say in a language."""
    from topwork import tasks
    from topwork._texts import LIBRARY, Texts

    return Texts(language, (LIBRARY, "topwork.report", *tasks.packages(), OWN))


def help_texts(language: Language) -> Texts:
    """What the help says in a language."""
    from topwork._texts import Texts

    return Texts(language, (OWN,))
