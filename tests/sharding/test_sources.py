"""Every kind of source gives the same pictures, whatever they lie in."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from topwork.data import content_key, images_between, read_bytes
from topwork.errors import DataError
from topwork.sharding import Embedding, Plan, plan, work_all

Rows = list[dict[str, object]]


def rows_of(made: Plan) -> Rows:
    done = list(work_all(made, made.missing()))
    assert [each.failure for each in done] == [None] * len(made.shards)
    return [row for shard in made.shards for row in parquet.read_table(Path(made.out, shard.file)).to_pylist()]


@pytest.fixture(scope="module")
def keys(pictures: Path) -> dict[bytes, str]:
    """The class of each usable picture by its content."""
    found = [path for path in pictures.rglob("*.*") if path.is_file() and path.stat().st_size > 20]
    return {content_key(read_bytes(path)): path.parent.name for path in found}


def test_tar_files_with_and_without_classes(
    tars: Path, keys: dict[bytes, str], recipe: Embedding, tmp_path: Path
) -> None:
    rows = rows_of(plan(str(tars), str(tmp_path / "out"), recipe))
    assert len(rows) == len({row["id"] for row in rows}) == 22
    usable = {row["hash"]: row for row in rows if row["error"] is None}
    assert usable.keys() == keys.keys()
    assert {row["split"] for row in rows} == {"train"}
    for row in rows:
        place = int(str(row["id"]).rpartition("/")[2][:4])
        assert (row["label"] is not None) == bool(place % 3)
        assert row["label"] is None or row["error"] or row["label"] == keys[row["hash"]]  # type: ignore[index]
    one = rows_of(plan(str(next(tars.glob("*-0.tar"))), str(tmp_path / "one"), recipe))
    assert one == rows[:11]


def test_parquet_and_saved_sets_of_hugging_face(
    tables: Path, keys: dict[bytes, str], recipe: Embedding, tmp_path: Path
) -> None:
    import datasets

    rows = rows_of(plan(str(tables), str(tmp_path / "out"), recipe))
    assert len(rows) == len({row["id"] for row in rows}) == 22
    assert {row["hash"]: row["label"] for row in rows if row["error"] is None} == keys
    assert {row["split"] for row in rows} == {"train"}
    datasets.load_dataset("parquet", data_files=str(tables / "*.parquet"), cache_dir=str(tmp_path / "cache"))[
        "train"
    ].save_to_disk(tmp_path / "saved")
    saved = rows_of(plan(str(tmp_path / "saved"), str(tmp_path / "from saved"), recipe))
    assert {row["hash"]: row["label"] for row in saved if row["error"] is None} == keys
    assert rows[3]["features"] == saved[3]["features"]


def test_a_damaged_archive_is_told_and_stops_no_other(tars: Path, recipe: Embedding, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    whole = next(tars.glob("*-0.tar")).read_bytes()
    (data / "a.tar").write_bytes(whole[: len(whole) // 2])
    (data / "b.tar").write_bytes(whole)
    rows = rows_of(plan(str(data), str(tmp_path / "out"), recipe))
    damaged = [row for row in rows if str(row["id"]).startswith("a.tar")]
    assert 1 < len(damaged) < 11
    assert any("cut off" in str(row["error"]) for row in damaged)
    assert len(rows) - len(damaged) == 11
    for path in data.iterdir():
        path.unlink()
    (data / "c.parquet").write_bytes(b"PAR1 no more")
    arrow.parquet.write_table(arrow.table({"text": ["none"]}), data / "d.parquet")
    made = plan(str(data), str(tmp_path / "tables"), recipe)
    said = [str(each.failure) for each in work_all(made, made.shards)]
    assert "cannot be read" in said[0]
    assert "needs a column of images" in said[1]
    assert not list((tmp_path / "tables").glob("part-*"))


def test_an_archive_that_changed_is_not_taken_for_the_planned_one(
    tars: Path, recipe: Embedding, tmp_path: Path
) -> None:
    path = tmp_path / "one.tar"
    path.write_bytes(next(tars.glob("*-0.tar")).read_bytes())
    made = plan(str(path), str(tmp_path / "out"), recipe)
    with tarfile.open(path, "a") as tar:
        tar.add(next(tars.glob("*-1.tar")), "more.jpg")
    assert "has changed" in str(next(iter(work_all(made, made.shards))).failure)


def test_ranges_of_a_folder_are_its_listing_cut(tmp_path: Path) -> None:
    """Every cut of a tree with names that sort badly gives each image once; an oracle walks it whole."""
    names = ["a.jpg", "a/b.jpg", "a/a/z.jpg", "a b/c.png", "a-b/0.jpg", "b.jpg/x.jpg", "z/é.jpg", "z/日.png", "Z.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    os.symlink(tmp_path.parent / "elsewhere.jpg", tmp_path / "z" / "link.jpg")
    whole = [each.path for each in images_between(str(tmp_path))]
    assert sorted(whole) == sorted([*names, "z/link.jpg"])
    assert [each.path for each in images_between(str(tmp_path)) if each.fault] == ["z/link.jpg"]
    for start in range(len(whole)):
        for end in range(start, len(whole)):
            after = whole[start - 1] if start else ""
            assert [each.path for each in images_between(str(tmp_path), after, whole[end])] == whole[start : end + 1]


def test_what_is_no_source(recipe: Embedding, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    for name, said in (("nowhere", "no such folder"), ("notes.txt", "no source"), ("", "no image")):
        with pytest.raises(DataError, match=said):
            plan(str(tmp_path / name), str(tmp_path / "out"), recipe)
    with pytest.raises(DataError, match="not known"):
        plan("gopher://here/there", str(tmp_path / "out"), recipe)
