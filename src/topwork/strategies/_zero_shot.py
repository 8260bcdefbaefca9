"""Zero-shot: an image-text model compares the image with words for each class. No labelled image is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from topwork.backbones import EMBEDDING, Backbone, CropMode, TextTower, text_tower
from topwork.data import ImageDataset
from topwork.engines import EngineName
from topwork.features import FeatureTable, extract
from topwork.heads import BlendHead, LinearHead, TextHead, blended, fit_temperature, row_losses
from topwork.strategies._compare import Trial, fit_head
from topwork.strategies._out_of_fold import OutOfFold, from_logits, training_rows
from topwork.strategies._probe import Announce
from topwork.strategies._prompts import TEMPLATES, Descriptions, label_names, prompts

_SHARES = tuple(share / 10 for share in range(1, 10))  # of the words in a blend


@dataclass(frozen=True)
class ZeroShotOptions:
    """What to say of the classes, and whether labelled images may have a say.

    Attributes:
        labels: Words instead of the classes' names, one a class.
        descriptions: Words instead of either, several a class, for some classes or all (``read_descriptions``).
        templates: Sentences that the words are put into (``read_templates``).
        text: Folder or repository of the text tower; the catalogue's when None.
        blend: Whether a probe on the same features joins in, with the share that cross-validation on the training split
            gives it; it may turn out to be all or nothing.
        calibrate: Whether labelled training images set the temperature.
        crop_mode: How an image becomes a square; ``auto`` is the way the network was trained.
        engine: What runs the network; the best that is here when None.
        cache: Whether features are kept on disk.
        offline: Whether to use no network.
        seed: Of the folds of a blend.
    """

    labels: tuple[str, ...] | None = None
    descriptions: Descriptions | None = None
    templates: tuple[str, ...] = TEMPLATES
    text: str | Path | None = None
    blend: bool = False
    calibrate: bool = True
    crop_mode: Literal["auto"] | CropMode = "auto"
    engine: EngineName | None = None
    cache: bool = True
    offline: bool = False
    seed: int = 0


@dataclass(frozen=True)
class ZeroShot:
    """Classes that words tell.

    Attributes:
        head: Features to probabilities.
        table: The network's own pooled features of every image of the data set.
        trials: Words alone, the probe alone and the best blend, where a blend was asked for.
        cv_accuracy: Of the head on the training split: out of fold where a probe takes part, and as it is where words
            alone answer, since nothing but one temperature was fitted on it. None without labelled training images.
        cv_log_loss: Likewise, in nats, after the temperature.
        prompts: What was said of each class, in the classes' order.
        source: Where the text tower came from: place, commit, hash.
        reason: Why no blend was tried though one was asked for; empty otherwise.
        out_of_fold: What the head says of training images: as it is where words alone answer, out of fold in a blend.
    """

    head: TextHead | BlendHead | LinearHead
    table: FeatureTable
    trials: tuple[Trial, ...]
    cv_accuracy: float | None
    cv_log_loss: float | None
    prompts: tuple[tuple[str, ...], ...]
    source: tuple[str, str, str]
    reason: str = ""
    out_of_fold: OutOfFold | None = None

    strategy: ClassVar[str] = "zero-shot"


@dataclass(frozen=True)
class _Scored:
    """One head, and what it says of training images that it has not learnt from: logits (n, C) at its temperature."""

    name: str
    head: TextHead | BlendHead | LinearHead
    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        return float((self.logits.argmax(axis=1) == self.labels).mean())

    @property
    def log_loss(self) -> float:
        return float(row_losses(self.logits, self.labels).mean())


def fit_zero_shot(
    dataset: ImageDataset, backbone: Backbone, options: ZeroShotOptions, *, announce: Announce | None = None
) -> ZeroShot:
    """Let words for the classes answer, alone or together with a probe on the same features.

    Args:
        dataset: The images; a split ``train`` is needed by none but a blend, and serves the temperature.
        backbone: The image tower of an image-text model.
        options: What to say of the classes.
        announce: Called with what begins; may give a progress callback for it.

    Raises:
        DataError: The words are not of these classes.
        BackboneError: There is no text tower for this backbone, or it is not to be had.
        MissingExtraError: open_clip is not installed.
    """
    say = announce or (lambda text: None)
    words = _words(dataset.classes, backbone, options, say)
    sized = backbone if options.crop_mode == "auto" else backbone.replace(crop_mode=options.crop_mode)
    table = extract(
        dataset, sized, outputs=(EMBEDDING,), engine=options.engine, cache=options.cache, progress=say("features")
    )
    return _answering(words, table, options)


def zero_shot_of(table: FeatureTable, options: ZeroShotOptions, *, announce: Announce | None = None) -> ZeroShot:
    """The same on features that are there.

    Args:
        table: With the network's own pooled features.
        options: What to say of the classes; of what shapes the features nothing is heeded.
        announce: As of ``fit_zero_shot``.

    Raises:
        DataError: As of ``fit_zero_shot``.
        BackboneError: Likewise.
        MissingExtraError: Likewise.
    """
    words = _words(table.dataset.classes, table.backbone, options, announce or (lambda text: None))
    return _answering(words, table.keep((EMBEDDING,)), options)


def _answering(words: Words, table: FeatureTable, options: ZeroShotOptions) -> ZeroShot:
    train, told, source = table.split("train"), words.prompts, words.source
    if len(train) == 0:
        return ZeroShot(words.head, table, (), None, None, told, source, _no_blend(train, options))
    alone = _alone(words.head, train, calibrate=options.calibrate)
    reason = _no_blend(train, options)
    if not options.blend or reason:
        out_of_fold = from_logits("training", training_rows(table), alone.logits)
        return ZeroShot(alone.head, table, (), alone.accuracy, alone.log_loss, told, source, reason, out_of_fold)
    best, trials, held = _blended(alone, train, options.seed)
    out_of_fold = from_logits("cross-validation", training_rows(table)[held], best.logits)
    return ZeroShot(best.head, table, trials, best.accuracy, best.log_loss, told, source, "", out_of_fold)


@dataclass(frozen=True)
class Words:
    """A head for labels alone.

    Attributes:
        head: Features to probabilities.
        classes: The labels.
        prompts: What was said of each, in the same order.
        source: Where the text tower came from: place, commit, hash.
    """

    head: TextHead
    classes: tuple[str, ...]
    prompts: tuple[tuple[str, ...], ...]
    source: tuple[str, str, str]


def words_alone(labels: Sequence[str], backbone: Backbone, options: ZeroShotOptions | None = None) -> Words:
    """The head for labels alone, without any image: a classifier for whoever has only words.

    It reads the output ``embedding`` of the backbone; its classes are the labels.

    Args:
        labels: Two or more.
        backbone: The image tower of an image-text model.
        options: Of them, ``labels`` has no say here, nor has anything that needs images.

    Raises:
        DataError: A label is empty, or two mean the same.
        BackboneError: There is no text tower for this backbone, or it is not to be had.
        MissingExtraError: open_clip is not installed.
    """
    chosen = dataclasses.replace(options or ZeroShotOptions(), labels=None)
    return _words(label_names(labels), backbone, chosen, lambda text: None)


def _words(classes: Sequence[str], backbone: Backbone, options: ZeroShotOptions, say: Announce) -> Words:
    told = prompts(classes, labels=options.labels, descriptions=options.descriptions, templates=options.templates)
    say("texts")
    tower = text_tower(backbone, options.text, offline=options.offline)
    return Words(_head(tower, told), tuple(classes), told, (tower.source, tower.revision, tower.sha256))


def _head(tower: TextTower, told: Sequence[Sequence[str]]) -> TextHead:
    """Several prompts are averaged as CLIP's authors do it: the mean of unit vectors, made one again."""
    found = tower([prompt for each in told for prompt in each])
    starts = np.cumsum([0, *map(len, told)])[:-1]
    means = np.add.reduceat(found, starts, axis=0)
    texts = means / np.linalg.norm(means, axis=1, keepdims=True)
    return TextHead(tower.projection, tower.offset, texts.astype(np.float32), tower.scale)


