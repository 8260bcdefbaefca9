"""Stratified cross-validation folds that have an answer for every class size."""

from __future__ import annotations

import numpy as np

from ._checks import Integers

ALWAYS_TRAINS = -1


def stratified_folds(labels: Integers, folds: int, seed: int) -> Integers:
    """Give each row the fold that holds it out.

    A class of two or more images is spread over the folds, so it is in every fold's training split. A class of
    a single image cannot be learned and tested at once: it trains in every fold and is never held out
    (`ALWAYS_TRAINS`). Where no class has as many images as there are folds, there are fewer folds. Fold sizes
    differ by one at most.

    Args:
        labels: (N,) class indices.
        folds: The number of folds wanted, at least 2.
        seed: Which images go together.

    Returns:
        (N,) fold indices; all `ALWAYS_TRAINS` where every class has a single image.
    """
    counts = np.bincount(labels)
    folds = min(folds, int(counts.max()))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    dealt = by_class[counts[labels[by_class]] > 1]
    fold_of = np.full(len(labels), ALWAYS_TRAINS, np.intp)
    # Dealing on through the classes, without starting again at each, keeps the folds equally large.
    fold_of[dealt] = np.arange(len(dealt)) % folds
    return fold_of
