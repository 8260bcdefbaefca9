"""What Ray Train starts, without Ray: processes that are connected already, each with the command line.

Run as a program by ``test_fit_on_ray``: two workers, of which the second is killed as soon as there is a checkpoint;
then one that goes on with what is left.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch._dynamo  # each process would import it at its first step: a second of its core
import torch.distributed as dist

from topwork.cli._on_ray import _work


def main(folder: Path, training: Path, args: list[str]) -> None:
    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork")
    told = {"args": args, "folder": str(folder), "training": str(training)}
    for attempt, world in enumerate((2, 1)):
        workers = [context.Process(target=work, args=(folder, attempt, rank, world, told)) for rank in range(world)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()


def work(folder: Path, attempt: int, rank: int, world: int, told: dict[str, object]) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    store = f"file://{folder.absolute()}/store{attempt}"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=timedelta(seconds=300))
    if rank == 1:
        threading.Thread(target=die_after_a_checkpoint, args=(Path(str(told["training"])),), daemon=True).start()
    (folder / f"said{attempt}-{rank}.json").write_text(json.dumps(_work(told)))


def die_after_a_checkpoint(training: Path) -> None:
    while not any(training.glob("checkpoint-*.safetensors")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
