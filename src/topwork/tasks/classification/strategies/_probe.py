"""The probe: a new head on frozen features. What the head reads is chosen on the training split alone."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._options import CACHE, ENGINE, SEED, Option
from topwork.advising import (
    Candidate,
    ClassWeight,
    Comparison,
    HeadMethod,
    OutOfFold,
    Trial,
    compare,
    cross_val_probabilities,
    fit_head,
    fit_mlp_head,
    stratified_order,
    training_rows,
)
from topwork.backbones import Backbone, CropMode, Pooling
from topwork.data import ImageDataset, decode, printable
from topwork.data.formats import mostly_square
from topwork.engines import EngineName
from topwork.errors import DataError, ImageError
from topwork.features import FeatureTable, Progress, extract
from topwork.heads import DROPOUT, HIDDEN, Head, LinearFit, fit_knn
from topwork.tasks._classes._fitted import Probe, probe_of
from topwork.tasks._task import Announce

_ASPECT_IMAGES = 32  # images whose proportions are looked at
_TRIAL_IMAGES = 128  # images on which another crop mode is tried: enough to see a large difference
# Standard errors by which the other way must be better. One, where all training images answer; two for the crop mode,
# which is tried on a sample that has far fewer images than features.
_STAGES_ERRORS, CROP_MODE_ERRORS = 1.0, 2.0


AnyCropMode = Annotated[
    Literal["auto"] | CropMode,
    Option(
        "How an image is made square; auto measures what is best when a head is trained, and otherwise uses the "
        "network's default.",
        old=("--fit",),
    ),
]
AnyEngine = Annotated[EngineName | None, ENGINE]


@dataclass(frozen=True)
class ProbeOptions:
    """How to fit a probe; the defaults measure what suits the data.

    With ``crop_mode`` ``auto`` the network's own centre crop is compared with the whole image squashed, the plainer of
    the two for images of these proportions first.
    """

    stages: Annotated[
        Literal["auto", "last", "all"] | tuple[str, ...],
        Option(
            "Stages whose features the head reads; auto chooses the better of last (the pooled features of "
            "the network) and all."
        ),
    ] = "auto"
    pooling: Annotated[
        Pooling,
        Option(
            "How the feature map of a stage is pooled to one number per channel; not used for the "
            "network's own pooled features."
        ),
    ] = "mean+max"
    crop_mode: AnyCropMode = "auto"
    head: Annotated[
        Literal["linear", "knn", "mlp"],
        Option(
            "Head on the features; knn is a baseline to compare with, mlp a network with one hidden layer and dropout."
        ),
    ] = "linear"
    method: Annotated[
        HeadMethod,
        Option(
            "How the linear head is fitted: logistic regression, discriminant analysis, or the mean of both (blend), "
            "which normalised takes on features of length one and power on their roots; auto compares these three "
            "up to 500 images.",
            None,
            "head.method",
        ),
    ] = "auto"
    mlp_hidden: Annotated[int, Option("Units of the hidden layer; for head mlp.", None, "head.hidden", ge=1)] = HIDDEN
    mlp_dropout: Annotated[
        float,
        Option(
            "Share of the hidden units that a training step leaves out; for head mlp.", None, "head.dropout", ge=0, lt=1
        ),
    ] = DROPOUT
    class_weight: Annotated[
        ClassWeight,
        Option("Whether rare classes get a larger weight; auto measures it where the classes are imbalanced."),
    ] = "auto"
    engine: AnyEngine = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0


class _Chosen(NamedTuple):
    """What has been decided so far: the features, perhaps a head that is fitted on them already, and the evidence."""

    table: FeatureTable
    fitted: LinearFit | None = None
    trials: tuple[Trial, ...] = ()


def fit_probe(
    dataset: ImageDataset, backbone: Backbone, options: ProbeOptions, *, announce: Announce | None = None
) -> Probe:
    """Fit a probe on the split ``train``; the other splits are only looked at, so that their features are at hand.

    Raises:
        DataError: Fewer than two classes have a readable training image.
    """
    say = announce or (lambda text: None)
    plain, *others = (
        crop_modes_to_try(dataset.split("train"), backbone) if options.crop_mode == "auto" else [options.crop_mode]
    )
    outputs = backbone.outputs("all" if options.stages == "auto" else options.stages, options.pooling)
    table = _extracted(dataset, backbone.replace(crop_mode=plain), outputs, options, say("features of images"))
    require_two_classes(table.dataset.split("train"))
    say("training the head")
    chosen = _choose_stages(table, options) if options.stages == "auto" else _Chosen(table)
    for other in others:
        chosen = _choose_crop_mode(chosen, dataset, other, options, say)
        say("training the head")
    return _probe(chosen, options)


def _extracted(
    images: ImageDataset, backbone: Backbone, outputs: tuple[str, ...], options: ProbeOptions, progress: Progress | None
) -> FeatureTable:
    return extract(images, backbone, outputs=outputs, engine=options.engine, cache=options.cache, progress=progress)


def _choose_stages(table: FeatureTable, options: ProbeOptions) -> _Chosen:
    """The network's own pooled features, unless all stages together prove better."""
    last = table.keep(table.backbone.outputs("last"))
    plain, other = Candidate("last", last.split("train")), Candidate("all", table.split("train"))
    found = _compared("stages", plain, other, options, _STAGES_ERRORS)
    return _Chosen(last if found.winner is plain else table, found.fitted, found.trials)


