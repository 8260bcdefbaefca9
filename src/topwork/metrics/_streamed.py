"""An evaluation of more rows than memory holds: sums over groups of rows, from which figures and intervals come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, Float64Array, Int64Array
from topwork.errors import DataError

from ._classification import mean_f1, mean_recall
from ._evaluation import Evaluation, per_class
from ._intervals import BootstrapIntervals, around, percentiles, resample, share_of
from ._probabilities import BINS, Reliability, distances, losses
from ._ranking import TOP, ranks
from ._values import ReliabilityBin, Uncalibrated, check_probabilities

GROUPS = 1000
"""Of rows, dealt by their keys: the bootstrap draws groups, which differ from each other by chance alone."""


class Answered(NamedTuple):
    """Some rows that were answered.

    Attributes:
        probabilities: (N, C) floats, rows summing to one.
        labels: (N,) class indices.
        keys: (N,) uint64 of the rows, as ``heads.row_keys`` makes them; they deal the groups.
        before: (N, C) the probabilities without the temperature; None where there is none.
    """

    probabilities: AnyArray
    labels: AnyArray
    keys: AnyArray
    before: AnyArray | None = None


class _Calibration:
    """Sums of the figures of probabilities, by group."""

    def __init__(self) -> None:
        self.losses, self.distances = np.zeros(GROUPS), np.zeros(GROUPS)
        self.bins = np.zeros((3, GROUPS, BINS))  # rows, confidence, gaps

    def add(self, probabilities: AnyArray, labels: Int64Array, groups: Int64Array) -> None:
        self.losses += np.bincount(groups, losses(probabilities, labels), GROUPS)
        self.distances += np.bincount(groups, distances(probabilities, labels), GROUPS)
        found = Reliability.of(probabilities, labels)
        cells = groups * BINS + found.bins
        for sums, weights in zip(self.bins, (None, found.confidence, found.gaps), strict=True):
            sums += np.bincount(cells, weights, GROUPS * BINS).reshape(GROUPS, BINS)

    def figures(self, rows: int) -> Uncalibrated:
        counts, confidence, gaps = self.bins.sum(axis=1)
        curve = tuple(
            ReliabilityBin(int(rows_in), float(sure / rows_in), float((sure + gap) / rows_in))
            for rows_in, sure, gap in zip(counts, confidence, gaps, strict=True)
            if rows_in
        )
        loss, gap, distance = (
            float(each) / rows for each in (self.losses.sum(), np.abs(gaps).sum(), self.distances.sum())
        )
        return Uncalibrated(loss, gap, distance, curve)


def evaluate_streamed(blocks: Iterable[Answered], classes: Sequence[str], *, seed: int = 0) -> Evaluation:
    """Measure a classifier on rows that come a block at a time and are not kept.

    The figures are those of `evaluate`, but for the areas under curves, which need all rows beside each other. The
    intervals are a bootstrap over a thousand groups of rows: for many rows the same as one over rows.

    Args:
        blocks: The rows.
        classes: C names.
        seed: Of the bootstrap.

    Raises:
        DataError: What `log_loss` refuses, or there are no rows.
    """
    size = len(classes)
    confusion, top5 = np.zeros((size, size), np.int64), 0
    tables = np.zeros((3, GROUPS, size))  # right, of the class, answered so
    plain, before, scaled = _Calibration(), _Calibration(), False
    for block in blocks:
        probabilities, labels = check_probabilities(block.probabilities, block.labels)
        said, groups = probabilities.argmax(axis=1), (block.keys % np.uint64(GROUPS)).astype(np.int64)
        confusion += np.bincount(labels * size + said, minlength=size * size).reshape(size, size)
        top5 += int((ranks(probabilities, labels) < TOP).sum())
        hits = said == labels
        for table, (where, which) in zip(
            tables, ((labels[hits], groups[hits]), (labels, groups), (said, groups)), strict=True
        ):
            table += np.bincount(which * size + where, minlength=GROUPS * size).reshape(GROUPS, size)
        plain.add(probabilities, labels, groups)
        if block.before is not None:
            scaled = True
            before.add(block.before, labels, groups)
    rows = int(confusion.sum())
    if not rows:
        raise DataError("there are no rows to evaluate", hint="Evaluate at least one row.")
    now, intervals = plain.figures(rows), _intervals(tables, plain, seed)
    right, support, predicted = tables.sum(axis=1)[:, None]
    return Evaluation(
        n=rows,
        classes=tuple(classes),
        accuracy=share_of(int(np.trace(confusion)), rows),
        macro_f1=around(float(mean_f1(right, support, predicted)[0]), intervals.macro_f1),
        log_loss=around(now.log_loss, intervals.log_loss),
        ece=around(now.ece, intervals.ece),
        per_class=per_class(confusion, classes),
        confusion=confusion,
        top5=share_of(top5, rows) if size > TOP else None,
        balanced_accuracy=around(float(mean_recall(right, support)[0]), intervals.balanced_accuracy),
        brier=around(now.brier, intervals.brier),
        reliability=now.reliability,
        before_scaling=before.figures(rows) if scaled else None,
    )


def _intervals(tables: Float64Array, plain: _Calibration, seed: int) -> BootstrapIntervals:
    """Percentile intervals over resamples of the groups that have rows."""
    there = np.flatnonzero(tables[1].sum(axis=1))
    parts = []
    for counts in resample(len(there), seed):
        drawn = counts.T.astype(np.float64)
        right, support, predicted = (drawn @ table[there] for table in tables)
        rows = support.sum(axis=1)
        gaps = np.abs(drawn @ plain.bins[2][there]).sum(axis=1) / rows
        means = [drawn @ sums[there] / rows for sums in (plain.losses, plain.distances)]
        parts.append((mean_f1(right, support, predicted), mean_recall(right, support), *means, gaps))
    return BootstrapIntervals(*(percentiles(np.concatenate(values)) for values in zip(*parts, strict=True)))
