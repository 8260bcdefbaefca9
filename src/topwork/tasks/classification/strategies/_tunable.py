"""A backbone and a head as one torch module that takes pixels, and what of it is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from topwork.backbones import Backbone
from topwork.backbones.layers import Normalised, embed, layers_of
from topwork.errors import BackboneError
from topwork.heads import LinearHead
from topwork.tasks.classification.strategies._finetune import Unfreeze as Unfreeze
from topwork.train import Layers, Samples

FitHead = Callable[[npt.NDArray[np.float32]], LinearHead]

_USUAL = 0.55  # share of the stages that are trained where nobody says otherwise


class Tunable(nn.Module):
    """Inputs to logits: ``pixels`` makes the input of the network, a backbone's or its tail, and the head reads it."""

    def __init__(self, network: nn.Module, head: nn.Linear, pixels: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.head = head
        self.pixels = pixels

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits, float (n, C)."""
        logits: torch.Tensor = self.head(self.embed(inputs))
        return logits

    def embed(self, inputs: torch.Tensor) -> torch.Tensor:
        """The network's own pooled features, (n, width)."""
        return embed(self.network, self.pixels(inputs))


def tunable(backbone: Backbone, head: LinearHead) -> Tunable:
    """A model of images (n, 3, size, size), uint8 or of the same range, that starts from a head on the embedding.

    The network is built anew, so that the caller's own is never changed.
    """
    return Tunable(backbone.module(), _as_layer(head), Normalised(backbone.preprocessing))


def settle(model: Tunable, layers: Layers, samples: Samples, batch_size: int, fit: FitHead) -> None:
    """Give the batch norms that will train the statistics of these images, and the head a fit on what comes out then.

    In training a batch norm sees the statistics of its batch, not those of ImageNet. On images unlike ImageNet's these
    differ so much that a head which was fitted on the one is lost on the other, and its first steps spoil the network:
    the textile sample's loss began at 14 instead of below 1. Where no batch norm will train, nothing is done.

    The samples are the training images, or their maps, without augmentation; they run once, in batches of mixed classes
    as in training, since the statistics of one class alone hide what tells it from others. ``fit`` gives a head on
    their embeddings (N, D), in their order.
    """
    norms = [norm for _, layer in layers for norm in layer.modules() if isinstance(norm, _BatchNorm)]
    if not norms:
        return
    device, count = next(model.parameters()).device, len(samples.labels)
    order = np.random.default_rng(0).permutation(count).astype(np.int64)
    rows = np.array_split(order, -(-count // batch_size))
    momenta = [norm.momentum for norm in norms]
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
        norm.train()
    with torch.no_grad():
        found = [model.embed(_ready(inputs, device)).cpu() for inputs, _ in samples.batches(0, rows)]
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()
    values = torch.cat(found)[torch.from_numpy(np.argsort(order))]
    model.head.load_state_dict(_as_layer(fit(values.numpy())).state_dict())


def cpu_precision(model: nn.Module) -> Literal["auto", "f32"]:
    """What a model is trained in on a CPU: as the processor likes it, but float32 where a convolution is depthwise.

    Torch's gradients of those are slower in bfloat16, and it moved a tuned Lite0's features by 16 %.
    """
    depthwise = any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in model.modules())
    return "f32" if depthwise else "auto"


def _ready(inputs: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Maps that were kept in bfloat16 are computed with in float32; channels last, which is faster."""
    inputs = inputs.to(device)
    inputs = inputs.float() if inputs.is_floating_point() else inputs
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


def _as_layer(head: LinearHead) -> nn.Linear:
    """The head on raw embeddings, temperature included; one that divides them by their length is no layer."""
    assert not head.normalised
    weight = torch.from_numpy(head.weight.T / head.scale).float()
    bias = torch.from_numpy(head.bias).float() - weight @ torch.from_numpy(head.mean).float()
    layer = nn.Linear(head.n_features, head.n_classes)
    with torch.no_grad():
        layer.weight.copy_(weight / head.temperature)
        layer.bias.copy_(bias / head.temperature)
    return layer


def stages_to_train(backbone: Backbone, unfreeze: Unfreeze) -> int:
    """How many stages are trained, counted from the last.

    Raises:
        BackboneError: The network has fewer.
    """
    count = max(1, len(backbone.stages))  # as ``layers_of`` has it
    if unfreeze == "all":
        return count
    if unfreeze == "auto":
        return max(1, round(_USUAL * count))
    if not 1 <= unfreeze <= count:
        raise BackboneError(
            f"{backbone.name} has {count} stages, so {unfreeze} of them cannot be trained",
            hint=f"--unfreeze takes 1 to {count}, or all",
        )
    return unfreeze


def trained_layers(model: Tunable, backbone: Backbone, stages: int) -> Layers:
    """What is trained, nearest the input first, the head last."""
    return [*layers_of(model.network, backbone)[-stages:], ("head", model.head)]