def _choose_crop_mode(
    chosen: _Chosen, dataset: ImageDataset, other: CropMode, options: ProbeOptions, say: Announce
) -> _Chosen:
    """The plain crop mode, unless another proves better on a sample."""
    table = chosen.table
    backbone = table.backbone.replace(crop_mode=other)
    train = table.split("train")
    sample = train.select(sample_rows(train.dataset, options.seed, _TRIAL_IMAGES))
    tried = _extracted(sample.dataset, backbone, table.outputs, options, say(f"features of images, {other}"))
    if tried.dataset.paths != sample.dataset.paths:
        raise DataError("a training image was deleted or changed during the run", hint="run it again")
    plain = Candidate(table.backbone.preprocessing.crop_mode, sample)
    found = _compared("crop_mode", plain, Candidate(other, tried), options, CROP_MODE_ERRORS)
    trials = (*chosen.trials, *found.trials)
    if found.winner is plain:
        return _Chosen(table, chosen.fitted, trials)
    return _Chosen(
        _extracted(dataset, backbone, table.outputs, options, say(f"features of images, {other}")), None, trials
    )


def _compared(question: str, plain: Candidate, other: Candidate, options: ProbeOptions, errors: float) -> Comparison:
    return compare(question, plain, other, errors=errors, **_how(options))


def _how(options: ProbeOptions) -> dict[str, Any]:
    return {"class_weight": options.class_weight, "seed": options.seed, "method": options.method}


def _probe(chosen: _Chosen, options: ProbeOptions) -> Probe:
    table = chosen.table
    train = table.split("train")
    if options.head == "knn":
        return _knn_probe(table, train, chosen.trials, options.seed)
    fitted = chosen.fitted or fit_head(train, **_how(options))
    if options.head == "mlp":
        return _mlp_probe(table, fitted, chosen.trials, options)
    return probe_of(table, fitted, chosen.trials)


def _mlp_probe(table: FeatureTable, linear: LinearFit, trials: tuple[Trial, ...], options: ProbeOptions) -> Probe:
    """The small network, and how it did beside the linear head on the same images."""
    how: Any = {"hidden": options.mlp_hidden, "dropout": options.mlp_dropout}
    fitted = fit_mlp_head(table.split("train"), class_weight=options.class_weight, seed=options.seed, **how)
    plain, probe = probe_of(table, linear, ()), probe_of(table, fitted, ())
    count = int(fitted.held_out.sum())
    compared = tuple(
        Trial("head", each.head.kind, count, each.cv_accuracy, each.cv_log_loss, chosen=each is probe)
        for each in (plain, probe)
    )
    return dataclasses.replace(probe, trials=(*compared, *trials))


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


