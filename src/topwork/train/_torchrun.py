"""Under torchrun: the processes that it started find each other, and do in turn what one of them can do for all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta

from topwork.train._errors import TrainError

_PATIENCE = timedelta(days=1)  # the others wait while the first fills the cache; torchrun ends them if it dies


def started_by_torchrun() -> bool:
    """Whether this process is one of several that torchrun started. Imports no torch."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


@contextlib.contextmanager
def joined() -> Iterator[bool]:
    """Train together with the other processes that torchrun started, one on each GPU where there are GPUs.

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

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise TrainError(f"the processes do not find each other: {error}", hint="start them with torchrun") from error
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
    from topwork.train._ranks import current_ranks

    ranks = current_ranks()
    if not ranks.first:
        ranks.meet()
    yield
    if ranks.first:
        ranks.meet()
