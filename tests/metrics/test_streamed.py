"""Figures of rows that come block by block: those of all rows together, and intervals as wide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.metrics import Answered, Estimate, evaluate, evaluate_streamed

from .test_metrics import simulate

NAMES = [f"class {place}" for place in range(7)]
IN_BLOCKS_ALONE = ("roc_auc", "average_precision")  # which need all rows beside each other


def blocks(probabilities, labels, size):
    keys = np.random.default_rng(1).integers(0, 2**64, len(labels), np.uint64)
    before = np.sqrt(probabilities) / np.sqrt(probabilities).sum(axis=1, keepdims=True)
    for start in range(0, len(labels), size):
        part = slice(start, start + size)
        yield Answered(probabilities[part], labels[part], keys[part], before[part])


def test_the_figures_are_those_of_all_rows_together():
    probabilities, labels = simulate(6000, 7)
    labels[labels == 6] = 0  # a class that nobody measures
    whole = Answered(*map(np.concatenate, zip(*blocks(probabilities, labels, 999), strict=True)))
    expected = evaluate(probabilities, labels, NAMES, before_scaling=whole.before)
    found = evaluate_streamed(blocks(probabilities, labels, 999), NAMES)
    assert (found.n, found.per_class) == (expected.n, expected.per_class)
    np.testing.assert_array_equal(found.confusion, expected.confusion)
    for field in dataclasses.fields(found):
        mine, theirs = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(theirs, Estimate) and field.name not in IN_BLOCKS_ALONE:
            assert mine.value == pytest.approx(theirs.value, abs=1e-9), field.name
            assert mine.high - mine.low == pytest.approx(theirs.high - theirs.low, rel=0.15), field.name
    np.testing.assert_allclose(np.array(found.reliability), np.array(expected.reliability), atol=1e-9)
    assert found.before_scaling.log_loss == pytest.approx(expected.before_scaling.log_loss)
    assert (found.roc_auc, found.average_precision) == (None, None)
    again = evaluate_streamed(blocks(probabilities, labels, 5000), NAMES)
    assert again.log_loss.value == pytest.approx(found.log_loss.value)
    assert again.ece.high == pytest.approx(found.ece.high)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(DataError, match="no rows"):
        evaluate_streamed([], NAMES)
    probabilities, labels = simulate(10, 7)
    probabilities[3] = np.nan
    with pytest.raises(DataError, match="NaN"):
        evaluate_streamed(blocks(probabilities, labels, 4), NAMES)
