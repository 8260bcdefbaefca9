"""Texts in shards: each table one, with the features that its texts have alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from topwork.backbones import TextBackbone, load_text
from topwork.engines import EngineChoice
from topwork.errors import DataError
from topwork.features import extract_few
from topwork.sharding import Embedding, LabelledShards, Parts, plan, work_all

ROWS = [("good one", "fine"), ("bad, two", "poor"), ("  ", "poor"), ("good bad", "fine")]


@pytest.fixture
def recipe(tmp_path: Path) -> Embedding:
    file = tmp_path / "mine.txt"
    file.write_text("good 1 2 3\nbad 4 5 6\n", "utf-8")
    network = load_text("mine", weights=file)
    assert isinstance(network, TextBackbone)
    return Embedding(network, network.outputs("last"), EngineChoice("numpy", "f32"))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    lines = ["text,label", *(f'"{text}",{label}' for text, label in ROWS)]
    (folder / "train.csv").write_text("\n".join(lines), "utf-8")
    (folder / "more.jsonl").write_text("\n".join(json.dumps({"text": text}) for text, _ in ROWS), "utf-8")
    return folder


def test_each_table_is_a_shard_of_its_texts_features(recipe: Embedding, tables: Path, tmp_path: Path) -> None:
    made = plan(str(tables), str(tmp_path / "out"), recipe, texts=True)
    done = list(work_all(made, made.shards))
    assert [(each.rows, each.errors, each.failure) for each in done] == [(4, 1, None)] * 2
    found = {
        id: (row, label, split)
        for part in Parts(made.out)
        for id, row, label, split in zip(part.ids, part.values, part.labels, part.splits, strict=True)
    }
    expected = extract_few([text for text, _ in ROWS], recipe.backbone, recipe.outputs, choice=recipe.choice)
    for row, place in zip(expected.values, expected.kept.tolist(), strict=True):
        values, label, split = found[f"train.csv:{place + 2}"]
        np.testing.assert_array_equal(values, row.astype(np.float16))
        assert (label, split) == (ROWS[place][1], "train")
        values, label, split = found[f"more.jsonl:{place + 1}"]
        np.testing.assert_array_equal(values, row.astype(np.float16))
        assert (label, split) == (None, None)
    assert len(found) == 6
    assert LabelledShards(made.out).classes == ("fine", "poor")
    (tmp_path / "out" / made.shards[0].file).unlink()
    again = plan(str(tables), made.out, recipe, again=False)  # a worker that finds the plan
    assert [each.rows for each in work_all(again, again.missing())] == [4]


def test_what_holds_no_texts_is_refused(recipe: Embedding, tables: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        plan(str(tmp_path / "nowhere"), str(tmp_path / "out"), recipe, texts=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no source of shards"):
        plan(str(tmp_path / "empty"), str(tmp_path / "out"), recipe, texts=True)
    (tables / "odd.csv").write_text("number,colour\n1,red\n", "utf-8")
    made = plan(str(tables), str(tmp_path / "out"), recipe, texts=True)
    failed = [each.failure for each in work_all(made, made.shards) if each.failure is not None]
    assert len(failed) == 1  # the others are done
    assert "no column 'text'" in failed[0].message
