"""From scratch: the same network trained from random weights, the comparison that shows what transfer buys."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np

from topwork._options import TRAINING
from topwork._system import freed_memory_kept
from topwork.advising import OutOfFold
from topwork.backbones import Backbone, from_seed
from topwork.data import ImageDataset
from topwork.engines import has_cuda
from topwork.errors import DataError
from topwork.features import FeatureTable, extract, squares
from topwork.heads import LinearHead
from topwork.tasks._classes._finetuned import INTERRUPTED, Finetuned, halves_of, shown
from topwork.tasks._task import Announce
from topwork.tasks.classification.strategies._augment import Augmentation
from topwork.tasks.classification.strategies._finetune import (
    FinetuneOptions,
    config_of,
    default_config,
)
from topwork.tasks.classification.strategies._pictures import ImageSamples
from topwork.tasks.classification.strategies._probe import require_two_classes
from topwork.tasks.classification.strategies._tuned import calibrated, served
from topwork.train import TrainConfig, first_alone

SCRATCH_NOTE = "trained from random weights: expect far lower accuracy unless there are many images"

_EPOCHS = 30


@dataclass(frozen=True)
class ScratchOptions(FinetuneOptions):
    """How to train from random weights: as fine-tuning does, but all of the network, and for longer.

    Nothing pretrained tells what improves: ``auto`` flips and rotates nothing, and takes the network's own crop mode.
    """

    config: Annotated[TrainConfig, TRAINING] = field(default_factory=lambda: default_config(epochs=_EPOCHS))


@freed_memory_kept()
def fit_scratch(
    dataset: ImageDataset, backbone: Backbone, options: ScratchOptions, *, announce: Announce | None = None
) -> Finetuned:
    """Train a whole network from random weights, and keep the best epoch by validation accuracy.

    The weights are drawn as timm draws them for an untrained network, from the seed. The split ``test`` is not looked
    at. What comes out is like a fine-tuned model: the network with weights from a file, and a linear head.

    Raises:
        DataError: The backbone has weights of the user's, or there are too few images to set some aside.
        TrainError: The training cannot be made, or not resumed.
    """
    from topwork.tasks.classification.strategies._tunable import trained_layers, tunable
    from topwork.train import train

    if backbone.weights.source == "file":
        raise DataError("strategy scratch starts from random weights, not from a file", hint="give --weights random")
    say = announce or (lambda text: None)
    fresh = _untrained(backbone, options)
    with first_alone():
        table = _readable(dataset, fresh, options, say)
    require_two_classes(table.dataset.split("train"))
    data, halves = table.dataset, halves_of(table.dataset, options.validation, options.seed)
    model = tunable(fresh, _random_head(fresh.embedding, len(data.classes), options.seed))
    model.to("cuda" if table.choice.name == "torch-cuda" else "cpu")
    config, augmentation = config_of(model, table, options), _augmentation(options)
    with squares(data, fresh.preprocessing, say("resizing images")) as images:
        learn, check = (
            ImageSamples(images, rows, data.labels[rows], len(data.classes), augmentation=how, seed=config.seed)
            for rows, how in ((halves.learn, augmentation if augmentation.varies else None), (halves.check, None))
        )
        progress = say("training from random weights")
        result = train(
            model,
            learn,
            check,
            config,
            layers=trained_layers(model, fresh, len(fresh.stages)),
            checkpoint=options.checkpoint,
            resume=options.resume,
            progress=shown(progress, config) if progress else None,
        )
    notes = (SCRATCH_NOTE, *result.notes)
    if result.interrupted:
        notes += (f"{INTERRUPTED} {len(result.history)} epochs; the best epoch so far is used, --resume continues it",)
    features = served(model, dataset, fresh, options.probe, say)
    places = {path: row for row, path in enumerate(features.dataset.paths)}
    rows = np.array([places[data.paths[row]] for row in halves.check.tolist()], np.intp)
    judged = features.select(rows)
    head = calibrated(model, judged)
    out_of_fold = OutOfFold("validation", rows, head.probabilities(judged.values))
    return Finetuned(head, features, out_of_fold=out_of_fold, history=result.history, notes=notes, strategy="scratch")


def _untrained(backbone: Backbone, options: ScratchOptions) -> Backbone:
    """The same network with random weights, those of the seed unless random ones were asked for."""
    found = backbone
    if backbone.weights.source != "random":
        found = backbone.with_weights(from_seed(options.seed))
    found = replace(found, pretrained_on="nothing")
    mode = options.probe.crop_mode
    return found if mode == "auto" else found.replace(crop_mode=mode)


def _readable(dataset: ImageDataset, fresh: Backbone, options: ScratchOptions, say: Announce) -> FeatureTable:
    """The images that can be read; to convert an untrained network for that would take longer than torch does."""
    engine = options.probe.engine or ("torch-cuda" if has_cuda() else "torch-cpu")
    return extract(dataset, fresh, engine=engine, cache=options.probe.cache, progress=say("reading images"))


def _random_head(width: int, classes: int, seed: int) -> LinearHead:
    """A linear layer as torch draws it: uniform within 1 / sqrt(D)."""
    bound = 1 / math.sqrt(width)
    rng: Any = np.random.default_rng(seed)
    weight = rng.uniform(-bound, bound, (width, classes)).astype(np.float32)
    mean, scale = np.zeros(width, np.float32), np.ones(width, np.float32)
    return LinearHead(mean, scale, weight, np.zeros(classes, np.float32), 1.0)


def _augmentation(options: ScratchOptions) -> Augmentation:
    """What was asked for; crops where nothing was, since every image is seen many times."""
    orient = "none" if options.orient == "auto" else options.orient
    return Augmentation("light" if options.augment == "auto" else options.augment, orient)
