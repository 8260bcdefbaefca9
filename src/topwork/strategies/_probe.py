"""The probe: a new head on frozen features. What the head reads of the network is chosen on the training part alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone, EngineName, Fit, Pooling
from topwork.data import ImageDataset, decode
from topwork.errors import DataError, ImageError
from topwork.features import FeatureTable, Progress, extract
from topwork.heads import Head, LinearFit, fit_knn, fit_linear, row_losses

_ASPECT_IMAGES = 32  # images whose proportions are looked at
_SQUARE = 1.1  # longer over shorter side up to which an image counts as square
_TRIAL_IMAGES = 256  # images on which another way of fitting an image into the square is tried

# Standard errors by which a later way must be better. Folds share images, so one error is no proof; the way to fit an
# image is tried on a sample, where four times the images' number of features make it noisier still.
_ERRORS = {"fit": 2.0, "stages": 1.0}

Announce = Callable[[str], Progress | None]


@dataclass(frozen=True)
class ProbeOptions:
    """How to fit a probe; the defaults measure what suits the data.

    Attributes:
        stages: ``auto`` chooses between the network's own pooled features and all stages; or ``last``, ``all``, or
            stages by name.
        pooling: How a stage's map becomes one number a channel; the network's own features ignore it.
        fit: ``auto`` compares the network's own centre crop with the whole image squashed, the plainer of the two for
            images of these proportions first; or one of them, or ``pad``.
        head: ``linear``, or ``knn`` as the baseline to compare with.
        class_weight: ``auto`` measures whether to weigh rare classes up, where the classes are imbalanced.
        engine: What runs the network; the best that is here when None.
        cache: Whether features are kept on disk.
        seed: Of everything that is drawn.
    """

    stages: Literal["auto", "last", "all"] | tuple[str, ...] = "auto"
    pooling: Pooling = "mean+max"
    fit: Literal["auto"] | Fit = "auto"
    head: Literal["linear", "knn"] = "linear"
    class_weight: Literal["auto", "none", "balanced"] = "auto"
    engine: EngineName | None = None
    cache: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Trial:
    """One way that was tried, with its cross-validated score on the training part.

    Attributes:
        question: What was to be decided: ``fit`` or ``stages``.
        answer: The way that was tried.
        images: How many it was tried on.
        accuracy: Out-of-fold, 0 to 1; None where the images were too few to hold any out.
        log_loss: Out-of-fold, after the temperature, in nats; likewise.
        chosen: Whether it won.
    """

    question: str
    answer: str
    images: int
    accuracy: float | None
    log_loss: float | None
    chosen: bool


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        head: Features to probabilities.
        table: Features of every image of the data set, in the columns that the head reads.
        trials: What was compared on the way, the winners marked.
        cv_accuracy: The head's own out-of-fold accuracy on the training part; None for kNN or too few images.
        cv_log_loss: Likewise, in nats, after the temperature.
    """

    head: Head
    table: FeatureTable
    trials: tuple[Trial, ...]
    cv_accuracy: float | None
    cv_log_loss: float | None


@dataclass(frozen=True)
class _Way:
    """One answer to a question: a name, and the features it leads to."""

    name: str
    features: npt.NDArray[np.float32]


def fit_probe(
    dataset: ImageDataset, backbone: Backbone, options: ProbeOptions, *, announce: Announce | None = None
) -> Probe:
    """Fit a probe on the part ``train``; the other parts are only looked at, so that their features are at hand.

    Args:
        dataset: With a part ``train``.
        backbone: Frozen.
        options: What to fix, and what to measure.
        announce: Called with what begins; may give a progress callback for it.

    Raises:
        DataError: Fewer than two classes have a readable training image.
    """
    say = announce or (lambda text: None)
    asked = "all" if options.stages == "auto" else options.stages
    outputs = backbone.outputs(asked, options.pooling)

    def table_for(fitted: Backbone, images: ImageDataset, what: str) -> FeatureTable:
        return extract(
            images,
            fitted,
            outputs=outputs,
            engine=options.engine,
            cache=options.cache,
            progress=say(what),
        )

    fits = _ways_to_fit(dataset.part("train"), backbone) if options.fit == "auto" else [options.fit]
    table = table_for(backbone.replace(fit=fits[0]), dataset, "features")
    _require_classes(table.part("train").dataset)
    trials: list[Trial] = []
    for other in fits[1:]:
        sample = _sample(table.part("train"), options.seed)
        tried = table_for(backbone.replace(fit=other), sample.dataset, f"features, {other}")
        ways = [_Way(fits[0], sample.values), _Way(other, tried.values)]
        compared = _compare("fit", ways, sample.dataset, options)
        trials += compared.trials
        if compared.winner == other:
            table = table_for(backbone.replace(fit=other), dataset, f"features, {other}")
    return _fit_head(table, options, trials)


