"""Several processes that train one model: who does which part of a batch, and how the parts are put together.

Each rank computes its share of every global batch, and gradients are summed, in one message a step. So the result is
that of one process with the same global batch (up to the order of the sums), whatever the number of ranks, and a rank
whose share is empty takes part too; torch's DistributedDataParallel averages over ranks, and so would count it in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from topwork.train._errors import TrainError
from topwork.train._seeds import Rows


@dataclass(frozen=True)
class Ranks:
    """The process among those that train together.

    Attributes:
        rank: From 0; rank 0 also writes and tells.
        world: Number of processes.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def shard(self, rows: Rows) -> Rows:
        """Our part of a global batch; may be empty."""
        return np.array_split(rows, self.world)[self.rank]

    def sum(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace tensors of one dtype and device by their sums over the ranks, in one message.

        Raises:
            TrainError: Another rank has ended.
        """
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        try:
            torch.distributed.all_reduce(flat)
        except RuntimeError as error:
            raise self._lost(error) from error
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def copy_first(self, tensors: Sequence[torch.Tensor]) -> None:
        """Give every rank the tensors of rank 0."""
        if self.world == 1:
            return
        for tensor in tensors:
            whole = tensor.contiguous()
            try:
                torch.distributed.broadcast(whole, src=0)
            except RuntimeError as error:
                raise self._lost(error) from error
            tensor.copy_(whole)

    def average(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace floating tensors by their means over the ranks (BatchNorm's statistics)."""
        if self.world > 1:
            self.sum(tensors)
            for tensor in tensors:
                tensor /= self.world

    def agreed(self, number: float, device: torch.device) -> float:
        """Rank 0's number: what depends on a clock must be the same for all."""
        if self.world == 1:
            return number
        shared = torch.tensor(number, dtype=torch.float64, device=device)
        self.copy_first([shared])
        return float(shared)

    def meet(self) -> None:
        """Wait until every rank is here.

        Raises:
            TrainError: Another rank has ended.
        """
        if self.world == 1:
            return
        try:
            torch.distributed.barrier()
        except RuntimeError as error:
            raise self._lost(error) from error

    def _lost(self, error: RuntimeError) -> TrainError:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        return TrainError(
            f"rank {self.rank} of {self.world}: another process of this training has ended: {reason}",
            hint="look at its own message above, then go on from the last checkpoint",
        )


def current_ranks() -> Ranks:
    """Our place, if ``torch.distributed`` was initialised; else it is alone."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Ranks()
    return Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