def crop_modes_to_try(train: ImageDataset, backbone: Backbone) -> list[CropMode]:
    """The plain way first, then what to compare it with.

    Taking the whole image costs an oblong one its proportions and a square one nothing; taking the centre costs both
    their borders. So the whole image is the plain way for square ones, and the network's own crop for the others.
    """
    own = backbone.preprocessing.crop_mode
    if own != "crop" or backbone.preprocessing.rules == "timm":
        return [own]
    sides = np.array(sides_of_some(train, _ASPECT_IMAGES, backbone.preprocessing.min_side), np.intp).reshape(-1, 2)
    return ["squash", "crop"] if mostly_square(sides[:, 0], sides[:, 1]) else ["crop", "squash"]


def sides_of_some(images: ImageDataset, count: int, min_side: int | None = None) -> list[tuple[int, ...]]:
    """Height and width of some images, perhaps both halved (see ``decode``), but for those that cannot be read."""
    sides: list[tuple[int, ...]] = []
    for row in np.unique(np.linspace(0, len(images) - 1, count).astype(int)).tolist():
        with contextlib.suppress(ImageError):  # extraction lists it
            sides.append(decode(images.source(row), min_side=min_side).shape[:2])
    return sides


def sample_rows(images: ImageDataset, seed: int, count: int) -> npt.NDArray[np.intp]:
    """Rows of a stratified sample, in their order; nested in every larger one."""
    return np.sort(stratified_order(images.labels, seed)[:count])


def require_two_classes(train: ImageDataset) -> None:
    """Refuse images of one class, or none: nothing can be learnt of them.

    Raises:
        DataError: Fewer than two classes have a readable training image.
    """
    present = int((train.counts() > 0).sum())
    if present < 2:
        lost = [f"{len(train.left_out)} left out, the first: {printable(x.path)}: {x.reason}" for x in train.left_out]
        raise DataError(
            f"only {present} of {len(train.classes)} classes have readable training images; two classes are needed",
            hint=lost[0] if lost else "",
        )


def fit_best_probe(
    dataset: ImageDataset, backbones: Sequence[Backbone], options: ProbeOptions, *, announce: Announce | None = None
) -> Probe:
    """Fit a probe on every backbone and keep the one with the lowest out-of-fold log loss.

    Only the best probe so far is held, so memory does not grow with their number. Its trials tell of all backbones, and
    what is announced names the backbone where there are several.

    Raises:
        DataError: Settings of a head that is not wanted; a backbone comes twice; or there is no cross-validation to
            compare several by: the head is kNN, or the images are too few.
    """
    if options.head != "mlp" and (options.mlp_hidden, options.mlp_dropout) != (HIDDEN, DROPOUT):
        raise DataError("head.hidden and head.dropout are for head mlp", hint="add --head mlp")
    if options.head == "knn" and options.method != "auto":
        raise DataError("head.method is for head linear", hint="leave out --head knn")
    if len(backbones) == 1:
        return fit_probe(dataset, backbones[0], options, announce=announce)
    _require_comparable(backbones, options)
    best: Probe | None = None
    trials: list[Trial] = []
    for backbone in backbones:
        probe = fit_probe(dataset, backbone, options, announce=_naming(backbone, announce))
        images = len(probe.table.split("train"))
        trials.append(Trial("backbone", backbone.name, images, probe.cv_accuracy, probe.cv_log_loss, chosen=False))
        if best is None or _loss(probe) < _loss(best):
            best = probe
        del probe
    assert best is not None
    name = best.table.backbone.name
    told = tuple(dataclasses.replace(trial, chosen=trial.answer == name) for trial in trials)
    return dataclasses.replace(best, trials=(*told, *best.trials))


def _require_comparable(backbones: Sequence[Backbone], options: ProbeOptions) -> None:
    names = [backbone.name for backbone in backbones]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise DataError(f"backbone {twice[0]} comes twice" if twice else "no backbone was given")
    if options.head == "knn":
        raise DataError("several backbones are compared by cross-validation, which kNN does without", hint="name one")


def _loss(probe: Probe) -> float:
    if probe.cv_log_loss is None:
        raise DataError("too few training images to compare backbones by cross-validation", hint="name one backbone")
    return probe.cv_log_loss


def _naming(backbone: Backbone, announce: Announce | None) -> Announce | None:
    return None if announce is None else lambda text: announce(f"{backbone.name}: {text}")
