"""What a head says of each place, before it is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import Float32Array


@dataclass(frozen=True, eq=False)
class Raw:
    """What a head says of N images at P places, see ``HeadSpec.points``, of C classes.

    Attributes:
        logits: float32 (N, P, C), before the sigmoid.
        distances: float32 (N, P, 4), from the place to the left, upper, right and lower edge of the box, in strides of
            its level; never negative.
        centreness: float32 (N, P), before the sigmoid; None where the spec asks for none.
    """

    logits: Float32Array
    distances: Float32Array
    centreness: Float32Array | None

    def __len__(self) -> int:
        return len(self.logits)

    @classmethod
    def joined(cls, parts: Sequence[Raw]) -> Raw:
        """Those of several parts, at least one, one after another."""
        near = [part.centreness for part in parts if part.centreness is not None]
        return cls(
            np.concatenate([part.logits for part in parts]),
            np.concatenate([part.distances for part in parts]),
            np.concatenate(near) if near else None,
        )
