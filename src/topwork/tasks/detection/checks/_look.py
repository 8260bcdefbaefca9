"""A quick detector for the doctor: frozen maps of a network, and a linear look at windows all over an image.

It needs no torch and takes seconds. A window is described by the mean of a fine map in each of nine parts of it, and of
a coarse map over all of it and over its surroundings; a linear head tells the classes and the background apart. Since
means are linear too, the head acts on the maps once, and any number of windows costs little more. It learns in
three rounds: the second one also from what the first took for an object where there is none (Sung & Poggio 1998,
"Example-based learning for view-based human face detection"), the third without the labels that the second doubts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.checking import fit_noise
from topwork.features import FeatureTable
from topwork.heads import LinearFit, LinearHead, fit_linear
from topwork.tasks.detection.checks._cases import Doubles, Places
from topwork.tasks.detection.checks._overlaps import intersection_over_union
from topwork.tasks.detection.checks._windows import PARTS, Floats, around, means, parts_of, peaks

FAR = 0.35  # intersection over union with any box up to which a window shows background
_NEAR = 0.65  # from which it shows the box's object too
_UPON = 0.5  # up to which two windows may show two objects
_NEARS, _FARS, _HARD = 4, 8, 6  # windows that teach: near a box, far from all in each image, and mistaken ones
_DOUBT = 0.5  # probability of being wrong above which a label does not teach the last head
_FOLDS = 3  # in which the strength of the fit is chosen
_MOST_TAUGHT = 4_000  # windows, and images are left out where they would give more: a fit takes seconds


@dataclass(frozen=True, eq=False)
class Looked:
    """An image whose windows can be described."""

    fine: Float32Array
    coarse: Float32Array

    @classmethod
    def of(cls, table: FeatureTable, row: int) -> Looked:
        """Row of a table whose two outputs are maps."""
        first = table.widths[0]
        sides = [table.backbone.side(output.rpartition("/")[0]) for output in table.outputs]
        values = table.values[row, :first], table.values[row, first:]
        return cls(*(each.reshape(-1, side, side).transpose(1, 2, 0) for each, side in zip(values, sides, strict=True)))

    def described(self, windows: Floats) -> Float32Array:
        """(K, D), what the head learns from."""
        told = [*(means(self.fine, part) for part in parts_of(windows)), means(self.coarse, windows)]
        return np.concatenate([*told, means(self.coarse, around(windows))], axis=1).astype(np.float32)

    def logits(self, head: LinearHead, windows: Floats) -> Doubles:
        """(K, C + 1), what the head says of each window, at its temperature; the background is last."""
        weight, bias = head.folded
        fine, coarse, split = self.fine.shape[-1], self.coarse.shape[-1], PARTS**2 * self.fine.shape[-1]
        found = np.tile(bias.astype(np.float64), (len(windows), 1))
        for place, part in enumerate(parts_of(windows)):
            found += means(self.fine @ weight[place * fine : (place + 1) * fine], part)
        found += means(self.coarse @ weight[split : split + coarse], windows)
        found += means(self.coarse @ weight[split + coarse :], around(windows))
        return np.asarray(found / head.temperature)


@dataclass(frozen=True, eq=False)
class Marked:
    """Images with boxes in shares of their width and height, labels and what else teaches.

    Attributes:
        images: N of them.
        boxes: N times (K, 4).
        labels: N times (K,).
        windows: (W, 4), where else it is looked, in every image.
        overlaps: N times (W,), how far each window overlaps the nearest box.
        classes: How many there are.
    """

    images: Sequence[Looked]
    boxes: Sequence[Doubles]
    labels: Sequence[Places]
    windows: Doubles
    overlaps: Sequence[Doubles]
    classes: int

    @classmethod
    def of(
        cls,
        images: Sequence[Looked],
        boxes: Sequence[Doubles],
        labels: Sequence[Places],
        windows: Doubles,
        classes: int,
    ) -> Marked:
        overlaps = [intersection_over_union(windows[:, None], each[None]).max(axis=1, initial=0) for each in boxes]
        return cls(images, boxes, labels, windows, overlaps, classes)


def learnt(marked: Marked, rows: Places, rng: np.random.Generator) -> LinearHead:
    """A head that was taught by these images, or by as many of them as are enough."""
    each = [2 * len(marked.labels[row]) + _FARS + _HARD for row in rows.tolist()]
    rows = rows[: max(2 * _FOLDS, int(np.searchsorted(np.cumsum(each), _MOST_TAUGHT)))]
    taught = [_windows_of(marked, row, rng) for row in rows.tolist()]
    first = _fitted(marked, rows, taught, rng).head
    for place, row in enumerate(rows.tolist()):
        hard = mistaken(marked, row, marked.images[row].logits(first, marked.windows), _HARD, FAR)
        windows, labels = taught[place]
        background = np.full(len(hard), marked.classes)
        taught[place] = np.concatenate([windows, marked.windows[hard]]), np.concatenate([labels, background])
    second = _fitted(marked, rows, taught, rng)
    trusted = _trusted(second, np.concatenate([labels for _, labels in taught]))
    cuts = np.cumsum([len(labels) for _, labels in taught])[:-1]
    kept = zip(taught, np.split(trusted, cuts), strict=True)
    return _fitted(marked, rows, [(windows[here], labels[here]) for (windows, labels), here in kept], rng).head


def _trusted(fitted: LinearFit, labels: Places) -> npt.NDArray[np.bool_]:
    """Windows whose label the fit, where it was not taught by it, does not doubt: a wrong one drags it to itself."""
    held = fitted.held_out
    doubted = np.zeros(len(labels), np.bool_)
    doubted[held] = fit_noise(fitted.oof_logits[held], labels[held], fitted.head.temperature).wrong > _DOUBT
    most = 2 * np.bincount(labels[doubted], minlength=fitted.head.n_classes) > np.bincount(labels)
    return ~(doubted & ~most[labels])


def mistaken(marked: Marked, row: int, logits: Doubles, most: int, far: float) -> Places:
    """The windows that look most like an object, of those that no box overlaps farther; none upon another."""
    scores = logits[:, :-1].max(axis=1) - logits[:, -1]
    found = peaks(marked.windows, np.where(marked.overlaps[row] <= far, scores, -np.inf), most, _UPON)
    return found[marked.overlaps[row][found] <= far]


def _windows_of(marked: Marked, row: int, rng: np.random.Generator) -> tuple[Doubles, Places]:
    """The boxes of an image, windows near them, and some far from all; and what each shows."""
    boxes, labels, overlaps = marked.boxes[row], marked.labels[row], marked.overlaps[row]
    near = rng.permutation(np.flatnonzero(overlaps >= _NEAR))[:_NEARS]
    far = rng.permutation(np.flatnonzero(overlaps <= FAR))[:_FARS]
    shown = labels[:0]
    if len(near):
        shown = labels[intersection_over_union(marked.windows[near][:, None], boxes[None]).argmax(axis=1)]
    windows = np.concatenate([boxes, marked.windows[near], marked.windows[far]])
    return windows, np.concatenate([labels, shown, np.full(len(far), marked.classes)])


def _fitted(
    marked: Marked, rows: Places, taught: Sequence[tuple[Doubles, Places]], rng: np.random.Generator
) -> LinearFit:
    """A fit on windows of these images; those of one image are in one fold."""
    features = [marked.images[row].described(windows) for row, (windows, _) in zip(rows.tolist(), taught, strict=True)]
    folds = np.repeat(rng.permutation(len(rows)) % _FOLDS, [len(labels) for _, labels in taught])
    labels = np.concatenate([labels for _, labels in taught])
    how = {"class_weight": "none", "method": "logistic", "fold_of": folds}
    return fit_linear(np.concatenate(features), labels, marked.classes + 1, **how)  # type: ignore[arg-type]
