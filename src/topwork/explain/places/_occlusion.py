"""What a score rests on: the image is blurred window by window, and the model asked again.

Source: occlusion (Zeiler & Fergus, 2014, "Visualizing and Understanding Convolutional Networks"), with a detector's
score of one box as in D-RISE (Petsiuk et al., 2021). Windows are taken from the image and not from the maps that the
head reads: a map's cell in the middle of an object sees all of it and would carry the score by itself.
"""

from __future__ import annotations

import numpy as np

from topwork._arrays import Float32Array
from topwork.explain.places._target import Target

_SIDE = 0.5  # of the target's: what a window measures
_LEAST, _MOST = 16.0, 0.5  # pixels of the smallest window; share of the square's side that the largest measures
_STEPS = 3  # windows before the next one beside a window begins
_MOST_STEPS = 14  # along a side of the image

Window = tuple[slice, slice]


def occlusion(target: Target, most_steps: int = _MOST_STEPS) -> Float32Array:
    """How much the score falls without each place, on average over the windows that it lies in.

    Args:
        target: What is asked about.
        most_steps: Into how many steps a side of the image is divided at most; the model is asked at most
            (steps + 2)² times.

    Returns:
        float32 (size, size); below zero where the score rises, 0 beside the image.
    """
    size = len(target.square)
    windows = _windows(target, most_steps)
    falls = target.score - target.scores_without([_mask(window, size) for window in windows])
    total, count = np.zeros((2, size, size))
    for window, fall in zip(windows, falls, strict=True):
        total[window] += fall
        count[window] += 1
    return np.asarray(total / np.maximum(count, 1), np.float32)


def _windows(target: Target, most: int) -> list[Window]:
    """Windows all over the image, rows and columns of the square; every place lies in one at least."""
    left, top, right, bottom = target.placed
    side = min(max(_SIDE * target.side, _LEAST), _MOST * len(target.square))
    rows, columns = _spans(top, bottom, side, most), _spans(left, right, side, most)
    return [(down, across) for down in rows for across in columns]


def _spans(low: int, high: int, side: float, most: int) -> list[slice]:
    """Pieces of a side of the image, each beginning a third of its length behind the one before."""
    steps = max(1, min(most, round(_STEPS * (high - low) / side)))
    step = (high - low) / steps
    starts = low + step * (np.arange(steps + _STEPS - 1) - (_STEPS - 1))
    edges = np.stack([starts, starts + _STEPS * step]).round().astype(int).clip(low, high)
    return [slice(start, stop) for start, stop in edges.T.tolist() if start < stop]


def _mask(window: Window, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    found = np.zeros((size, size), np.bool_)
    found[window] = True
    return found
