"""What the frozen layers below the trained ones make of the texts: computed once, and kept while the rest trains."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from topwork.tasks.text.strategies._samples import TextSamples
from topwork.tasks.text.strategies._tunable import Tunable, stack_of
from topwork.train import Batch, TrainConfig, autocast

_ROOM = 2 << 30  # bytes that may be kept
_BYTES = 2  # of a number, in bfloat16
_BATCH = 64


class _Through(nn.Module):
    """Stands where the embeddings stood: what comes in are the tokens of a layer already."""

    def forward(self, *args: Any, **more: Any) -> torch.Tensor:
        """The one tensor of numbers among what the network's class passes on."""
        given = (each for each in (*args, *more.values()) if isinstance(each, torch.Tensor))
        return next(each for each in given if each.is_floating_point())


class KeptStates:
    """Labelled tokens of a layer, as ``topwork.train`` takes them.

    Args:
        samples: The texts.
        states: Of each, bfloat16 (windows, T, width).
        below: The layer that made them.
    """

    def __init__(self, samples: TextSamples, states: Sequence[torch.Tensor], below: int) -> None:
        self.labels, self.n_classes, self.lengths = samples.labels, samples.n_classes, samples.lengths
        self.fingerprint = f"{samples.fingerprint} layer {below}"
        self._states = states

    def batches(self, epoch: int, rows: Sequence[npt.NDArray[np.int64]]) -> Iterator[Batch]:
        """Pairs of tokens, float32 (n, windows, T, width), zeros where nothing stands, and classes (n,)."""
        for batch in rows:
            states = [self._states[row] for row in batch.tolist()]
            most = [max((each.shape[axis] for each in states), default=1) for axis in range(3)]
            tokens = torch.zeros(len(states), *most)
            for place, each in zip(tokens, states, strict=True):
                place[: each.shape[0], : each.shape[1]] = each
            yield tokens, torch.from_numpy(self.labels[batch])


def can_cut(model: Tunable, layers: int, count: int, samples: Sequence[TextSamples]) -> bool:
    """Whether the trained layers can be parted from those below, and there is room for what these make of the texts.

    Args:
        model: The whole.
        layers: Of the network.
        count: That are trained, the last ones.
        samples: What it trains on and what judges it.
    """
    plain = hasattr(model.network, "embeddings") and not hasattr(model.network, "embeddings_project")
    name, stack = stack_of(model, layers)
    known = plain and name in ("encoder.layer", "transformer.layer") and layers > count
    if not known or not model.reads_last:
        return False
    width = next(stack[0].parameters()).shape[-1]
    return sum(int(each.lengths.sum()) for each in samples) * width * _BYTES <= _ROOM


@contextlib.contextmanager
def cut(
    model: Tunable, layers: int, count: int, samples: Sequence[TextSamples], config: TrainConfig
) -> Iterator[tuple[KeptStates, ...]]:
    """The model without its frozen layers, for a while, and what these make of the samples."""
    name, stack = stack_of(model, layers)
    owner, _, attribute = name.rpartition(".")
    holder, below = model.network.get_submodule(owner), layers - count
    embeddings = model.network.embeddings
    try:
        setattr(holder, attribute, stack[:below])
        kept = tuple(KeptStates(each, _states(model, each, config), below) for each in samples)
        setattr(holder, attribute, stack[below:])
        model.network.embeddings = _Through()
        yield kept
    finally:
        setattr(holder, attribute, stack)
        model.network.embeddings = embeddings


def _states(model: Tunable, samples: TextSamples, config: TrainConfig) -> list[torch.Tensor]:
    """Tokens of each text after the layers that are left, bfloat16 (windows, T, width)."""
    device = next(model.parameters()).device
    found = [torch.empty(0, 0, 0)] * len(samples.labels)
    order = np.argsort(samples.lengths, kind="stable")
    rows = np.array_split(order, max(1, -(-len(order) // _BATCH)))
    model.eval()
    with torch.no_grad(), autocast(config, device):
        for batch, (tokens, _) in zip(rows, samples.batches(0, rows), strict=True):
            windows = (tokens >= 0).any(dim=2)
            states = iter(model.tokens(tokens[windows].to(device)).last_hidden_state.bfloat16().cpu())
            for row in batch[samples.lengths[batch] > 0].tolist():
                count, length = samples.text(row).shape
                found[row] = torch.stack([next(states)[:length] for _ in range(count)])
    return found
