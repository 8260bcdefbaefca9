"""Every setting of a training in one frozen value that refuses what it does not know."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from topwork._options import SEED, Option, budget_option
from topwork.errors import TrainError


class TrainConfig(BaseModel):
    """Settings of a training; two equal ones on equal data give equal weights.

    Nothing else is read: no environment variable, no string that is looked at later. A wrong value or an unknown name
    fails here (``pydantic.ValidationError``; ``parse_config`` gives a ``TrainError`` that names the nearest right one).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    epochs: Annotated[int, Option("Passes over the training images.")] = Field(
        default=10, ge=1, description="passes over the training split, at most"
    )
    batch_size: int = Field(
        default=32, ge=1, description="images a step of the optimizer, over all pieces and ranks together"
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        description="pieces a batch is computed in, one after the other: less memory, the same gradient",
    )
    optimizer: Literal["adamw", "sgd"] = Field(default="adamw", description="rule that turns gradients into steps")
    learning_rate: float = Field(default=1e-3, gt=0, description="peak rate of the layer nearest the output")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="factor on the rate for each layer further from the output"
    )
    weight_decay: float = Field(
        default=0.01, ge=0, description="decoupled for adamw, L2 for sgd; never on norms, biases, 1-d tensors"
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="of sgd; the first beta of adamw")
    schedule: Literal["cosine", "constant", "one-cycle", "plateau"] = Field(
        default="one-cycle", description="course of the learning rate after the warm-up"
    )
    warmup: float = Field(default=0.1, ge=0, lt=1, description="share of all steps in which the rate rises to its peak")
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of a target's mass spread over all classes"
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: an image counts N / (classes x images of its class)"
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="share of the last layer's inputs that is dropped in training"
    )
    mixup: float = Field(default=0.0, ge=0, description="alpha of the beta distribution of mixup's shares; 0 = off")
    cutmix: float = Field(default=0.0, ge=0, description="alpha of the beta distribution of CutMix's areas; 0 = off")
    ema_decay: float | None = Field(
        default=None, gt=0, lt=1, description="of the weights' running mean, a step; None = off"
    )
    clip: float | None = Field(default=1.0, gt=0, description="greatest norm of the whole gradient; None = as it comes")
    precision: Literal["auto", "bf16", "f32"] = Field(
        default="auto", description="of the multiplications; auto: bf16 where the device computes in it"
    )
    channels_last: bool = Field(default=True, description="hold maps with the channels last, which convolutions prefer")
    compile: Literal["off", "auto"] = Field(
        default="auto", description="auto: torch.compile on a GPU where there are steps enough to repay it"
    )
    patience: int | None = Field(
        default=None, ge=1, description="epochs without a better validation before it stops; None = all epochs"
    )
    checkpoint_minutes: float = Field(default=5.0, gt=0, description="minutes between checkpoints within an epoch")
    seed: Annotated[int, SEED] = Field(default=0, ge=0, description="of order, dropout, mixup, CutMix and augmentation")
    budget_seconds: Annotated[
        float | None, budget_option("Time for the training, whose schedule is shortened to fit.")
    ] = Field(
        default=None, gt=0, description="seconds for all of it: the schedule is shortened to fit; None = no limit"
    )


def parse_config(values: Mapping[str, Any]) -> TrainConfig:
    """A configuration from names and values that a user wrote.

    Raises:
        TrainError: An unknown name (the hint has the nearest right one) or a wrong value.
    """
    try:
        return TrainConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, TrainConfig.model_fields, n=3) or sorted(TrainConfig.model_fields)
            raise TrainError(
                f"there is no training setting {name!r}", hint=f"did you mean {', '.join(near)}?"
            ) from error
        hint = TrainConfig.model_fields[name].description or ""
        raise TrainError(f"{name} = {first['input']!r}: {first['msg']}", hint=f"{name}: {hint}") from error
