"""A detector from words alone: no data set, no image, nothing measured."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from topwork.backbones import QUERIES, Backbone
from topwork.engines import engine_for
from topwork.model import DataRecord, EngineRecord, versions
from topwork.tasks._classes._prompts import prompts
from topwork.tasks.detection._model import Detector
from topwork.tasks.detection._model_of import DEFAULT_THRESHOLD
from topwork.tasks.detection._record import DetectionRecord, DetectorRecord
from topwork.tasks.detection.strategies import WordsOptions, detector, words_head


def from_words(labels: Sequence[str], backbone: Backbone, options: WordsOptions | None = None) -> Detector:
    """A detector of what labels name.

    Args:
        labels: One or more; they are the classes.
        backbone: A detector that is told classes in words.
        options: Of them, those that need images have no say here.

    Returns:
        The model, not yet saved.

    Raises:
        DataError: A label is empty, or two mean the same.
        BackboneError: It is no detector that is told classes in words.
        MissingExtraError: A package is missing.
    """
    chosen, network = options or WordsOptions(), detector("zero-shot", backbone)
    classes = tuple(each.strip() for each in labels)
    head = words_head(network, prompts(classes, templates=chosen.templates))
    block = DetectionRecord(
        name="detection",
        classes=classes,
        training=(0,) * len(classes),
        head=head.spec.to_dict(),
        thresholds=(DEFAULT_THRESHOLD,) * len(classes),
    )
    record = DetectorRecord(
        task=block,
        strategy="zero-shot",
        backbone=network.to_dict(),
        outputs=(QUERIES,),
        engine=EngineRecord(name=engine_for(network, chosen.engine), precision="f32", deviation=None),
        head="queries",
        cross_validation={},
        trials=(),
        data=DataRecord.none("made from class names alone; its accuracy has not been measured"),
        seed=chosen.seed,
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    return Detector(record, head, network)
