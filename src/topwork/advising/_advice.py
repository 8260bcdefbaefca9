"""Advice as values: what a head may read, the ladder's rungs with their figures, the choice, what would change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from topwork._html import html_table
from topwork.advising._learning_curve import Forecast
from topwork.advising._plans import Plan
from topwork.backbones import Backbone, CropMode, Pooling
from topwork.errors import DataError
from topwork.metrics import Estimate, wilson_interval

Measured = Literal["as it is", "cross-validated", "held out", ""]
_CHANCE = 0.05  # McNemar's p-value from which a difference may be chance
_FASTER = 1.5  # times, from which it is worth telling

RungStrategy = Literal["as-is", "ngrams", "zero-shot", "knn", "probe", "decoder", "finetune"]


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


@dataclass(frozen=True)
class Rung:
    """One rung of the ladder, climbed or not.

    Attributes:
        name: What it is.
        strategy: The strategy of ``fit`` that stands on it.
        detail: What of the network is read, or trained.
        accuracy: On images that it has not learnt from, with the interval that ``expected`` gives; None where it was
            not measured.
        log_loss: On the same images, in nats; None where it was not measured.
        images: How many images judged it.
        measured: How.
        seconds: What the climb took.
        milliseconds: What one prediction takes, decoding included; None where it was not measured.
        note: Why it was not measured, or what is to be known of it.
        p_value: Of McNemar's test against the chosen rung; None where the two were not judged on the same images.
        deciding: What decides between rungs where that is not the accuracy: of detectors AP, a mean over overlaps.
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
    p_value: float | None = None
    deciding: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Rung:
        """What ``to_dict`` gave."""
        estimate = fields["accuracy"]
        return cls(**{**fields, "accuracy": None if estimate is None else Estimate.from_dict(estimate)})


Why = Literal["noise", "loss", "loss_tie", "baseline", "same_images", "gained"]


@dataclass(frozen=True)
class Kept:
    """Why the chosen rung is kept over one with a higher accuracy.

    Attributes:
        over: The rung with the highest accuracy.
        why: ``noise``: no significant difference; ``loss``: the chosen one's log loss is lower; ``loss_tie``: the other
            one's is not lower beyond noise; ``baseline``: it is kNN, which is never chosen; ``same_images``: on the
            same images the other was not better; ``gained``: on the same images the chosen one was better.
        advantage: What speaks for the chosen one besides: its predictions are faster, it is simpler, or it learns from
            images that are added later and the other does not.
        times: How many times faster it is; 1 where that is not known.
    """

    over: Rung
    why: Why
    advantage: Literal["faster", "simpler", "learns", ""]
    times: float


