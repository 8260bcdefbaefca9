"""Every setting of a training in one frozen value that refuses what it does not know."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from topwork._options import SEED, Option, budget_option
from topwork.errors import TrainError

_OF_PLATEAU = ("plateau_factor", "plateau_patience")


class TrainConfig(BaseModel):
    """Settings of a training; two equal ones on equal data give equal weights.

    Nothing else is read: no environment variable, no string that is looked at later. A wrong value or an unknown name
    fails here (``pydantic.ValidationError``; ``parse_config`` gives a ``TrainError`` that names the nearest right one).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    epochs: Annotated[int, Option("Number of passes over the training images.")] = Field(
        default=10, ge=1, description="Largest number of passes over the training images."
    )
    batch_size: int = Field(
        default=32, ge=1, description="Images per optimizer step, over all pieces and processes together."
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        description="Number of pieces that a batch is split into (gradient accumulation): less memory, the same "
        "gradient.",
    )
    optimizer: Literal["adamw", "sgd"] = Field(default="adamw", description="Optimizer.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Peak learning rate of the layer nearest the output.")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="Factor on the learning rate for each layer further from the output."
    )
    weight_decay: float = Field(
        default=0.01,
        ge=0,
        description="Weight decay: decoupled for adamw, L2 for sgd. Not applied to norms, "
        "biases and other 1-d tensors.",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of sgd; the first beta of adamw.")
    schedule: Annotated[
        Literal["cosine", "constant", "one-cycle", "plateau"],
        Option(
            "Learning rate schedule of a training; plateau multiplies the rate by schedule.factor after "
            "schedule.patience epochs without a lower validation loss."
        ),
    ] = Field(default="one-cycle", description="Learning rate schedule after the warm-up.")
    plateau_factor: Annotated[float, Option(flag=None, name="schedule.factor")] = Field(
        default=0.3, gt=0, lt=1, description="Factor on the learning rate at a plateau; for schedule plateau."
    )
    plateau_patience: Annotated[int, Option(flag=None, name="schedule.patience")] = Field(
        default=2,
        ge=0,
        description="Epochs without a lower validation loss that a plateau lasts before the rate falls; for schedule "
        "plateau.",
    )
    warmup: float = Field(
        default=0.1, ge=0, lt=1, description="Share of all steps in which the learning rate rises to its peak."
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the target probability that is spread over all classes."
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="Class weights in the loss; balanced: an image has the weight N / (classes x images of its class).",
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout before the last layer, as a share of its inputs."
    )
    mixup: float = Field(default=0.0, ge=0, description="Alpha of mixup's beta distribution; 0 is off.")
    cutmix: float = Field(default=0.0, ge=0, description="Alpha of CutMix's beta distribution; 0 is off.")
    ema_decay: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay per step of the exponential moving average of the weights; none is off.",
    )
    clip: float | None = Field(
        default=1.0, gt=0, description="Largest norm of the whole gradient (gradient clipping); none is off."
    )
    precision: Literal["auto", "bf16", "f32"] = Field(
        default="auto", description="Precision of the multiplications; auto is bf16 where the device supports it."
    )
    channels_last: bool = Field(
        default=True, description="Use the channels-last memory format, which makes convolutions faster."
    )
    compile: Literal["off", "auto"] = Field(
        default="auto",
        description="Use of torch.compile; auto uses it on a GPU when there are enough steps to repay it.",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description="Epochs without a better validation loss before the training stops (early stopping); none is off.",
    )
    checkpoint_minutes: float = Field(default=5.0, gt=0, description="Minutes between checkpoints within an epoch.")
    seed: Annotated[int, SEED] = Field(
        default=0, ge=0, description="Random seed for order, dropout, mixup, CutMix and augmentation."
    )
    budget_seconds: Annotated[
        float | None, budget_option("Time for the training; the schedule is shortened to fit.")
    ] = Field(
        default=None, gt=0, description="Seconds for the training; the schedule is shortened to fit. None is no limit."
    )

    @model_validator(mode="after")
    def _is_heard(self) -> TrainConfig:
        fields = type(self).model_fields
        unheard = [name for name in _OF_PLATEAU if getattr(self, name) != fields[name].default]
        if unheard and self.schedule != "plateau":
            raise ValueError(f"schedule.{unheard[0].removeprefix('plateau_')} is for --schedule plateau")
        return self


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
            raise TrainError(f"unknown training setting {name!r}", hint=f"did you mean {', '.join(near)}?") from error
        if not name:  # two settings that do not fit each other
            raise TrainError(first["msg"].removeprefix("Value error, ")) from error
        hint = TrainConfig.model_fields[name].description or ""
        raise TrainError(f"{name} = {first['input']!r}: {first['msg']}", hint=f"{name}: {hint}") from error
