"""What options may be, and whose they are, so that the command line itself refuses others and says so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from topwork.engines import EngineName


class StrategyName(StrEnum):
    """Rungs that exist."""

    auto = "auto"
    probe = "probe"
    finetune = "finetune"
    as_is = "as-is"
    zero_shot = "zero-shot"


class CropModeName(StrEnum):
    """Ways to bring an image into the network's square."""

    auto = "auto"
    crop = "crop"
    squash = "squash"
    pad = "pad"


class AugmentName(StrEnum):
    """Levels of augmentation."""

    auto = "auto"
    none = "none"
    light = "light"
    colour = "colour"
    rand = "rand"


class OrientName(StrEnum):
    """Ways to turn training images."""

    auto = "auto"
    none = "none"
    mirror = "mirror"
    any = "any"


class HeadName(StrEnum):
    """Heads."""

    linear = "linear"
    knn = "knn"


class PoolingName(StrEnum):
    """Ways to pool a stage's map."""

    mean = "mean"
    max = "max"
    both = "mean+max"


class ClassWeightName(StrEnum):
    """Ways to weigh classes."""

    auto = "auto"
    none = "none"
    balanced = "balanced"


class EngineKind(StrEnum):
    """Engines."""

    auto = "auto"
    openvino = "openvino"
    torch_cpu = "torch-cpu"
    torch_cuda = "torch-cuda"


CropModeOption = Annotated[CropModeName, typer.Option("--crop-mode", help="How an image fits into the square.")]
ClassWeightOption = Annotated[ClassWeightName, typer.Option(help="Whether rare classes weigh more.")]
EngineOption = Annotated[EngineKind, typer.Option(help="What runs the network.")]
HeldOutOption = Annotated[float, typer.Option(help="Share held out where DATA has no test/ or val/.", min=0, max=0.9)]
SeedOption = Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)]
CacheOption = Annotated[bool, typer.Option(help="Keep features on disk for the next run.")]

_PROBES = (StrategyName.probe, StrategyName.finetune)
_CLIMBERS = (StrategyName.auto, StrategyName.finetune)
_FINETUNE = (StrategyName.finetune,)
_ZERO_SHOT = (StrategyName.zero_shot,)

STRATEGIES_OF = {
    "stages": _PROBES,
    "pooling": _PROBES,
    "head": _PROBES,
    "class_weight": (StrategyName.auto, *_PROBES),
    "unfreeze": _CLIMBERS,
    "augment": _CLIMBERS,
    "orient": _CLIMBERS,
    "epochs": _CLIMBERS,
    "budget": _CLIMBERS,
    "settings": _CLIMBERS,
    "resume": _FINETUNE,
    "class_map": (StrategyName.as_is,),
    "labels": _ZERO_SHOT,
    "descriptions": _ZERO_SHOT,
    "prompts": _ZERO_SHOT,
    "text": _ZERO_SHOT,
    "blend": _ZERO_SHOT,
}
"""Which strategies read an option of ``fit``, by its parameter's name; all of them, where it is not here."""


def engine_named(kind: EngineKind) -> EngineName | None:
    """The engine that was asked for; None for the best that is here."""
    return None if kind is EngineKind.auto else cast("EngineName", kind.value)


def require_heard(context: typer.Context, option: str, chosen: str, readers: Mapping[str, Sequence[str]]) -> None:
    """Refuse options on the command line that what was chosen would not read.

    Args:
        context: The command line.
        option: What chooses, such as ``--strategy``.
        chosen: What it was given.
        readers: Which choices read an option, by its parameter's name; all of them, where it is not there.

    Raises:
        typer.BadParameter: There is one; it names whose it is.
    """
    for parameter in context.command.params:
        heard = readers.get(parameter.name or "", (chosen,))
        source = context.get_parameter_source(parameter.name or "")
        if chosen not in heard and source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(
                f"{parameter.opts[0]} is for {option} {', '.join(heard)}, not for {chosen}", ctx=context
            )


def seconds(text: str | None) -> float | None:
    """``90s``, ``5m``, ``1h`` or seconds as a number."""
    if text is None:
        return None
    number, unit = (text[:-1], text[-1]) if text.endswith(("s", "m", "h")) else (text, "s")
    try:
        found = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except ValueError:
        found = 0.0
    if not 0 < found < math.inf:
        raise typer.BadParameter(f"--budget takes a time such as 90s, 5m or 1h, not {text!r}")
    return found
