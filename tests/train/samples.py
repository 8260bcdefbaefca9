"""Small real images (scikit-learn's digits), a tiny network, and settings that exercise all that is random."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from topwork._arrays import Int64Array
from topwork.train import Batch, Samples, TrainConfig, TrainError
from topwork.train._samples import tensors_digest

BUSY = TrainConfig(
    epochs=3,
    batch_size=16,
    accumulate=2,
    learning_rate=1e-2,
    layer_decay=0.7,
    label_smoothing=0.1,
    class_weights="balanced",
    dropout=0.2,
    mixup=0.3,
    cutmix=0.5,
    ema_decay=0.9,
    precision="f32",
    seed=3,
)
PLAIN = TrainConfig(epochs=2, batch_size=20, learning_rate=1e-2, clip=None, precision="f32")


@functools.cache
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(labels)


class TensorSamples:
    """Samples that lie in memory.

    Args:
        inputs: (N, ...).
        labels: (N,) int64, 0 to n_classes - 1.
        n_classes: C.
    """

    def __init__(self, inputs: torch.Tensor, labels: torch.Tensor, n_classes: int) -> None:
        if labels.shape != inputs.shape[:1]:
            raise TrainError(f"{len(inputs)} inputs have labels of shape {tuple(labels.shape)}")
        self._inputs, self._labels = inputs, labels.long()
        self.n_classes = n_classes
        self.labels: Int64Array = self._labels.cpu().numpy()
        self.fingerprint = tensors_digest({"inputs": inputs, "labels": self._labels})

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """Pairs of inputs and classes, one for each entry of ``rows``, the same in every epoch."""
        for batch in rows:
            chosen = torch.from_numpy(batch)
            yield self._inputs[chosen], self._labels[chosen]


def part(start: int, stop: int) -> TensorSamples:
    images, labels = digits()
    return TensorSamples(images[start:stop], labels[start:stop], 10)


def network(*, norm: bool = True) -> nn.Sequential:
    """Stem, stage, head; the same weights at each call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8) if norm else nn.GroupNorm(2, 8), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16) if norm else nn.GroupNorm(2, 16), nn.ReLU()),
            nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()),
            nn.Linear(64, 10),
        )


def layers_of(model: nn.Sequential, *, frozen: int = 0) -> list[tuple[str, nn.Module]]:
    named = [("stem", model[0]), ("stage", model[1]), ("head", model[3])]
    return named[frozen:]


def digest(model: nn.Module) -> str:
    """Of all parameters and buffers, to the byte."""
    hashed = hashlib.sha256()
    for name, value in model.state_dict().items():
        hashed.update(name.encode() + value.contiguous().numpy().tobytes())
    return hashed.hexdigest()


def timeless(result) -> object:
    """A result without its clock times."""
    history = [record.model_dump(exclude={"seconds", "samples_per_second"}) for record in result.history]
    return history, result.start, result.best, result.best_epoch, result.steps, result.stopped


class Wrapped:
    """Samples seen through a function that may look at, change or refuse each batch."""

    def __init__(self, samples: Samples, change) -> None:
        self._samples, self._change, self.given, self.closed = samples, change, 0, 0
        self.labels, self.n_classes, self.fingerprint = samples.labels, samples.n_classes, samples.fingerprint

    def batches(self, epoch, rows):
        try:
            for batch in self._samples.batches(epoch, rows):
                changed = self._change(self.given, *batch)
                self.given += 1
                yield changed
        finally:
            self.closed += 1
