"""Several processes that train one model: who does which part of a batch, and how the parts are put together.

Each rank computes its share of every global batch, and gradients are summed, in one message a step. So the result is
that of one process with the same global batch (up to the order of the sums), whatever the number of ranks, and a rank
whose share is empty takes part too; torch's DistributedDataParallel averages over ranks, and so would count it in full.
Torch is loaded where tensors or processes meet: every ``topwork fit`` asks whether torchrun started it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from topwork._arrays import Int64Array
from topwork.errors import TrainError

if TYPE_CHECKING:
    import torch

_PATIENCE = timedelta(days=1)  # the others wait while the first fills the cache; torchrun ends them if it dies


@dataclass(frozen=True)
class Ranks:
    """The process among those that train together.

    Attributes:
        rank: From 0; rank 0 also writes and tells.
    """

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def shard(self, rows: Int64Array) -> Int64Array:
        """Our part of a global batch, which may be empty."""
        return np.array_split(rows, self.world)[self.rank]

    def sum(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace tensors of one dtype and device by their sums over the ranks, in one message.

        Raises:
            TrainError: Another rank has ended.
        """
        if self.world == 1 or not tensors:
            return
        import torch

        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with self._together():
            torch.distributed.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    def copy_first(self, tensors: Sequence[torch.Tensor]) -> None:
        """Give every rank the tensors of rank 0."""
        if self.world == 1:
            return
        import torch

        for tensor in tensors:
            whole = tensor.contiguous()
            with self._together():
                torch.distributed.broadcast(whole, src=0)
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
        import torch

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
        import torch

        with self._together():
            torch.distributed.barrier()

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Say who we are and what to do where another rank has ended in the midst of it."""
        try:
            yield
        except RuntimeError as error:
            reason = str(error).strip().split("\n", maxsplit=1)[0]
            raise TrainError(
                f"rank {self.rank} of {self.world}: another process of this training ended: {reason}",
                hint="see its message above, then continue from the last checkpoint",
            ) from error


def current_ranks() -> Ranks:
    """Our place, if ``torch.distributed`` was initialised; else it is alone."""
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Ranks()
    return Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())


def started_by_torchrun() -> bool:
    """Whether this process is one of several that torchrun, or Ray Train, started. Imports no torch."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


@contextlib.contextmanager
def joined() -> Iterator[bool]:
    """Train together with the other processes that torchrun or Ray Train started, one on each GPU where there are GPUs.

    Returns:
        Whether this is the first of them, which writes and tells; True where it is alone.

    Raises:
        TrainError: They do not find each other.
    """
    if not started_by_torchrun():
        yield True
        return
    import torch
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():  # Ray Train has connected them, and will part them
        yield distributed.get_rank() == 0
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainError(
            f"the processes cannot connect to each other: {error}", hint="start them with torchrun"
        ) from error
    try:
        yield distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def first_alone() -> Iterator[None]:
    """The first process does this while the others wait, who then find in the cache what it has left there.

    Raises:
        TrainError: Another process has ended.
    """
    if not started_by_torchrun():
        yield
        return
    ranks = current_ranks()
    if not ranks.first:
        ranks.meet()
    yield
    if ranks.first:
        ranks.meet()
