"""What a training takes on this machine: a few steps of the real one, on noise."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from topwork.advising import Timed
from topwork.backbones import Backbone
from topwork.backbones.layers import Prefix, tail_of
from topwork.heads import LinearHead
from topwork.tasks.classification.strategies._prefix import of_tail
from topwork.tasks.classification.strategies._tunable import Tunable, cpu_precision, trained_layers, tunable
from topwork.train import train

if TYPE_CHECKING:
    from topwork.train import Batch, Layers, Progress, TrainConfig

_BATCH = 8
_STEPS = 4  # the first one allocates the memory, and is not counted; the quickest of the others is


class _Noise:
    """So many batches of the same inputs."""

    def __init__(self, inputs: torch.Tensor, classes: int, batches: int) -> None:
        self.labels = np.arange(batches * len(inputs)) % classes
        self.n_classes = classes
        self.fingerprint = "noise"
        self._inputs = inputs

    def batches(self, epoch: int, rows: Sequence[Any]) -> Iterator[Batch]:
        for batch in rows:
            yield self._inputs[: len(batch)], torch.from_numpy(self.labels[batch])


def seconds_to_train(
    backbone: Backbone, head: LinearHead, stages: int, config: TrainConfig, *, gpu: bool, cut: bool
) -> Timed:
    """Seconds an image, once forward and back through the last stages at the backbone's size.

    The head reads the network's own pooled features. With ``cut`` training begins at maps, where the network can be
    cut there.
    """
    model = tunable(backbone, replace(head, normalised=False, rooted=False))  # what it answers does not matter here
    model.to("cuda" if gpu else "cpu")
    size = backbone.preprocessing.size
    inputs = torch.randint(0, 256, (_BATCH, 3, size, size), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    learner, layers, inputs = _cut(model, trained_layers(model, backbone, stages), backbone, stages, inputs, cut=cut)
    marks: list[tuple[float, float]] = []

    def tell(step: Progress) -> None:
        if step.record is None:
            marks.append((time.perf_counter(), time.process_time()))

    changes: dict[str, Any] = {"epochs": 1, "batch_size": _BATCH, "accumulate": 1, "budget_seconds": None}
    changes |= {"class_weights": "none", "compile": "off"}
    if config.precision == "auto" and not gpu:
        changes["precision"] = cpu_precision(model)
    began = time.perf_counter(), time.process_time()
    few, classes = config.model_copy(update=changes), head.n_classes
    train(learner, _Noise(inputs, classes, _STEPS), _Noise(inputs[:2], classes, 1), few, layers=layers, progress=tell)
    if len(marks) < _STEPS:  # a GPU is not asked after every step
        return Timed.of((time.perf_counter() - began[0]) / (_STEPS * _BATCH), 0.0, 0)
    taken = [(after[0] - before[0], after[1] - before[1]) for before, after in itertools.pairwise(marks)]
    wall, processor = min(taken, key=lambda each: each[1])
    return Timed.of(wall / _BATCH, processor / _BATCH, 0 if gpu else torch.get_num_threads())


def _cut(
    model: Tunable, layers: Layers, backbone: Backbone, stages: int, inputs: torch.Tensor, *, cut: bool
) -> tuple[Tunable, Layers, torch.Tensor]:
    """What is trained, and what it takes: maps where the network can be cut, else images."""
    frozen = max(0, len(backbone.stages) - stages)  # one without stages is trained as a whole
    stage = backbone.stages[frozen - 1].name if frozen else ""
    network = tail_of(model.network, backbone, stage) if frozen and cut else None
    if network is None:
        return model, layers, inputs
    with torch.no_grad():
        maps = Prefix(model.network, stage)(model.pixels(inputs.to(next(model.parameters()).device))).cpu()
    tail = Tunable(network, model.head, nn.Identity())
    return tail, of_tail(layers, model, tail), maps
