"""Tasks: each is a room of its own, and none imports another. This one knows their names and opens them when asked.

In: a task's name, or a saved model that names its task. Out: the ``Task``. A new task is a folder here and a line
below.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, TypeVar, overload

from topwork.errors import ModelError
from topwork.model import PREFIX, Classifier, Model, hub_folder
from topwork.model import load as load_model
from topwork.tasks._export import export
from topwork.tasks._serving import Enrolling, Looking, Row, Serving, Wanted
from topwork.tasks._task import Announce, Climb, Fitted, RecordOf, Run, Sample, Strategy, Task, Words, Written, caches

__all__ = [
    "DEFAULT",
    "Announce",
    "Climb",
    "Enrolling",
    "Fitted",
    "Looking",
    "RecordOf",
    "Row",
    "Run",
    "Sample",
    "Serving",
    "Strategy",
    "Task",
    "Wanted",
    "Words",
    "Written",
    "alike",
    "caches",
    "export",
    "load",
    "names",
    "packages",
    "register",
    "task",
    "told_by",
]

DEFAULT = "classification"

Kind = TypeVar("Kind", bound=Model)

_ROOMS = {
    DEFAULT: "topwork.tasks.classification",
    "detection": "topwork.tasks.detection",
    "recognition": "topwork.tasks.recognition",
    "segmentation": "topwork.tasks.segmentation",
    "text": "topwork.tasks.text",
}
"""Task -> the package whose ``TASK`` it is; imported on first use."""

_REGISTERED: dict[str, Task] = {}


def names() -> list[str]:
    """The names of all tasks."""
    return sorted({*_ROOMS, *_REGISTERED})


def packages(*names: str) -> tuple[str, ...]:
    """The rooms of the tasks, or of those named, whose texts are what their words say in other languages."""
    return tuple(room for name, room in _ROOMS.items() if not names or name in names)


def task(name: str | Task) -> Task:
    """The task of that name; a task itself is given back.

    Raises:
        ModelError: There is none.
    """
    if isinstance(name, Task):
        return name
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name not in _ROOMS:
        raise ModelError(
            f"there is no task called {name[:40]!r}",
            hint=f"its tasks are {', '.join(names())}; a newer version of topwork may have more",
        )
    found: Task = importlib.import_module(_ROOMS[name]).TASK
    return found


def told_by(data: Any) -> str:
    """The task whose kind of data this is, by a quick look; the default one where no other knows them."""
    return next((name for name in names() if name != DEFAULT and task(name).told_by(data)), DEFAULT)


def alike(name: str) -> tuple[str, ...]:
    """The tasks whose data look as this one's do, itself among them; the one that ``told_by`` names comes first."""
    first = task(name).alike or name
    return (first, *(each for each in names() if task(each).alike == first))


def register(new: Task) -> None:
    """Make a task of another package known, so that its models can be loaded by name."""
    _REGISTERED[new.name] = new


@overload
def load(path: str | os.PathLike[str]) -> Model: ...
@overload
def load(path: str | os.PathLike[str], kind: type[Kind]) -> Kind: ...
def load(path: str | os.PathLike[str], kind: type[Any] = Model) -> Any:
    """Read a model folder, whatever its task.

    Args:
        path: The folder, or ``hf:OWNER/NAME`` for a model on the hub.
        kind: What the caller can work with, such as ``Classifier``.

    Raises:
        ModelError: It is not there, damaged, of a newer format, of an unknown task or of another kind, or its parts do
            not fit together.
    """
    folder = hub_folder(str(path)) if str(path).startswith(PREFIX) else path
    found = load_model(folder, lambda name: task(name).model)
    if not isinstance(found, kind):
        made = next((name for name in names() if task(name).model is kind), "")
        raise ModelError(
            f"{path}: this command cannot use a model of the task {found.record.task.name}",
            hint="it is for models that tell classes apart" if kind is Classifier else f"it is for models of {made}",
        )
    return found
