"""The torch side of a detector: its network with its weights, whose candidates come out; and its own class layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from topwork._arrays import Float32Array
from topwork._system import optional
from topwork.backbones import _weights
from topwork.backbones._detector import DetectorNetwork
from topwork.backbones._detector_files import built_config
from topwork.backbones._network import linear_arrays
from topwork.backbones._transformers_files import loaded
from topwork.errors import BackboneError

_LEAST = -30.0  # the logit of what is not there
_EDGE = 1e-7  # a score of 1 has no logit

_OLD_NORMS = ("fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
"""torchvision's first weights are of batch norms without an epsilon, and its builders see to that only with them."""


class Candidates(NamedTuple):
    """What a detector ends with, of n images.

    Attributes:
        boxes: (n, K, 4), left, top, right and bottom, shares of the square.
        queries: (n, K, d).
    """

    boxes: Tensor
    queries: Tensor


class QueryNetwork(nn.Module):
    """A detector that gives its candidates as one row an image."""

    def __init__(self, network: nn.Module, read: Callable[[Any, Tensor], Candidates]) -> None:
        super().__init__()
        self.network = network
        self._read = read

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """(n, K * (4 + d)) in a tuple, of normalised images (n, 3, size, size)."""
        boxes, queries = self._read(self.network, images)
        return (torch.cat([boxes.flatten(1), queries.flatten(1)], dim=1),)


def build(backbone: DetectorNetwork) -> nn.Module:
    """The network with its weights, in evaluation mode on the CPU, float32.

    Raises:
        BackboneError: The weights are missing, changed, or do not fit the network.
        MissingExtraError: transformers is not installed.
    """
    if backbone.library == "torchvision":
        return QueryNetwork(_torchvision(backbone), lambda network, images: _found(network, images, backbone)).eval()
    by_words = backbone.scoring == "best"
    return QueryNetwork(whole_network(backbone), _patches if by_words else _queries).eval()


def own_classes(backbone: DetectorNetwork) -> tuple[Float32Array, Float32Array]:
    """The layer that tells the classes of a candidate: weight float32 (d, R) and bias (R,).

    torchvision's networks decide on classes within; their candidates are logits already.

    Raises:
        BackboneError: Words tell the classes, or the layer is not the last thing that the network does.
    """
    if backbone.library == "torchvision":
        return np.eye(backbone.channels, dtype=np.float32), np.zeros(backbone.channels, np.float32)
    if not backbone.classes:
        raise BackboneError(
            f"{backbone.name} has no classes of its own; words tell them", hint="take --strategy zero-shot"
        )
    network = whole_network(backbone)
    weight, bias = linear_arrays(class_layer(network))
    if _has_quality(network):
        weight = np.concatenate([weight, np.ones((1, len(bias)), np.float32)])
    _require_same_logits(backbone, network, weight, bias)
    return weight, bias


def class_layer(network: Any) -> nn.Linear:
    """The linear layer that tells the classes of the last decoder layer's queries."""
    layers = [
        getattr(network, "class_labels_classifier", None),
        getattr(getattr(network.model, "decoder", None), "class_embed", None),
        getattr(network, "class_embed", None),
    ]
    found: Any = next(each for each in layers if each is not None)
    last = found[-1] if isinstance(found, nn.ModuleList) else found
    assert isinstance(last, nn.Linear)
    return last


