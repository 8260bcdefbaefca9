"""The values of the ladder: what a head may read, how a way answered held-out images, and a rung with its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone, CropMode, Pooling
from topwork.metrics import Estimate, wilson_interval

Doubles = npt.NDArray[np.float64]
Measured = Literal["as it is", "cross-validated", "held out", ""]
RungStrategy = Literal["as-is", "zero-shot", "knn", "probe", "finetune"]


@dataclass(frozen=True)
class FeatureSpec:
    """What a head reads of the network.

    Attributes:
        size: Side of the network's input in pixels.
        crop_mode: How an image becomes that square.
        stages: How many, counted from the last; 0 is the network's own pooled features alone.
        pooling: How a stage's map becomes one number a channel.
    """

    size: int
    crop_mode: CropMode
    stages: int = 0
    pooling: Pooling = "mean"

    def outputs(self, backbone: Backbone) -> tuple[str, ...]:
        """The columns that are read."""
        if self.stages == 0:
            return backbone.outputs("last")
        names = [stage.name for stage in backbone.stages[-self.stages :]]
        return backbone.outputs([*names, "embedding"], self.pooling)

    def words(self, backbone: Backbone) -> str:
        """``all 9 stages, max, 256 px, squash``."""
        known = len(backbone.stages)
        stages = f"all {known} stages" if self.stages == known else f"last {self.stages} of {known} stages"
        depth = f"{stages}, {self.pooling}" if self.stages else "last features"
        return f"{depth}, {self.size} px, {self.crop_mode}"


@dataclass(frozen=True, eq=False)
class Answers:
    """How one way answered the training images, each image judged by a head that had not learnt from it.

    Attributes:
        hits: bool (N,), whether the right class came first.
        losses: float (N,), log loss in nats.
        held: bool (N,); False where an image trained every head (the only one of its class), so that it says nothing.
        trained: Whether a head was trained at all.
    """

    hits: npt.NDArray[np.bool_]
    losses: Doubles
    held: npt.NDArray[np.bool_]
    trained: bool = True

    @property
    def accuracy(self) -> float:
        """Share of the images that were judged; NaN where there are none."""
        return float(self.hits[self.held].mean()) if self.held.any() else float("nan")

    @property
    def log_loss(self) -> float:
        """Mean over the images that were judged; NaN where there are none."""
        return float(self.losses[self.held].mean()) if self.held.any() else float("nan")


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder, climbed or not.

    Attributes:
        name: What it is.
        strategy: The strategy of ``fit`` that stands on it.
        detail: What of the network is read, or trained.
        accuracy: On images that it has not learnt from, with the interval that ``expected`` gives; None where it was
            not measured.
        log_loss: Likewise, in nats.
        images: How many images judged it.
        measured: How.
        seconds: What the climb took.
        milliseconds: What one prediction takes, decoding included; None where it was not measured.
        note: Why it was not measured, or what is to be known of it.
    """

    name: str
    strategy: RungStrategy
    detail: str = ""
    accuracy: Estimate | None = None
    log_loss: float | None = None
    images: int = 0
    measured: Measured = ""
    seconds: float = 0.0
    milliseconds: float | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Rung:
        """What ``to_dict`` gave."""
        estimate = fields["accuracy"]
        return cls(**{**fields, "accuracy": None if estimate is None else Estimate.from_dict(estimate)})


def expected(accuracy: float, images: int) -> Estimate:
    """The accuracy that so many *other* images will show, given what ``images`` have shown.

    A held-out split differs from the truth as the images here do: twice the variance of a share of ``images``, which is
    a Wilson interval of half as many. So the interval may be held against a test split of this size or larger.
    """
    half = max(1, images // 2)
    low, high = wilson_interval(min(half, round(accuracy * half)), half)
    return Estimate(accuracy, min(low, accuracy), max(high, accuracy))
