"""What the command line says and where: results to stdout, everything else to stderr, errors in two plain lines."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import typer

from topwork._text import Table
from topwork.cli._language import screen_texts
from topwork.cli._progress import LINE, Bars, Lines, Progress

if TYPE_CHECKING:
    from topwork._texts import Language

_FOR_PEOPLE = frozenset(
    ("advice", "caveats", "changes", "detail", "error", "headline", "hint", "note", "notes", "reason", "text", "what")
)
"""Fields of JSON that hold sentences; all others are for programs."""

_BEFORE = re.compile("((?:(?:error|hint|note|progress): )?)(.*)")


class Console:
    """One command's voice: stdout gets text or one JSON object; stderr notes and errors, or errors alone.

    What comes here is English; where the user wants another language, it is said in that.
    """

    def __init__(self, *, as_json: bool, quiet: bool, language: Language = "en") -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.language = language
        self._texts = None if language == "en" else screen_texts(language)
        self._shown: Lines | Bars | None = None

    def result(self, fields: dict[str, Any], lines: str | Sequence[str]) -> None:
        """Print a command's result: the fields as JSON where that was asked for, the lines otherwise."""
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"  # elsewhere JSON's own escapes
        if self.as_json:
            print_line(json.dumps(self._for_people(fields), ensure_ascii=not utf8), sys.stdout)
            return
        for line in [lines] if isinstance(lines, str) else lines:
            print_line(self.said(line), sys.stdout)

    def said(self, text: str) -> str:
        """A line or a table in the user's language."""
        if self._texts is None:
            return text
        if isinstance(text, Table):
            return text.said(lambda cell: self._texts.named("cell", cell) if self._texts else cell)
        return "\n".join(map(self._said, text.split("\n")))

    def _said(self, line: str) -> str:
        """A line, and what stands before it: that is English where the rest is."""
        before, rest = _BEFORE.fullmatch(line).groups()  # type: ignore[union-attr]
        told = self._texts.said(rest) if self._texts else rest
        return f"{self._texts(before[:-2])}: {told}" if self._texts and before and told != rest else f"{before}{told}"

    def _for_people(self, value: Any, name: str = "") -> Any:
        """What JSON holds for a program to read, with what it says to people in their language."""
        if self._texts is None:
            return value
        if isinstance(value, dict):
            return {key: self._for_people(each, key) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._for_people(each, name) for each in value]
        return self.said(value) if isinstance(value, str) and name in _FOR_PEOPLE else value

    def note(self, text: str) -> None:
        """Say something beside the result."""
        if not self.quiet:
            print_line(self.said(one_line(text)), sys.stderr)

    def notes(self, texts: Iterable[str]) -> None:
        """Say several things beside the result."""
        for text in texts:
            self.note(f"note: {text}")

    def failure(self, text: str) -> None:
        """Say that one of many items failed; the command goes on."""
        print_line(self.said(f"error: {one_line(text)}"), sys.stderr)

    def fail(self, message: str, hint: str = "") -> NoReturn:
        """End the command with exit code 1."""
        self.failure(message)
        if hint:
            print_line(self.said(f"hint: {one_line(hint)}"), sys.stderr)
        raise typer.Exit(1)

    def require_none_failed(self, failed: int, thing: str = "image") -> None:
        """End the command with exit code 1 where some things could not be used, which each one's line has told."""
        if failed:
            hint = f"the line of each {thing} says why; the other {thing}s are not affected"
            self.fail(f"{failed} {thing if failed == 1 else f'{thing}s'} could not be used", hint)

    def step(self, text: str) -> Progress | None:
        """Announce what begins; gives a progress callback where progress is shown."""
        return self._shown.step(text) if self._shown is not None else None

    def be_still(self) -> None:
        """Tell no more lines of progress: what comes has no end."""
        if isinstance(self._shown, Lines):
            self._shown.end()

    def _line(self, text: str) -> None:
        if not self.quiet:  # as a process beside others becomes when it learns of them
            print_line(text, sys.stderr)  # without an import, for which a thread would wait while others are imported

    def within(self, budget: float | None) -> None:
        """Tell in the lines how much is left of the seconds that the whole may take, where there is such a limit."""
        if isinstance(self._shown, Lines):
            self._shown.budget = budget

    @contextlib.contextmanager
    def lines(self) -> Iterator[None]:
        """Tell every few seconds what is being done, where stderr is no terminal and nobody asked for quiet."""
        if self.quiet or sys.stderr.isatty():
            yield
            return
        head = LINE if self._texts is None else f"{self._texts('progress')}: "
        self._shown = lines = Lines(self._line, self.said, head)
        with lines.shown():
            yield
        self._shown = None

    @contextlib.contextmanager
    def progress(self) -> Iterator[None]:
        """Show a progress bar, where stderr is a terminal and nobody asked for quiet."""
        if self.quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with RichProgress(*columns, console=Terminal(stderr=True), transient=True) as bars:
            self._shown = Bars(bars, self.said)
            yield
        self._shown = None


def print_line(text: str, stream: TextIO) -> None:
    """Print, with characters that the stream's encoding lacks escaped; names on disk may hold any."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def print_error(text: str) -> None:
    """Print to stderr."""
    print_line(text, sys.stderr)


def one_line(text: str) -> str:
    """A message on one line, with what would steer a terminal escaped; it may quote any file's or class's name."""
    from topwork.data import printable

    return printable(" ".join(text.split()))
