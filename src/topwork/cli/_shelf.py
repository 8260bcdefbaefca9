"""Where pictures go: those of ``explain``, and their names."""

from __future__ import annotations

import itertools
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork.cli._console import one_line
from topwork.cli._explain_options import WhatName
from topwork.cli._text import printable
from topwork.errors import ExplainError

if TYPE_CHECKING:
    from topwork.explain import Result

_NAME = 200  # bytes of a picture's name; a file system takes 255, and a number may follow


class PictureNames:
    """Names of picture files, no two the same, on any file system."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """A file's name for a picture, with a number behind it where that is taken."""
        shortened = re.sub(r"[^\w.-]+", "-", name).encode()[:_NAME].decode(errors="ignore")
        plain = shortened.strip("-.") or "picture"
        numbered = (f"{plain}{f'-{number}' if number > 1 else ''}.png" for number in itertools.count(1))
        file = next(each for each in numbered if each.lower() not in self._taken)
        self._taken.add(file.lower())
        return file


class Shelf:
    """Where the pictures go, no two under one name, and what is said of each: ``fields`` with --json, or ``lines``.

    ``results`` are kept only where a page will show them: they hold every pixel.
    """

    def __init__(self, folder: Path, what: WhatName, *, page: bool) -> None:
        self.what = what
        self.fields: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.results: list[tuple[str, Result]] = []
        self.skipped: list[dict[str, str]] = []
        self._folder = folder
        self._page = page
        self._names = PictureNames()

    def to_dict(self) -> dict[str, Any]:
        """What --json tells."""
        return {"pictures": self.fields, **({"skipped": self.skipped} if self.skipped else {})}

    def try_place(self, hint: str) -> None:
        """Refuse, before work that takes minutes, a place where the pictures cannot be written (``ExplainError``)."""
        there = next(place for place in (self._folder, *self._folder.absolute().parents) if place.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                return
        except OSError as error:
            raise ExplainError(f"{self._folder}: cannot be written: {error.strerror or error}", hint=hint) from error

    def keep(self, result: Result, name: str, source: str = "") -> None:
        """Write a result's picture under a name, with a number behind it where that is taken."""
        from topwork.explain import write_result

        path = write_result(result, self._folder / self._names.take(name), what=self.what.value, source=source)
        self.fields.append({**({"source": source} if source else {}), "picture": str(path), **result.to_dict()})
        self.lines.append(f"{printable(str(path))}: {one_line(result.headline)}")
        if self._page:
            self.results.append((source, result))
