"""Commands: how a function becomes one, which options all have, and how all of them fail."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import re
import sys
import tempfile
import typing
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from topwork.cli._console import Console
from topwork.cli._help import speak, spoken_usage
from topwork.cli._language import LanguageName, language_of
from topwork.cli._options import parameter
from topwork.cli._tasks import task_in, task_parameter
from topwork.errors import ImageError, TopworkError

_COMMON: dict[str, Any] = {
    "as_json": typer.Option("--json", is_eager=True, help="Print one JSON object instead of text."),
    "quiet": typer.Option("--quiet", "-q", help="Print no notes and no progress."),
    "debug": typer.Option("--debug", help="Show the traceback of an error."),
    "offline": typer.Option("--offline", help="Do not use the internet, so no weights are downloaded from the hub."),
}
LANG: Any = Annotated[
    LanguageName | None,
    typer.Option("--lang", help="Language of texts and pages; the locale's if not given.", show_default=False),
]
ARGS = "topwork.args"
"""In the meta of a context: the command line after the program's name."""
_LANGUAGE = "topwork.language"  # in the meta of a context, which all commands of a program share
_PAIR = re.compile(r"[a-z_][\w.]*=")  # of a setting's name and its value
_NO_CACHE: Any = typer.Option("--no-cache", help="Keep nothing on disk: what is in the cache is not used either.")


class Program(TyperGroup):
    """The commands, which speak the language that the command line or the locale asks for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As it is, once the language is known."""
        language = ctx.meta[_LANGUAGE] = language_of(args)
        ctx.meta[ARGS] = tuple(args)
        speak(ctx, language)
        with spoken_usage(language):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """As it is; what a command finds wrong with its arguments is said in the language."""
        with spoken_usage(ctx.meta[_LANGUAGE]):
            return super().invoke(ctx)


class _Command(TyperCommand):
    """A command whose help speaks the program's language."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        speak(ctx, ctx.meta.get(_LANGUAGE, "en"))
        return super().parse_args(ctx, args)


def new_app(**more: Any) -> typer.Typer:
    """A program, or a part of one, whose help and errors are plain text."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, **more)


def command(
    app: typer.Typer, name: str, late: Callable[[str], list[inspect.Parameter]] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command that takes the options of all commands and fails as promised.

    The function's first argument is its ``Console``; the others are the command's own. What it takes as ``**given`` are
    ``--task`` and the options that ``late`` gives for the task's name; it is called when the command is, so that it may
    import what the program's help can do without.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        if late is None:
            app.command(name, cls=_Command)(_program(function, []))
        else:
            app.command(name, cls=_late(name, function, late), help=inspect.getdoc(function))(lambda: None)
        return function

    return register


def _late(
    name: str, function: Callable[..., None], options: Callable[[str], list[inspect.Parameter]]
) -> type[TyperCommand]:
    """A command that gets its options when it is called."""

    class Late(TyperCommand):
        """In the place of the command until then."""

        def make_context(self, info_name: str | None, args: list[str], *given: Any, **more: Any) -> Any:
            app, task = new_app(), task_in(args)
            app.command(name, cls=_Command)(_program(function, [*options(task), task_parameter(task)]))
            return get_command(app).make_context(info_name, _each_set(args), *given, **more)

    return Late


def _each_set(given: Sequence[str]) -> list[str]:
    """A command line in which every NAME=VALUE that follows ``--set NAME=VALUE`` has a ``--set`` of its own."""
    found: list[str] = []
    for arg in given:
        if _PAIR.match(arg) and len(found) > 1 and found[-2] == "--set" and _PAIR.match(found[-1]):
            found.append("--set")
        found.append(arg)
    return found


def _program(function: Callable[..., None], more: list[inspect.Parameter]) -> Callable[..., None]:
    """What typer is to run for a command."""
    hints = typing.get_type_hints(function, include_extras=True)
    own = [each.replace(annotation=hints[each.name]) for each in inspect.signature(function).parameters.values()]
    named = [each for each in own[1:] if each.kind is not inspect.Parameter.VAR_KEYWORD]
    has_context = any(each.name == "context" for each in named)

    @functools.wraps(function)
    def run(
        *,
        as_json: bool,
        quiet: bool,
        debug: bool,
        offline: bool,
        lang: str | None,
        context: typer.Context,
        no_cache: bool = False,
        **arguments: Any,
    ) -> None:
        language = context.meta.get(_LANGUAGE, "en")  # ``lang`` was heard there, before the command was parsed
        console = Console(as_json=as_json, quiet=quiet, language=language)
        arguments |= {"context": context} if has_context else {}
        settings = _settings(offline=offline, silent=as_json or quiet, no_cache=no_cache)
        with settings, _failing_plainly(console, debug=debug), console.lines():
            function(console, **arguments)

    has_own = any(each.name == "cache" for each in (*named, *more))
    all_have = _COMMON if has_own else {**_COMMON, "no_cache": _NO_CACHE}
    common = [parameter(name, Annotated[bool, option], False) for name, option in all_have.items()]
    common.append(parameter("lang", LANG, None))
    common += [] if has_context else [parameter("context", typer.Context, inspect.Parameter.empty)]
    parameters = [*named, *more, *common]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


@contextlib.contextmanager
def _settings(*, offline: bool, silent: bool, no_cache: bool) -> Iterator[None]:
    """Set what was asked for while a command runs; the hub's client reads its settings when it is first imported."""
    wanted = {"HF_HUB_OFFLINE": "1"} if offline else {}
    if silent:
        wanted |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_VERBOSITY": "error"}
    with contextlib.ExitStack() as stack:
        if no_cache:
            folder = tempfile.TemporaryDirectory(prefix="topwork-", ignore_cleanup_errors=True)
            wanted["TOPWORK_CACHE"] = stack.enter_context(folder)
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
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        console.fail(*_told(error))


def _told(error: BaseException) -> tuple[str, str]:
    """What went wrong, and what to do."""
    match error:
        case ImageError():
            return error.message, error.hint or "check that the file is there and whole"
        case TopworkError():
            return error.message, error.hint or "--help lists the options, --debug shows where it failed"
        case KeyboardInterrupt():
            return "interrupted", "run the same command again; features already in the cache are not computed again"
        case OSError() | MemoryError():
            return f"{type(error).__name__}: {error}", "--debug shows where"
    # A fault of ours is still one line for whoever runs this in a script.
    return f"internal error in topwork: {type(error).__name__}: {error}", "--debug shows where; please report it"