def expected(accuracy: float, images: int) -> Estimate:
    """The accuracy that so many *other* images will show, given what ``images`` have shown.

    A held-out split differs from the truth as the images here do: twice the variance of a share of ``images``, which is
    a Wilson interval of half as many. So the interval may be held against a test split of this size or larger.
    """
    half = max(1, images // 2)
    low, high = wilson_interval(min(half, round(accuracy * half)), half)
    return Estimate(accuracy, min(low, accuracy), max(high, accuracy))


@dataclass(frozen=True)
class Description:
    """The training split in numbers.

    Attributes:
        images: Training images that can be read.
        classes: Classes.
        smallest: Images of the smallest class.
        largest: Images of the largest.
        width: Median over a few, in pixels; 0 of what are no images.
        height: Median over the same few.
        distance: How far the network's activations lie from those of its own training images, in standard deviations
            of these, a mean over channels and stages (``domain_shift``); None where the network keeps no such
            statistics, or there was no time.
        entropy: Of the network's own answer to an image, as a share of the most there can be; None where it has no
            classes of its own, or there was no time.
        spread: How many of its own classes its answers to all images amount to (exponential of the entropy of their
            mean); None where it has no classes of its own, or there was no time.
        separation: Accuracy of nearest neighbours at each stage, cross-validated on a sample, nearest the pixels first.
    """

    images: int
    classes: int
    smallest: int
    largest: int
    width: int
    height: int
    distance: float | None = None
    entropy: float | None = None
    spread: float | None = None
    separation: tuple[tuple[str, float], ...] = ()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Description:
        """What ``asdict`` gave."""
        return cls(**{**fields, "separation": tuple((str(n), float(v)) for n, v in fields["separation"])})


@dataclass(frozen=True)
class Shortlisted:
    """A backbone with its cheap scores on a sample; the higher the better, each in its own units.

    Attributes:
        backbone: Its name.
        logme: Log evidence, nats an image.
        h_score: Between-class over total variance.
        knn: Accuracy of nearest neighbours, cross-validated; None where the images are too few.
        probe: Accuracy of a probe on the last features, cross-validated; None where the images are too few.
        finalist: Whether a probe on all images was tried.
    """

    backbone: str
    logme: float
    h_score: float
    knn: float | None
    probe: float | None
    finalist: bool = False


@dataclass(frozen=True)
class Advice:
    """How much of the network to keep.

    Attributes:
        backbone: Which network.
        rungs: The ladder, from cheap to dear, those that were not climbed included.
        choice: Place of the chosen rung; its accuracy is free of the luck of having been chosen.
        runner_up: Place of the next best that could be chosen, so never kNN; None where nothing else was measured.
        tie: Whether the two cannot be told apart on these images.
        spec: What the chosen head reads of a network of images; the last features where the choice is no probe, None
            where the network is of texts.
        cut_short: Whether time was what ended the climb, or left a rung out: with more of it the choice may be another.
        stopped: Why it climbed no further: the number that made it stop.
        enough: Training images, those that judge included, with which a fine-tuning that was left out would be expected
            to pay; None where none was left out, or no number would do.
        chance: Accuracy of always naming the largest class.
        learnable: Whether the choice is better than that, beyond chance, or a rare class was learnt.
        description: Of the data.
        forecast: Of more images; None where there were too few to tell, or no time.
        shortlist: Of several backbones.
        changes: What would change the choice, in plain words.
        budget: Seconds there were.
        seconds: Seconds it took, in the run that measured it.
        plans: Of fine-tuning: those that were tried, and those that more time would allow, the shortest first.
        thing: What a row is called.
    """

    backbone: str
    rungs: tuple[Rung, ...]
    choice: int
    runner_up: int | None
    tie: bool
    spec: FeatureSpec | None
    cut_short: bool
    stopped: str
    enough: int | None
    chance: float
    learnable: bool
    description: Description
    forecast: Forecast | None
    shortlist: tuple[Shortlisted, ...]
    changes: tuple[str, ...]
    budget: float
    seconds: float
    plans: tuple[Plan, ...] = ()
    thing: str = "image"

    @property
    def chosen(self) -> Rung:
        """The rung to stand on."""
        return self.rungs[self.choice]

    @property
    def kept(self) -> Kept | None:
        """Why the chosen rung is kept over one with a higher accuracy; None where there is none, or nobody knows."""
        chosen = self.chosen
        measured = [rung for rung in self.rungs if rung.accuracy is not None]
        over = max(measured, key=lambda rung: rung.accuracy.value, default=None)  # type: ignore[union-attr]
        if chosen.accuracy is None or over is None or over.accuracy is None:
            return None
        why = _why(chosen, over)
        if over.accuracy.value <= chosen.accuracy.value or why is None:
            return None
        times = 1.0
        if chosen.milliseconds and over.milliseconds:
            times = over.milliseconds / chosen.milliseconds
        advantage: Literal["faster", "simpler", "learns", ""] = ""
        if times >= _FASTER:
            advantage = "faster"
        elif over.strategy in ("as-is", "zero-shot") and chosen.strategy in ("probe", "finetune"):
            advantage = "learns"
        elif over.strategy != "knn" and self.choice < self.rungs.index(over):
            advantage = "simpler"
        return Kept(over, why, advantage, times)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        head = ("", "strategy", "details", "accuracy (95 % interval)", "seconds")
        rows = [
            (
                "chosen" if rung is self.chosen else "",
                rung.name,
                rung.detail,
                rung.accuracy.as_percent() if rung.accuracy else "–",
                f"{rung.seconds:.1f}",
            )
            for rung in self.rungs
        ]
        return html_table(f"Advice for {self.backbone}", head, rows, notes=self.changes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; ``from_dict`` gives an equal advice back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Advice:
        """What ``to_dict`` gave.

        Raises:
            DataError: A field is missing, unknown or of the wrong kind.
        """
        try:
            forecast = fields["forecast"]
            return cls(
                **{
                    **fields,
                    "rungs": tuple(map(Rung.from_dict, fields["rungs"])),
                    "spec": None if fields["spec"] is None else FeatureSpec(**fields["spec"]),
                    "description": Description.from_dict(fields["description"]),
                    "forecast": None if forecast is None else Forecast.from_dict(forecast),
                    "shortlist": tuple(Shortlisted(**each) for each in fields["shortlist"]),
                    "changes": tuple(fields["changes"]),
                    "plans": tuple(Plan(**each) for each in fields.get("plans", ())),
                }
            )
        except (TypeError, KeyError, ValueError) as error:
            raise DataError(f"not a saved advice: {error}") from error


def _why(chosen: Rung, over: Rung) -> Why | None:
    if over.strategy == "knn":
        return "baseline"
    if over.p_value is None:
        if chosen.strategy == "finetune":
            return "gained"
        return "same_images" if over.strategy == "finetune" else None  # advice of an older topwork
    if over.p_value >= _CHANCE or chosen.log_loss is None or over.log_loss is None:
        return "noise"
    return "loss" if chosen.log_loss <= over.log_loss else "loss_tie"
