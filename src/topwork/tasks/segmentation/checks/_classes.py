"""Findings on classes by their pixels: masks that show nothing or all, classes that few images show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from topwork.checking import Case, Examined, Finding, number, ranked, worst
from topwork.data import MaskDataset, printable

FEW = 10  # training images of a class below which little can be learned or measured
IMBALANCE = 100  # times by which the most frequent class may have more pixels than the rarest, background left out
FULL = 0.98  # share of an image's labelled pixels, from which one class fills it
SPARSE = 0.5  # share of pixels that are unlabelled, above which it is said
MANY = 0.5  # share of images, above which their masks being empty or full is a warning


def check_coverage(examined: Examined) -> Iterator[Finding]:
    """Masks without an object, masks that one class fills, and masks of which most is unlabelled."""
    dataset: MaskDataset = examined.dataset
    if not len(dataset):
        return
    pixels = dataset.pixels[:, :-1]
    labelled = np.maximum(pixels.sum(axis=1), 1)
    shown = pixels[:, dataset.foreground.start :]
    if dataset.has_background:
        empty = np.flatnonzero(shown.sum(axis=1) == 0)
        yield from _of_rows(
            dataset,
            "empty-masks",
            empty,
            np.zeros(len(empty)),
            "show nothing but background.",
            "keep them where such images occur in use; otherwise check that nothing was forgotten in them",
            lambda row: "nothing but background",
        )
    part = shown.max(axis=1, initial=0) / labelled
    full = np.flatnonzero(part >= FULL)

    def filled(row: int) -> str:
        place = int(shown[row].argmax()) + dataset.foreground.start
        return f"'{printable(dataset.classes[place])}' covers {part[row]:.0%}"

    yield from _of_rows(
        dataset,
        "full-masks",
        full,
        part[full],
        f"are filled by one class ({FULL:.0%} or more of what is labelled).",
        "check that object and background were not exchanged, and that the mask is not of another image",
        filled,
    )
    without = dataset.pixels[:, -1] / np.maximum(dataset.pixels.sum(axis=1), 1)
    sparse = np.flatnonzero(without > SPARSE)
    yield from _of_rows(
        dataset,
        "sparse-masks",
        sparse,
        without[sparse],
        "are unlabelled for the most part.",
        "unlabelled pixels neither train nor measure; label more of them if that was not meant",
        lambda row: f"{without[row]:.0%} unlabelled",
        note=True,
    )


def _of_rows(
    dataset: MaskDataset,
    name: str,
    rows: npt.NDArray[np.intp],
    scores: npt.NDArray[np.floating],
    what: str,
    advice: str,
    describe: object,
    *,
    note: bool = False,
) -> Iterator[Finding]:
    if not len(rows):
        return
    many = len(rows) > MANY * len(dataset) and not note
    told = f"{len(rows):,} of {number(len(dataset), 'mask')} {what}"
    cases = worst(dataset, rows, scores, describe)  # type: ignore[arg-type]
    yield Finding(name, "warning" if many else "note", len(rows), told, advice, cases)


def check_mask_classes(examined: Examined) -> Iterator[Finding]:
    """Classes that few training images show, imbalance of pixels, and classes that a split lacks."""
    dataset: MaskDataset = examined.dataset
    splits = [name for name in ("train", "val", "test") if (dataset.splits == name).any()]
    images, pixels = _counts(examined, ["train"] if "train" in splits else [])
    few = [place for place in dataset.foreground if images[place] < FEW]
    if few:
        yield Finding(
            "few-masks",
            "warning",
            len(few),
            f"{number(len(few), 'class', 'classes')} in fewer than {FEW} usable training images.",
            "add images of them or merge classes; a measurement on so few images is mostly chance",
            ranked(_case(dataset, place, _told(images, pixels, place), -float(images[place])) for place in few),
        )
    filled = [place for place in dataset.foreground if pixels[place]]
    if len(filled) > 1:
        common, rare = (
            max(filled, key=lambda place: pixels[place]),
            min(filled, key=lambda place: pixels[place]),
        )
        if pixels[common] > IMBALANCE * pixels[rare]:
            first, second = (f"'{printable(dataset.classes[place])}' has {pixels[place]:,}" for place in (common, rare))
            yield Finding(
                "imbalance",
                "warning",
                len(filled),
                f"Class {first} training pixels, {second}.",
                "add images of the rare classes, and look at the figures of each class",
                tuple(
                    _case(dataset, place, _told(images, pixels, place), float(pixels[place]))
                    for place in (common, rare)
                ),
            )
    for split in splits if len(splits) > 1 else ():
        yield from _missing(examined, split, splits)


def _counts(examined: Examined, splits: list[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(C,) images that show each class, and (C,) pixels of it, in these splits; in all where none is named."""
    dataset: MaskDataset = examined.dataset
    inside = examined.usable & (np.isin(dataset.splits, splits) if splits else True)
    pixels = dataset.pixels[inside][:, :-1]
    return (pixels > 0).sum(axis=0), pixels.sum(axis=0)


def _missing(examined: Examined, split: str, splits: list[str]) -> Iterator[Finding]:
    dataset: MaskDataset = examined.dataset
    images, _ = _counts(examined, [split])
    missing = [place for place in dataset.foreground if not images[place]]
    if not missing:
        return
    elsewhere, _ = _counts(examined, [name for name in splits if name != split])
    yield Finding(
        f"class-missing-in-{split}",
        "warning",
        len(missing),
        f"{number(len(missing), 'class', 'classes')} that no usable mask in {split} shows.",
        "add images of these classes to train: nothing can learn them otherwise"
        if split == "train"
        else f"add images of these classes to {split}, because they cannot be measured otherwise",
        ranked(
            _case(dataset, place, f"{number(int(elsewhere[place]), 'image')} in other splits", 0.0) for place in missing
        ),
    )


def _told(images: npt.NDArray[np.int64], pixels: npt.NDArray[np.int64], place: int) -> str:
    return f"{number(int(pixels[place]), 'pixel')} in {number(int(images[place]), 'image')}"


def _case(dataset: MaskDataset, place: int, detail: str, score: float) -> Case:
    """A class as a case: it has no path, its name is in the detail."""
    return Case((), f"class '{printable(dataset.classes[place])}': {detail}", score)
