"""Fine-tuning the last stages from kept maps of the frozen ones, against the same training that runs them every time.

    python bench/prefix.py DATA [--backbone lite0] [--weights pretrained] [--images 512] [--epochs 4] [--stages 1,2]

Both ways in one process, by turns, with the same seed, images and augmentation. "again" is an epoch whose views were
seen before, "first" one in which the maps are made. The bound is what the operations of a step allow: a frozen layer
costs its forward pass, a trained one three times that.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import torch

from _report import header, table
from topwork import read
from topwork.backbones import Backbone, load
from topwork.backbones.layers import tail_of
from topwork.data import ImageDataset, split
from topwork.tasks.classification.strategies import (
    Finetuned,
    FinetuneOptions,
    Probe,
    ProbeOptions,
    default_config,
    finetune,
    fit_probe,
)
from topwork.tasks.classification.strategies._prefix import share_saved

PROBE = ProbeOptions(stages="last", crop_mode="squash")


@dataclass(frozen=True)
class Course:
    """What one training gave: images a second in its first and its later epochs, seconds of validation, accuracy."""

    first: float
    again: float
    accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbone", default="lite0")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--stages", default="1,2")
    options = parser.parse_args()
    backbone = load(options.backbone, weights=options.weights)
    whole = read(options.data)
    whole = whole.split("train") if whole.held_out_split else whole
    rows = np.random.default_rng(0).choice(len(whole), min(options.images, len(whole)), replace=False)
    dataset = split(whole.select(np.sort(rows)), test=0.2)
    probe = fit_probe(dataset, backbone, PROBE)
    print(header(f"Kept maps of the frozen stages: {options.backbone} at {backbone.preprocessing.size} pixels"))
    found = [
        row for stages in options.stages.split(",") for row in measured(dataset, probe, int(stages), options.epochs)
    ]
    head = (
        "stages trained",
        "way",
        "images/s, first",
        "again",
        "times",
        "bound",
        "share of it",
        "val. accuracy",
        "disk",
    )
    print(table(head, found))


def measured(dataset: ImageDataset, probe: Probe, stages: int, epochs: int) -> list[tuple[str, ...]]:
    ways = {"run anew": 0, "kept": 1}
    courses = {name: course(finetune(dataset, probe, wanted(stages, epochs, views))) for name, views in ways.items()}
    ratio, bound = courses["kept"].again / courses["run anew"].again, allowed(probe.table.backbone, stages)
    disk = f"{map_bytes(probe.table.backbone, stages) / 1024:.0f} kB a view"
    rows = []
    for name, each in courses.items():
        kept = name == "kept"
        told = (f"{ratio:.1f}", f"{bound:.1f}", f"{ratio / bound:.0%}") if kept else ("1", "", "")
        speeds = (f"{each.first:.0f}", f"{each.again:.0f}")
        rows.append((str(stages), name, *speeds, *told, f"{each.accuracy:.3f}", disk if kept else ""))
    return rows


def wanted(stages: int, epochs: int, views: int) -> FinetuneOptions:
    return FinetuneOptions(unfreeze=stages, views=views, config=default_config(epochs=epochs), probe=PROBE)


def course(found: Finetuned) -> Course:
    speeds = [epoch.samples_per_second for epoch in found.history]
    return Course(speeds[0], float(np.median(speeds[1:])), max(epoch.accuracy for epoch in found.history))


def allowed(backbone: Backbone, stages: int) -> float:
    """Times as many images a second, from the operations alone."""
    network, size = backbone.module(), backbone.preprocessing.size
    stage = backbone.stages[-stages - 1].name
    tail = tail_of(network, backbone, stage)
    assert tail is not None
    return 1 / (1 - share_saved(network, tail, stage, torch.zeros(1, 3, size, size)))


def map_bytes(backbone: Backbone, stages: int) -> int:
    stage = backbone.stages[-stages - 1]
    return 2 * stage.channels * (backbone.preprocessing.size // stage.stride) ** 2


if __name__ == "__main__":
    main()
