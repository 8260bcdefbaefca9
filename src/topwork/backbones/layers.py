"""A network cut along its stages: what each of them is made of, their pooled maps, what runs before and after one.

A public module of this room and not among its names, since it imports torch.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from topwork.backbones._backbone import Backbone
from topwork.backbones._catalogue import EMBEDDING, MAP
from topwork.backbones._network import hooked, map_reader, watched
from topwork.backbones._preprocessing import Preprocessing

__all__ = [
    "Maps",
    "Normalised",
    "PooledStages",
    "Prefix",
    "embed",
    "evaluating",
    "giving",
    "hooked",
    "layers_of",
    "map_reader",
    "tail_of",
    "watched",
]


def layers_of(network: nn.Module, backbone: Backbone) -> list[tuple[str, nn.Module]]:
    """What each stage is made of, nearest the pixels first: all modules that run after the stage before it.

    Which those are is seen while the network runs, so this holds for any network whose stages are known. What runs
    after the last stage belongs to it. Parameters of the network itself (a ViT's class token) belong to the first. A
    network whose stages are not known is one, ``network``.

    Args:
        network: ``backbone.module()``, or a copy that was trained.
        backbone: The network's facts.

    Returns:
        A stage's name and the modules whose parameters and statistics are its own, for each stage.
    """
    groups: list[tuple[str, nn.Module]] = []
    current: list[nn.Module] = []
    names = {network.get_submodule(stage.name): stage.name for stage in backbone.stages}
    seen: set[int] = set()
    for module in _in_order_of_running(network, backbone):
        if id(module) not in seen and _holds_something(module):
            seen.update(map(id, module.modules()))
            current.append(module)
        if module in names:
            groups.append((names[module], nn.ModuleList(current)))
            current = []
    if not groups:
        groups, current = [("network", nn.ModuleList(current))], []
    own = nn.ParameterList(network.parameters(recurse=False))
    if len(own):
        name, first = groups[0]
        groups[0] = (name, nn.ModuleList([first, own]))
    name, last = groups[-1]
    groups[-1] = (name, nn.ModuleList([last, *current]))
    return groups


def _holds_something(module: nn.Module) -> bool:
    """Whether it has parameters or statistics of its own, or behaves otherwise in training (dropout)."""
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return bool(own) or not any(True for _ in module.children())


def _in_order_of_running(network: nn.Module, backbone: Backbone) -> list[nn.Module]:
    """All modules but the network itself, in the order in which they are done; one that runs again counts once."""
    done: dict[nn.Module, None] = {}

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        done.setdefault(module)

    size = backbone.preprocessing.size
    example = torch.zeros(1, 3, size, size, device=next(network.parameters()).device)
    inner = [(module, note) for name, module in network.named_modules() if name]
    with hooked(inner), torch.no_grad(), evaluating(network):
        embed(network, example)
    return list(done)


def embed(network: Any, images: torch.Tensor) -> torch.Tensor:
    """The network's own pooled features, (n, width), of normalised images (n, 3, size, size)."""
    features: torch.Tensor = network.forward_head(network.forward_features(images), pre_logits=True)
    return features


def giving(backbone: Backbone, outputs: tuple[str, ...]) -> nn.Module:
    """A network that gives one (N, width) tensor for each output, of normalised images (N, 3, size, size)."""
    return backbone.module() if backbone.by_itself else PooledStages(backbone, outputs)


class PooledStages(nn.Module):
    """A backbone's network that gives one tensor for every output, named as ``Backbone.outputs`` names them."""

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.network: Any = backbone.module()
        self.outputs = outputs
        self.modules_used = list(dict.fromkeys(name.rpartition("/")[0] for name in outputs if name != EMBEDDING))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One (N, width) tensor for each output, of float (N, 3, size, size) images, already normalised."""
        pooled: dict[str, torch.Tensor] = {}

        def pool(name: str, maps: torch.Tensor) -> None:
            flat = maps.flatten(2)
            pooled[f"{name}/mean"], pooled[f"{name}/max"] = flat.mean(2), flat.amax(2)
            if f"{name}/{MAP}" in self.outputs:
                pooled[f"{name}/{MAP}"] = flat.flatten(1)

        with watched(self.network, self.modules_used, pool):
            final = self.network.forward_features(images)
            pooled[EMBEDDING] = self.network.forward_head(final, pre_logits=True)
        return tuple(pooled[name] for name in self.outputs)


class Prefix(nn.Module):
    """A network up to one stage: normalised images in, that stage's raw output out; what follows does not run."""

    def __init__(self, network: nn.Module, stage: str) -> None:
        super().__init__()
        self.network = network
        self.stage = stage

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The stage's raw output of float (N, 3, size, size) images, already normalised."""
        found: list[torch.Tensor] = []

        def stop(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            found.append(output)
            raise _Reached

        with hooked([(self.network.get_submodule(self.stage), stop)]), contextlib.suppress(_Reached):
            self.network.forward_features(images)  # type: ignore[operator]
        return found[0]


class Maps(nn.Module):
    """A network up to the last of some stages: normalised images in, the map of each stage out."""

    def __init__(self, network: nn.Module, stages: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.stages = tuple(stages)  # in the order in which they run

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """(N, channels, side, side) for each stage, of float (N, 3, size, size) images, already normalised."""
        found: dict[str, torch.Tensor] = {}

        def see(name: str, maps: torch.Tensor) -> None:
            found[name] = maps
            if name == self.stages[-1]:
                raise _Reached

        with watched(self.network, self.stages, see), contextlib.suppress(_Reached):
            self.network.forward_features(images)  # type: ignore[operator]
        return [found[name] for name in self.stages]


class Normalised(nn.Module):
    """Pixels from 0 to 255 to what a network was trained on, as its preprocessing tells."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        for name, values in (("mean", preprocessing.mean), ("deviation", preprocessing.std)):
            self.register_buffer(name, 255 * torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(n, 3, H, W) of any dtype, as float."""
        return (images - self.mean) / self.deviation


class _Reached(Exception):  # noqa: N818
    """The stage is done; nothing after it is wanted."""


def tail_of(network: nn.Module, backbone: Backbone, stage: str) -> nn.Module | None:
    """A copy of the network that takes the map of a stage where it took images, sharing the parameters behind it.

    Everything up to the stage becomes an identity. That is right for a network that is a chain there; whether it is,
    is tried out, and None says that it is not.

    Args:
        network: ``backbone.module()``, or a copy that was trained.
        backbone: The network's facts.
        stage: The name of the last stage that is cut off.
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    tail = copy.deepcopy(network, shared)  # a structure of its own, the same tensors
    order = _in_order_of_running(network, backbone)
    cut = order.index(network.get_submodule(stage)) + 1
    before, behind = {*order[:cut]}, {*order[cut:]}
    gone: tuple[str, ...] = ()
    for name, module in network.named_modules():
        whole = module in before and behind.isdisjoint(module.modules())
        if name and whole and not name.startswith(gone):
            _replace(tail, name)
            gone += (f"{name}.",)
    if hasattr(tail, "_pos_embed"):
        tail._pos_embed = _same  # type: ignore[assignment]  # a ViT's position embedding and class token are in the map already
    return tail if _agrees(network, tail, backbone, stage) else None


def _same(value: torch.Tensor, *others: Any) -> torch.Tensor:
    return value


def _replace(tail: nn.Module, name: str) -> None:
    parent, _, last = name.rpartition(".")
    setattr(tail.get_submodule(parent) if parent else tail, last, nn.Identity())


def _agrees(network: nn.Module, tail: nn.Module, backbone: Backbone, stage: str) -> bool:
    """Whether prefix and tail give together what the whole network gives."""
    size = backbone.preprocessing.size
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), evaluating(network), evaluating(tail):
        try:
            found = embed(tail, Prefix(network, stage)(images))
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError):
            return False
        expected = embed(network, images)
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; every module gets its own mode back."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