def _alone(words: TextHead, train: FeatureTable, *, calibrate: bool) -> _Scored:
    labels = train.dataset.labels.astype(np.int64)
    logits = words.logits(train.values)
    temperature = fit_temperature(logits, labels) if calibrate else 1.0
    head = dataclasses.replace(words, temperature=temperature)
    return _Scored("words", head, logits / np.float32(temperature), labels)


def _no_blend(train: FeatureTable, options: ZeroShotOptions) -> str:
    """Why a blend cannot be: a probe would rule out every class that it has not seen."""
    if not options.blend or (train.dataset.counts() > 1).all():
        return ""
    return "a blend needs two training images of each class, so words answer alone"


def _blended(
    words: _Scored, train: FeatureTable, seed: int
) -> tuple[_Scored, tuple[Trial, ...], npt.NDArray[np.bool_]]:
    """Words, a probe, and the best blend of both, on the same held-out images.

    The words' logits are honest on every training image, the probe's out of fold. The lowest log loss wins, without the
    proof that `compare` asks for: neither of the other two is the plain way (docs/decisions/zero-shot.md). Last comes
    which training images those are.
    """
    assert isinstance(words.head, TextHead)
    fitted = fit_head(train, class_weight="none", seed=seed)
    held = fitted.held_out
    alone = _Scored(words.name, words.head, words.logits[held], words.labels[held])
    probe = _Scored("probe", fitted.head, fitted.oof_logits[held] / np.float32(fitted.head.temperature), alone.labels)
    blend = min((_mixed(share, words.head, alone, fitted.head, probe) for share in _SHARES), key=_log_loss)
    best = min((alone, probe, blend), key=_log_loss)
    trials = tuple(
        Trial("blend", each.name, len(alone.labels), each.accuracy, each.log_loss, chosen=each is best)
        for each in (alone, probe, blend)
    )
    return best, trials, held


def _mixed(share: float, words: TextHead, words_said: _Scored, probe: LinearHead, probe_said: _Scored) -> _Scored:
    logits = blended(words_said.logits, probe_said.logits, share)
    temperature = fit_temperature(logits, words_said.labels)
    head = BlendHead(words, probe, share, temperature)
    return _Scored(f"{share:.0%} words", head, logits / np.float32(temperature), words_said.labels)


def _log_loss(scored: _Scored) -> float:
    return scored.log_loss