def _ways_to_fit(train: ImageDataset, backbone: Backbone) -> list[Fit]:
    """The plain way first, then what to compare it with.

    Taking the whole image costs an oblong one its proportions and a square one nothing; taking the centre costs both
    their borders. So the whole image is the plain way for square ones, and the network's own crop for the others.
    """
    own = backbone.preprocessing.fit
    if own != "crop":
        return [own]
    sides = [_sides(train, row) for row in np.linspace(0, len(train) - 1, _ASPECT_IMAGES).astype(int)]
    known = [max(pair) / min(pair) for pair in sides if pair]
    square = bool(known) and float(np.median(known)) <= _SQUARE
    return ["squash", "crop"] if square else ["crop", "squash"]


def _sides(dataset: ImageDataset, row: int) -> tuple[int, int] | None:
    """Height and width of one image, None where it cannot be read; extraction lists those."""
    try:
        height, width, _ = decode(dataset.full_path(row)).shape
    except ImageError:
        return None
    return height, width


def _fit_head(table: FeatureTable, options: ProbeOptions, trials: list[Trial]) -> Probe:
    train = table.part("train")
    fitted: LinearFit | None = None
    if options.stages == "auto":
        narrow = table.backbone.outputs("last")
        ways = [_Way("last", train.columns(narrow)), _Way("all", train.values)]
        compared = _compare("stages", ways, train.dataset, options)
        trials = [*trials, *compared.trials]
        fitted = compared.fitted
        table = table.keep(narrow) if compared.winner == "last" else table
    features, labels = table.part("train").values, train.dataset.labels
    if options.head == "knn":
        knn = fit_knn(features, labels, len(train.dataset.classes), seed=options.seed)
        return Probe(knn, table, tuple(trials), None, None)
    fitted = fitted or _linear(features, train.dataset, options)
    return Probe(fitted.head, table, tuple(trials), fitted.cv_accuracy, _mean(_held_out_losses(fitted, labels)))


@dataclass(frozen=True)
class _Comparison:
    """What a comparison gave: every way's trial, the winner's name and its fit."""

    trials: list[Trial]
    winner: str
    fitted: LinearFit


def _compare(question: str, ways: list[_Way], dataset: ImageDataset, options: ProbeOptions) -> _Comparison:
    """Cross-validate every way on the same folds.

    A later way wins only where its log loss is lower by more than some standard errors of the paired difference: the
    ways stand from plain to costly, and a difference within the noise is no reason to pay.
    """
    fits = [_linear(way.features, dataset, options) for way in ways]
    losses = [_held_out_losses(fitted, dataset.labels) for fitted in fits]
    best = 0
    for index in range(1, len(ways)):
        gain = losses[best] - losses[index]
        if gain.size > 1 and gain.mean() > _ERRORS[question] * gain.std(ddof=1) / np.sqrt(gain.size):
            best = index
    trials = [
        Trial(question, way.name, len(dataset), fitted.cv_accuracy, _mean(loss), index == best)
        for index, (way, fitted, loss) in enumerate(zip(ways, fits, losses, strict=True))
    ]
    return _Comparison(trials, ways[best].name, fits[best])


def _mean(losses: npt.NDArray[np.float64]) -> float | None:
    return float(losses.mean()) if losses.size else None


def _linear(features: npt.NDArray[np.float32], dataset: ImageDataset, options: ProbeOptions) -> LinearFit:
    return fit_linear(
        features, dataset.labels, len(dataset.classes), seed=options.seed, class_weight=options.class_weight
    )


def _held_out_losses(fitted: LinearFit, labels: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    held = fitted.held_out
    return row_losses(fitted.oof_logits[held] / fitted.head.temperature, labels[held].astype(np.int64))


def _sample(train: FeatureTable, seed: int) -> FeatureTable:
    """A stratified part of the training images, enough to compare two ways on."""
    if len(train) <= _TRIAL_IMAGES:
        return train
    order = np.random.default_rng(seed).permutation(len(train))
    labels = train.dataset.labels[order]
    rank = np.empty(len(order), np.intp)  # of an image within its class, so that every class gives its share
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        rank[rows] = np.arange(len(rows)) * len(order) // len(rows)
    return train.select(np.sort(order[np.argsort(rank, kind="stable")[:_TRIAL_IMAGES]]))


def _require_classes(train: ImageDataset) -> None:
    present = int((train.counts() > 0).sum())
    if present < 2:
        raise DataError(
            f"only {present} of {len(train.classes)} classes has an image that can be read; two are needed",
            hint="the list of what was left out says why: `topwork fit … --json`" if train.left_out else "",
        )
