"""A head from a folder of shards: the same as from its rows in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from topwork.errors import DataError, TopworkError
from topwork.heads import fit_linear, fit_streamed, row_keys
from topwork.sharding import Embedding, LabelledShards, plan
from topwork.sharding._parts import Cells, Writer

WIDTH = 40
Filled = Callable[[Sequence[Cells]], str]


class Narrow(Embedding):
    """Features of a width that is quickly fitted."""

    @property
    def width(self) -> int:
        return WIDTH


@pytest.fixture
def filled(pictures: Path, recipe: Embedding, tmp_path: Path) -> Filled:
    """Writes rows as the parts of a folder's plan, in turn; no network has made them."""

    narrow = Narrow(recipe.backbone, recipe.outputs, recipe.choice)

    def made(rows: Sequence[Cells]) -> str:
        found = plan(str(pictures), str(tmp_path / "out"), narrow, size=8)
        for place, shard in enumerate(found.shards):
            writer = Writer(tmp_path / "out" / shard.file, narrow)
            for row in rows[place :: len(found.shards)]:
                writer.add(row)
            writer.close()
        return found.out

    return made


def cells(count: int) -> list[Cells]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((3, WIDTH))
    rows = []
    for place in range(count):
        label = int(rng.integers(3))
        values = (rng.standard_normal(WIDTH) + 0.5 * centres[label]).astype(np.float16)
        rows.append(Cells(f"{place}.jpg", values, b"0" * 16, "abc"[label], "train", None))
    return rows


def test_the_head_is_that_of_the_rows_in_memory(filled: Filled) -> None:
    rows = cells(300)
    others = [
        rows[0]._replace(id="other", label="d", split="test"),
        rows[0]._replace(id="unnamed", label=None),
        rows[0]._replace(id="broken", values=None, error="no image"),
    ]
    shards = LabelledShards(filled([*rows, *others]))
    assert (shards.classes, shards.rows, shards.unlabelled) == (("a", "b", "c"), 300, 1)
    fit = fit_streamed(shards, 3)
    features = np.array([row.values for row in rows], np.float32)
    labels = np.array(["abc".index(row.label or "") for row in rows])
    fold_of = (row_keys([row.id for row in rows]) % np.uint64(5)).astype(int)
    memory = fit_linear(features, labels, 3, fold_of=fold_of, method="logistic", class_weight="none")
    assert fit.strength == memory.strength
    assert fit.cv_accuracy == pytest.approx(memory.cv_accuracy, abs=0.01)
    np.testing.assert_allclose(fit.head.probabilities(features), memory.head.probabilities(features), atol=0.01)


def test_other_splits_can_be_read(filled: Filled) -> None:
    rows = [row._replace(split=split) for row, split in zip(cells(9), ["train", "val", None] * 3, strict=True)]
    out = filled(rows)
    assert LabelledShards(out).rows == 6
    assert LabelledShards(out, ["val"]).rows == 3


def test_what_cannot_be_is_refused(filled: Filled, tmp_path: Path) -> None:
    rows = cells(12)
    with pytest.raises(TopworkError, match=r"holds no plan\.json"):
        LabelledShards(str(tmp_path))
    with pytest.raises(DataError, match="no row has a class"):
        LabelledShards(filled([row._replace(label=None) for row in rows]))
    with pytest.raises(DataError, match=r"the id 3\.jpg is there twice"):
        LabelledShards(filled([*rows, rows[3]]))
    spoilt = rows[5]._replace(values=np.full(WIDTH, np.inf, np.float16))
    with pytest.raises(DataError, match="NaN or Inf"):
        fit_streamed(LabelledShards(filled([*rows[:5], spoilt, *rows[6:]])), 3)
    with pytest.raises(DataError, match="all 12 rows are of class 0"):
        fit_streamed(LabelledShards(filled([row._replace(label="a") for row in rows])), 2)
    out = filled(rows)
    next(Path(out).glob("part-*")).unlink()
    with pytest.raises(TopworkError, match="not complete"):
        LabelledShards(out)
