"""Checks on predictions, probabilities and labels."""

from __future__ import annotations

import numpy as np

from topwork._arrays import AnyArray, Int64Array
from topwork.errors import DataError

_SUM_TOLERANCE = 1e-3  # float16 probabilities over a thousand classes still pass


def check_labels(labels: AnyArray, n_classes: int, name: str = "labels") -> Int64Array:
    """Class indices (N,) as int64; DataError where they are none, of another kind, or outside 0..n_classes-1."""
    if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iu"):
        raise DataError(f"{name} must be integers of shape (N,), got {labels.dtype} {labels.shape}")
    if not labels.size:
        raise DataError(f"there are no {name} to evaluate", hint="Evaluate at least one image.")
    outside = int(np.sum((labels < 0) | (labels >= n_classes)))
    if outside:
        raise DataError(f"{outside} of {len(labels)} {name} are outside 0..{n_classes - 1}")
    return labels.astype(np.int64)


def check_probabilities(probabilities: AnyArray, labels: AnyArray) -> tuple[AnyArray, Int64Array]:
    """Probabilities (N, C) and labels (N,), as they are once they fit.

    Raises:
        DataError: Empty, misshapen, NaN or Inf, outside 0..1, or rows that do not sum to one.
    """
    if probabilities.ndim != 2 or probabilities.dtype.kind != "f" or probabilities.shape[1] < 2:
        raise DataError(
            f"probabilities must be floats of shape (N, C) with C >= 2, got {probabilities.dtype} {probabilities.shape}"
        )
    if len(probabilities) != len(labels):
        raise DataError(f"{len(probabilities)} rows of probabilities but {len(labels)} labels")
    checked = check_labels(labels, probabilities.shape[1])
    broken = int(np.sum(~np.isfinite(probabilities).all(axis=1)))
    if broken:
        raise DataError(f"{broken} of {len(probabilities)} rows of probabilities hold NaN or Inf")
    off = np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) > _SUM_TOLERANCE
    wrong = int(np.sum(off | (probabilities < -_SUM_TOLERANCE).any(axis=1)))
    if wrong:
        raise DataError(
            f"{wrong} of {len(probabilities)} rows of probabilities do not sum to 1 or are negative",
            hint="Pass probabilities, not logits.",
        )
    return probabilities, checked