def _require_same_logits(backbone: DetectorNetwork, network: Any, weight: Float32Array, bias: Float32Array) -> None:
    """Refuse a network that does more to its queries than this layer."""
    size = backbone.preprocessing.size
    image = torch.rand((1, 3, size, size), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, candidates = network(pixel_values=image).logits, _queries(network, image)
    if not np.allclose(candidates.queries[0].numpy() @ weight + bias, logits[0].numpy(), atol=1e-3):
        raise BackboneError(f"{backbone.name} has more than one linear layer behind its candidates")


def _queries(network: Any, images: Tensor) -> Candidates:
    """Of DETR and what came of it: the last decoder layer's.

    D-FINE adds to all logits of a candidate how good it takes the box to be, which is one number more.
    """
    told = network(pixel_values=images)
    queries = told.last_hidden_state
    if _has_quality(network):
        quality = told.logits[..., :1] - class_layer(network)(queries)[..., :1]
        queries = torch.cat([queries, quality], dim=-1)
    return Candidates(_corners(told.pred_boxes), queries)


def _has_quality(network: Any) -> bool:
    return hasattr(getattr(network.model, "decoder", None), "lqe_layers")


def _patches(network: Any, images: Tensor) -> Candidates:
    """Of OWLv2: a candidate for each patch.

    Its logit for a word is (patch · word + shift) · scale, with lengths of one and a shift and scale of the patch's
    own: the product of (patch · scale, shift · scale) with (word, 1).
    """
    maps, _ = network.image_embedder(images)
    patches = maps.flatten(1, 2)
    head = network.class_head
    told = head.dense0(patches)
    told = told / (torch.linalg.norm(told, dim=-1, keepdim=True) + 1e-6)
    scale = head.elu(head.logit_scale(patches)) + 1
    queries = torch.cat([told * scale, head.logit_shift(patches) * scale], dim=-1)
    return Candidates(_corners(network.box_predictor(patches, maps)), queries)


def _corners(boxes: Tensor) -> Tensor:
    """Middle, width and height to edges."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], dim=-1)


def _found(network: Any, images: Tensor, backbone: DetectorNetwork) -> Candidates:
    """Of torchvision: what it finds, each with the logit of its score at its class, and nothing in what is left over.

    Its networks normalise by themselves, so what was done is undone.
    """
    values = backbone.preprocessing
    mean, std = (torch.tensor(each, device=images.device).view(1, 3, 1, 1) for each in (values.mean, values.std))
    boxes = images.new_zeros((len(images), backbone.queries, 4))
    queries = images.new_full((len(images), backbone.queries, backbone.channels), _LEAST)
    for place, told in enumerate(network(list(images * std + mean))):
        count = min(len(told["scores"]), backbone.queries)
        boxes[place, :count] = told["boxes"][:count] / values.size
        scores = told["scores"][:count].clamp(_EDGE, 1 - _EDGE)
        queries[place, torch.arange(count), told["labels"][:count]] = torch.logit(scores)
    return Candidates(boxes, queries)


def _torchvision(backbone: DetectorNetwork) -> nn.Module:
    from torchvision.models import get_model

    name, size = str(backbone.config["architecture"]), backbone.preprocessing.size
    if backbone.name == "ssdlite":
        sized: dict[str, Any] = {}
    else:
        sized = {"min_size": size, "max_size": size}  # the square is the network's size already
    network: nn.Module
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(backbone.weights.location) if backbone.weights.source == "random" else 0)
        network = get_model(name, weights=None, weights_backbone=None, num_classes=backbone.channels, **sized)
    if name in _OLD_NORMS:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    if backbone.weights.source != "random":
        _fill(network, _weights.read_state(backbone.weights))
    return network.eval().requires_grad_(False)


def _fill(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights; torchvision's frozen norms have no counters."""
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    state = {**counters, **state}
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    _weights.require_fit(own, {name: tuple(value.shape) for name, value in state.items()}, ())
    network.load_state_dict(state)


def whole_network(backbone: DetectorNetwork) -> Any:
    """The whole network, its class layer and of OWLv2 its text tower included."""
    transformers = optional("transformers", extra="detectors", what=f"the network {backbone.name}")
    config = built_config(dict(backbone.config), backbone.name)
    if getattr(config, "anchor_image_size", None) not in (None, [backbone.preprocessing.size] * 2):
        config.anchor_image_size = None  # anchors that were laid out for another size
    config._attn_implementation = "eager"
    kind = (
        transformers.Owlv2ForObjectDetection
        if backbone.scoring == "best"
        else transformers.AutoModelForObjectDetection._model_mapping[type(config)]
    )
    return loaded(kind, config, _weights.read_state(backbone.weights))
