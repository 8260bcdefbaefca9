"""Processes that train or measure together and write down what came out. Run as a program by ``test_ranks``."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch._dynamo  # each process would import it at its first step: a second of its core
import torch.distributed as dist

from tests.train.samples import PLAIN, Wrapped, digest, layers_of, network, part
from topwork.train import TrainError, current_ranks, measure, train

SAMPLES, VALIDATION = part(0, 101), part(200, 301)


def main(folder: Path, task: str, worlds: list[int]) -> None:
    """Run the task once for each number of processes, which are forked from this one: torch is imported once."""
    torch.set_num_threads(1)
    context = multiprocessing.get_context("fork")
    for world in worlds:
        place = folder / task / str(world)
        place.mkdir(parents=True)
        ranks = [context.Process(target=work, args=(place, rank, world, task)) for rank in range(world)]
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join()


def work(folder: Path, rank: int, world: int, task: str) -> None:
    """One of the processes."""
    if world > 1:
        store = f"file://{folder.absolute()}/store"
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=timedelta(seconds=60))
    try:
        told = {"measure": _measured, "train": _trained, "few": _few, "norm": _with_norm, "die": _dies}[task](folder)
    except TrainError as error:
        told = {"error": error.message, "hint": error.hint}
    (folder / f"rank{rank}.json").write_text(json.dumps(told))
    if world > 1 and "error" not in told:
        dist.destroy_process_group()


def _measured(folder: Path) -> dict[str, object]:
    """Batches of 32, so that their last one leaves ranks with nothing."""
    model = network().eval()
    return measure(model, VALIDATION, PLAIN.model_copy(update={"batch_size": 32}), current_ranks()).model_dump()


def _trained(folder: Path, samples=SAMPLES, size: int = 20) -> dict[str, object]:
    model = network(norm=False)
    if current_ranks().rank == 1:
        torch.nn.init.zeros_(model[3].weight)  # the first rank's weights hold
    config = PLAIN.model_copy(update={"batch_size": size, "class_weights": "balanced", "clip": 0.5, "ema_decay": 0.9})
    result = train(model, samples, VALIDATION, config, layers=layers_of(model), checkpoint=folder / "checkpoint")
    weights = [float(value) for value in torch.cat([v.flatten() for v in model.state_dict().values()])]
    return {"weights": weights, "digest": digest(model), "history": [r.model_dump() for r in result.history]}


def _with_norm(folder: Path) -> dict[str, object]:
    """BatchNorm's statistics, of which each rank has its own, and their moving average."""
    model = network()
    train(model, SAMPLES, VALIDATION, PLAIN.model_copy(update={"ema_decay": 0.9}), layers=layers_of(model))
    return {"digest": digest(model)}


def _few(folder: Path) -> dict[str, object]:
    """Fewer samples in a batch than ranks."""
    return _trained(folder, part(0, 11), size=2)


def _dies(folder: Path) -> dict[str, object]:
    """The last rank is killed in the midst of it."""
    ranks = current_ranks()

    def kill(index, *batch):
        if index == 3 and ranks.rank == ranks.world - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return batch

    return _trained(folder, Wrapped(SAMPLES, kill))


if __name__ == "__main__":
    for asked in sys.argv[2:]:  # such as train:1,2
        name, _, numbers = asked.partition(":")
        main(Path(sys.argv[1]), name, [int(world) for world in numbers.split(",")])
