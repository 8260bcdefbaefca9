"""Zero-shot: an image-text model compares the image with words for each class. No labelled image is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._options import CACHE, CLASS_TEXTS, SEED, Option
from topwork.advising import OutOfFold, Trial, fit_head, from_logits, training_rows
from topwork.backbones import EMBEDDING, Backbone, TextTower, text_tower
from topwork.data import ImageDataset
from topwork.features import FeatureTable, extract
from topwork.heads import BlendHead, LinearHead, TextHead, blended, fit_temperature, row_losses
from topwork.model import WordsRecord
from topwork.tasks._classes._fitted import Fitted
from topwork.tasks._classes._prompts import (
    DESCRIPTIONS_FILE,
    TEMPLATES,
    TEMPLATES_FILE,
    Descriptions,
    label_names,
    prompts,
)
from topwork.tasks._task import Announce
from topwork.tasks.classification.strategies._probe import AnyCropMode, AnyEngine

_SHARES = tuple(share / 10 for share in range(1, 10))  # of the words in a blend


@dataclass(frozen=True)
class ZeroShotOptions:
    """What to say of the classes, and whether labelled images may have a say."""

    labels: Annotated[tuple[str, ...] | None, CLASS_TEXTS] = None
    descriptions: Annotated[Descriptions | None, DESCRIPTIONS_FILE] = None
    templates: Annotated[tuple[str, ...], TEMPLATES_FILE] = TEMPLATES
    text: Annotated[
        str | Path | None, Option("Folder or hub repository of the text model; the one in the catalogue if not given.")
    ] = None
    blend: Annotated[bool, Option("Combine the text scores with a probe, weighted by cross-validation.")] = False
    calibrate: Annotated[bool, Option("Whether to calibrate the temperature on labelled training images.", None)] = True
    crop_mode: AnyCropMode = "auto"
    engine: AnyEngine = None
    cache: Annotated[bool, CACHE] = True
    offline: Annotated[bool, Option("Whether to use the text model only if it is already on this machine.", None)] = (
        False
    )
    seed: Annotated[int, SEED] = 0


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Fitted):
    """Classes that words tell; the table holds the network's own pooled features.

    Trials are words alone, the probe alone and the best blend, where the options want a blend. Where words alone
    answer, the scores are of the head as it is, since nothing but one temperature was fitted on the training images; in
    a blend they are out of fold.
    """

    prompts: tuple[tuple[str, ...], ...]  # what was said of each class, in the classes' order
    source: tuple[str, str, str]  # of the text tower: place, commit, hash
    reason: str = ""  # why no blend was tried though the options want one

    strategy: ClassVar[str] = "zero-shot"

    @property
    def facts(self) -> dict[str, Any]:
        """What was said of the classes."""
        return {"words": words_record(self.source, self.prompts)}


def words_record(source: tuple[str, str, str], prompts: tuple[tuple[str, ...], ...]) -> WordsRecord:
    """What was said of each class, and by which text tower it was understood, as a model writes it down."""
    place, revision, sha256 = source
    return WordsRecord(source=place, revision=revision, sha256=sha256, prompts=prompts)


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

    A split ``train`` is needed by none but a blend, and serves the temperature.

    Raises:
        DataError: The words are not of these classes.
        BackboneError: There is no text tower for this backbone, or it is not available.
        MissingExtraError: open_clip is not installed.
    """
    say = announce or (lambda text: None)
    words = _words(dataset.classes, backbone, options, say)
    sized = backbone if options.crop_mode == "auto" else backbone.replace(crop_mode=options.crop_mode)
    table = extract(
        dataset,
        sized,
        outputs=(EMBEDDING,),
        engine=options.engine,
        cache=options.cache,
        progress=say("features of images"),
    )
    return _answering(words, table, options)


def zero_shot_of(table: FeatureTable, options: ZeroShotOptions, *, announce: Announce | None = None) -> ZeroShot:
    """The same on the network's own pooled features that are there; options that shape the features have no say."""
    words = _words(table.dataset.classes, table.backbone, options, announce or (lambda text: None))
    return _answering(words, table.keep((EMBEDDING,)), options)


def _answering(words: Words, table: FeatureTable, options: ZeroShotOptions) -> ZeroShot:
    train, reason = table.split("train"), _no_blend(table.split("train"), options)
    notes = (reason,) if reason else ()
    facts: Any = {"table": table, "prompts": words.prompts, "source": words.source, "reason": reason, "notes": notes}
    if len(train) == 0:
        return ZeroShot(head=words.head, **facts)
    alone = _alone(words.head, train, calibrate=options.calibrate)
    if not options.blend or reason:
        found = from_logits("training", training_rows(table), alone.logits)
        return _measured(alone, found, (), facts)
    best, trials, held = _blended(alone, train, options.seed)
    return _measured(best, from_logits("cross-validation", training_rows(table)[held], best.logits), trials, facts)


def _measured(best: _Scored, found: OutOfFold | None, trials: tuple[Trial, ...], facts: dict[str, Any]) -> ZeroShot:
    scores: Any = {"cv_accuracy": best.accuracy, "cv_log_loss": best.log_loss, "out_of_fold": found, "trials": trials}
    return ZeroShot(head=best.head, **scores, **facts)


class Words(NamedTuple):
    """A head for labels alone, what was said of each, and the text tower's place, commit and hash."""

    head: TextHead
    classes: tuple[str, ...]
    prompts: tuple[tuple[str, ...], ...]
    source: tuple[str, str, str]


def words_alone(labels: Sequence[str], backbone: Backbone, options: ZeroShotOptions | None = None) -> Words:
    """The head for two or more labels alone, without any image: a classifier for whoever has only words.

    It reads the output ``embedding`` of the backbone. Of the options, ``labels`` has no say here, nor has anything that
    needs images.

    Raises:
        DataError: A label is empty, or two mean the same.
        BackboneError: There is no text tower for this backbone, or it is not available.
        MissingExtraError: open_clip is not installed.
    """
    chosen = dataclasses.replace(options or ZeroShotOptions(), labels=None)
    return _words(label_names(labels), backbone, chosen, lambda text: None)


def _words(classes: Sequence[str], backbone: Backbone, options: ZeroShotOptions, say: Announce) -> Words:
    told = prompts(classes, labels=options.labels, descriptions=options.descriptions, templates=options.templates)
    say("features of the texts")
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
    return "combining text and probe needs two training images per class, so only the text is used"


def _blended(
    words: _Scored, train: FeatureTable, seed: int
) -> tuple[_Scored, tuple[Trial, ...], npt.NDArray[np.bool_]]:
    """Words, a probe, and the best blend of both, on the same held-out images.

    The words have learnt from no training image; the probe's logits are out of fold. The lowest log loss wins, without
    the proof that `compare` asks for: neither of the other two is the plain way (docs/decisions/zero-shot.md). Last
    comes which training images those are.
    """
    assert isinstance(words.head, TextHead)
    fitted = fit_head(train, class_weight="none", seed=seed)
    held = fitted.held_out
    alone = _Scored(words.name, words.head, words.logits[held], words.labels[held])
    probe = _Scored("probe", fitted.head, fitted.oof_logits[held] / np.float32(fitted.head.temperature), alone.labels)
    mixed = (_mixed(share, words.head, alone, fitted.head, probe) for share in _SHARES)
    blend = min(mixed, key=lambda each: each.log_loss)
    best = min((alone, probe, blend), key=lambda each: each.log_loss)
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
