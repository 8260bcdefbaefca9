from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import easy_folder, photos, textile_folder, textiles
from topwork.data import read
from topwork.fitting import fit, held_out_again
from topwork.model import Model, load
from topwork.strategies import ProbeOptions

QUICK = ProbeOptions(stages="last", fit="crop", seed=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With copies, which the split keeps together."""
    folder = easy_folder(tmp_path_factory.mktemp("data") / "set", count=10)
    for place in range(3):
        shutil.copy(photos()[place], folder / "photo" / f"copy {place}.jpg")
    return folder


@pytest.fixture(scope="module")
def fitted(data: Path, shared_cache: Path) -> Model:
    return fit(data, strategy="probe", options=QUICK, test=0.3)


def test_the_same_images_are_found_again_after_a_save(fitted: Model, data: Path, tmp_path: Path) -> None:
    found = held_out_again(load(fitted.save(tmp_path / "m")), read(data, classes=fitted.classes))
    assert found is not None
    assert fitted.held_out is not None
    assert sorted(found.paths) == sorted(fitted.held_out.dataset.paths)
    assert 0 < len(found) == fitted.record.data.held_out
    told, again = fitted.metrics, fitted.evaluate(found)
    assert told is not None
    assert not again.seen_in_training
    assert again.evaluation.confusion.tolist() == told.confusion.tolist()


def test_other_data_is_not_taken_for_it(fitted: Model, data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "set"))
    assert held_out_again(fitted, read(other)) is not None  # moved: the same names below it
    shutil.copy(textiles("local")[0], other / "textile" / "one more.jpg")
    assert held_out_again(fitted, read(other)) is None
    assert held_out_again(fitted, read(textile_folder(tmp_path / "cloth", per_class=2))) is None


def test_images_that_were_exchanged_under_their_names_are_not_trusted(
    fitted: Model, data: Path, tmp_path: Path
) -> None:
    """The names tell the same data, the copies among them do not: another split comes out."""
    other = Path(shutil.copytree(data, tmp_path / "set"))
    files = sorted(other.rglob("*.jpg"))
    contents = [path.read_bytes() for path in files]
    for path, content in zip(files, np.random.default_rng(0).permutation(np.array(contents, object)), strict=True):
        path.write_bytes(content)
    dataset = read(other)
    assert dataset.fingerprint() == fitted.record.data.fingerprint
    found = held_out_again(fitted, dataset)
    assert found is None or sorted(found.paths) == sorted(fitted.held_out.dataset.paths)  # type: ignore[union-attr]


def test_data_with_parts_and_models_without_a_held_out_part_have_none(data: Path, tmp_path: Path) -> None:
    whole = fit(data, strategy="probe", options=QUICK, test=0)
    assert whole.record.data.held_out_share == 0
    assert held_out_again(whole, read(data)) is None
    for part in ("train", "test"):
        easy_folder(tmp_path / "parted" / part, count=6)
    parted = fit(tmp_path / "parted", strategy="probe", options=QUICK, allow=["leakage"])
    assert (parted.record.data.held_out_share, parted.record.data.held_out_fingerprint) == (0, "")
    assert held_out_again(parted, read(tmp_path / "parted")) is None
