from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topwork.data import grouped, k_folds, k_folds_or_fewer
from topwork.errors import DataError

from .test_split import made


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(1, 30), min_size=2, max_size=6), k=st.integers(2, 7), seed=st.integers(0, 2**40))
def test_fault_18_every_fold_has_its_share_of_every_class(counts: list[int], k: int, seed: int) -> None:
    dataset = made(counts)
    if len(dataset) < k:
        with pytest.raises(DataError, match=f"cannot fill {k} folds"):
            k_folds(dataset, k, seed=seed)
        return
    folds = k_folds(dataset, k, seed=seed)
    assert set(folds.tolist()) == set(range(k))
    for label in range(len(counts)):
        held_out = np.bincount(folds[dataset.labels == label], minlength=k)
        assert held_out.max() - held_out.min() <= 1
    sizes = np.bincount(folds, minlength=k)
    assert sizes.max() - sizes.min() <= len(counts)


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(6, 25), min_size=2, max_size=4),
    clusters=st.lists(st.lists(st.integers(0, 10**6), max_size=4), max_size=4),
    seed=st.integers(0, 2**40),
    shuffled=st.randoms(use_true_random=False),
)
def test_folds_do_not_depend_on_the_order_and_keep_together(
    counts: list[int], clusters: list[list[int]], seed: int, shuffled: random.Random
) -> None:
    size = sum(counts)
    dataset = made(counts, [f"p{row // 5}" if row % 2 else "" for row in range(size)])
    clusters = [[row % size for row in cluster] for cluster in clusters]
    order = shuffled.sample(range(size), size)
    place = {row: position for position, row in enumerate(order)}
    moved = [[place[row] for row in cluster] for cluster in reversed(clusters)]
    folds = k_folds(grouped(dataset, clusters), 3, seed=seed)
    again = k_folds(grouped(dataset.select(order), moved), 3, seed=seed)
    np.testing.assert_array_equal(again, folds[order])
    for cluster in clusters:
        assert len(set(folds[cluster].tolist())) <= 1
    for group in set(dataset.groups) - {""}:
        assert len({folds[row] for row in range(size) if dataset.groups[row] == group}) == 1


def test_folds_are_the_same_on_every_machine() -> None:
    # Written down once: a change here changes every user's folds.
    assert k_folds(made([5, 4]), 3, seed=1).tolist() == [2, 1, 1, 2, 0, 2, 0, 1, 0]


def test_another_seed_gives_other_folds() -> None:
    assert k_folds(made([50, 50]), 5, seed=1).tolist() != k_folds(made([50, 50]), 5, seed=2).tolist()


def test_grouped_folds_are_as_even_as_scikit_learns() -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, 40, 300))
    dataset = made([200, 100], [f"p{group}" for group in groups])

    def spread(folds: np.ndarray) -> float:
        return sum(float(np.bincount(folds[dataset.labels == label], minlength=5).std()) for label in (0, 1))

    theirs = np.zeros(300, int)
    for fold, (_, test) in enumerate(StratifiedGroupKFold(5).split(groups, dataset.labels, groups)):
        theirs[test] = fold
    assert spread(k_folds(dataset, 5)) <= 1.1 * spread(theirs)


@pytest.mark.parametrize("k", [1, 0, -3])
def test_fewer_than_two_folds_are_refused(k: int) -> None:
    with pytest.raises(DataError, match="k must be at least 2"):
        k_folds(made([5, 5]), k)


def test_fault_17_fewer_groups_than_folds_are_refused() -> None:
    with pytest.raises(DataError, match="2 images or groups of images that stay together cannot fill 3 folds"):
        k_folds(made([5, 5], ["p"] * 5 + ["q"] * 5), 3)


def test_fewer_blocks_than_folds_make_as_many_folds_as_there_are_blocks() -> None:
    groups = ["p"] * 4 + ["q"] * 2 + ["r"] * 4
    assert (
        k_folds_or_fewer(made([5, 5], groups), 5, seed=3).tolist() == k_folds(made([5, 5], groups), 3, seed=3).tolist()
    )
    assert k_folds_or_fewer(made([9, 9]), 5, seed=3).tolist() == k_folds(made([9, 9]), 5, seed=3).tolist()


def test_one_block_alone_cannot_be_held_out() -> None:
    assert k_folds_or_fewer(made([5, 5], ["p"] * 10), 5) is None
    assert k_folds_or_fewer(made([0, 1]), 5) is None
