"""Zero-shot: words for each class tell it. No labelled text is needed.

A network of sentence embeddings compares the text with those words. One of natural language inference says how surely
a sentence about the class follows from the text (Yin, Hay & Roth 2019, "Benchmarking Zero-shot Text Classification",
arXiv 1909.00161); its logits of entailment, one for each class, are what transformers' pipeline takes too.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from topwork._options import CACHE, SEED, Option, file_option
from topwork.advising import from_logits, training_rows
from topwork.backbones import EMBEDDING, ENTAILMENT, TextBackbone
from topwork.data import TextDataset
from topwork.engines import engine_for
from topwork.errors import BackboneError
from topwork.features import FeatureTable, extract, extract_few
from topwork.heads import LinearHead, TextHead, fit_temperature, row_losses
from topwork.model import ClassesRecord, ClassifierRecord, DataRecord, EngineRecord, WordsRecord, versions
from topwork.tasks._classes._fitted import Fitted
from topwork.tasks._classes._prompts import DESCRIPTIONS_FILE, Descriptions, label_names, prompts, read_templates
from topwork.tasks._task import Announce
from topwork.tasks.text._model import TextClassifier

_SCALE = 20.0  # of cosines, with which sentence encoders of this kind were trained
_NAMES, _SENTENCES = ("{}",), ("This example is {}.",)  # what is compared with a text, and what follows from one


Told = Sequence[Sequence[str]]
"""What is said of each class, in the classes' order."""


@dataclass(frozen=True)
class ZeroShotOptions:
    """What to say of the classes."""

    labels: Annotated[
        tuple[str, ...] | None, Option('Text for each class, used instead of its name: "a complaint,a praise".')
    ] = None
    descriptions: Annotated[Descriptions | None, DESCRIPTIONS_FILE] = None
    templates: Annotated[
        tuple[str, ...] | None,
        file_option('File with templates such as "this is about {}.", one per line.', read_templates, flag="--prompts"),
    ] = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Fitted):
    """Classes that words tell; the table holds the network's own pooled features, or its logits of entailment."""

    words: WordsRecord

    strategy: ClassVar[str] = "zero-shot"

    @property
    def facts(self) -> dict[str, Any]:
        """What was said of the classes."""
        return {"words": self.words}


def fit_zero_shot(
    dataset: TextDataset, backbone: TextBackbone, options: ZeroShotOptions, *, announce: Announce | None = None
) -> ZeroShot:
    """Let words for the classes answer; training texts, where there are any, serve the temperature alone.

    Raises:
        DataError: The words are not of these classes.
        BackboneError: The backbone has no embedding of whole texts.
    """
    say = announce or (lambda text: None)
    told = _told(dataset.classes, backbone, options)
    network, outputs, head = _spoken(backbone, told)
    table = extract(dataset, network, outputs=outputs, cache=options.cache, progress=say("features of texts"))
    return _answered(head, table, told)


def zero_shot_of(table: FeatureTable, options: ZeroShotOptions) -> ZeroShot:
    """The same on pooled features that are there."""
    told = _told(table.dataset.classes, table.backbone, options)
    return _answered(_nearest(table.backbone, told), table, told)


def _answered(head: TextHead | LinearHead, table: FeatureTable, told: Told) -> ZeroShot:
    """What a head comes to; training texts, where there are any, serve its temperature."""
    train = table.split("train")
    facts: dict[str, Any] = {"table": table, "words": _record(table.backbone, told)}
    if not len(train):
        return ZeroShot(head=head, **facts)
    labels, logits = train.dataset.labels.astype(np.int64), head.logits(train.values)
    temperature = fit_temperature(logits, labels)
    scaled = logits / np.float32(temperature)
    return ZeroShot(
        head=dataclasses.replace(head, temperature=temperature),
        cv_accuracy=float((logits.argmax(axis=1) == labels).mean()),
        cv_log_loss=float(row_losses(scaled, labels).mean()),
        out_of_fold=from_logits("training", training_rows(table), scaled),
        **facts,
    )


def from_words(labels: Sequence[str], backbone: TextBackbone, options: ZeroShotOptions) -> TextClassifier:
    """A classifier for labels, made before there is any text. It computes in float32.

    Raises:
        DataError: A label is empty, or two mean the same.
        BackboneError: The backbone has no embedding of whole texts.
    """
    classes = label_names(labels)
    told = _told(classes, backbone, dataclasses.replace(options, labels=None))
    backbone, outputs, head = _spoken(backbone, told)
    block = ClassesRecord(name="text", classes=classes, training=(0,) * len(classes), words=_record(backbone, told))
    record = ClassifierRecord(
        task=block,
        strategy="zero-shot",
        backbone=backbone.to_dict(),
        outputs=outputs,
        engine=EngineRecord(name=engine_for(backbone), precision="f32", deviation=None),
        head=head.kind,
        cross_validation={},
        trials=(),
        data=DataRecord.none("made from class names alone; its accuracy has not been measured"),
        seed=options.seed,
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return TextClassifier(record, head, backbone)


def _told(classes: Sequence[str], backbone: TextBackbone, options: ZeroShotOptions) -> Told:
    """What is said of each class."""
    templates = options.templates or (_NAMES if backbone.entailment is None else _SENTENCES)
    return prompts(classes, labels=options.labels, descriptions=options.descriptions, templates=templates)


def _spoken(backbone: TextBackbone, told: Told) -> tuple[TextBackbone, tuple[str, ...], TextHead | LinearHead]:
    """The network that hears these words, what of it is read, and the head that answers."""
    if backbone.entailment is None:
        return backbone, (EMBEDDING,), _nearest(backbone, told)
    network = dataclasses.replace(backbone, hypotheses=tuple(text for each in told for text in each))
    return network, (ENTAILMENT,), _entailed(told)


def _entailed(told: Told) -> LinearHead:
    """The mean logit of what is said of a class."""
    weight = np.zeros((sum(map(len, told)), len(told)), np.float32)
    ends = np.cumsum([0, *map(len, told)])
    for place, (start, stop) in enumerate(itertools.pairwise(ends)):
        weight[start:stop, place] = 1 / (stop - start)
    width, classes = weight.shape
    return LinearHead(
        np.zeros(width, np.float32), np.ones(width, np.float32), weight, np.zeros(classes, np.float32), 1.0
    )


def _nearest(backbone: TextBackbone, told: Told) -> TextHead:
    """Several texts of a class are averaged: the mean of unit vectors, made one again."""
    if not backbone.embedding:
        raise BackboneError(f"{backbone.name} has no embedding of whole texts to compare with", hint="minilm has one")
    words = [text for each in told for text in each]
    found = extract_few(words, backbone, (EMBEDDING,))
    lengths = np.zeros((len(words), 1), np.float32)
    lengths[found.kept] = np.linalg.norm(found.values, axis=1, keepdims=True)
    if not lengths.all():
        raise BackboneError(
            f"{backbone.name} knows nothing of {words[int(lengths.argmin())]!r}",
            hint="say in other words what the class is, with --descriptions",
        )
    units = found.values / lengths
    means = np.add.reduceat(units, np.cumsum([0, *map(len, told)])[:-1])
    texts = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    width = backbone.embedding
    return TextHead(np.eye(width, dtype=np.float32), np.zeros(width, np.float32), texts, _SCALE)


def _record(backbone: TextBackbone, told: Told) -> WordsRecord:
    weights = backbone.weights
    prompts = tuple(tuple(each) for each in told)
    return WordsRecord(source=backbone.name, revision=weights.revision, sha256=weights.sha256, prompts=prompts)
