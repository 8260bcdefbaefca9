"""Rows of features to fit on: checked, read in chunks, dealt into folds; and how many cores may work on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from topwork._arrays import AnyArray, Float32Array, IntpArray
from topwork.errors import DataError

ALWAYS_TRAINS = -1
CHUNK_ELEMENTS = 4_000_000  # 16 MB of float32: small beside any feature table, large enough for a fast GEMM
_WORTH_SHARING = 1e8  # multiply-adds in one matrix product: a few milliseconds on one core


def row_chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices over rows, each about `CHUNK_ELEMENTS` numbers, so that memory-mapped input stays on disk."""
    step = max(1, CHUNK_ELEMENTS // max(1, n_columns))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def check_training(features: AnyArray, labels: AnyArray, n_classes: int) -> IntpArray:
    """The labels (N,), once they and the features (N, D) are known to be usable; DataError where they are not."""
    if features.ndim != 2 or 0 in features.shape or features.dtype.kind != "f":
        raise DataError(f"features must be floats of shape (N, D), got {features.dtype} {features.shape}")
    if labels.shape != features.shape[:1] or labels.dtype.kind not in "iu":
        raise DataError(f"labels must be integers of shape ({len(features)},), got {labels.dtype} {labels.shape}")
    if n_classes < 2:
        raise DataError(f"a head needs at least 2 classes, got n_classes={n_classes}")
    outside = int(np.sum((labels < 0) | (labels >= n_classes)))
    if outside:
        raise DataError(f"{outside} of {len(labels)} labels are outside 0..{n_classes - 1}")
    if np.ptp(labels) == 0:
        raise DataError(
            f"all {len(labels)} rows are of class {int(labels[0])}",
            hint="add rows of at least one other class",
        )
    bad = sum(int(np.sum(~np.isfinite(features[part]).all(axis=1))) for part in row_chunks(*features.shape))
    if bad:
        raise DataError(
            f"{bad} of {len(features)} feature rows contain NaN or Inf",
            hint="run the backbone in float32, or leave those rows out",
        )
    return labels.astype(np.intp)


def unit_length(rows: AnyArray) -> Float32Array:
    """Rows (N, D) divided by their Euclidean lengths; a row of zeros stays one."""
    # By the largest first: the squares of large numbers would overflow.
    largest = np.abs(rows).max(axis=1, keepdims=True).astype(np.float64)
    scaled = rows / np.maximum(largest, np.finfo(np.float32).tiny)
    lengths = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))[:, None]
    found: Float32Array = (scaled / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return found


def power_normalised(rows: AnyArray) -> Float32Array:
    """Rows (N, D) with the square root of each number, its sign kept, divided by their lengths.

    Source: Perronnin et al. 2010, "Improving the Fisher Kernel for Large-Scale Image Classification".
    """
    return unit_length(np.sign(rows) * np.sqrt(np.abs(rows)))


def check_query(features: AnyArray, width: int) -> None:
    """Raise DataError unless features have shape (N, width)."""
    if features.ndim != 2 or features.shape[1] != width:
        raise DataError(f"this head reads features of shape (N, {width}), got {features.shape}")


def stratified_folds(labels: IntpArray, folds: int, seed: int) -> IntpArray:
    """Give each row the fold that holds it out.

    A class of two or more images is spread over the folds, so it is in every fold's training split. A class of
    a single image cannot be learned and tested at once: it trains in every fold and is never held out
    (`ALWAYS_TRAINS`). Where no class has as many images as there are folds, there are fewer folds. Fold sizes
    differ by one at most.
    """
    counts = np.bincount(labels)
    folds = min(folds, int(counts.max()))
    by_class = shuffled_by_class(labels, seed)
    dealt = by_class[counts[labels[by_class]] > 1]
    fold_of = np.full(len(labels), ALWAYS_TRAINS, np.intp)
    # Dealing on through the classes, without starting again at each, keeps the folds equally large.
    fold_of[dealt] = np.arange(len(dealt)) % folds
    return fold_of


def shuffled_by_class(labels: IntpArray, seed: int) -> IntpArray:
    """Rows (N,) class by class, drawn by the seed within each: dealt out in turn, every class is spread evenly."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    return shuffled[np.argsort(labels[shuffled], kind="stable")]


def one_thread() -> AbstractContextManager[Any]:
    """Keep BLAS and LAPACK to one core, for matrix factorisations and for small products.

    Their threads wait for each other by spinning, and meet every few microseconds. Where another process has
    one of the cores, two threads take 10 to 50 times as long as one (measured: eigh of 1,000 x 1,000 in
    0.17 s on one core, 2 to 10 s on two busy ones). Where the cores are idle, one thread loses a few
    hundredths of a second.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def threads_for(multiply_adds: float) -> AbstractContextManager[Any]:
    """`one_thread` where matrix products of this size are too small to be shared."""
    return nullcontext() if is_worth_sharing(multiply_adds) else one_thread()


def is_worth_sharing(multiply_adds: float) -> bool:
    """Whether a matrix product is so large that several cores should share it."""
    return multiply_adds > _WORTH_SHARING
