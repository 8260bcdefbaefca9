"""The strategy: which features to compare, and how, chosen on identities that are held out of the choice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array, Float64Array, IntpArray
from topwork.advising import Trial
from topwork.backbones import EMBEDDING, Backbone, CropMode, face_row
from topwork.data import ImageDataset
from topwork.errors import DataError
from topwork.features import FeatureTable, extract
from topwork.heads import PROJECTIONS, Projection, ProjectionMethod, fit_projection
from topwork.metrics import (
    LEAST_FALSE_ACCEPTS,
    Pairs,
    equal_error_rate,
    exceeds_zero,
    identities_of_groups,
    pairs_of,
    some_images,
    threshold_for,
)
from topwork.tasks._task import Announce, Run
from topwork.tasks.recognition._finder import NO_FINDER, Finder, cropped, open_finder, seen_in
from topwork.tasks.recognition._options import RecognitionOptions
from topwork.tasks.recognition._split import identity_folds

_FOLDS = 5
_DEALS = 4  # of the identities into folds, on which the threshold is set
_FALSE_ACCEPT = 0.01  # promised where nothing else is asked for and the pairs can tell
_LAST_STAGES = 3
_TRIED_WITH: ProjectionMethod = "within"  # while features are compared


@dataclass(frozen=True, eq=False)
class Promise:
    """A threshold, and what it was set on.

    Attributes:
        threshold: From which similarity on two images are taken for one identity.
        false_accept: Share of pairs of different identities that it takes for one, as promised.
        pairs: Of different identities on which it was set.
        identities: Of these pairs: none of them took part in the projection that compared them.
    """

    threshold: float
    false_accept: float
    pairs: int
    identities: int


@dataclass(frozen=True, eq=False)
class Recognised:
    """What the strategy gives.

    Attributes:
        table: Features of every row, in the columns that the projection reads.
        projection: Features to embeddings.
        promise: The threshold.
        own: The network's own features of every row, which no choice was made on: what there is without all this.
        trials: What was compared; the accuracy is 1 less the equal error rate, on identities that were held out.
        cross_validation: The same of what was chosen.
        finder: What found the things to compare in the images; None where those are whole.
        enroll: Whether everybody is to go into the gallery.
        notes: What the user should know.
    """

    table: FeatureTable
    projection: Projection
    promise: Promise
    own: FeatureTable
    trials: tuple[Trial, ...]
    cross_validation: Mapping[str, float]
    finder: Finder | None = None
    enroll: bool = False
    notes: tuple[str, ...] = ()
    strategy: str = "probe"
    head_kind: str = Projection.kind
    advice: None = None


@dataclass(frozen=True, eq=False)
class _Crossed:
    """One way, judged on identities that each fold holds out."""

    rates: Float64Array  # (F,) equal error rates
    seen: Float64Array  # (F,) those of the identities that each fold fits on: a model must know both
    strangers: Float32Array  # similarities of pairs of different identities, of all folds
    which: IntpArray  # which pairs, as numbers
    identities: int

    @property
    def worse(self) -> Float64Array:
        """The worse of both (F,). Whitening of few images makes those images unlike each other, and no others."""
        return np.maximum(self.rates, self.seen)


def fit_recogniser(
    dataset: ImageDataset, backbones: Sequence[Backbone], options: RecognitionOptions, run: Run
) -> Recognised:
    """Choose what is compared and how on the split ``train``, by identities; the other splits are not looked at.

    Raises:
        DataError: Too few identities or images to choose by, or too few pairs for the promised rate.
    """
    say = run.announce or (lambda text: None)
    names = [backbone.name for backbone in backbones]
    if len(set(names)) < len(names) or not names:
        raise DataError("a backbone is given twice" if names else "no backbone was given")
    best = [_best_way(dataset, backbone, options, say, several=len(backbones) > 1) for backbone in backbones]
    chosen = min(best, key=lambda way: way.rate)
    trials = [
        Trial("backbone", way.backbone, len(way.table.split("train")), 1 - way.rate, None, chosen=way is chosen)
        for way in best
        if len(best) > 1
    ]
    say("choosing how they are compared")
    return _fitted(chosen, trials, options)


class _Way(NamedTuple):
    """What may be compared of a backbone's features, the best of several."""

    backbone: str
    rate: float  # equal error rate on identities that were held out
    table: FeatureTable
    outputs: tuple[str, ...]
    trials: list[Trial]
    finder: Finder | None


