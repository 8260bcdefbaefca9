"""What transfer buys: the same network from random weights, as a probe and fine-tuned, at several numbers of images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from topwork._arrays import UInt8Array
from topwork._text import table
from topwork.advising import BudgetClock, stratified_order
from topwork.backbones import Backbone
from topwork.checking import vet
from topwork.data import ImageDataset, grouped, split
from topwork.drawing import Curve, line_chart
from topwork.engines import has_cuda
from topwork.errors import DataError, TopworkError
from topwork.metrics import Estimate, wilson_interval
from topwork.tasks._task import Announce
from topwork.tasks.classification.strategies import (
    FinetuneOptions,
    Fitted,
    Probe,
    ProbeOptions,
    ScratchOptions,
    default_config,
    finetune,
    fit_probe,
    fit_scratch,
)

_SHARES = (0.25, 0.5, 1.0)  # of the training images
_TRAINING = 0.6  # of a run's time; reading images and the features of the trained network take the rest
_LEAST = 3.0  # seconds of training below which a run says nothing
_WAYS = ("scratch", "probe", "fine-tuning")


@dataclass(frozen=True)
class Point:
    """One way at one number of training images: held-out images named right, and the seconds that it took."""

    way: str
    images: int
    right: int
    seconds: float


@dataclass(frozen=True)
class Transfer:
    """What transfer buys.

    Attributes:
        backbone: The network's name.
        judged: Held-out images, the same for all.
        points: Every run, by the number of images, then by way.
        skipped: Runs that were left out, and why.
    """

    backbone: str
    judged: int
    points: tuple[Point, ...]
    skipped: tuple[str, ...]

    @property
    def headline(self) -> str:
        """How much better the best pretrained way is than random weights, with the most images both learnt from."""
        both = [each.images for each in self.points if each.way == "scratch"]
        most = max(both, default=max(each.images for each in self.points))
        last = [each for each in self.points if each.images == most]
        said = ", ".join(f"{each.way} {each.right / self.judged:.1%} in {each.seconds:.0f} s" for each in last)
        return f"{self.backbone} with {most} training images: {said}, measured on {self.judged} held-out images"

    @property
    def lines(self) -> tuple[str, ...]:
        """A table of every run, and what was left out."""
        rows = []
        for each in self.points:
            shares = Estimate(each.right / self.judged, *wilson_interval(each.right, self.judged)).as_percent()
            rows.append((each.way, str(each.images), shares, f"{each.seconds:.1f}"))
        head = ("way", "training images", "accuracy (95% interval)", "seconds")
        return (*table(head, rows).splitlines(), *self.skipped)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        points = [
            {
                "way": each.way,
                "images": each.images,
                "accuracy": each.right / self.judged,
                "interval": wilson_interval(each.right, self.judged),
                "seconds": round(each.seconds, 2),
            }
            for each in self.points
        ]
        return {"backbone": self.backbone, "held_out": self.judged, "points": points, "skipped": self.skipped}

    def picture(self) -> UInt8Array:
        """Accuracy over the number of images, with the interval of each way dashed: uint8 (420, 760, 3)."""
        sizes = sorted({each.images for each in self.points})
        curves = []
        for way in _WAYS:
            found = {each.images: each.right for each in self.points if each.way == way}
            if set(found) != set(sizes):  # a line needs all of its places
                continue
            bounds = [wilson_interval(found[size], self.judged) for size in sizes]
            curves.append(Curve(way, [found[size] / self.judged for size in sizes]))
            curves.append(Curve(f"{way}, lower bound", [low for low, _ in bounds], dashed=True))
        title = f"What transfer buys: {self.backbone}, {self.judged} held-out images"
        return line_chart(list(map(str, sizes)), curves, title=title, across="training images", up="accuracy")


def transfer(
    dataset: ImageDataset, backbone: Backbone, *, budget: float, seed: int, cache: bool, announce: Announce
) -> Transfer:
    """Train the network from random weights, as a probe and fine-tuned, on 25, 50 and 100 % of the training images.

    All are measured on the same held-out images. The probes come first, since they are cheap; the time that is left is
    divided among the trainings by their number of images, the largest first, and each shortens its schedule to its
    share. A training whose share is under 3 seconds is left out, with a note.

    Args:
        dataset: With a split to measure on, or without: a fifth is held out then.
        backbone: The pretrained network.
        budget: Seconds for everything.
        seed: Of splits, subsets and trainings.
        cache: Whether features are kept on disk.
        announce: Called with what begins.

    Raises:
        DataError: Too few images for three sizes.
    """
    clock = BudgetClock(budget)
    whole = dataset if dataset.held_out_split else _split(dataset, seed, announce)
    parts = _nested(whole, seed)
    how = ProbeOptions(stages="last", crop_mode=backbone.preprocessing.crop_mode, cache=cache, seed=seed)
    tried = replace(how, engine=None if has_cuda() else "torch-cpu")  # to convert a network takes longer than it saves
    probes: dict[int, Probe] = {}
    points: list[Point] = []
    skipped: list[str] = []

    def measured(way: str, size: int, fit: Callable[[], Any]) -> None:
        began = time.perf_counter()
        try:
            found: Fitted = fit()
        except TopworkError as error:  # such as too few images to set some aside for validation
            skipped.append(f"{way} with {size} training images was left out: {error.message}")
            return
        seconds = time.perf_counter() - began
        judged = found.table.split(whole.held_out_split)
        right = int((found.head.probabilities(judged.values).argmax(axis=1) == judged.dataset.labels).sum())
        points.append(Point(way, size, right, seconds + (0 if way != "fine-tuning" else told[size])))
        if isinstance(found, Probe):
            probes[size], told[size] = found, seconds

    told: dict[int, float] = {}
    for size, part in parts.items():
        measured("probe", size, partial(fit_probe, part, backbone, how, announce=_of(announce, size)))
    wanted = [(way, size) for size in reversed(parts) for way in ("scratch", "fine-tuning") if size in probes]
    for place, (way, size) in enumerate(wanted):
        seconds = _TRAINING * clock.left * size / sum(each for _, each in wanted[place:])
        if seconds < _LEAST:
            skipped.append(f"{way} with {size} training images was left out: too little time (--budget)")
            continue
        say = _of(announce, size)
        if way == "scratch":
            scratch = ScratchOptions(probe=tried, config=default_config(epochs=30, seed=seed, budget_seconds=seconds))
            measured(way, size, partial(fit_scratch, parts[size], backbone, scratch, announce=say))
        else:
            tuning = FinetuneOptions(probe=tried, views=0, config=default_config(seed=seed, budget_seconds=seconds))
            measured(way, size, partial(finetune, parts[size], probes[size], tuning, announce=say))
    if not points:
        raise DataError(f"nothing could be trained: {skipped[0]}")
    judged = len(probes[max(probes)].table.split(whole.held_out_split))
    points.sort(key=lambda each: (each.images, _WAYS.index(each.way)))
    return Transfer(backbone.name, judged, tuple(points), tuple(skipped))


def _split(dataset: ImageDataset, seed: int, announce: Announce) -> ImageDataset:
    """A fifth held out, as ``fit`` does: copies of one picture stay on one side."""
    copies = vet(dataset, checks=(), progress=announce("first look at each image")).clusters
    return split(grouped(dataset, copies), test=0.2, seed=seed)


def _of(announce: Announce, size: int) -> Announce:
    return lambda text: announce(f"{size} images: {text}")


def _nested(whole: ImageDataset, seed: int) -> dict[int, ImageDataset]:
    """Some of the training images, each set within the next, with all held-out images; by their number."""
    train = np.flatnonzero(whole.splits == "train")
    held = np.flatnonzero(whole.splits == whole.held_out_split)
    order = train[stratified_order(whole.labels[train], seed)]
    sizes = dict.fromkeys(round(share * len(train)) for share in _SHARES)
    if len(sizes) < len(_SHARES) or not len(held):
        raise DataError(
            f"{len(train)} training and {len(held)} held-out images are too few to compare sizes of the data",
            hint="add images",
        )
    return {size: whole.select(np.sort(np.concatenate([order[:size], held]))) for size in sizes}
