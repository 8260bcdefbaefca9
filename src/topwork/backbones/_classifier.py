"""The classifier that a pretrained network came with, as plain arrays: what it takes to let its own classes answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from topwork.backbones import _weights
from topwork.backbones._imagenet import CLASSES
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from topwork.backbones._backbone import Backbone

_HINT = "take a network that was trained on ImageNet-1k, such as lite0, or another strategy: probe"
_TOLERANCE = 1e-3  # of the largest logit; float32 sums in another order differ by a hundredth of that


@dataclass(frozen=True, eq=False)
class Classifier:
    """A linear layer on a network's own pooled features (the output ``embedding``).

    Attributes:
        weight: float32 (D, K), as heads have theirs: logits are features @ weight + bias.
        bias: float32 (K,); zeros where the layer has none.
    """

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]


def classifier(backbone: Backbone) -> Classifier:
    """The ImageNet-1k classifier of a pretrained network; imports torch and runs the network once.

    Raises:
        BackboneError: The network has none (an image-text or self-supervised one), more than a linear layer, another
            number of classes, or its weights are random or came without it.
    """
    if backbone.weights.source == "random":
        raise BackboneError(f"the weights of {backbone.name} are random: its own classes mean nothing", hint=_HINT)
    network = backbone.module()
    found = linear_classifier(backbone.name, network)
    if backbone.weights.source != "package":  # the catalogue's have one, under another name
        _require_weights(backbone, network)
    _require_same_logits(backbone, network, found)
    return found


def linear_classifier(name: str, network: Any) -> Classifier:
    """The last layer of one of timm's networks.

    Raises:
        BackboneError: It is not one linear layer with 1,000 outputs.
    """
    from torch import nn

    layer = network.get_classifier()
    if not isinstance(layer, nn.Linear):
        raise BackboneError(f"{name} has no linear classifier whose classes could answer", hint=_HINT)
    if layer.out_features != CLASSES:
        raise BackboneError(
            f"{name} answers with {layer.out_features:,} classes; only ImageNet-1k's {CLASSES:,} are known by name",
            hint=_HINT,
        )
    weight = np.ascontiguousarray(layer.weight.detach().numpy().T)
    bias = np.zeros(CLASSES, np.float32) if layer.bias is None else layer.bias.detach().numpy().copy()
    return Classifier(weight, bias)


def _require_weights(backbone: Backbone, network: Any) -> None:
    """Refuse weights that left the classifier out: ``module`` allows that, and fills it with random numbers."""
    layer = network.get_classifier()
    name = next(name for name, module in network.named_modules() if module is layer)
    given = _weights.read_state(backbone.weights).get(f"{name}.weight")
    if given is None or given.shape != layer.weight.shape:
        raise BackboneError(
            f"the weights of {backbone.name} hold no ImageNet-1k classifier (no {name}.weight of shape "
            f"{tuple(layer.weight.shape)})",
            hint=_HINT,
        )


def _require_same_logits(backbone: Backbone, network: Any, found: Classifier) -> None:
    """Refuse a network that does more to its features than this layer; any of timm's may be asked for."""
    import torch

    size = backbone.preprocessing.size
    image = torch.rand((1, 3, size, size), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = network.forward_features(image)
        features = network.forward_head(maps, pre_logits=True).numpy()
        expected = network.forward_head(maps).numpy()
    same = features.shape == (1, len(found.weight)) and np.allclose(
        features @ found.weight + found.bias, expected, atol=_TOLERANCE * np.abs(expected).max()
    )
    if not same:
        raise BackboneError(f"{backbone.name} does more to its features than one linear layer", hint=_HINT)
