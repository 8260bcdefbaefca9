"""Checks on what comes in: features and labels to fit on, tensors to build from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.errors import DataError, ModelError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

CHUNK_ELEMENTS = 4_000_000  # 16 MB of float32: small beside any feature table, large enough for a fast GEMM


def row_chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices over rows, each about `CHUNK_ELEMENTS` numbers, so that memory-mapped input stays on disk."""
    step = max(1, CHUNK_ELEMENTS // max(1, n_columns))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def check_training(features: npt.NDArray[Any], labels: npt.NDArray[Any], n_classes: int) -> Integers:
    """Labels as an integer array, once features (N, D) and labels (N,) are known to be usable.

    Raises:
        DataError: A wrong shape or type, NaN or Inf in features, a label out of range, or fewer than two
            classes with images.
    """
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
            f"all {len(labels)} images are of class {int(labels[0])}",
            hint="Add images of at least one other class.",
        )
    _check_finite_rows(features)
    return labels.astype(np.intp)


def _check_finite_rows(features: npt.NDArray[Any]) -> None:
    bad = sum(int(np.sum(~np.isfinite(features[part]).all(axis=1))) for part in row_chunks(*features.shape))
    if bad:
        raise DataError(
            f"{bad} of {len(features)} feature rows hold NaN or Inf",
            hint="Run the backbone in float32, or leave those images out.",
        )


def check_query(features: npt.NDArray[Any], width: int) -> None:
    """Raise DataError unless features have shape (N, width)."""
    if features.ndim != 2 or features.shape[1] != width:
        raise DataError(f"this head reads features of shape (N, {width}), got {features.shape}")


def check_array(name: str, array: npt.NDArray[Any], shape: tuple[int, ...], kind: str) -> None:
    """Raise ModelError unless the array has this shape, this kind of dtype and only finite numbers."""
    wanted = "float32" if kind == "f" else "int64"
    if array.shape != shape or array.dtype != wanted:
        raise ModelError(f"{name}: expected {wanted} {shape}, got {array.dtype} {array.shape}")
    if kind == "f" and not np.isfinite(array).all():
        raise ModelError(f"{name}: {int(np.sum(~np.isfinite(array)))} of {array.size} numbers are NaN or Inf")


def check_names(tensors: Mapping[str, npt.NDArray[Any]], expected: tuple[str, ...]) -> None:
    """Raise ModelError, naming both sides, unless the tensors are exactly the expected ones."""
    missing = sorted(set(expected) - set(tensors))
    extra = sorted(set(tensors) - set(expected))
    if missing or extra:
        raise ModelError(f"head tensors: missing {missing or 'none'}, not expected {extra or 'none'}")


def scalar(name: str, array: npt.NDArray[Any], kind: str) -> float:
    """The one number of a tensor of shape (1,).

    Raises:
        ModelError: Another shape, another kind, or not finite.
    """
    check_array(name, array, (1,), kind)
    return float(array[0])
