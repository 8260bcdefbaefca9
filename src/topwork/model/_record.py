"""``model.json``: everything that must be known of a model to use it, to trust it and to repeat it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from topwork.backbones import Backbone
from topwork.engines import EngineName
from topwork.errors import BackboneError, DataError, ModelError
from topwork.metrics import Evaluation, Kept

FORMAT: Literal[1] = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class EngineRecord(_Strict):
    """What computed the features that trained the head: prediction must do the same.

    Attributes:
        name: Engine.
        precision: What it computed in.
        deviation: Of its features from torch's float32 on real images; None where it was the reference.
    """

    name: EngineName
    precision: Literal["bf16", "f32"]
    deviation: float | None


class TrialRecord(_Strict):
    """One way that was tried before this model was chosen (``strategies.Trial``)."""

    question: str
    answer: str
    images: int
    accuracy: float | None
    log_loss: float | None
    chosen: bool


class MappingRecord(_Strict):
    """How the network's own classes met the user's (``strategies.AsIs``).

    Attributes:
        way: By a map that was given, by names, or by a map that was learnt.
        covers: For each class, how many of the network's classes speak for it.
    """

    way: Literal["given", "names", "learnt"]
    covers: tuple[int, ...]


class WordsRecord(_Strict):
    """What was said of each class, and who understood it (``strategies.ZeroShot``).

    Attributes:
        source: Folder or repository of the text tower.
        revision: The hub's commit; empty for a folder.
        sha256: Of its weights.
        prompts: The texts of each class, whose embeddings were averaged, in the order of the classes.
    """

    source: str
    revision: str
    sha256: str
    prompts: tuple[tuple[str, ...], ...]


class CautionRecord(_Strict):
    """From which probability on to answer, or to let a class into a prediction set (``metrics.set_thresholds``).

    Attributes:
        source: What kind of images the promises were read off (``strategies.OutOfFold``).
        images: How many.
        levels: Coverages of sets, accuracies of answers; rising.
        sets: For each level, the probability from which a class is in the set.
        answers: For the first levels, the probability from which to answer; more cannot be promised.
        kept: ``evaluate.Kept.to_dict`` on held-out images.
    """

    source: Literal["cross-validation", "validation", "training"]
    images: int = Field(ge=1)
    levels: tuple[float, ...]
    sets: tuple[float, ...]
    answers: tuple[float, ...]
    kept: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> CautionRecord:
        if len(self.sets) != len(self.levels) or len(self.answers) > len(self.levels):
            raise ValueError(f"{len(self.levels)} levels, but {len(self.sets)} sets and {len(self.answers)} answers")
        if list(self.levels) != sorted(self.levels) or not all(0 <= each <= 1.001 for each in self.sets + self.answers):
            raise ValueError("levels must rise and thresholds be probabilities")
        return self


class DataRecord(_Strict):
    """The data that made the model.

    Attributes:
        fingerprint: SHA-256 over paths, classes and splits, as the data was given.
        training: Images of each class in the training split, in the order of the classes.
        held_out: Images of the split that measured the model; 0 where there was none.
        held_out_split: Its name.
        held_out_share: What was to be set aside of data without splits; 0 where it had parts, or nothing was.
        held_out_fingerprint: SHA-256 as above, of the images that were set aside; empty likewise.
        held_out_contents: SHA-256 over their files, in the order of their names; empty likewise, and in models of an
            older topwork.
        left_out: Files that could not be used.
        notes: What the user was told of the data.
    """

    fingerprint: str
    training: tuple[int, ...]
    held_out: int
    held_out_split: str
    held_out_share: float = 0.0
    held_out_fingerprint: str = ""
    held_out_contents: str = ""
    left_out: int
    notes: tuple[str, ...]


class ModelRecord(_Strict):
    """The contents of ``model.json``.

    Attributes:
        format: Version of the folder's layout.
        task: What the model does.
        classes: Names in order; an index in the head is a place in this list and is never derived again.
        strategy: The rung that made it.
        backbone: ``Backbone.to_dict``: name, weights with sha256, stages, preprocessing, licence, what pretrained it.
        outputs: What the head reads of the backbone, in order.
        engine: What computed the features.
        head: Kind of head.
        calibration: How the probabilities were calibrated.
        cross_validation: Accuracy and log loss out of fold on the training split, where they were measured.
        trials: What was compared on the way.
        mapping: How the network's own classes met the user's, where they are what answers.
        words: What was said of the classes, where words answer.
        advice: ``advising.Advice.to_dict``, where a climb of the ladder chose the strategy; models are used without it.
        metrics: ``Evaluation.to_dict`` on held-out images; None where none were held out.
        caution: Thresholds of prediction sets and of answers; None where no images were there to read them off.
        data: What made it.
        seed: Of everything that was drawn.
        asked: What ``fit`` was given: strategy, share to hold out, and every option; empty in models of an older
            topwork.
        versions: Of the libraries.
        created: UTC, ISO 8601.
    """

    format: Literal[1] = FORMAT
    task: Literal["classification"] = "classification"
    classes: tuple[str, ...] = Field(min_length=2)
    strategy: str
    backbone: dict[str, Any]
    outputs: tuple[str, ...] = Field(min_length=1)
    engine: EngineRecord
    head: str
    calibration: dict[str, float]
    cross_validation: dict[str, float]
    trials: tuple[TrialRecord, ...]
    mapping: MappingRecord | None = None
    words: WordsRecord | None = None
    advice: dict[str, Any] | None = None
    metrics: dict[str, Any] | None
    caution: CautionRecord | None = None
    data: DataRecord
    seed: int
    asked: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str]
    created: str

    @property
    def options(self) -> str:
        """What was asked, in a line: ``finetune.config.epochs 8, …``; what was left out or empty is not named."""
        return ", ".join(f"{name} {value}" for name, value in _flat(self.asked))

    @model_validator(mode="after")
    def _agrees(self) -> ModelRecord:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("a class name comes twice")
        if len(self.data.training) != len(self.classes):
            raise ValueError(f"{len(self.classes)} classes, but counts of {len(self.data.training)}")
        if self.mapping is not None and len(self.mapping.covers) != len(self.classes):
            raise ValueError(f"{len(self.classes)} classes, but a mapping of {len(self.mapping.covers)}")
        if self.words is not None and len(self.words.prompts) != len(self.classes):
            raise ValueError(f"{len(self.classes)} classes, but words for {len(self.words.prompts)}")
        return self


def _flat(fields: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif value not in (None, "", []):
            yield f"{before}{name}", str(value)


def parse_record(text: str, where: str) -> ModelRecord:
    """Read ``model.json``.

    Raises:
        ModelError: It is not JSON, of another format version, or not as expected; the message names the field.
    """
    import json

    try:
        fields = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: not valid JSON: {error}") from error
    version = fields.get("format") if isinstance(fields, dict) else None
    if version != FORMAT:
        raise ModelError(
            f"{where}: format version {version!r}; this topwork reads version {FORMAT}",
            hint="use the topwork that wrote it, or train it again",
        )
    try:
        record = ModelRecord.model_validate(fields)
    except ValidationError as error:
        raise _unexpected(error, where) from error
    try:
        TypeAdapter(Backbone).validate_json(json.dumps(record.backbone), strict=True)
    except ValidationError as error:
        raise _unexpected(error, f"{where}: backbone") from error
    except BackboneError as error:
        raise ModelError(f"{where}: {error.message}") from error
    _check_metrics(record, where)
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


def _check_metrics(record: ModelRecord, where: str) -> None:
    try:
        for each in record.caution.kept if record.caution else ():
            Kept.from_dict(each)
    except DataError as error:
        raise ModelError(f"{where}: caution: {error.message}") from error
    if record.metrics is None:
        return
    try:
        classes = Evaluation.from_dict(record.metrics).classes
    except (DataError, OverflowError) as error:
        raise ModelError(f"{where}: metrics: {error}") from error
    if classes != record.classes:
        raise ModelError(f"{where}: metrics: they are of other classes than the model's")
