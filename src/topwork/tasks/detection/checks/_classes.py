"""Findings on classes by their boxes: too few, one far above another, and classes that a split lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from topwork.checking import Case, Examined, Finding, number, ranked
from topwork.data import BoxDataset, printable

FEW = 10  # training boxes of a class below which little can be learned or measured
IMBALANCE = 10  # times by which the most frequent class may outnumber the rarest

Counts = npt.NDArray[np.int64]


def check_box_classes(examined: Examined) -> Iterator[Finding]:
    """Classes with few training boxes, imbalance, and classes that a split lacks."""
    dataset: BoxDataset = examined.dataset
    splits = [name for name in ("train", "val", "test") if (dataset.splits == name).any()]
    boxes, images = counts_of(examined, ["train"] if "train" in splits else [])
    few = np.flatnonzero(boxes < FEW).tolist()
    if few:
        yield Finding(
            "few-boxes",
            "warning",
            len(few),
            f"{number(len(few), 'class', 'classes')} with fewer than {FEW} usable training boxes.",
            "add images of them or merge classes; a measurement on so few boxes is mostly chance",
            ranked(_case(dataset, label, _told(boxes, images, label), -float(boxes[label])) for label in few),
        )
    filled = np.flatnonzero(boxes)
    if len(filled) and boxes.max() > IMBALANCE * boxes[filled].min():
        extremes = (int(boxes.argmax()), int(filled[boxes[filled].argmin()]))
        common, rare = (f"'{printable(dataset.classes[label])}' has {boxes[label]:,}" for label in extremes)
        yield Finding(
            "imbalance",
            "warning",
            len(filled),
            f"Class {common} training boxes, {rare}.",
            "add images of the rare classes, and look at the figures of each class",
            tuple(_case(dataset, label, _told(boxes, images, label), float(boxes[label])) for label in extremes),
        )
    for split in splits:
        yield from _missing(examined, split, splits)


def counts_of(examined: Examined, splits: Sequence[str]) -> tuple[Counts, Counts]:
    """(C,) boxes and (C,) images of each class that can be used, in these splits; in all where none is named."""
    dataset: BoxDataset = examined.dataset
    inside = examined.usable & (np.isin(dataset.splits, splits) if splits else True)
    rows = dataset.rows_of_boxes
    kept = inside[rows] & ~dataset.crowd
    classes = len(dataset.classes)
    boxes = np.bincount(dataset.labels[kept], minlength=classes)
    pairs = np.unique(np.stack([rows[kept], dataset.labels[kept]], axis=1), axis=0)
    return boxes.astype(np.int64), np.bincount(pairs[:, 1], minlength=classes).astype(np.int64)


def _missing(examined: Examined, split: str, splits: Sequence[str]) -> Iterator[Finding]:
    dataset: BoxDataset = examined.dataset
    missing = np.flatnonzero(counts_of(examined, [split])[0] == 0).tolist()
    if not missing or len(splits) < 2:
        return
    train = split == "train"
    elsewhere, _ = counts_of(examined, [name for name in splits if name != split])
    yield Finding(
        f"class-missing-in-{split}",
        "warning",
        len(missing),
        f"{number(len(missing), 'class', 'classes')} without a usable box in {split}.",
        "add images of these classes to train, or leave their boxes out: nothing can learn them"
        if train
        else f"add images of these classes to {split}, because they cannot be measured otherwise",
        ranked(
            _case(dataset, label, f"{number(int(elsewhere[label]), 'box', 'boxes')} in other splits", 0.0)
            for label in missing
        ),
    )


def _told(boxes: Counts, images: Counts, label: int) -> str:
    return f"{number(int(boxes[label]), 'box', 'boxes')} in {number(int(images[label]), 'image')}"


def _case(dataset: BoxDataset, label: int, detail: str, score: float) -> Case:
    """A class as a case: it has no path, its name is in the detail."""
    return Case((), f"class '{printable(dataset.classes[label])}': {detail}", score)
