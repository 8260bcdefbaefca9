"""Options stand once: a field of an options class carries its help, and all else that a command line needs of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Option:
    """What stands beside a field of an options class: ``views: Annotated[int, Option("Views kept.", ge=0)] = 8``.

    Attributes:
        help: What the field does, in sentences; where it is empty, a pydantic field's description tells it.
        flag: Its name on the command line: the field's own when empty. None leaves the field to ``--set`` alone.
        name: Its name for ``--set``, where that is not the field's own; such as ``head.hidden``.
        takes: Its values in words, where the type does not tell them.
        metavar: What stands for the value in the help, in place of the type's name.
        parse: Makes the value of a text, where the type does not tell how; a ``ValueError`` refuses the text.
        many: Whether the flag may be repeated: ``parse`` takes a list of all its texts then.
        old: Former flags, which work for one more version.
        ge: The least value.
        gt: What the value must exceed.
        le: The greatest value.
        lt: What the value must stay below.
    """

    help: str = ""
    flag: str | None = ""
    name: str = ""
    takes: str = ""
    metavar: str | None = None
    parse: Callable[[Any], Any] | None = None
    many: bool = False
    old: tuple[str, ...] = ()
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None


def seconds(text: str) -> float:
    """``90s``, ``5m``, ``1h`` or seconds as a number.

    Raises:
        ValueError: The text is no time, or none that is finite and more than 0.
    """
    number, unit = (text[:-1], text[-1]) if text.endswith(("s", "m", "h")) else (text, "s")
    found = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    if not 0 < found < math.inf:
        raise ValueError(text)
    return found


def pairs(texts: Sequence[str]) -> dict[str, float]:
    """``["defect=0.99"]`` as ``{"defect": 0.99}``; a name may hold ``=`` too.

    Raises:
        ValueError: One has no name or number, or a name comes twice.
    """
    found = [text.rpartition("=") for text in texts]
    values = {name.strip(): float(number) for name, _, number in found}
    if "" in values or len(values) < len(texts):
        raise ValueError(", ".join(texts))
    return values


def budget_option(help: str) -> Option:
    """The option of a field that holds seconds to spend."""
    return Option(help, "--budget", takes="a time such as 90s, 5m or 1h", metavar="TIME", parse=seconds)


def file_option(help: str, read: Callable[[Path], Any], flag: str = "") -> Option:
    """The option of a field that is read from a file."""
    return Option(help, flag, takes="a file", metavar="FILE", parse=lambda name: read(Path(name)))


CACHE = Option("Keep computed features on disk, so that the next run is faster.")
SEED = Option("Random seed.", ge=0)
CHECKPOINT = Option("Folder for checkpoints; on the command line it is MODEL.training.", None)
CLASS_TEXTS = Option('Text for each class, used instead of its name: "a cat,a dog".')
CROP_MODE = Option("How an image is made square: squash changes its aspect ratio, pad adds borders.")
ENGINE = Option("Engine that runs the network; auto uses the fastest one available.")
RESUME = Option("Continue from the newest checkpoint of an interrupted run with the same -o.")
TRAINING = Option("Settings of the training.")
VALIDATION = Option(
    "Least share of the training images used for validation when DATA has no val/ beside test/; of few images "
    "up to a third, until there are 40.",
    None,
    gt=0,
    lt=1,
)
