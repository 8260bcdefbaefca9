from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from topwork.backbones import Backbone
from topwork.data import ImageDataset, split
from topwork.errors import BackboneError
from topwork.features import FeatureTable

from .conftest import F32


@pytest.fixture
def table(backbone: Backbone, dataset: ImageDataset) -> FeatureTable:
    """64 + 128 + 512 columns; every number tells its place."""
    values = np.arange(40 * 704, dtype=np.float32).reshape(40, 704)
    return FeatureTable(dataset, backbone, F32, ("layer1/mean", "layer2/max", "embedding"), values)


def test_rows_and_columns_must_be_as_many_as_they_must_be(table: FeatureTable) -> None:
    for values in (table.values[:39], table.values[:, :703], table.values[0]):
        with pytest.raises(BackboneError, match=r"a feature table must be \(40, 704\), not \("):
            replace(table, values=values)


def test_widths(table: FeatureTable) -> None:
    assert (len(table), table.widths) == (40, (64, 128, 512))


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(5, 12),
        np.array([3]),
        np.array([7, 3, 3, 30]),
        np.array([-1]),
        np.array([], np.intp),
        np.arange(40) == 1,
        np.arange(40) % 2 == 1,
    ],
    ids=["neighbours", "one", "mixed", "the last", "none", "mask of one", "mask that alternates"],
)
def test_chosen_rows_keep_their_images(table: FeatureTable, rows: Any) -> None:
    chosen = table.select(rows)
    places = np.arange(40)[rows]
    assert chosen.dataset.paths == tuple(table.dataset.paths[place] for place in places)
    np.testing.assert_array_equal(chosen.values, table.values[places])


def test_neighbouring_rows_are_not_copied(table: FeatureTable) -> None:
    assert np.shares_memory(table.select(np.arange(5, 12)).values, table.values)


def test_a_part_is_its_rows(table: FeatureTable) -> None:
    divided = replace(table, dataset=split(table.dataset, test=0.25))
    parts = divided.split("train"), divided.split("test")
    assert [len(part) for part in parts] == [30, 10]
    for part, name in zip(parts, ("train", "test"), strict=True):
        rows = np.flatnonzero(divided.dataset.splits == name)
        assert part.dataset.paths == divided.dataset.split(name).paths
        np.testing.assert_array_equal(part.values, table.values[rows])
    assert divided.split("val").values.shape == (0, 704)


def test_columns_come_in_the_order_asked_for(table: FeatureTable) -> None:
    np.testing.assert_array_equal(table.columns(("layer2/max",)), table.values[:, 64:192])
    both = table.columns(["embedding", "layer1/mean"])
    np.testing.assert_array_equal(both, np.hstack([table.values[:, 192:], table.values[:, :64]]))
    assert table.columns(table.outputs) is table.values


def test_kept_columns_make_a_table(table: FeatureTable) -> None:
    kept = table.keep(("embedding",))
    assert (kept.outputs, kept.widths, kept.dataset) == (("embedding",), (512,), table.dataset)
    np.testing.assert_array_equal(kept.values, table.values[:, 192:])


def test_an_output_that_was_not_extracted_is_named_with_those_that_were(table: FeatureTable) -> None:
    with pytest.raises(BackboneError, match="layer3/mean was not extracted; there are layer1/mean, layer2/max, emb"):
        table.columns(("embedding", "layer3/mean"))


def test_a_table_may_be_compared_and_kept_in_a_set(table: FeatureTable) -> None:
    assert table == table
    assert table != replace(table, values=table.values.copy())
    assert len({table, table}) == 1
