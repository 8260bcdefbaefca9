"""``model.json``: everything that must be known of a model to use it, to trust it and to repeat it.

The envelope is the same for every task; what belongs to one task stands in its block, ``ModelRecord.task``.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, TypeAdapter, ValidationError

from topwork._version import __version__
from topwork.backbones import Backbone, TextBackbone
from topwork.engines import RunsOn
from topwork.errors import BackboneError, ModelError
from topwork.model._migrations import FORMAT, migrated


class Strict(BaseModel):
    """A part of the record: frozen, without unknown keys, every number finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TaskRecord(Strict):
    """The block of a task; each task has its own fields beside these.

    Attributes:
        name: Of the task, as the registry of tasks has it.
        files: What models of the task may keep tensors as: ``NAME.safetensors``.
    """

    files: ClassVar[tuple[str, ...]] = ("head", "novelty", "training", "neighbours")

    name: str


class EngineRecord(Strict):
    """What computed the features that trained the head: prediction must do the same.

    Attributes:
        name: Engine.
        precision: What it computed in.
        deviation: Of its features from torch's float32 on real images; None where it was the reference.
    """

    name: RunsOn
    precision: Literal["bf16", "f32"]
    deviation: float | None


class TrialRecord(Strict):
    """One way that was tried before this model was chosen (``strategies.Trial``)."""

    question: str
    answer: str
    images: int
    accuracy: float | None
    log_loss: float | None
    chosen: bool


class DataRecord(Strict):
    """The data that made the model.

    Attributes:
        fingerprint: SHA-256 over paths, targets and splits, as the data was given.
        training: Rows of the training split.
        held_out: Rows of the split that measured the model; 0 where there was none.
        held_out_split: Its name.
        held_out_share: What was to be set aside of data without splits; 0 where it had parts, or nothing was.
        held_out_fingerprint: SHA-256 as above, of the images that were set aside; empty where none were.
        held_out_contents: SHA-256 over their files, in the order of their names; empty where none were set
            aside, and in models of an older topwork.
        left_out: Files that could not be used.
        notes: What the user was told of the data.
    """

    fingerprint: str
    training: int
    held_out: int
    held_out_split: str
    held_out_share: float = 0.0
    held_out_fingerprint: str = ""
    held_out_contents: str = ""
    left_out: int
    notes: tuple[str, ...]

    @classmethod
    def none(cls, note: str) -> DataRecord:
        """That of a model which no data made."""
        return cls(fingerprint="", training=0, held_out=0, held_out_split="", left_out=0, notes=(note,))


_LIBRARIES = ("numpy", "openvino", "pillow", "simplejpeg", "timm", "tokenizers", "torch", "transformers")


def versions() -> dict[str, str]:
    """Of topwork and of the libraries that a model's figures depend on, those that are installed."""
    found = {"topwork": __version__}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


Block = TypeVar("Block", bound=TaskRecord)


class ModelRecord(Strict, Generic[Block]):
    """The contents of ``model.json``.

    Attributes:
        format: Version of the folder's layout.
        task: The task and its block: classes, thresholds, metrics, whatever it alone can read.
        strategy: The rung that made it.
        backbone: ``Backbone.to_dict``: name, weights with sha256, stages, preprocessing, licence, what pretrained it.
        outputs: What the head reads of the backbone, in order.
        engine: What computed the features.
        head: Kind of head.
        cross_validation: Scores out of fold on the training split, where they were measured.
        trials: What was compared on the way.
        advice: ``advising.Advice.to_dict``, where a climb of the ladder chose the strategy; models are used without it.
        data: What made it.
        seed: Of everything that was drawn.
        options: What ``fit`` was given: strategy, share to hold out, and every option; empty in models of an older
            topwork.
        versions: Of the libraries.
        created: UTC, ISO 8601.
    """

    format: Literal[2] = FORMAT
    task: SerializeAsAny[Block]
    strategy: str
    backbone: dict[str, Any]
    outputs: tuple[str, ...] = Field(min_length=1)
    engine: EngineRecord
    head: str
    cross_validation: dict[str, float]
    trials: tuple[TrialRecord, ...]
    advice: dict[str, Any] | None = None
    data: DataRecord
    seed: int
    options: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str]
    created: str

    @property
    def options_line(self) -> str:
        """The options in a line: ``finetune.config.epochs 8, …``; what was left out or empty is not named."""
        return ", ".join(f"{name} {value}" for name, value in flat_options(self.options).items())


def flat_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Options by their whole names, ``finetune.config.epochs``; without what was left out or is empty."""
    return dict(_flat(options))


def _flat(fields: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif value not in (None, "", []):
            yield f"{before}{name}", str(value)


def parse_record(text: str, where: str, block_of: Callable[[str], type[TaskRecord]]) -> ModelRecord[Any]:
    """Read ``model.json``, of whatever format so far.

    Args:
        text: The file's content.
        where: The file, for messages.
        block_of: The type of a task's block by the task's name; raises a ``ModelError`` for a name that is none.

    Raises:
        ModelError: It is not JSON, of a newer format, or not as expected; the message names the field.
    """
    try:
        fields = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: not valid JSON: {error}") from error
    fields = migrated(fields if isinstance(fields, dict) else {}, where)
    task = fields.get("task")
    name = task.get("name") if isinstance(task, dict) else None
    if not isinstance(name, str):
        raise ModelError(f"{where}: task.name: the task of the model is missing")
    try:
        record: ModelRecord[Any] = ModelRecord[block_of(name)].model_validate(fields)  # type: ignore[misc]
    except ValidationError as error:
        raise _unexpected(error, where) from error
    except ModelError as error:
        raise ModelError(f"{where}: {error.message}", hint=error.hint) from error
    try:
        kind: Any = TextBackbone if record.backbone.get("reads") == "text" else Backbone
        fields = {name: value for name, value in record.backbone.items() if name != "reads"}
        TypeAdapter(kind).validate_json(json.dumps(fields), strict=True)
    except ValidationError as error:
        raise _unexpected(error, f"{where}: backbone") from error
    except BackboneError as error:
        raise ModelError(f"{where}: {error.message}") from error
    return record


def _finite(text: str) -> float:
    """A number of the file; Python's reader would take NaN and 1e999 too."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def _unexpected(error: ValidationError, where: str) -> ModelError:
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"]) or "the whole"
    return ModelError(f"{where}: {place}: {first['msg']} ({error.error_count()} in all)")
