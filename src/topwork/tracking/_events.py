"""The events of a run, in the order in which they come: one beginning, figures and files, one end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Begun:
    """A run begins.

    Attributes:
        name: What people call it.
        parameters: What was asked for.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """Numbers that belong to one moment.

    Attributes:
        values: By their names, such as ``validation/accuracy``.
        step: Which epoch, from 1; None for figures of the whole run.
    """

    values: Mapping[str, float]
    step: int | None = None


@dataclass(frozen=True)
class Artefact:
    """A file that came out."""

    path: Path


@dataclass(frozen=True)
class Ended:
    """The run is over."""

    how: Literal["finished", "failed", "killed"] = "finished"


Event = Begun | Figures | Artefact | Ended