def _best_way(
    dataset: ImageDataset, backbone: Backbone, options: RecognitionOptions, say: Announce, *, several: bool
) -> _Way:
    finder = _finder(backbone, options)
    images = cropped(dataset, finder)
    trials: list[Trial] = []
    found: list[_Way] = []
    modes = crop_modes(backbone, options, finder)
    for mode in modes:
        of = f"{backbone.name}: " if several else ""
        step = say(f"{of}features of images" + (f", {mode}" if len(modes) > 1 else ""))
        table = extract(
            images,
            backbone.replace(crop_mode=mode),
            outputs=_outputs(backbone, options),
            engine=options.engine,
            cache=options.cache,
            progress=step,
        )
        train, folds = _training(table, options.seed)
        for outputs in candidates(backbone, options):
            rate = float(crossed(train.keep(outputs), folds, _tried_with(options), options.seed).worse.mean())
            name = ", ".join(outputs) + (f", {mode}" if len(modes) > 1 else "")
            trials.append(Trial("features", name, len(train), 1 - rate, None, chosen=False))
            found.append(_Way(backbone.name, rate, table, outputs, trials, finder))
    best = min(range(len(found)), key=lambda place: found[place].rate)
    trials[best] = dataclasses.replace(trials[best], chosen=True)
    return found[best]


def _finder(backbone: Backbone, options: RecognitionOptions) -> Finder | None:
    """The one that was asked for, or the backbone's own."""
    face = face_row(backbone.name)
    name = options.finder or (face.finder if face else None)
    return open_finder({"name": name}) if name and name != NO_FINDER else None


def _fitted(way: _Way, compared_before: list[Trial], options: RecognitionOptions) -> Recognised:
    table, trials, kept = way.table, way.trials, way.table.keep(way.outputs)
    train, folds = _training(kept, options.seed)
    method, of_methods, compared = _choose(train, folds, options)
    least = max(_FALSE_ACCEPT, math.ceil(1e4 * LEAST_FALSE_ACCEPTS / len(of_methods.strangers)) / 1e4)
    wanted = least if options.false_accept is None else options.false_accept
    promise = _promised(train, method, of_methods, wanted, options.seed)
    projection = fit_projection(train.values, train.dataset.labels, method, widths=kept.widths)
    return Recognised(
        table=kept,
        projection=projection,
        promise=promise,
        own=table.keep((EMBEDDING,)) if EMBEDDING in table.outputs else kept,
        trials=(*compared_before, *(trials if len(trials) > 1 else ()), *compared),
        cross_validation={"accuracy": 1 - float(of_methods.rates.mean())},
        finder=way.finder,
        enroll=options.enroll,
        notes=_notes(kept, least, options),
    )


def _notes(table: FeatureTable, least: float, options: RecognitionOptions) -> tuple[str, ...]:
    notes = []
    if options.false_accept is None and least > _FALSE_ACCEPT:
        notes.append(
            f"false accepts are promised at {least:.2%} and not at {_FALSE_ACCEPT:.0%}: add identities for that"
        )
    sound, labels = sound_rows(table), table.dataset.labels
    left = len(set(labels.tolist())) - len(set(labels[sound].tolist()))
    if options.enroll and len(sound) < len(table):
        refused = f"{len(table) - len(sound):,} of {len(table):,} images were not enrolled"
        notes.append(f"{refused}: several finds, or one that cannot be relied on; identities with none left: {left:,}")
    return tuple(notes)


def sound_rows(table: FeatureTable) -> IntpArray:
    """Rows by whose images somebody may be enrolled: with one find and no flaw, or of whole images."""
    return np.flatnonzero([each is None or not each.remarks for each in seen_in(table.dataset)])


