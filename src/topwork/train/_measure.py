"""Loss and accuracy of a model on a validation split."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from topwork.train._config import TrainConfig
from topwork.train._device import autocast, device_of, ready
from topwork.train._ranks import Ranks
from topwork.train._samples import Batch, Samples, reading
from topwork.train._seeds import in_order
from topwork.train._state import Score


def measure(model: nn.Module, samples: Samples, config: TrainConfig, ranks: Ranks | None = None) -> Score:
    """Run the model over all samples in evaluation mode, in which it stays.

    Every rank takes its part of each batch; the sums are put together exactly, whatever the number of ranks.

    Args:
        model: Inputs (n, ...) to logits (n, C).
        samples: N of them, at least one.
        config: Its batch size, precision and layout.
        ranks: Who takes part; this process alone when None.
    """
    ranks = ranks or Ranks()
    device = device_of(model)
    rows = [ranks.shard(batch) for batch in in_order(len(samples.labels), config.batch_size)]
    sums = torch.zeros(3, dtype=torch.float64, device=device)  # of losses, right answers, samples
    model.eval()
    with reading(samples, 0, rows) as batches, torch.no_grad():
        for batch in batches:
            if len(batch[1]):
                sums += _sums(model, batch, config, device)
    ranks.sum([sums])
    loss, right, count = sums.tolist()
    return Score(loss=loss / count, accuracy=right / count, samples=int(count))


def _sums(model: nn.Module, batch: Batch, config: TrainConfig, device: torch.device) -> torch.Tensor:
    inputs, targets = ready(batch[0], config, device), batch[1].to(device)
    with autocast(config, device):
        logits = model(inputs)
    losses = functional.cross_entropy(logits.float(), targets, reduction="none").double()
    right = (logits.argmax(dim=1) == targets).double()
    return torch.stack([losses.sum(), right.sum(), torch.ones_like(right).sum()])
