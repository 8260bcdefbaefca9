"""Exact search: codes of 8 bits say which rows to look at, and a bound says when none can have been missed."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork._arrays import Float32Array, IntpArray
from topwork._system import has_module
from topwork.tasks.recognition.gallery._segment import Segment

_WORTH_AN_INDEX = 20_000  # rows; below it a matrix product takes a millisecond
_FIRST = 256  # rows that are looked at exactly: enough that a second scan is rare
_MORE = 8
_BLOCK = 16_384  # rows that are made floats at a time
_ROUNDING = 1e-5  # of a sum of float32 products of rows of length one


def nearest(segment: Segment, queries: Float32Array, count: int) -> tuple[Float32Array, IntpArray]:
    """The rows that are most similar to each query, exactly.

    A scan knows how far its cosines are off at most, so a row that it ranks below ``a`` has a cosine of at most ``a`` +
    that error. Where this leaves a doubt, more rows are looked at.

    Args:
        segment: N rows.
        queries: (B, K) float32 of length one.
        count: At least 1.

    Returns:
        Cosines (B, M) falling and rows (B, M), M = min(count, N).
    """
    count = min(count, len(segment))
    looked = min(len(segment), max(_FIRST, 2 * count))
    while True:
        rough, rows, error = _scan(segment, queries, looked)
        cosines = segment.exact(queries, rows)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        found = np.take_along_axis(cosines, order, axis=1)
        missed = rough[:, -1] + error + _ROUNDING
        if looked == len(segment) or (found[:, -1] >= missed).all():
            return found, np.take_along_axis(rows, order, axis=1)
        looked = min(len(segment), _MORE * looked)


def _scan(segment: Segment, queries: Float32Array, count: int) -> tuple[Float32Array, IntpArray, Float32Array]:
    """The best rows by their codes: cosines (B, M) falling, rows, and how far each query's are off at most (B,)."""
    if len(segment) >= _WORTH_AN_INDEX and has_module("faiss"):
        return _scanned_by_index(segment, queries, count)
    cosines = np.empty((len(queries), len(segment)), np.float32)
    for start in range(0, len(segment), _BLOCK):
        block = segment.codes[start : start + _BLOCK].astype(np.float32)
        block -= 128
        cosines[:, start : start + _BLOCK] = queries @ block.T
    best = np.argpartition(cosines, -count, axis=1)[:, -count:] if count < len(segment) else _every(cosines)
    found = np.take_along_axis(cosines, best, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    rough = np.take_along_axis(found, order, axis=1) * np.float32(segment.scale)
    error = np.full(len(queries), segment.error, np.float32)
    return rough, np.take_along_axis(best, order, axis=1), error


def _scanned_by_index(
    segment: Segment, queries: Float32Array, count: int
) -> tuple[Float32Array, IntpArray, Float32Array]:
    """By faiss, which makes the queries codes too: |q x - q' x'| <= |x - x'| + |q - q'| |x'|."""
    steps = np.maximum(np.abs(queries).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
    coded = np.rint(queries / steps).astype(np.float32)
    found, rows = _index(segment).search(coded, count)
    apart = np.linalg.norm(queries - coded * steps, axis=1)
    error = (segment.error + apart * (1 + segment.error)).astype(np.float32)
    return found * (np.float32(segment.scale) * steps), rows.astype(np.intp), error


def _every(cosines: Float32Array) -> IntpArray:
    return np.broadcast_to(np.arange(cosines.shape[1]), cosines.shape)


def _index(segment: Segment) -> Any:
    """Faiss over the same codes, made once."""
    import faiss

    if "index" not in segment._opened:
        kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
        index = faiss.IndexScalarQuantizer(segment.codes.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        index.is_trained = True
        index.add_sa_codes(np.ascontiguousarray(segment.codes))
        segment._opened["index"] = index
    return segment._opened["index"]
