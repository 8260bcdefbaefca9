"""A folder in shards: the same features as in one run, the same bytes on every rerun, nothing twice."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from topwork.data import content_key, read, read_bytes
from topwork.errors import TopworkError
from topwork.features import extract
from topwork.sharding import Embedding, Parts, Plan, plan, work, work_all

from .conftest import Fill


def parts_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


@pytest.fixture(scope="module")
def done(pictures: Path, recipe: Embedding, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """All of it in shards of 5."""
    made = plan(str(pictures), str(tmp_path_factory.mktemp("out")), recipe, size=5)
    assert all(each.failure is None for each in work_all(made, made.missing()))
    return made


def test_parts_hold_what_one_run_gives(done: Plan, pictures: Path, recipe: Embedding) -> None:
    """Ids, labels, splits, keys and features, joined by id, as ``read`` and ``extract`` give them."""
    table = extract(read(pictures), recipe.backbone, choice=recipe.choice, cache=False)
    expected = dict(zip(table.dataset.paths, table.values.astype(np.float16), strict=True))
    labels = {
        path: read(pictures).classes[label]
        for path, label in zip(table.dataset.paths, table.dataset.labels, strict=True)
    }
    splits = dict(zip(table.dataset.paths, table.dataset.splits.tolist(), strict=True))
    seen: dict[str, np.ndarray] = {}
    for part in Parts(done.out):
        assert part.values.dtype == np.float16
        assert [labels[each] for each in part.ids] == part.labels
        assert [splits[each] for each in part.ids] == part.splits
        seen |= dict(zip(part.ids, part.values, strict=True))
    assert seen.keys() == expected.keys()
    for name, row in seen.items():
        np.testing.assert_allclose(row, expected[name], atol=2e-3)


def test_a_part_says_what_cannot_be_used_and_names_contents(done: Plan, pictures: Path) -> None:
    rows = [row for shard in done.shards for row in parquet.read_table(Path(done.out, shard.file)).to_pylist()]
    assert len(rows) == 22
    assert len({row["id"] for row in rows}) == 22
    errors = {row["id"]: row["error"] for row in rows if row["features"] is None}
    assert set(errors) == {"train/cat/empty.jpg", "train/dog/no picture.png"}
    assert all(errors.values())
    for row in rows:
        assert row["error"] is None or row["features"] is None
        if row["error"] is None:
            assert row["hash"] == content_key(read_bytes(pictures / row["id"]))


def test_a_rerun_does_what_is_missing_and_gives_the_same_bytes(
    done: Plan, pictures: Path, recipe: Embedding, tmp_path: Path
) -> None:
    before = parts_of(Path(done.out))
    assert plan(str(pictures), done.out, recipe).missing() == ()
    left = Path(done.out, f".{done.shards[0].file}-123-abc_de9.draft")  # by a process that was killed long ago
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    gone = done.shards[1]
    Path(done.out, gone.file).unlink()
    again = plan(str(pictures), done.out, recipe, size=3)  # a plan that is there says the size
    assert not again.is_new
    assert again.missing() == (gone,)
    work(again, gone)
    assert parts_of(Path(done.out)) == before
    other = plan(str(pictures), str(tmp_path / "out"), recipe, size=5)
    for k in (3, 1, 2):  # three workers in any order, each by itself
        list(work_all(other, other.of_worker(k, 3)))
    assert parts_of(tmp_path / "out") == before


def test_a_source_that_changes_keeps_the_shards_that_did_not(
    fill: Fill, recipe: Embedding, tmp_path: Path, photos: list[Path]
) -> None:
    data, out = fill(tmp_path / "data"), tmp_path / "out"
    first = plan(str(data), str(out), recipe, size=5)
    assert sum(1 for each in work_all(first, first.missing())) == 5
    (data / "val" / "dog" / "zebra.jpg").write_bytes(photos[0].read_bytes())
    failed = [each for each in work_all(first, first.shards) if each.failure is not None]
    assert [each.shard for each in failed] == [first.shards[-1]]
    assert "has changed" in str(failed[0].failure)
    second = plan(str(data), str(out), recipe)
    assert (second.is_new, second.dropped, len(second.missing())) == (True, 1, 1)
    list(work_all(second, second.missing()))
    assert "val/dog/zebra.jpg" in {each for part in Parts(str(out)) for each in part.ids}


def test_what_is_there_is_not_mixed_with_another_recipe(
    done: Plan, pictures: Path, recipe: Embedding, tmp_path: Path
) -> None:
    wide = Embedding(recipe.backbone, recipe.backbone.outputs("all"), recipe.choice)
    with pytest.raises(TopworkError, match="another outputs"):
        plan(str(pictures), done.out, wide)
    with pytest.raises(TopworkError, match="not of"):
        plan(str(pictures / "train"), done.out, recipe)
    with pytest.raises(TopworkError, match="no shard 4 of 3"):
        done.of_worker(4, 3)
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(TopworkError, match="not a plan"):
        plan(str(pictures), str(tmp_path), recipe)
    with pytest.raises(TopworkError, match="no image"):
        plan(str(tmp_path), str(tmp_path / "out"), recipe)


def test_parts_that_are_not_complete_are_refused(pictures: Path, recipe: Embedding, tmp_path: Path) -> None:
    made = plan(str(pictures), str(tmp_path), recipe, size=11)
    work(made, made.shards[0])
    with pytest.raises(TopworkError, match="1 of 2 shards are missing"):
        Parts(str(tmp_path))
    with pytest.raises(TopworkError, match=r"no plan\.json"):
        Parts(str(pictures))


def test_a_plan_is_one_line_a_shard(done: Plan) -> None:
    lines = Path(done.out, "plan.json").read_text().splitlines()
    assert sum(line.startswith('{"name"') for line in lines) == len(done.shards)
    assert json.loads("\n".join(lines))["source"] == done.source
