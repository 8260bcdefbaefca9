"""Figures of many images from what each adds to them, of all pixels together and of the images' own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, Float64Array, Int64Array
from topwork.errors import DataError
from topwork.metrics._intervals import resample

from ._counts import MaskCounts


def checked(counts: Sequence[MaskCounts], n_classes: int) -> None:
    """Refuse no images, and counts of other classes.

    Raises:
        DataError: Else.
    """
    if not counts:
        raise DataError("there are no images to evaluate", hint="Evaluate at least one image.")
    if n_classes < 1:
        raise DataError("there are no classes to evaluate")
    if other := {len(each.confusion) for each in counts} - {n_classes}:
        raise DataError(f"{n_classes} classes, but masks counted with {min(other)}")
    for what in ("objects", "bins"):
        if len({getattr(each, what) is None for each in counts}) > 1:
            named = {"objects": "objects told apart", "bins": "probabilities"}[what]
            raise DataError(f"some masks were counted with {named}, others without")


def as_they_are(images: int) -> Float64Array:
    """(N, 1), each image once."""
    return np.ones((images, 1))


def values_and_draws(
    figures: Callable[[Float64Array], Float64Array], images: int, seed: int, resamples: int
) -> tuple[Float64Array, Float64Array]:
    """Figures (F,) of the images, and (F, r) of resamples of them."""
    drawn = [figures(weights.astype(np.float64)) for weights in resample(images, seed, resamples)]
    return figures(as_they_are(images))[:, 0], np.concatenate(drawn, axis=1)


def summed(values: AnyArray, weights: Float64Array) -> Float64Array:
    """Sums (..., r) of what images (N, ...) add, each as often as it is drawn (N, r)."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    total: Float64Array = (flat.T @ weights).reshape(*values.shape[1:], weights.shape[1])
    return total


def mean_of_images(values: Float64Array, weights: Float64Array) -> Float64Array:
    """Means (..., r) of images' own figures (N, ...), over those that have one; NaN where none has."""
    known = np.isfinite(values)
    return ratio(summed(np.where(known, values, 0), weights), summed(known, weights))


