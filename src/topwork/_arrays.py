"""Kinds of arrays, by the type of their numbers; shapes stand where an array is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
IntegerArray = npt.NDArray[np.integer]
IntpArray = npt.NDArray[np.intp]
UInt8Array = npt.NDArray[np.uint8]
