from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topwork.data import grouped, k_folds, split
from topwork.errors import DataError

from .test_split import made


def test_without_clusters_it_is_the_same_data_set() -> None:
    dataset = made([3, 3])
    assert grouped(dataset, ()) is dataset


def test_clusters_become_groups_and_other_rows_stay_in_none() -> None:
    dataset = grouped(made([3, 3]), [[0, 4], [1, 2, 5]])
    one, other = "like 0/0.jpg", "like 0/1.jpg"
    assert dataset.groups in {
        (one, other, other, "", one, other),
        ("like 1/4.jpg", other, other, "", "like 1/4.jpg", other),
    }


def test_a_cluster_joins_the_groups_that_it_links() -> None:
    dataset = grouped(made([3, 2], ["a", "a", "b", "", "b"]), [[1, 2]])
    first = dataset.groups[0]
    assert first in ("a", "b")
    assert dataset.groups == (first, first, first, "", first)


def test_a_row_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="a cluster names row 6, there are 6"):
        grouped(made([3, 3]), [[0, 6]])


@settings(max_examples=40, deadline=None)
@given(
    clusters=st.lists(st.lists(st.integers(0, 39), min_size=2, max_size=4, unique=True), max_size=6),
    seed=st.integers(0, 2**32),
)
def test_fault_15_splits_and_folds_of_the_result_keep_clusters_whole(clusters: list[list[int]], seed: int) -> None:
    dataset = grouped(made([20, 20]), clusters)
    splits, folds = split(dataset, seed=seed).splits, k_folds(dataset, 3, seed=seed)
    for cluster in clusters:
        assert len(set(splits[cluster].tolist())) == len(set(folds[cluster].tolist())) == 1
