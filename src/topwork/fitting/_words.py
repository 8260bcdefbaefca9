"""A model from words alone: no data set, no image, nothing measured."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from topwork.backbones import EMBEDDING, Backbone
from topwork.backbones import load as load_backbone
from topwork.engines import default_engine
from topwork.fitting._fit import versions
from topwork.model import DataRecord, EngineRecord, Model, ModelRecord, WordsRecord
from topwork.strategies import ZeroShotOptions, words_alone


def from_words(labels: Sequence[str], backbone: str | Backbone, options: ZeroShotOptions | None = None) -> Model:
    """A classifier for labels, made by an image-text model before there is any image.

    Args:
        labels: Two or more; they are the classes.
        backbone: The image tower of an image-text model, or its name.
        options: Of them, those that need images have no say here.

    Returns:
        The model, not yet saved. It computes in float32: there are no images to prove a lower precision on.

    Raises:
        DataError: A label is empty, or two mean the same.
        BackboneError: There is no text tower for this backbone, or it is not to be had.
        MissingExtraError: open_clip is not installed.
    """
    chosen = options or ZeroShotOptions()
    network = load_backbone(backbone) if isinstance(backbone, str) else backbone
    network = network if chosen.crop_mode == "auto" else network.replace(crop_mode=chosen.crop_mode)
    words = words_alone(labels, network, chosen)
    source, revision, sha256 = words.source
    record = ModelRecord(
        classes=words.classes,
        strategy="zero-shot",
        backbone=network.to_dict(),
        outputs=(EMBEDDING,),
        engine=EngineRecord(name=chosen.engine or default_engine(), precision="f32", deviation=None),
        head=words.head.kind,
        calibration={},
        cross_validation={},
        trials=(),
        words=WordsRecord(source=source, revision=revision, sha256=sha256, prompts=words.prompts),
        metrics=None,
        data=DataRecord(
            fingerprint="",
            training=(0,) * len(words.classes),
            held_out=0,
            held_out_split="",
            left_out=0,
            notes=("made from words alone; how good it is has not been measured",),
        ),
        seed=chosen.seed,
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return Model(record, words.head, network)