def mean(values: Float64Array, axis: int = 0) -> Float64Array:
    """Over those that are known, along an axis; NaN where none is."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0).sum(axis=axis), known.sum(axis=axis))


def ratio(part: AnyArray, whole: AnyArray) -> Float64Array:
    """NaN where the whole is nothing."""
    exact = np.asarray(whole, np.float64)
    found: Float64Array = np.divide(part, exact, out=np.full(exact.shape, np.nan), where=exact > 0)
    return found


class PixelSums(NamedTuple):
    """Pixels of N images by class."""

    right: Int64Array  # (N, C)
    true: Int64Array  # (N, C)
    said: Int64Array  # (N, C)
    boundary: Float64Array  # (N, C), each image's own F1 of outlines; NaN where it has none of the class
    first: int  # class that is no background

    @classmethod
    def of(cls, counts: Sequence[MaskCounts], has_background: bool) -> PixelSums:
        parts = [
            (np.diagonal(each.confusion), each.confusion.sum(axis=1), each.confusion.sum(axis=0)) for each in counts
        ]
        edges = np.stack([each.boundary for each in counts]).astype(np.float64)
        said, near_true, true, near_said = np.moveaxis(edges, 2, 0)
        right, labels, answers = (np.stack(each) for each in zip(*parts, strict=True))
        return cls(right, labels, answers, _f1(near_true, said, near_said, true), int(has_background))

    def overlaps(self) -> tuple[Float64Array, Float64Array]:
        """IoU and Dice (N, C) of each image."""
        return overlaps(self.right, self.true, self.said)

    def seen(self) -> Int64Array:
        """(C,), in how many images each class is, or was said to be."""
        return np.asarray(((self.true + self.said) > 0).sum(axis=0), np.int64)

    def figures(self) -> Callable[[Float64Array], Float64Array]:
        """A function from weights (N, r) to rows (6 + 5C, r): accuracy, and means over the foreground; then by class.

        The means are IoU, Dice, IoU and Dice of images, F1 of outlines; so are the blocks of C rows that follow.
        """
        of_images = self.overlaps()
        of_each = [mean(values[:, self.first :], axis=1) for values in of_images]  # (N,)

        def at(weights: Float64Array) -> Float64Array:
            right, true, said = (summed(each, weights) for each in self[:3])
            blocks = [
                *overlaps(right, true, said),
                *(mean_of_images(each, weights) for each in of_images),
                mean_of_images(self.boundary, weights),
            ]
            means = [mean(each[self.first :]) for each in blocks]
            means[2:4] = [mean_of_images(each, weights) for each in of_each]
            return np.concatenate([ratio(right.sum(axis=0), true.sum(axis=0))[None], np.stack(means), *blocks])

        return at


def overlaps(right: AnyArray, true: AnyArray, said: AnyArray) -> tuple[Float64Array, Float64Array]:
    """IoU and Dice; NaN of a class that neither is there nor was said."""
    return ratio(right, true + said - right), ratio(2 * right, true + said)


def _f1(near_true: AnyArray, said: AnyArray, near_said: AnyArray, true: AnyArray) -> Float64Array:
    """Harmonic mean of the shares of outlines that are near; 0 where only one has an outline, NaN where neither has."""
    precision, recall = ratio(near_true, said), ratio(near_said, true)
    known = np.nan_to_num(precision), np.nan_to_num(recall)
    found = np.nan_to_num(ratio(2 * known[0] * known[1], known[0] + known[1]))
    return np.where(said + true > 0, found, np.nan)


class ObjectSums(NamedTuple):
    """Objects of N images by class."""

    right: Int64Array  # (N, C, T)
    invented: Int64Array  # (N, C, T)
    missed: Int64Array  # (N, C, T)
    panoptic: Float64Array  # (N, C, 4)
    first: int

    @classmethod
    def of(cls, counts: Sequence[MaskCounts], has_background: bool) -> ObjectSums | None:
        """None where they were not told apart."""
        given = [each.objects for each in counts if each.objects is not None]
        if not given:
            return None
        right, invented, missed, panoptic = (np.stack(each) for each in zip(*given, strict=True))
        return cls(right, invented, missed, panoptic, int(has_background))

    def precision_of_images(self) -> Float64Array:
        """(N, T), each image's right / (right + invented + missed), mean over the foreground classes with objects."""
        own = ratio(self.right, self.right + self.invented + self.missed)
        return mean(own[:, self.first :], axis=1)

    def there_and_found(self) -> tuple[Int64Array, Int64Array]:
        """(N, C) objects of each image, and how many were found."""
        return (self.right + self.missed)[..., 0], (self.right + self.invented)[..., 0]

    def figures(self) -> Callable[[Float64Array], Float64Array]:
        """A function from weights (N, r) to rows (1 + T + 2 + 3 + 2, r), then 5 blocks of C rows.

        Average precision over all overlaps, at each, of images over all and at the first; panoptic quality, that of
        segmentation and of recognition; how far the count is off, and by how many it is too high. The blocks are
        average precision over all overlaps and at the first, and the three qualities.
        """
        own = self.precision_of_images()
        there, found = (each[:, self.first :].sum(axis=1) for each in self.there_and_found())
        off = np.abs(found - there), found - there

        def at(weights: Float64Array) -> Float64Array:
            right, invented, missed = (summed(each, weights) for each in self[:3])  # (C, T, r)
            precision = ratio(right, right + invented + missed)
            by_class = [precision.mean(axis=1), precision[:, 0], *_qualities(summed(self.panoptic, weights))]
            at_each = mean(precision[self.first :])  # (T, r)
            of_images = mean_of_images(own, weights)
            total = weights.sum(axis=0)
            return np.concatenate(
                [
                    at_each.mean(axis=0)[None],
                    at_each,
                    of_images.mean(axis=0)[None],
                    of_images[:1],
                    np.stack([mean(each[self.first :]) for each in by_class[2:]]),
                    np.stack([summed(each, weights) / total for each in off]),
                    *by_class,
                ]
            )

        return at


def _qualities(sums: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Panoptic quality, of segmentation and of recognition (C, r) of sums (C, 4, r)."""
    right, invented, missed, overlap = np.moveaxis(sums, 1, 0)
    whole = right + (invented + missed) / 2
    return ratio(overlap, whole), ratio(overlap, right), ratio(right, whole)
