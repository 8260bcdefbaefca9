"""What a training of a text network takes on this machine: a few steps of the real one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from topwork.features import FeatureTable
from topwork.heads import LinearHead
from topwork.tasks.text.strategies._samples import samples_of
from topwork.tasks.text.strategies._tunable import in_pieces, threads, trained_layers, tunable
from topwork.train import train

if TYPE_CHECKING:
    from topwork.train import Progress, TrainConfig

_STEPS = 5  # the first one allocates the memory, and is not counted


def seconds_a_text(table: FeatureTable, head: LinearHead, layers: int, config: TrainConfig) -> float:
    """Seconds, by the clock, for a text once forward and back through the last so many layers.

    It is the mean over texts drawn from the table, so other programs' share of the cores and the lengths are in it.
    What the head says does not matter.
    """
    model, tokenizer = tunable(table.backbone, table.outputs, replace(head, normalised=False, rooted=False))
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    count = min(len(table), _STEPS * config.batch_size)
    rows = np.random.default_rng(0).choice(len(table), count, replace=False)
    samples = samples_of(table.dataset.select(np.sort(rows)), table.backbone, tokenizer)
    few = samples_of(table.dataset.select(rows[:2]), table.backbone, tokenizer)
    marks: list[tuple[float, int]] = []

    def tell(step: Progress) -> None:
        if step.record is None:
            marks.append((time.perf_counter(), step.step))

    changes: dict[str, Any] = {"epochs": 1, "budget_seconds": None, "class_weights": "none"}
    with threads():
        began = time.perf_counter()
        train(
            model,
            samples,
            few,
            in_pieces(config, table.backbone).model_copy(update=changes),
            layers=trained_layers(model, table.backbone, layers),
            progress=tell,
        )
        taken = time.perf_counter() - began
    if len(marks) < 2:  # a GPU is not asked after every step
        return taken / count
    (first, before), (last, after) = marks[0], marks[-1]
    return (last - first) / (after - before) / (count / -(-count // config.batch_size))
