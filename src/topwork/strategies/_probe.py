"""The probe: a new head on frozen features. What the head reads is chosen on the training split alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from topwork.backbones import Backbone, CropMode, Pooling
from topwork.data import ImageDataset, decode, printable
from topwork.engines import EngineName
from topwork.errors import DataError, ImageError
from topwork.features import FeatureTable, Progress, extract
from topwork.heads import Head, LinearFit, fit_knn
from topwork.strategies._compare import (
    ClassWeight,
    Comparison,
    Trial,
    Way,
    compare,
    fit_head,
    held_out_losses,
    mean_or_none,
)
from topwork.strategies._crossed import cross_val_probabilities
from topwork.strategies._order import stratified_order
from topwork.strategies._out_of_fold import OutOfFold, from_logits, training_rows

_ASPECT_IMAGES = 32  # images whose proportions are looked at
_SQUARE = 1.1  # longer over shorter side up to which an image counts as square
_TRIAL_IMAGES = 128  # images on which another way to fit an image is tried: enough to see a large difference
# Standard errors by which the other way must be better. One, where all training images are asked; two for the way to
# fit an image, which is tried on a sample that has far fewer images than features.
_STAGES_ERRORS, _CROP_MODE_ERRORS = 1.0, 2.0

Announce = Callable[[str], Progress | None]


@runtime_checkable
class TellingProgress(Protocol):
    """A progress callback that also shows how it goes, in a few words."""

    def __call__(self, done: int, total: int, /) -> None:
        """So far."""

    def tell(self, words: str) -> None:
        """Show them beside the step's name, in place of the former ones."""


@dataclass(frozen=True)
class ProbeOptions:
    """How to fit a probe; the defaults measure what suits the data.

    Attributes:
        stages: ``auto`` chooses between the network's own pooled features and all stages; or ``last``, ``all``, or
            stages by name.
        pooling: How a stage's map becomes one number a channel; the network's own features ignore it.
        crop_mode: ``auto`` compares the network's own centre crop with the whole image squashed, the plainer of the
            two for images of these proportions first; or one of them, or ``pad``.
        head: ``linear``, or ``knn`` as the baseline to compare with.
        class_weight: ``auto`` measures whether to weigh rare classes up, where the classes are imbalanced.
        engine: What runs the network; the best that is here when None.
        cache: Whether features are kept on disk.
        seed: Of everything that is drawn.
    """

    stages: Literal["auto", "last", "all"] | tuple[str, ...] = "auto"
    pooling: Pooling = "mean+max"
    crop_mode: Literal["auto"] | CropMode = "auto"
    head: Literal["linear", "knn"] = "linear"
    class_weight: ClassWeight = "auto"
    engine: EngineName | None = None
    cache: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        head: Features to probabilities.
        table: Features of every image of the data set, in the columns that the head reads.
        trials: What was compared on the way, the winners marked.
        cv_accuracy: The head's own out-of-fold accuracy on the training split; None for too few images.
        cv_log_loss: Likewise, in nats, after the temperature; None for kNN too, whose shares may be zero.
        out_of_fold: The head's out-of-fold answers; None for too few images.
    """

    head: Head
    table: FeatureTable
    trials: tuple[Trial, ...]
    cv_accuracy: float | None
    cv_log_loss: float | None
    out_of_fold: OutOfFold | None = None


@dataclass(frozen=True)
class _Chosen:
    """What has been decided so far: the features, perhaps a head that is fitted on them already, and the evidence."""

    table: FeatureTable
    fitted: LinearFit | None = None
    trials: tuple[Trial, ...] = ()


def fit_probe(
    dataset: ImageDataset, backbone: Backbone, options: ProbeOptions, *, announce: Announce | None = None
) -> Probe:
    """Fit a probe on the split ``train``; the other splits are only looked at, so that their features are at hand.

    Args:
        dataset: With a split ``train``.
        backbone: Frozen.
        options: What to fix, and what to measure.
        announce: Called with what begins; may give a progress callback for it.

    Raises:
        DataError: Fewer than two classes have a readable training image.
    """
    say = announce or (lambda text: None)
    plain, *others = (
        crop_modes_to_try(dataset.split("train"), backbone) if options.crop_mode == "auto" else [options.crop_mode]
    )
    asked = "all" if options.stages == "auto" else options.stages
    outputs = backbone.outputs(asked, options.pooling)
    table = _extracted(dataset, backbone.replace(crop_mode=plain), outputs, options, say("features"))
    _require_classes(table.dataset.split("train"))
    chosen = _choose_stages(table, options) if options.stages == "auto" else _Chosen(table)
    for other in others:
        chosen = _choose_crop_mode(chosen, dataset, other, options, say)
    return _probe(chosen, options)


def _extracted(
    images: ImageDataset, backbone: Backbone, outputs: tuple[str, ...], options: ProbeOptions, progress: Progress | None
) -> FeatureTable:
    return extract(images, backbone, outputs=outputs, engine=options.engine, cache=options.cache, progress=progress)


def _choose_stages(table: FeatureTable, options: ProbeOptions) -> _Chosen:
    """The network's own pooled features, unless all stages together prove better."""
    last = table.keep(table.backbone.outputs("last"))
    found = _compared(
        "stages", Way("last", last.split("train")), Way("all", table.split("train")), options, _STAGES_ERRORS
    )
    return _Chosen(last if found.winner.name == "last" else table, found.fitted, found.trials)


