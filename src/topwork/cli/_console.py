"""What the command line says and where: results to stdout, everything else to stderr, errors in two plain lines."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import sys
import typing
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, TextIO

import typer

from topwork.data import printable
from topwork.errors import TopworkError

Progress = Callable[[int, int], None]


class Console:
    """One command's voice.

    Attributes:
        as_json: Whether stdout gets one JSON object, instead of text.
        quiet: Whether stderr gets errors alone.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._bars: Any = None

    def result(self, fields: dict[str, Any], text: str) -> None:
        """Print a command's result: the fields as JSON where that was asked for, the text otherwise."""
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"  # elsewhere JSON's own escapes
        print_line(json.dumps(fields, ensure_ascii=not utf8) if self.as_json else text, sys.stdout)

    def note(self, text: str) -> None:
        """Say something beside the result."""
        if not self.quiet:
            print_line(one_line(text), sys.stderr)

    def notes(self, texts: Iterable[str]) -> None:
        """Say several things beside the result."""
        for text in texts:
            self.note(f"note: {text}")

    def failure(self, text: str) -> None:
        """Say that one of many items failed; the command goes on."""
        print_line(f"error: {one_line(text)}", sys.stderr)

    def step(self, text: str) -> Progress | None:
        """Announce a step; gives a progress callback where a person is watching."""
        if self._bars is None:
            return None
        return _Bar(self._bars, text)

    @contextlib.contextmanager
    def progress(self) -> Iterator[None]:
        """Show progress bars, where stderr is a terminal and nobody asked for quiet."""
        if self.quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Terminal(stderr=True), transient=True) as self._bars:
            yield
        self._bars = None


class _Bar:
    """A progress callback that moves a bar; ``tell`` puts words beside it."""

    def __init__(self, bars: Any, text: str) -> None:
        self._bars = bars
        self._text = text
        self._task = bars.add_task(text, total=None)

    def __call__(self, done: int, total: int) -> None:
        self._bars.update(self._task, completed=done, total=total)

    def tell(self, words: str) -> None:
        self._bars.update(self._task, description=f"{self._text}: {words}")


def print_line(text: str, stream: TextIO) -> None:
    """Print, with characters that the stream's encoding lacks escaped; names on disk may hold any."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def one_line(text: str) -> str:
    """A message on one line, with what would steer a terminal escaped; it may quote any file's or class's name."""
    return printable(" ".join(text.split()))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in aligned columns, numbers (all but the first column) to the right."""
    cells = [list(head), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


_COMMON = (
    inspect.Parameter(
        "as_json",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")],
    ),
    inspect.Parameter(
        "quiet",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option("--quiet", "-q", help="No notes and no progress on stderr.")],
    ),
    inspect.Parameter(
        "debug",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option("--debug", help="A traceback with an error.")],
    ),
    inspect.Parameter(
        "offline",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option("--offline", help="Use no network: fetch no weights from the hub.")],
    ),
)


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command that takes the options of all commands and fails as promised.

    The function's first argument is its ``Console``; the others are the command's own.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = typing.get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]

        @functools.wraps(function)
        def run(*, as_json: bool, quiet: bool, debug: bool, offline: bool, **arguments: Any) -> None:
            console = Console(as_json=as_json, quiet=quiet)
            hub = _hub_settings(offline=offline, silent=as_json or quiet)
            with hub, _failing_plainly(console, debug=debug):
                function(console, **arguments)

        parameters = [*own, *_COMMON]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name)(run)
        return run

    return register


@contextlib.contextmanager
def _hub_settings(*, offline: bool, silent: bool) -> Iterator[None]:
    """Tell the hub's client what was asked for; it reads its settings when it is first imported."""
    wanted = {"HF_HUB_OFFLINE": "1"} if offline else {}
    if silent:
        wanted |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_VERBOSITY": "error"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _failing_plainly(console: Console, *, debug: bool) -> Iterator[None]:
    """Turn failures into ``error:`` and ``hint:`` lines and exit code 1."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *rest, **more: console.note(f"note: {message}")
            yield
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `topwork predict … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (typer.Exit, typer.Abort, typer.TyperException):
        raise
    except TopworkError as error:
        if debug:
            raise
        fail(error.message, error.hint or "--help tells what the command takes, --debug where it failed")
    except KeyboardInterrupt:
        if debug:
            raise
        fail("interrupted", "the same command starts again; features in the cache are not computed twice")
    except (OSError, MemoryError) as error:
        if debug:
            raise
        fail(f"{type(error).__name__}: {error}", "--debug shows where")
    except Exception as error:  # a fault of ours: still one line for whoever runs this in a script
        if debug:
            raise
        fail(f"topwork has a fault: {type(error).__name__}: {error}", "--debug shows where; please report it")


def fail(message: str, hint: str = "") -> typing.NoReturn:
    """End the command with exit code 1."""
    print_line(f"error: {one_line(message)}", sys.stderr)
    if hint:
        print_line(f"hint: {one_line(hint)}", sys.stderr)
    raise typer.Exit(1)
