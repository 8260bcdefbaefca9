"""Order and randomness as pure functions of a place in the training.

Nothing is drawn from a generator that runs along: a resumed training, or one with other workers, meets the same
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

# What a number is for: the same place must not give related numbers for two purposes.
_ORDER, _STEP, _MIX, _SAMPLE = range(4)


def epoch_batches(seed: int, epoch: int, samples: int, batch_size: int) -> list[Rows]:
    """Rows of each batch of an epoch, every sample once.

    Sizes differ by one at most: a last batch of one or two images would shake the weights and BatchNorm's statistics.

    Args:
        seed: Of the training.
        epoch: From 0.
        samples: N.
        batch_size: Largest batch.
    """
    order = _generator(seed, _ORDER, epoch).permutation(samples).astype(np.int64)
    return np.array_split(order, batch_count(samples, batch_size))


def batch_count(samples: int, batch_size: int) -> int:
    """Batches in an epoch."""
    return math.ceil(samples / batch_size)


def in_order(samples: int, batch_size: int) -> list[Rows]:
    """Rows of each batch of a validation: as they stand."""
    return np.array_split(np.arange(samples, dtype=np.int64), batch_count(samples, batch_size))


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """Seed (63 bits) of one sample's augmentation in one epoch; the same whoever asks, and when."""
    return _number(seed, _SAMPLE, epoch, index)


def step_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """Seed (63 bits) of what the network itself draws in one step: dropout, stochastic depth."""
    return _number(seed, _STEP, epoch, batch, rank)


def mix_generator(seed: int, epoch: int, batch: int, rank: int) -> np.random.Generator:
    """What mixup and CutMix draw from in one step."""
    return _generator(seed, _MIX, epoch, batch, rank)


def _sequence(seed: int, place: Sequence[int]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=tuple(place))


def _number(seed: int, *place: int) -> int:
    state: npt.NDArray[Any] = _sequence(seed, place).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def _generator(seed: int, *place: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(_sequence(seed, place)))
