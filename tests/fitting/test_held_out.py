from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import easy_folder, photos, textile_folder, textiles
from topwork.data import read
from topwork.fitting import fit, held_out_again
from topwork.model import Classifier
from topwork.tasks import load
from topwork.tasks.classification.strategies import ProbeOptions

QUICK = ProbeOptions(stages="last", crop_mode="crop", seed=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With copies, which the split keeps together."""
    folder = easy_folder(tmp_path_factory.mktemp("data") / "set", count=10)
    for place in range(3):
        shutil.copy(photos()[place], folder / "photo" / f"copy {place}.jpg")
    return folder


@pytest.fixture(scope="module")
def fitted(data: Path, shared_cache: Path) -> Classifier:
    return fit(data, strategy="probe", options=QUICK, test=0.3)


def test_the_same_images_are_found_again_after_a_save(fitted: Classifier, data: Path, tmp_path: Path) -> None:
    found = held_out_again(load(fitted.save(tmp_path / "m")), read(data, classes=fitted.classes))
    assert found is not None
    assert fitted.held_out is not None
    assert sorted(found.paths) == sorted(fitted.held_out.dataset.paths)
    assert 0 < len(found) == fitted.record.data.held_out
    told, again = fitted.metrics, fitted.evaluate(found)
    assert told is not None
    assert not again.seen_in_training
    assert again.evaluation.confusion.tolist() == told.confusion.tolist()


def test_other_data_is_not_taken_for_it(fitted: Classifier, data: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(data, tmp_path / "set"))
    assert held_out_again(fitted, read(other)) is not None  # moved: the same names below it
    shutil.copy(textiles("local")[0], other / "textile" / "one more.jpg")
    assert held_out_again(fitted, read(other)) is None
    assert held_out_again(fitted, read(textile_folder(tmp_path / "cloth", per_class=2))) is None


def test_images_that_were_exchanged_under_their_names_are_not_trusted(
    fitted: Classifier, data: Path, tmp_path: Path
) -> None:
    """The names tell the same data, and where no copies move, the same split comes out too: the files tell."""
    assert fitted.held_out is not None
    unique = [path for path in sorted(data.rglob("*.jpg")) if "photo" not in path.parts]
    held_out = [path for path in unique if str(path.relative_to(data)) in fitted.held_out.dataset.paths]
    trained = [path for path in unique if path not in held_out]
    for place, pair in enumerate(((held_out[0], trained[0]), (held_out[0], held_out[1]))):
        other = Path(shutil.copytree(data, tmp_path / f"set {place}"))
        names = [other / path.relative_to(data) for path in pair]
        contents = [path.read_bytes() for path in names]
        names[0].write_bytes(contents[1])
        names[1].write_bytes(contents[0])
        dataset = read(other)
        assert dataset.fingerprint() == fitted.record.data.fingerprint
        assert held_out_again(fitted, dataset) is None
    assert held_out_again(fitted, read(data)) is not None


def test_training_images_are_known_again_by_their_content(fitted: Classifier, data: Path, tmp_path: Path) -> None:
    assert fitted.held_out is not None
    assert fitted.held_out.trained == 0
    given = load(fitted.save(tmp_path / "m")).evaluate(data)
    assert given.trained == fitted.record.data.training
    assert given.seen_in_training
    shutil.copytree(data / "textile", tmp_path / "elsewhere" / "photo")  # another label, another place
    (tmp_path / "elsewhere" / "textile").mkdir()
    shutil.copy(textiles("local")[0], tmp_path / "elsewhere" / "textile")
    found = fitted.evaluate(tmp_path / "elsewhere")
    assert found.trained == fitted.record.task.training[1]


def test_ten_thousand_images_are_known_again_by_a_small_file(fitted: Classifier, tmp_path: Path) -> None:
    many = np.arange(10_000, dtype=np.uint64)
    model = Classifier(fitted.record, fitted.head, fitted.backbone, trained=many)
    folder = model.save(tmp_path / "m")
    assert (folder / "training.safetensors").stat().st_size < 100_000
    again = load(folder).trained
    assert again is not None
    np.testing.assert_array_equal(again, many)


def test_data_with_parts_and_models_without_a_held_out_part_have_none(data: Path, tmp_path: Path) -> None:
    whole = fit(data, strategy="probe", options=QUICK, test=0)
    assert whole.record.data.held_out_share == 0
    assert held_out_again(whole, read(data)) is None
    for part in ("train", "test"):
        easy_folder(tmp_path / "parted" / part, count=6)
    parted = fit(tmp_path / "parted", strategy="probe", options=QUICK, allow=["leakage"])
    assert (parted.record.data.held_out_share, parted.record.data.held_out_fingerprint) == (0, "")
    assert held_out_again(parted, read(tmp_path / "parted")) is None
