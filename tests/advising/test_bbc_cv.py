"""The best of many is partly the luckiest: what is left when that is taken away."""

from __future__ import annotations

import numpy as np
import pytest

from topwork.advising import Scores
from topwork.advising._bbc_cv import accuracy_of_best, best, goes_with_labels


def answers(right: float, count: int = 200, *, seed: int = 0, trained: bool = True) -> Scores:
    """One way that names an image right with the given probability, and is sure of itself accordingly."""
    hits = np.random.default_rng(seed).random(count) < right
    return Scores(hits, np.where(hits, 0.2, 2.0), np.ones(count, np.bool_), trained)


def test_one_way_is_believed_as_it_is() -> None:
    one = answers(0.8)
    assert accuracy_of_best([one], 0) == one.accuracy


def test_the_best_of_many_equals_is_believed_less() -> None:
    """Forty ways that are right half of the time, on 50 images each: the luckiest shows 60 % and more."""
    gaps, luck = [], []
    for draw in range(10):
        ways = [answers(0.5, 50, seed=100 * draw + way) for way in range(40)]
        seen = max(way.accuracy for way in ways)
        luck.append(seen - 0.5)
        gaps.append(accuracy_of_best(ways, draw) - 0.5)
    assert np.mean(luck) > 0.12
    assert abs(np.mean(gaps)) < 0.03


def test_a_clear_winner_is_believed() -> None:
    ways = [answers(0.5, seed=1), answers(0.95, seed=2), answers(0.6, seed=3)]
    assert best(ways) == 1
    assert accuracy_of_best(ways, 0) == pytest.approx(ways[1].accuracy, abs=0.01)


def test_of_ways_that_are_a_tie_the_first_is_taken() -> None:
    first, second = answers(0.9, seed=1), answers(0.9, seed=1)
    second.losses[:2] += [0.2, -0.3]
    assert best([first, second]) == best([second, first]) == 0


def test_what_trains_nothing_has_to_prove_itself() -> None:
    head = answers(0.80, seed=1)
    assert best([head, answers(0.83, seed=1, trained=False)]) == 0
    assert best([head, answers(0.99, seed=1, trained=False)]) == 1


def test_where_nothing_was_judged_the_first_is_taken() -> None:
    none = Scores(np.zeros(3, np.bool_), np.zeros(3), np.zeros(3, np.bool_))
    assert best([none, none]) == 0
    assert np.isnan(accuracy_of_best([none, none], 0))


def named(labels: np.ndarray, seed: int, shift: float) -> np.ndarray:
    """Logits (N, 2) of noise, with the right class's raised."""
    logits = np.random.default_rng(seed).normal(size=(len(labels), 2)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += shift
    return logits


def test_a_rare_class_that_is_told_apart_was_learnt() -> None:
    rare = (np.arange(100) >= 98).astype(np.int64)
    assert goes_with_labels(named(rare, 0, 6.0), rare, 0)
    always = np.repeat(np.float32([[4.0, 0.0]]), 100, axis=0)  # right 98 times of 100, and nothing was learnt
    assert not goes_with_labels(always, rare, 0)


def test_of_answers_to_nothing_few_are_taken_for_learning() -> None:
    labels = np.random.default_rng(7).integers(0, 2, 60)
    assert sum(goes_with_labels(named(labels, seed, 0.0), labels, seed) for seed in range(100)) <= 4
    assert not goes_with_labels(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), 0)
