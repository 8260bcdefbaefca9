"""What a training is given: samples that come in batches, in an order and with a chance that depend on the place alone.

Nothing is drawn from a generator that runs along: a resumed training, or one with other workers, meets the same
numbers. Torch is loaded where tensors are made.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Generator, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np

from topwork._arrays import AnyArray, Int64Array
from topwork.errors import TrainError

if TYPE_CHECKING:
    import torch

Batch: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"

# What a number is for: the same place must not give related numbers for two purposes.
_ORDER, _STEP, _MIX, _SAMPLE = range(4)


_POOL = 50  # batches of a shuffled epoch among which samples of like length are put together


def epoch_batches(
    seed: int, epoch: int, samples: int, batch_size: int, lengths: Int64Array | None = None
) -> list[Int64Array]:
    """Rows of each batch of an epoch, every sample once.

    Sizes differ by one at most: a last batch of one or two images would shake the weights and BatchNorm's statistics.
    Where samples have lengths (N,), those of like length come together, so that little is padded; which batches hold
    the long ones, and who stands beside whom, still changes with every epoch.
    """
    generator = _generator(seed, _ORDER, epoch)
    order = generator.permutation(samples).astype(np.int64)
    batches = np.array_split(order, batch_count(samples, batch_size))
    if lengths is None:
        return batches
    pools = [batches[start : start + _POOL] for start in range(0, len(batches), _POOL)]
    alike = [batch for pool in pools for batch in _by_length(pool, lengths)]
    return [alike[place] for place in generator.permutation(len(alike)).tolist()]


def _by_length(pool: list[Int64Array], lengths: Int64Array) -> list[Int64Array]:
    """The rows of some batches in as many, ordered by length."""
    rows = np.concatenate(pool)
    ordered = rows[np.argsort(lengths[rows], kind="stable")]
    return np.split(ordered, np.cumsum([len(batch) for batch in pool])[:-1])


def batch_count(samples: int, batch_size: int) -> int:
    """Number of batches in an epoch."""
    return math.ceil(samples / batch_size)


def in_order(samples: int, batch_size: int, lengths: Int64Array | None = None) -> list[Int64Array]:
    """Rows of each batch of a validation: as they stand, or by their lengths where they have any."""
    order = np.arange(samples) if lengths is None else np.argsort(lengths, kind="stable")
    return np.array_split(order.astype(np.int64), batch_count(samples, batch_size))


def lengths_of(samples: Samples) -> Int64Array | None:
    """Lengths of samples that have any."""
    return samples.lengths if isinstance(samples, UnevenSamples) else None


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """Seed (63 bits) of one sample's augmentation in one epoch; the same whoever asks, and when."""
    return _number(seed, _SAMPLE, epoch, index)


def step_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """Seed (63 bits) of what the network itself draws in one step: dropout, stochastic depth."""
    return _number(seed, _STEP, epoch, batch, rank)


def mix_generator(seed: int, epoch: int, batch: int, rank: int) -> np.random.Generator:
    """What mixup and CutMix draw from in one step."""
    return _generator(seed, _MIX, epoch, batch, rank)


def _number(seed: int, *place: int) -> int:
    state: AnyArray = np.random.SeedSequence(seed, spawn_key=place).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def _generator(seed: int, *place: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=place)))


class Samples(Protocol):
    """What can be learnt from; what inputs (images, maps at a stage's border) and targets are, model and loss know.

    Whatever is drawn for a sample is drawn from ``sample_seed(seed, epoch, index)`` with a generator of its own, so
    that it depends on nothing else: not on the batch, the worker, or where a training was resumed.
    """

    @property
    def labels(self) -> Sized:
        """What is to be learnt of each of the N samples; the loop only counts them."""

    @property
    def fingerprint(self) -> str:
        """Names the samples and how they are prepared; a checkpoint is refused where it is another."""

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """One pair (inputs, targets) for each entry of ``rows``, in order.

        All rows are given at once, so that the next ones can be read ahead; the iterator may be closed before its end.

        Args:
            epoch: From 0.
            rows: Indices of the samples in each batch; an entry may be empty.

        Returns:
            Inputs (n, ...), any dtype the model takes, on any device; targets (n, ...), which the loss knows;
            those of uneven length are padded.
        """


@runtime_checkable
class ClassSamples(Samples, Protocol):
    """Samples of which each has one class: what the default loss needs."""

    @property
    def labels(self) -> Int64Array:
        """(N,) classes of all samples, from 0."""

    @property
    def n_classes(self) -> int:
        """Classes that the model answers with."""


@runtime_checkable
class UnevenSamples(Samples, Protocol):
    """Samples of uneven length, such as texts: those of like length are put into one batch."""

    @property
    def lengths(self) -> Int64Array:
        """(N,) lengths of all samples, in any unit."""


@contextlib.contextmanager
def reading(samples: Samples, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Iterator[Batch]]:
    """``samples.batches``, closed in the end wherever that is: its workers and files with it."""
    batches = samples.batches(epoch, rows)
    try:
        yield batches
    finally:
        if isinstance(batches, Generator):
            batches.close()


def require_some(samples: Samples, split: str) -> None:
    """Refuse, by a TrainError, an empty split."""
    if len(samples.labels) == 0:
        raise TrainError(f"the {split} split is empty", hint="split the data so that both splits have samples")


def tensors_digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
