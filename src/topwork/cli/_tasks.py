"""Which task a command line means, on which its other options depend."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from topwork.cli._options import parameter

_LITERAL: Any = Literal  # mypy would have its words at once


def task_parameter(told: str) -> inspect.Parameter:
    """``--task``, which is no part of the help where there is but one; the data tell what it is by default."""
    from topwork.tasks import names

    choices: Any = _LITERAL[tuple(names())]
    option: Any = typer.Option(
        help="Task to learn; told by the data if not given.", hidden=len(names()) == 1, show_default=False
    )
    return parameter("task", Annotated[choices, option], told)


def task_in(given: Sequence[str]) -> str:
    """The task that a command line names, or that its data tell; its other options depend on it."""
    from topwork.tasks import DEFAULT, names, task, told_by

    if named := _values(given, "--task"):
        return named[-1] if named[-1] in names() else DEFAULT  # what is none is told by the option itself
    if _values(given, "--from"):  # features of images, and perhaps a table of labels
        return DEFAULT
    if called := _values(given, "--columns"):
        columns = {pair.partition("=")[0].strip() for pair in called[-1].split(",")}
        rooms = {name: task(name).written for name in names()}
        return next((name for name, written in rooms.items() if written and written.field in columns), DEFAULT)
    made = ("-o", "--out", "--write", "--report")  # what follows is no data
    pairs = itertools.pairwise(("", *given))
    paths = [each for before, each in pairs if each[:1] != "-" and before not in made and os.path.exists(each)]
    return next((found for found in map(told_by, paths) if found != DEFAULT), DEFAULT)


def _values(given: Sequence[str], option: str) -> list[str]:
    """What a command line gives as an option, before it is parsed."""
    apart = [value for flag, value in itertools.pairwise(given) if flag == option]
    return [*apart, *(each.removeprefix(f"{option}=") for each in given if each.startswith(f"{option}="))]
