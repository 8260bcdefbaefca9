"""What a training is given: samples that come in batches, whatever they are."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from topwork.train._errors import TrainError
from topwork.train._seeds import Rows

Batch = tuple[torch.Tensor, torch.Tensor]


class Samples(Protocol):
    """Labelled samples; what they are (images, maps at a stage's border) is between them and the model.

    Whatever is drawn for a sample is drawn from ``sample_seed(seed, epoch, index)`` with a generator of its own, so
    that it depends on nothing else: not on the batch, the worker, or where a training was resumed.
    """

    @property
    def labels(self) -> Rows:
        """(N,) classes of all samples, from 0."""

    @property
    def n_classes(self) -> int:
        """Classes that the model answers with."""

    @property
    def fingerprint(self) -> str:
        """Names the samples and how they are prepared; a checkpoint is refused where it is another."""

    def batches(self, epoch: int, rows: Sequence[Rows]) -> Iterator[Batch]:
        """One pair (inputs, targets) for each entry of ``rows``, in order.

        All rows are given at once, so that the next ones can be read ahead; the iterator may be closed before its end.

        Args:
            epoch: From 0.
            rows: Indices of the samples in each batch; an entry may be empty.

        Returns:
            Inputs (n, ...), any dtype the model takes, on any device; targets (n,) int64.
        """


@contextlib.contextmanager
def reading(samples: Samples, epoch: int, rows: Sequence[Rows]) -> Iterator[Iterator[Batch]]:
    """``samples.batches``, closed in the end wherever that is: its workers and files with it."""
    batches = samples.batches(epoch, rows)
    try:
        yield batches
    finally:
        if isinstance(batches, Generator):
            batches.close()


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
        self.labels: Rows = self._labels.cpu().numpy()
        self.fingerprint = tensors_digest({"inputs": inputs, "labels": self._labels})

    def batches(self, epoch: int, rows: Sequence[Rows]) -> Iterator[Batch]:
        """See ``Samples``."""
        for batch in rows:
            chosen = torch.from_numpy(batch)
            yield self._inputs[chosen], self._labels[chosen]


def check_samples(samples: Samples, split: str) -> None:
    """Refuse what cannot be trained on or measured.

    Raises:
        TrainError: No samples, or labels outside the classes.
    """
    labels = np.asarray(samples.labels)
    if labels.size == 0:
        raise TrainError(f"the {split} split is empty", hint="split the data so that both have images")
    if labels.min() < 0 or labels.max() >= samples.n_classes:
        raise TrainError(
            f"the {split} split has labels from {labels.min()} to {labels.max()}, with {samples.n_classes} classes"
        )


def tensors_digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
