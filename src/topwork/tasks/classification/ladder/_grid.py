"""What a head should read: depth, pooling and resolution, by successive halving over the features they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from topwork.advising import BudgetClock, FeatureSpec, Scores, fit_head, scores_of_linear
from topwork.backbones import Pooling
from topwork.features import FeatureTable
from topwork.heads import LinearFit
from topwork.tasks.classification.ladder._training_features import SAMPLE, TrainingFeatures

_LARGER = (1.15, 1.4)  # sides of the network's input that are tried, in its own
_STEP = 32  # pixels; what the strides of the usual networks multiply to
_DEPTHS = (1 / 3, 1 / 2, 1.0)  # shares of the stages, counted from the last
_POOLINGS: tuple[Pooling, ...] = ("mean", "max", "mean+max")
_HALVING = 4  # each round has so many times the images, and as many times fewer specs


@dataclass(frozen=True, eq=False)
class Trained:
    """A head on what one spec takes, and how it answered.

    Attributes:
        spec: What it reads.
        fitted: The head, fitted on all training images that were asked.
        answers: Out of fold.
    """

    spec: FeatureSpec
    fitted: LinearFit
    scores: Scores


def train(features: TrainingFeatures, spec: FeatureSpec, table: FeatureTable) -> Trained:
    """Fit and cross-validate a head.

    Args:
        features: For the class weights and the seed.
        spec: What it reads.
        table: All stages of the images to ask, at the spec's size.
    """
    kept = table.keep(spec.outputs(table.backbone))
    fitted = fit_head(kept, class_weight=features.options.probe.class_weight, seed=features.options.seed)
    return Trained(spec, fitted, scores_of_linear(fitted, kept))


def depths(features: TrainingFeatures) -> list[FeatureSpec]:
    """Readings at the network's own size, the fewest stages first; its own pooled features are not among them."""
    known = len(features.backbone.stages)
    counts = sorted({max(1, math.ceil(share * known)) for share in _DEPTHS})
    return [FeatureSpec(features.size, features.fit, count, pooling) for count in counts for pooling in _POOLINGS]


def larger(features: TrainingFeatures) -> list[int]:
    """Sizes above the network's own."""
    rounded = {_STEP * round(features.size * factor / _STEP) for factor in _LARGER}
    return sorted(size for size in rounded if size > features.size)


def halved(features: TrainingFeatures, specs: Sequence[FeatureSpec], clock: BudgetClock) -> tuple[list[Trained], str]:
    """The best specs, each cross-validated on all training images.

    All are tried on a small stratified sample; the best quarter of them on a sample four times as large, and so on. The
    order is by log loss. A round that the budget does not allow is not begun.

    Source: Jamieson & Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization".

    Returns:
        Those of the last round, and why it was left early; empty where it was not.
    """
    images, count = min(SAMPLE, len(features.order)), len(features.order)
    while True:
        found: list[Trained] = []
        before = clock.spent
        for spec in specs:
            if clock.left == 0:
                return [], f"the time was up after {len(found)} of {len(specs)} specs of {images} images"
            found.append(train(features, spec, features.sample(spec.size, images)))
        if images == count:
            return found, ""
        found.sort(key=lambda each: each.scores.log_loss)
        specs = [each.spec for each in found[: max(1, math.ceil(len(found) / _HALVING))]]
        following = min(_HALVING * images, count)
        needed = (clock.spent - before) * following / images / _HALVING
        if needed > clock.left:
            return [], f"a round on {following} images would have taken about {needed:.0f} s"
        images = following
