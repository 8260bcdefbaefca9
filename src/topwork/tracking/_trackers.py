"""Trackers by their names; the package of one is looked for when it is named, and loaded when its run begins."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from topwork.errors import MissingExtraError, TrainError


class Tracker(Protocol):
    """One run in one tracker. Any method may raise anything: the event is tried again later."""

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        """Take numbers; ``step`` is None for those of the whole run."""

    def artefact(self, path: Path) -> None:
        """Take a copy of a file."""

    def end(self, how: str) -> None:
        """The run is over: ``finished``, ``failed`` or ``killed``."""


class Opened(NamedTuple):
    """A tracker that can be opened.

    Attributes:
        name: What messages call it.
        open: The run's name and parameters to the tracker; may raise anything, and is tried again then.
    """

    name: str
    open: Callable[[str, Mapping[str, str]], Tracker]


_ROOMS = {"mlflow": "_mlflow", "tensorboard": "_tensorboard", "trackio": "_wandb", "wandb": "_wandb"}

NAMES = tuple(_ROOMS)
"""Trackers that are known."""


def tracker(given: str) -> Opened:
    """The tracker that ``NAME`` or ``NAME=WHERE`` means. Nothing of its package is loaded yet.

    WHERE is a tracking URI for mlflow, a folder for tensorboard, a project for wandb and trackio; without it the
    package's own settings hold.

    Raises:
        TrainError: There is no tracker of that name.
        MissingExtraError: Its package is not installed.
    """
    name, _, where = given.partition("=")
    if name not in _ROOMS:
        near = difflib.get_close_matches(name, _ROOMS, 1)
        raise TrainError(
            f"there is no tracker {name!r}; these are known: {', '.join(NAMES)}",
            hint=f"did you mean {near[0]}?" if near else "",
        )
    if importlib.util.find_spec(name) is None:
        raise MissingExtraError(
            f"--track {name} needs {name}, which is not installed", hint=f"pip install 'topwork[{name}]'"
        )

    def opened(run: str, parameters: Mapping[str, str]) -> Tracker:
        room = importlib.import_module(f"topwork.tracking.{_ROOMS[name]}")
        found: Tracker = room.opened(name, where, run, parameters)
        return found

    return Opened(name, opened)
