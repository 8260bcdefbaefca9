"""``embed -o OUT/``: a folder of shards from the command line, in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from .conftest import Run
from .test_language import korean


@pytest.fixture(scope="module")
def data(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures, and one that is none."""
    folder = tmp_path_factory.mktemp("data")
    for photo in photos[:6]:
        (folder / photo.name).write_bytes(photo.read_bytes())
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_workers_fill_a_folder_and_a_rerun_does_what_is_missing(run: Run, data: Path, tmp_path: Path) -> None:
    asked = ("embed", data, "-o", f"{tmp_path}/out/", "--shard-size", 3, "--size", 64)
    first = run(*asked, "--shard", "2/2", "--json").json
    assert (first["shards"], first["done"], first["already_done"], first["images"]) == (1, 1, 0, 3)
    assert not first["errors"]
    rest = run(*asked, "--json").json
    assert (rest["shards"], rest["done"], rest["already_done"], rest["errors"]) == (3, 2, 1, 1)
    parts = sorted((tmp_path / "out").glob("part-*"))
    parts[0].unlink()
    other = run("embed", data, "-o", f"{tmp_path}/out/", "--size", 64, "--shard-size", 4)
    assert "has 3 images a shard, so --shard-size 4 changes nothing" in other.err
    assert sorted((tmp_path / "out").glob("part-*")) == parts
    parts[0].unlink()
    korean(other, run(*asked[:-3], 4, "--size", 64, "--lang", "ko"))
    parts[0].unlink()
    plain = run(*asked)
    parts[0].unlink()
    korean(plain, run(*asked, "--lang", "ko"))


def test_tables_of_texts_are_shards(run: Run, tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("good 1 2 3\nbad 4 5 6\n", "utf-8")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "reviews.csv").write_text("text,label\ngood one,fine\n ,poor\n", "utf-8")
    network = ("--task", "text", "--backbone", "mine", "--weights", tmp_path / "vectors.txt")
    asked = ("embed", tmp_path / "tables", "-o", f"{tmp_path}/out/", *network)
    assert run(*asked, "--json").json["texts"] == 2
    (part,) = (tmp_path / "out").glob("part-*")
    part.unlink()
    english = run(*asked, "--shard-size", 9)
    part.unlink()
    assert "each file is a shard of its own" in english.err
    assert "1 of 2 texts cannot be used" in english.out
    korean(english, run(*asked, "--shard-size", 9, "--lang", "ko"))


def test_what_cannot_be_asked_for(run: Run, data: Path, tmp_path: Path) -> None:
    folder = ("embed", data, "-o", f"{tmp_path}/out/")
    for asked, said in (
        (("--shard", "0/2"), "--shard takes K/N"),
        (("--shard", "two"), "--shard takes K/N"),
        (("--columns", "path=file"), "--columns cannot be used"),
        (("--follow-links",), "--follow-links cannot be used"),
    ):
        found = run(*folder, *asked)
        assert found.code == 2
        assert said in found.err
    found = run("embed", data, "-o", tmp_path / "out.npz", "--shard", "1/2")
    assert (found.code, "--shard is for a folder" in found.err) == (2, True)
    message, hint = run("embed", tmp_path / "nowhere", "-o", f"{tmp_path}/out/").failed()
    assert "no such folder" in message
    assert hint


def test_predictions_in_shards_are_those_of_predict(run: Run, model: Path, data: Path, tmp_path: Path) -> None:
    out = f"{tmp_path}/out/"
    done = run("predict", model, data, "--shards", out, "--shard-size", 4, "--json").json
    assert (done["shards"], done["images"], done["errors"]) == (2, 7, 1)
    rows = {
        row["id"]: row for path in (tmp_path / "out").glob("part-*") for row in parquet.read_table(path).to_pylist()
    }
    plain = [json.loads(line) for line in run("predict", model, data, "--json").out.splitlines()]
    for found in plain:
        row = rows[Path(found["source"]).name]
        if "error" in found:
            assert (row["probabilities"], row["label"]) == (None, None)
            continue
        assert row["label"] == found["label"]
        assert row["probabilities"] == pytest.approx(
            [found["probabilities"][each] for each in sorted(found["probabilities"])], abs=1e-5
        )
    assert not run("predict", model, data, "--shards", out, "--json").json["done"]
    assert run("predict", model, data, "--shards", out, "--abstain", 0.9).code == 2
    assert run("predict", model, data, "--shard", "1/2").code == 2
