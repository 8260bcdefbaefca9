"""A model from words alone: no data set, no image, nothing measured."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

from topwork.backbones import EMBEDDING, Backbone
from topwork.backbones import load as load_backbone
from topwork.engines import default_engine
from topwork.model import ClassesRecord, Classifier, ClassifierRecord, DataRecord, EngineRecord, versions

if TYPE_CHECKING:
    from topwork.tasks.classification.strategies import ZeroShotOptions


def from_words(labels: Sequence[str], backbone: str | Backbone, options: ZeroShotOptions | None = None) -> Classifier:
    """A classifier for labels, made by an image-text model before there is any image.

    Args:
        labels: Two or more; they are the classes.
        backbone: The image tower of an image-text model, or its name.
        options: Of them, those that need images have no say here.

    Returns:
        The model, not yet saved. It computes in float32: there are no images to prove a lower precision on.

    Raises:
        DataError: A label is empty, or two mean the same.
        BackboneError: There is no text tower for this backbone, or it is not available.
        MissingExtraError: open_clip is not installed.
    """
    from topwork.tasks.classification.strategies import ZeroShotOptions, words_alone, words_record

    chosen = options or ZeroShotOptions()
    network = load_backbone(backbone) if isinstance(backbone, str) else backbone
    network = network if chosen.crop_mode == "auto" else network.replace(crop_mode=chosen.crop_mode)
    words = words_alone(labels, network, chosen)
    block = ClassesRecord(
        name="classification",
        classes=words.classes,
        training=(0,) * len(words.classes),
        words=words_record(words.source, words.prompts),
    )
    record = ClassifierRecord(
        task=block,
        strategy="zero-shot",
        backbone=network.to_dict(),
        outputs=(EMBEDDING,),
        engine=EngineRecord(name=chosen.engine or default_engine(), precision="f32", deviation=None),
        head=words.head.kind,
        cross_validation={},
        trials=(),
        data=DataRecord.none("made from class names alone; its accuracy has not been measured"),
        seed=chosen.seed,
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return Classifier(record, words.head, network)
