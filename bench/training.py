"""Training images a second: this project's loop against the plain one, in the same run, by turns.

    python bench/training.py DATA [--backbone lite0] [--weights pretrained] [--stages all] [--images 256] [--repeats 3]

The plain way is the loop of the tutorials: torch eager in float32, a DataLoader with two workers, flips, AdamW, the
stages before those that train frozen. Ours is ``topwork.train`` on the same images, flips, batches and stages, without
kept maps of the frozen stages.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from _report import header, table
from topwork import read
from topwork.backbones import Backbone, load
from topwork.data import decode
from topwork.features import Squares
from topwork.heads import LinearHead
from topwork.tasks.classification.strategies import default_config
from topwork.tasks.classification.strategies._augment import Augmentation
from topwork.tasks.classification.strategies._pictures import ImageSamples
from topwork.tasks.classification.strategies._tunable import (
    Tunable,
    cpu_precision,
    stages_to_train,
    trained_layers,
    tunable,
)
from topwork.train import train

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbone", default="lite0")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--stages", default="all")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    backbone = load(options.backbone, weights=options.weights)
    count = stages_to_train(backbone, options.stages if options.stages in ("all", "auto") else int(options.stages))
    images = pixels(options.data, backbone, options.images)
    labels = np.arange(len(images.pixels)) % 2
    ways = {"plain": plain, "ours": ours}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.repeats + 1):
        for name, way in ways.items():
            speed = way(model_of(backbone), backbone, count, images, labels)
            if turn:  # the first warms up
                speeds[name].append(speed)
    ratios = [ours / plain for plain, ours in zip(speeds["plain"], speeds["ours"], strict=True)]
    of = f"{count} of {len(backbone.stages)} stages of {options.backbone} at {backbone.preprocessing.size} pixels"
    print(header(f"Training {of}"))
    rows = [(name, spread(found), "1" if name == "plain" else spread(ratios, 2)) for name, found in speeds.items()]
    print(table(("way", "images/s", "times"), rows))


def spread(values: list[float], digits: int = 1) -> str:
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def pixels(folder: str, backbone: Backbone, count: int) -> Squares:
    fit, dataset = backbone.preprocessing, read(folder)
    rows = np.random.default_rng(0).choice(len(dataset), count, replace=len(dataset) < count)
    return Squares(np.stack([fit(decode(dataset.source(int(row)), min_side=fit.min_side)) for row in rows]), "bench")


def model_of(backbone: Backbone) -> Tunable:
    width = backbone.width("embedding")
    weight = np.random.default_rng(0).normal(size=(width, 2)).astype(np.float32) / 100
    still = (np.zeros(width, np.float32), np.ones(width, np.float32))
    return tunable(backbone, LinearHead(*still, weight, np.zeros(2, np.float32), 1.0))


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """As a tutorial writes it."""

    def __init__(self, images: Squares, labels: Any) -> None:
        self.images, self.labels, self.flip = images, labels, v2.RandomHorizontalFlip()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        image: torch.Tensor = self.flip(torch.from_numpy(self.images.pixels[row]).permute(2, 0, 1))
        return image, int(self.labels[row])


def plain(model: Tunable, backbone: Backbone, count: int, images: Squares, labels: Any) -> float:
    layers = trained_layers(model, backbone, count)
    model.requires_grad_(False)
    for _, layer in layers:
        layer.requires_grad_(True)
    model.train()
    optimizer = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=1e-3)
    loader = DataLoader(Pictures(images, labels), BATCH, shuffle=True, num_workers=2, drop_last=True)
    seen, start = 0, 0.0
    for batch, classes in steps(loader):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(batch), classes).backward()
        optimizer.step()
        if not start:
            start = time.perf_counter()  # the first step makes the workers and the buffers
        else:
            seen += len(classes)
    return seen / (time.perf_counter() - start)


def steps(loader: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for batch, classes in loader:
        yield batch.float(), classes


def ours(model: Tunable, backbone: Backbone, count: int, images: Squares, labels: Any) -> float:
    rows = np.arange(len(labels))
    data = ImageSamples(images, rows, labels, 2, augmentation=Augmentation("none", "mirror"))
    few = ImageSamples(images, rows[:2], labels[:2], 2)
    config = default_config(epochs=2, batch_size=BATCH, precision=cpu_precision(model))
    return train(model, data, few, config, layers=trained_layers(model, backbone, count)).history[-1].samples_per_second


if __name__ == "__main__":
    main()
