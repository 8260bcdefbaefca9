"""Which part of a model trains, how fast each layer of it does, and that the rest stays as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from topwork.errors import TrainError
from topwork.train._config import TrainConfig

Layers = Sequence[tuple[str, nn.Module]]
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Parts:
    """A model's tensors, sorted by whether a training changes them. All share memory with the model."""

    parameters: dict[str, nn.Parameter]  # what is trained; in the model's order
    distances: dict[str, int]  # of each of them: how many layers lie between it and the output
    state: Tensors  # all that changes: the parameters and the buffers (BatchNorm's statistics) of the layers
    buffers: tuple[torch.Tensor, ...]  # those of the state that are no parameters
    frozen: Tensors  # all other parameters and buffers
    plain: frozenset[str]  # parameters without weight decay: norms, biases and whatever has one dimension


def parts_of(model: nn.Module, layers: Layers) -> Parts:
    """Sort a model's tensors by its layers: name and module of what is trained, nearest the input first.

    Modules need not be the model's own, their parameters must: ``nn.ModuleList`` and ``nn.ParameterList`` gather what
    forms one layer.

    Raises:
        TrainError: Nothing to train, a parameter that the model does not hold, or one in two layers.
    """
    distance_of: dict[int, int] = {}
    for distance, (name, layer) in enumerate(reversed(layers)):
        for parameter in layer.parameters():
            if distance_of.setdefault(id(parameter), distance) != distance:
                raise TrainError(f"layer {name!r} shares a parameter with a later one", hint="name each part once")
    parameters = {name: value for name, value in model.named_parameters() if id(value) in distance_of}
    if len(parameters) != len(distance_of):
        raise TrainError(f"{len(distance_of) - len(parameters)} parameters of the layers are not the model's")
    if not parameters:
        raise TrainError("there is nothing to train", hint="include at least the head in the layers")
    changing = set(distance_of) | {id(buffer) for _, layer in layers for buffer in layer.buffers()}
    tensors = _tensors(model)
    return Parts(
        parameters=parameters,
        distances={name: distance_of[id(value)] for name, value in parameters.items()},
        state={name: value.detach() for name, value in tensors.items() if id(value) in changing},
        buffers=tuple(value for name, value in tensors.items() if id(value) in changing - set(distance_of)),
        frozen={name: value.detach() for name, value in tensors.items() if id(value) not in changing},
        plain=frozenset(name for name, value in parameters.items() if _is_plain(model, name, value)),
    )


def _tensors(model: nn.Module) -> Tensors:
    """Parameters and lasting buffers by name, tied ones once."""
    named = model.state_dict(keep_vars=True)
    first = {id(value): name for name, value in reversed(named.items()) if isinstance(value, torch.Tensor)}
    return {name: value for name, value in named.items() if first.get(id(value)) == name}


def _is_plain(model: nn.Module, name: str, parameter: nn.Parameter) -> bool:
    owner = model.get_submodule(name.rpartition(".")[0])
    return parameter.ndim <= 1 or name.endswith("bias") or "norm" in type(owner).__name__.lower()


def parameter_groups(parts: Parts, config: TrainConfig) -> list[dict[str, Any]]:
    """Groups for an optimizer: one for each layer, with and without weight decay; ``scale`` is its share of the rate.

    Layer-wise decay is as in Bao et al. 2021 (arXiv:2106.08254).
    """
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in parts.parameters.items():
        distance, plain = parts.distances[name], name in parts.plain
        scale, decay = config.layer_decay**distance, 0.0 if plain else config.weight_decay
        new = {"params": [], "lr": config.learning_rate * scale, "scale": scale, "weight_decay": decay}
        groups.setdefault((distance, plain), new)["params"].append(parameter)
    return list(groups.values())


@contextlib.contextmanager
def training_of(model: nn.Module, layers: Layers, dropout: float) -> Iterator[Parts]:
    """Let the layers train and hold the rest; afterwards all is in evaluation mode and trainable as before.

    ``dropout`` is the share of the last layer's inputs that is dropped while it trains.
    """
    parts = parts_of(model, layers)
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    head = layers[-1][1]
    hook = head.register_forward_pre_hook(_dropout(dropout)) if dropout else contextlib.nullcontext()
    try:
        with hook:
            for parameter, _ in before:
                parameter.requires_grad_(False)
            for parameter in parts.parameters.values():
                parameter.requires_grad_(True)
            yield parts
    finally:
        model.eval()
        for parameter, trained in before:
            parameter.requires_grad_(trained)
            parameter.grad = None


def _dropout(share: float) -> Any:
    def drop(head: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (functional.dropout(inputs[0], share, head.training), *inputs[1:])

    return drop


def set_training(model: nn.Module, layers: Layers) -> None:
    """Put the layers in training mode and the rest in evaluation, so that frozen statistics stay to the byte."""
    model.eval()
    for _, layer in layers:
        layer.train()


def copied(tensors: Tensors) -> Tensors:
    """Copies with memory of their own."""
    return {name: value.clone() for name, value in tensors.items()}


def put(values: Tensors, into: Tensors) -> None:
    """Write values over the tensors of the same names."""
    for name, value in into.items():
        value.copy_(values[name])


@contextlib.contextmanager
def put_for_now(values: Tensors, into: Tensors) -> Iterator[None]:
    """Write values over tensors, and what was there back in the end; nothing is done where they are the same."""
    if values is into:
        yield
        return
    before = copied(into)
    put(values, into)
    try:
        yield
    finally:
        put(before, into)


def updated_mean(mean: Tensors, state: Tensors, decay: float, step: int) -> None:
    """Take one step's weights into their exponential moving average, in place.

    The first steps weigh more (decay at most (1 + step) / (10 + step)), so that the start is forgotten in time.
    """
    kept = min(decay, (1 + step) / (10 + step))
    for name, value in mean.items():
        if value.is_floating_point():
            value.lerp_(state[name], 1 - kept)
        else:
            value.copy_(state[name])
