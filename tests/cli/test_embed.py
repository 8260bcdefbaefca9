"""``embed`` writes what ``extract`` gives, in three kinds of file."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import easy_folder, photos
from topwork import extract, load_backbone, read

from .conftest import Run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return easy_folder(tmp_path_factory.mktemp("data"))


def test_all_kinds_hold_what_extract_gives(run: Run, data: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    expected = extract(read(data), load_backbone("lite0"))
    for name in ("x.npz", "x.csv", "x.parquet"):
        done = run("embed", data, "-o", tmp_path / name, "--json")
        assert done.code == 0
        assert (done.json["images"], done.json["features"]) == expected.values.shape
    with np.load(tmp_path / "x.npz") as file:
        held = dict(file)
    np.testing.assert_array_equal(held["values"], expected.values)
    assert held["paths"].tolist() == list(expected.dataset.paths)
    labels = [expected.dataset.classes[label] for label in expected.dataset.labels]
    assert held["labels"].tolist() == labels
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == labels
    np.testing.assert_allclose([float(row["f7"]) for row in rows], expected.values[:, 7], rtol=1e-6)
    table = parquet.read_table(tmp_path / "x.parquet").to_pydict()
    assert table["file"] == list(expected.dataset.paths)
    np.testing.assert_array_equal(np.float32(table["f0"]), expected.values[:, 0])


def test_timms_rules_are_those_of_the_library(run: Run, data: Path, tmp_path: Path) -> None:
    expected = extract(read(data), load_backbone("lite0", preprocessing="timm")).values
    assert run("embed", data, "-o", tmp_path / "x.npz", "--preprocessing", "timm").code == 0
    with np.load(tmp_path / "x.npz") as file:
        np.testing.assert_array_equal(file["values"], expected)
    assert np.abs(expected - extract(read(data), load_backbone("lite0")).values).max() > 0.1


def test_images_without_classes_have_features_too(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    folder.mkdir()
    for place, photo in enumerate(photos()[:2]):
        (folder / f"{place}.jpg").write_bytes(photo.read_bytes())
    (folder / "2.jpg").write_bytes(b"none")
    done = run("embed", folder, "-o", tmp_path / "x.npz", "--stages", "all")
    assert done.code == 0
    assert "2.jpg: not an image" in done.err
    assert "the images are embedded without classes: no class folders" in done.err
    with np.load(tmp_path / "x.npz") as file:
        held = dict(file)
    assert set(held) == {"values", "paths"}
    assert held["values"].shape[0] == 2
    assert held["values"].shape[1] > 1280


@pytest.mark.parametrize(
    ("out", "code", "told"),
    [
        ("x.txt", 2, ".npz, .csv, .parquet"),
        ("none/x.csv", 1, "cannot be written"),
        ("none/x.npz", 1, "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_is_refused(run: Run, data: Path, tmp_path: Path, out: str, code: int, told: str) -> None:
    done = run("embed", data, "-o", tmp_path / out)
    assert done.code == code
    assert told in done.err


def test_nothing_to_embed_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no class folders" in run("embed", tmp_path / "empty", "-o", tmp_path / "x.npz").err
    assert "no stage 'top'" in run("embed", tmp_path, "-o", tmp_path / "x.npz", "--stages", "top").err


def test_the_file_has_the_name_that_was_given(run: Run, data: Path, tmp_path: Path) -> None:
    assert run("embed", data, "-o", tmp_path / "X.NPZ").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["X.NPZ"]
