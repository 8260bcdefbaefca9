"""What the data are like, and how far they lie from what the backbone was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.advising import Description, cross_val_scores, knn
from topwork.backbones import EMBEDDING, Backbone, classifier
from topwork.data import decode
from topwork.engines import norm_shifts
from topwork.errors import BackboneError
from topwork.heads import network_probabilities
from topwork.tasks.classification.ladder._training_features import SAMPLE, TrainingFeatures
from topwork.tasks.classification.strategies import sides_of_some

_BATCH = 16
_LOOKED_AT = 32  # images that are decoded for their size


def describe(features: TrainingFeatures) -> Description:
    """What counting tells, and how early in the network the classes separate."""
    images = features.train.dataset
    counts = images.counts()
    height, width = np.median(sides_of_some(images, _LOOKED_AT) or [(0, 0)], axis=0).tolist()
    numbers = (len(images), len(images.classes), int(counts.min()), int(counts.max()), round(width), round(height))
    return Description(*numbers, separation=_separation(features))


def compared_with_source(found: Description, features: TrainingFeatures) -> Description:
    """How far the images lie from what the network was trained on, and what its own classes make of them."""
    images = features.train.dataset.select(np.sort(features.order[:_LOOKED_AT]))
    square = features.backbone.preprocessing
    pixels = [square(decode(source, min_side=square.min_side)) for source in images.sources()]
    found = replace(found, distance=domain_shift(features.backbone, np.stack(pixels)))
    try:
        layer = classifier(features.backbone)
    except BackboneError:
        return found
    sample = features.sample(features.size, SAMPLE)
    answers = network_probabilities(sample.columns((EMBEDDING,)), layer.weight, layer.bias).astype(np.float64)
    each = float(_entropy(answers).mean() / np.log(answers.shape[1]))
    return replace(found, entropy=each, spread=float(np.exp(_entropy(answers.mean(axis=0)))))


def _separation(features: TrainingFeatures) -> tuple[tuple[str, float], ...]:
    sample = features.sample(features.size, SAMPLE)
    told = []
    for name in [*(stage.name for stage in features.backbone.stages), EMBEDDING]:
        outputs = [output for output in sample.outputs if output.rpartition("/")[0] == name or output == name]
        answers = cross_val_scores(knn, sample.keep(tuple(outputs)), features.options.seed) if outputs else None
        if answers is not None:
            told.append((name, answers.accuracy))
    return tuple(told)


def _entropy(probabilities: Any) -> Any:
    return -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=-1)


def domain_shift(backbone: Backbone, pixels: npt.NDArray[np.uint8]) -> float | None:
    """Mean shift of a network's activations from those of its own training images, in their standard deviations.

    A batch norm keeps the mean and variance of each of its input channels over the images that the network was trained
    on: the source's statistics ship with the weights. Here the same channels' means over other images are compared with
    them: the root mean square of (mean - mean of the source) / deviation of the source over the channels of a norm,
    then the mean over the norms. With Lite0, 32 images: ImageNet's own 0.14, ants and bees, cats and dogs 0.22,
    Fashion-MNIST 0.42, cloth 0.48, digits 0.55.

    Source: Schneider et al. 2020, "Improving robustness against common corruptions by covariate shift adaptation",
    arXiv 2006.16971, which measures the shift of batch norm statistics between source and target.

    Pixels are uint8 (N, size, size, 3). None where the network has no batch norms.
    """
    shifts = norm_shifts(backbone, pixels)
    if shifts is None:
        shifts = _norm_shifts_in_torch(backbone, pixels)
    return float(np.mean([np.sqrt(np.square(shift).mean()) for shift in shifts])) if shifts else None


def _norm_shifts_in_torch(backbone: Backbone, pixels: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[Any], ...]:
    """What ``norm_shifts`` gives, of any other network."""
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    from topwork.backbones.layers import embed

    network = backbone.module()
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return ()
    sums: dict[Any, torch.Tensor] = {}
    counts: dict[Any, int] = {}

    def look(norm: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0].transpose(0, 1).flatten(1)
        sums[norm] = sums.get(norm, torch.zeros(1)) + values.sum(dim=1)
        counts[norm] = counts.get(norm, 0) + values.shape[1]

    handles = [norm.register_forward_pre_hook(look) for norm in norms]
    values = backbone.preprocessing
    mean, std = (255 * torch.tensor(each).view(1, 3, 1, 1) for each in (values.mean, values.std))
    try:
        with torch.inference_mode():
            for start in range(0, len(pixels), _BATCH):
                images = torch.from_numpy(pixels[start : start + _BATCH].copy()).permute(0, 3, 1, 2)
                embed(network, (images - mean) / std)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(
        ((total / counts[norm] - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps)).numpy()
        for norm, total in sums.items()
    )
