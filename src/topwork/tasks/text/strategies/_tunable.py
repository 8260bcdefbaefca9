"""A text network and a head as one torch module that takes tokens, and what of it is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from topwork._system import free_cores, optional
from topwork.backbones import TextBackbone, with_tokenizer
from topwork.errors import BackboneError
from topwork.heads import LinearHead
from topwork.tasks.text._pooled import Pooled
from topwork.train import Layers, TrainConfig

_LARGE, _RANK = 300_000_000, 16  # weights from which on low-rank updates are trained, and their rank


class Tunable(Pooled):
    """Tokens to logits: features, standardised, then a linear layer.

    Args:
        network: As ``Pooled`` takes it.
        places: As ``Pooled`` takes them.
        head: Where it starts from; its columns are those blocks.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: nn.Module, places: Sequence[tuple[int, str]], head: LinearHead) -> None:
        super().__init__(network, places)
        self.register_buffer("mean", torch.from_numpy(head.mean.copy()))
        self.register_buffer("scale", torch.from_numpy(head.scale.copy()))
        self.head = nn.Linear(head.n_features, head.n_classes)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head.weight.T / head.temperature))
            self.head.bias.copy_(torch.from_numpy(head.bias / head.temperature))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits, float32 (n, C), of the windows of texts.

        Args:
            tokens: int64 (n, windows, T), -1 where nothing stands; or a layer's, (n, windows, T, width), zeros there.
        """
        found = self.embed(tokens)
        with torch.autocast(found.device.type, enabled=False):
            logits: torch.Tensor = self.head((found - self.mean) / self.scale)
        return logits

    def trained_head(self) -> LinearHead:
        """The head as one that needs no torch."""
        weight, bias, mean, scale = (
            each.detach().cpu().numpy().copy() for each in (self.head.weight.T, self.head.bias, self.mean, self.scale)
        )
        return LinearHead(mean, scale, np.ascontiguousarray(weight), bias, temperature=1.0)


def tunable(backbone: TextBackbone, outputs: Sequence[str], head: LinearHead) -> tuple[Tunable, bytes]:
    """A model that starts from a head on these outputs, and the network's tokenizer."""
    found, tokenizer = Pooled.of(backbone, outputs)
    return Tunable(found.network, found.places, head), tokenizer


def trained_layers(model: Tunable, backbone: TextBackbone, count: int) -> Layers:
    """The last so many layers, nearest the input first, the norm behind them with the last one, and then the head.

    Raises:
        BackboneError: The network is no stack of that many layers.
    """
    name, stack = stack_of(model, backbone.layers)
    if not len(stack):
        raise BackboneError(f"{backbone.name} is no stack of {backbone.layers} layers, so none can be trained alone")
    around = model.network.get_submodule(name.rpartition(".")[0])
    norms = [each for key, each in around.named_children() if "norm" in type(each).__name__.lower()]
    *lower, top = stack[-count:]
    first = backbone.layers - count + 1
    named: list[tuple[str, nn.Module]] = [(f"layers.{first + place}", each) for place, each in enumerate(lower)]
    return [*named, (f"layers.{backbone.layers}", nn.ModuleList([top, *norms])), ("head", model.head)]


def stack_of(model: Tunable, layers: int) -> tuple[str, nn.ModuleList]:
    """Name and layers of a network's stack; an empty one where it has none of that many layers."""
    for name, module in model.network.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return name, module
    return "", nn.ModuleList()


def lora_rank(model: Tunable, wanted: int | str) -> int:
    """The rank of low-rank updates; 0 where the weights themselves are trained."""
    if wanted != "auto":
        return int(wanted)
    return _RANK if sum(each.numel() for each in model.network.parameters()) > _LARGE else 0


def with_lora(model: Tunable, layers: Layers, rank: int, seed: int) -> Layers:
    """The same layers with low-rank updates of their matrices, which alone are trained, beside the head.

    Source: Hu et al. 2021, "LoRA", arXiv 2106.09685. ``weights_of`` adds the updates to the weights.

    Raises:
        MissingExtraError: peft is not installed.
    """
    peft = optional("peft", extra="tune", what="LoRA")
    *trained, head = layers
    inside = {id(module) for _, layer in trained for module in layer.modules()}
    names = [
        name
        for name, module in model.network.named_modules()
        if id(module) in inside and getattr(module, "weight", torch.empty(0)).ndim == 2  # a matrix
    ]
    settings = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(settings, model.network)
    updates = [
        (name, nn.ModuleList([each for key, each in layer.named_modules() if key.endswith(("lora_A", "lora_B"))]))
        for name, layer in trained
    ]
    return [*updates, head]


@contextlib.contextmanager
def threads() -> Iterator[None]:
    """Let torch use the cores that are free now: a second thread that waits for a core makes both slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(free_cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_pieces(config: TrainConfig, backbone: TextBackbone) -> TrainConfig:
    """The settings, with batches in as many more pieces as a long text has windows: they need no more memory."""
    return config.model_copy(update={"accumulate": config.accumulate * backbone.reading.windows})


def weights_of(model: Tunable, tokenizer: bytes) -> bytes:
    """The network as a safetensors file that holds its tokenizer too; low-rank updates become part of its weights."""
    from safetensors.numpy import save

    updated: list[Any] = [module for module in model.network.modules() if hasattr(module, "base_layer")]
    for module in updated:
        if not module.merged:
            module.merge()
    arrays = {
        name.replace(".base_layer.", "."): np.ascontiguousarray(value.detach().cpu().float().numpy())
        for name, value in model.network.state_dict().items()
        if ".lora_" not in name
    }
    return save(with_tokenizer(arrays, tokenizer))
