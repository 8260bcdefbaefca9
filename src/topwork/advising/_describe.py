"""What the data are like, and how far they lie from what the backbone was trained on."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from topwork.advising._domain_shift import domain_shift
from topwork.advising._out_of_fold import crossed, knn
from topwork.advising._training_features import SAMPLE, TrainingFeatures
from topwork.backbones import EMBEDDING, classifier
from topwork.data import ImageDataset, decode
from topwork.errors import BackboneError, ImageError
from topwork.heads import network_probabilities

_LOOKED_AT = 32  # images that are decoded for their size


@dataclass(frozen=True)
class Description:
    """The training split in numbers.

    Attributes:
        images: Training images that can be read.
        classes: Classes.
        smallest: Images of the smallest class.
        largest: Images of the largest.
        width: Median over a few, in pixels.
        height: Likewise.
        distance: How far the network's activations lie from those of its own training images, in standard deviations
            of these, a mean over channels and stages (``domain_shift``); None where the network keeps no such
            statistics, or there was no time.
        entropy: Of the network's own answer to an image, as a share of the most there can be; None where it has no
            classes of its own, or there was no time.
        spread: How many of its own classes its answers to all images amount to (exponential of the entropy of their
            mean); likewise.
        separation: Accuracy of nearest neighbours at each stage, cross-validated on a sample, nearest the pixels first.
    """

    images: int
    classes: int
    smallest: int
    largest: int
    width: int
    height: int
    distance: float | None = None
    entropy: float | None = None
    spread: float | None = None
    separation: tuple[tuple[str, float], ...] = ()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Description:
        """What ``asdict`` gave."""
        return cls(**{**fields, "separation": tuple((str(n), float(v)) for n, v in fields["separation"])})


def describe(features: TrainingFeatures) -> Description:
    """What counting tells, and how early in the network the classes separate."""
    images = features.train.dataset
    counts = images.counts()
    width, height = _sides(images)
    numbers = (len(images), len(images.classes), int(counts.min()), int(counts.max()), width, height)
    return Description(*numbers, separation=_separation(features))


def compared_with_source(found: Description, features: TrainingFeatures) -> Description:
    """How far the images lie from what the network was trained on, and what its own classes make of them."""
    images = features.train.dataset.select(np.sort(features.order[:_LOOKED_AT]))
    fit = features.backbone.preprocessing
    pixels = [fit(decode(source, min_side=fit.min_side)) for source in images.sources()]
    return _with_own_answers(replace(found, distance=domain_shift(features.backbone, np.stack(pixels))), features)


def _separation(features: TrainingFeatures) -> tuple[tuple[str, float], ...]:
    sample = features.sample(features.size, SAMPLE)
    told = []
    for name in [*(stage.name for stage in features.backbone.stages), EMBEDDING]:
        outputs = [output for output in sample.outputs if output.rpartition("/")[0] == name or output == name]
        answers = crossed(knn, sample.keep(tuple(outputs)), features.options.seed) if outputs else None
        if answers is not None:
            told.append((name, answers.accuracy))
    return tuple(told)


def _with_own_answers(found: Description, features: TrainingFeatures) -> Description:
    try:
        layer = classifier(features.backbone)
    except BackboneError:
        return found
    sample = features.sample(features.size, SAMPLE)
    answers = network_probabilities(sample.columns((EMBEDDING,)), layer.weight, layer.bias).astype(np.float64)
    each = float(_entropy(answers).mean() / np.log(answers.shape[1]))
    return replace(found, entropy=each, spread=float(np.exp(_entropy(answers.mean(axis=0)))))


def _entropy(probabilities: Any) -> Any:
    return -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=-1)


def _sides(images: ImageDataset) -> tuple[int, int]:
    """Median width and height of a few images."""
    sides = []
    for row in np.unique(np.linspace(0, len(images) - 1, _LOOKED_AT).astype(int)).tolist():
        try:
            sides.append(decode(images.source(row)).shape[:2])
        except ImageError:
            continue
    if not sides:
        return 0, 0
    return round(statistics.median(w for _, w in sides)), round(statistics.median(h for h, _ in sides))