def _choose_crop_mode(
    chosen: _Chosen, dataset: ImageDataset, other: CropMode, options: ProbeOptions, say: Announce
) -> _Chosen:
    """The plain way to fit an image into the square, unless another proves better on a sample."""
    table = chosen.table
    backbone = table.backbone.replace(crop_mode=other)
    sample = _sample(table.split("train"), options.seed)
    tried = _extracted(sample.dataset, backbone, table.outputs, options, say(f"features, {other}"))
    if tried.dataset.paths != sample.dataset.paths:
        raise DataError("an image of the training split vanished or changed while it was read", hint="run it again")
    plain = Way(table.backbone.preprocessing.crop_mode, sample)
    found = _compared("crop_mode", plain, Way(other, tried), options, _CROP_MODE_ERRORS)
    trials = (*chosen.trials, *found.trials)
    if found.winner is plain:
        return _Chosen(table, chosen.fitted, trials)
    return _Chosen(_extracted(dataset, backbone, table.outputs, options, say(f"features, {other}")), None, trials)


def _compared(question: str, plain: Way, other: Way, options: ProbeOptions, errors: float) -> Comparison:
    return compare(question, plain, other, errors=errors, class_weight=options.class_weight, seed=options.seed)


def _probe(chosen: _Chosen, options: ProbeOptions) -> Probe:
    table = chosen.table
    train = table.split("train")
    if options.head == "knn":
        return _knn_probe(table, train, chosen.trials, options.seed)
    fitted = chosen.fitted or fit_head(train, class_weight=options.class_weight, seed=options.seed)
    return probe_of(table, fitted, chosen.trials)


def _knn_probe(table: FeatureTable, train: FeatureTable, trials: tuple[Trial, ...], seed: int) -> Probe:
    classes = len(train.dataset.classes)
    head = fit_knn(train.values, train.dataset.labels, classes, seed=seed)

    def others(part: FeatureTable) -> Head:
        return fit_knn(part.values, part.dataset.labels, classes, k=min(head.k, len(part)))

    crossed = cross_val_probabilities(others, train, seed)
    if crossed is None:
        return Probe(head, table, trials, None, None)
    probabilities, held = crossed[0][crossed[1]], crossed[1]
    hits = probabilities.argmax(axis=1) == train.dataset.labels[held]
    out_of_fold = OutOfFold("cross-validation", training_rows(table)[held], probabilities)
    return Probe(head, table, trials, float(hits.mean()), None, out_of_fold)


def probe_of(table: FeatureTable, fitted: LinearFit, trials: tuple[Trial, ...]) -> Probe:
    """The probe that a fitted head makes.

    Args:
        table: What it reads of every image of the data set.
        fitted: On the split ``train`` of that.
        trials: What was compared on the way.
    """
    train = table.split("train")
    log_loss = mean_or_none(held_out_losses(fitted, train))
    held = fitted.held_out
    logits = fitted.oof_logits[held] / np.float32(fitted.head.temperature)
    out_of_fold = from_logits("cross-validation", training_rows(table)[held], logits)
    return Probe(fitted.head, table, trials, fitted.cv_accuracy, log_loss, out_of_fold)


def crop_modes_to_try(train: ImageDataset, backbone: Backbone) -> list[CropMode]:
    """The plain way first, then what to compare it with.

    Taking the whole image costs an oblong one its proportions and a square one nothing; taking the centre costs both
    their borders. So the whole image is the plain way for square ones, and the network's own crop for the others.
    """
    own = backbone.preprocessing.crop_mode
    if own != "crop":
        return [own]
    rows = np.unique(np.linspace(0, len(train) - 1, _ASPECT_IMAGES).astype(int))
    sides = [_sides(train, row, backbone.preprocessing.min_side) for row in rows]
    known = [max(pair) / min(pair) for pair in sides if pair]
    square = bool(known) and float(np.median(known)) <= _SQUARE
    return ["squash", "crop"] if square else ["crop", "squash"]


def _sides(dataset: ImageDataset, row: int, min_side: int) -> tuple[int, int] | None:
    """Height and width of one image, perhaps both halved; None where it cannot be read; extraction lists those."""
    try:
        height, width, _ = decode(dataset.source(row), min_side=min_side).shape
    except ImageError:
        return None
    return height, width


def _sample(train: FeatureTable, seed: int) -> FeatureTable:
    """A stratified part of the training images, enough to compare two ways on."""
    if len(train) <= _TRIAL_IMAGES:
        return train
    return train.select(np.sort(stratified_order(train.dataset.labels, seed)[:_TRIAL_IMAGES]))


def _require_classes(train: ImageDataset) -> None:
    present = int((train.counts() > 0).sum())
    if present < 2:
        lost = [f"{len(train.left_out)} left out, the first: {printable(x.path)}: {x.reason}" for x in train.left_out]
        raise DataError(
            f"training images that can be read are there for {present} of {len(train.classes)} classes; "
            "two classes are needed",
            hint=lost[0] if lost else "",
        )
