"""A trained network as a model has it: weights in a file, features by the engine that runs it, a calibrated head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from topwork.backbones import EMBEDDING, Backbone, Weights
from topwork.data import ImageDataset
from topwork.features import FeatureTable, extract
from topwork.heads import LinearHead
from topwork.tasks._classes._finetuned import at_temperature, kept_file
from topwork.tasks._task import Announce
from topwork.tasks.classification.strategies._probe import ProbeOptions
from topwork.train import first_alone

if TYPE_CHECKING:
    from topwork.tasks.classification.strategies._tunable import Tunable


def served(
    model: Tunable, dataset: ImageDataset, backbone: Backbone, options: ProbeOptions, say: Announce
) -> FeatureTable:
    """What the tuned network makes of every image, in the engine that will run it."""
    tuned, progress = backbone.with_weights(_kept_weights(model, backbone)), say("features of the tuned network")
    how: Any = {"engine": options.engine, "cache": options.cache, "progress": progress}
    with first_alone():
        return extract(dataset, tuned, outputs=(EMBEDDING,), **how)


def _kept_weights(model: Tunable, backbone: Backbone) -> Weights:
    """The tuned network's weights as a file in the cache, named by their hash; saving a model copies them."""
    from safetensors.torch import save

    state = {name: value.detach().cpu().contiguous().clone() for name, value in model.network.state_dict().items()}
    return kept_file(backbone.name, save(state))


def calibrated(model: Tunable, check: FeatureTable) -> LinearHead:
    """The trained head as one that needs no torch, with a temperature from the validation images."""
    weight = model.head.weight.detach().cpu().float().numpy().T.copy()
    head = LinearHead(
        mean=np.zeros(len(weight), np.float32),
        scale=np.ones(len(weight), np.float32),
        weight=weight,
        bias=model.head.bias.detach().cpu().float().numpy().copy(),
        temperature=1.0,
    )
    return at_temperature(head, check)