def _choose(
    train: FeatureTable, folds: IntpArray, options: RecognitionOptions
) -> tuple[ProjectionMethod, _Crossed, list[Trial]]:
    """The best projection, or the simplest that is not clearly worse, and how they all did."""
    if options.projection != "auto":
        return options.projection, crossed(train, folds, options.projection, options.seed), []
    found = {method: crossed(train, folds, method, options.seed) for method in PROJECTIONS}
    least = min(found, key=lambda method: found[method].worse.mean())
    chosen = next(each for each in found if not exceeds_zero(found[each].worse - found[least].worse))
    trials = [
        Trial("projection", each, len(train), 1 - float(found[each].worse.mean()), None, chosen=each == chosen)
        for each in found
    ]
    return chosen, found[chosen], trials


def _promised(
    train: FeatureTable, method: ProjectionMethod, crossed_once: _Crossed, wanted: float, seed: int
) -> Promise:
    """The threshold, on pairs of several deals of the identities: one alone compares few identities with each other."""
    threshold_for(crossed_once.strangers, wanted)  # refuses what one deal cannot tell
    folds = [identity_folds(train.dataset, _FOLDS, seed + deal) for deal in range(1, _DEALS)]
    deals = [crossed_once, *(crossed(train, each, method, seed) for each in folds)]
    pairs = len(np.unique(np.concatenate([each.which for each in deals])))
    strangers = np.concatenate([each.strangers for each in deals])
    return Promise(threshold_for(strangers, wanted), wanted, pairs, crossed_once.identities)


def _training(table: FeatureTable, seed: int) -> tuple[FeatureTable, IntpArray]:
    train = table.split("train")
    return train, identity_folds(train.dataset, _FOLDS, seed)


def crossed(train: FeatureTable, folds: IntpArray, method: ProjectionMethod, seed: int) -> _Crossed:
    """Judge a way by identities that it was not fitted on, fold by fold.

    Raises:
        DataError: A fold has no pair of one identity: all its images are of one session.
    """
    labels = train.dataset.labels
    rates, seen, strangers, which, judged = [], [], [], [], set[int]()
    for fold in range(int(folds.max()) + 1):
        held, learnt = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        projection = fit_projection(train.values[learnt], labels[learnt], method, widths=train.widths)
        (some, pairs), (_, own) = (_pairs(train, projection, rows, seed) for rows in (held, learnt))
        rates.append(equal_error_rate(pairs))
        seen.append(equal_error_rate(own))
        strangers.append(pairs.impostors)
        first, second = some[pairs.rows[~pairs.same]].T
        which.append(first * len(train) + second)
        judged |= set(labels[held].tolist())
    return _Crossed(np.array(rates), np.array(seen), np.concatenate(strangers), np.concatenate(which), len(judged))


def _pairs(train: FeatureTable, projection: Projection, rows: IntpArray, seed: int) -> tuple[IntpArray, Pairs]:
    """Pairs of some of these rows, which those are, and the pairs; none of one identity and one session."""
    chosen = rows[some_images(train.dataset.labels[rows], seed)]
    some = train.select(chosen)
    groups = () if identities_of_groups(some.dataset.labels, some.dataset.groups) else some.dataset.groups
    return chosen, pairs_of(projection.embed(some.values), some.dataset.labels, groups)


def crop_modes(backbone: Backbone, options: RecognitionOptions, finder: Finder | None) -> tuple[CropMode, ...]:
    """How images are made square: the network's own way and the whole image, where nothing else is said.

    A finder's crops are square, so that both are the same.
    """
    own = backbone.preprocessing.crop_mode
    if options.crop_mode != "auto":
        return (options.crop_mode,)
    return ("squash", "crop") if own == "crop" and finder is None else (own,)


def candidates(backbone: Backbone, options: RecognitionOptions) -> list[tuple[str, ...]]:
    """What may be compared: the network's own features, each of the last stages' means, and those together."""
    if options.stages != "auto":
        return [backbone.outputs(options.stages, "mean")]
    stages = [each for each in backbone.outputs("all", "mean") if each != EMBEDDING][-_LAST_STAGES:]
    together = [tuple(stages)] if len(stages) > 1 else []
    return [(EMBEDDING,), *((stage,) for stage in stages), *together]


def _outputs(backbone: Backbone, options: RecognitionOptions) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for outputs in candidates(backbone, options) for each in outputs))


def _tried_with(options: RecognitionOptions) -> ProjectionMethod:
    return _TRIED_WITH if options.projection == "auto" else options.projection
