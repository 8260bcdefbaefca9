"""Models of every format so far load, and answer what they answered when they were made."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.advising import Advice
from topwork.errors import ModelError
from topwork.model import FORMAT, Classifier
from topwork.model._migrations import migrated
from topwork.tasks import load

from .samples import photos, textiles

FORMATS = Path(__file__).parent / "formats"
FOLDERS = sorted(path for path in FORMATS.iterdir() if path.is_dir())
IMAGES = {path.name: path for path in [*photos(), *textiles("nominal")]}


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_every_older_format_has_its_folders() -> None:
    assert {int(path.name.partition("-")[0]) for path in FOLDERS} == set(range(1, FORMAT))


def test_the_head_answers_what_it_answered(folder: Path) -> None:
    model = load(folder, Classifier)
    expected = json.loads((folder / "expected.json").read_text())
    features = np.random.default_rng(0).normal(size=(4, model.head.n_features)).astype(np.float32)
    # Which order a processor's BLAS adds in is its own affair.
    np.testing.assert_allclose(model.head.probabilities(features), np.array(expected["head"], np.float32), rtol=1e-5)


@pytest.mark.parametrize(
    "advice", [{}, {"rungs": [{}], "reading": {}}, {"rungs": 3, "reading": {}}, {"rungs": []}, "no"]
)
def test_a_model_with_maimed_advice_is_used_without_it(tmp_path: Path, advice: Any) -> None:
    """No format said what advice is, and no prediction needs it."""
    folder = Path(shutil.copytree(FORMATS / "1-advice", tmp_path / "model"))
    fields = json.loads((folder / "model.json").read_text("utf-8"))
    (folder / "model.json").write_text(json.dumps(fields | {"advice": advice}), "utf-8")
    assert load(folder).record.advice is None


@pytest.mark.filterwarnings("ignore:this model was trained on bf16")  # where it is computed in float32
def test_pictures_are_told_as_they_were(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text())["images"]
    found = load(folder).predict([IMAGES[name] for name, _, _ in expected])
    assert [prediction.label for prediction in found] == [label for _, label, _ in expected]
    probabilities = [probability for _, _, probability in expected]
    np.testing.assert_allclose([prediction.probability for prediction in found], probabilities, atol=0.02)  # bfloat16


def test_it_is_saved_in_todays_format_and_is_the_same(folder: Path, tmp_path: Path) -> None:
    old = load(folder, Classifier)
    new = load(old.save(tmp_path / "model"), Classifier)
    assert json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))["format"] == FORMAT
    assert new.record == old.record
    assert new.metrics is not None
    assert old.metrics is not None
    assert new.metrics.to_dict() == old.metrics.to_dict()
    assert new.head.to_tensors().keys() == old.head.to_tensors().keys()


def test_what_a_format_knew_is_not_lost() -> None:
    first, thresholds = (load(FORMATS / f"1-{name}", Classifier) for name in ("first", "thresholds"))
    assert (first.record.task.selective, first.novelty, first.trained, first.record.options) == (None, None, None, {})
    assert first.metrics is not None
    assert first.metrics.confusion.tolist() == [[3, 0], [0, 2]]
    assert thresholds.record.task.selective is not None
    assert thresholds.novelty is not None
    advice = load(FORMATS / "1-advice").record.advice
    assert advice is not None
    assert Advice.from_dict(advice).spec.crop_mode in ("crop", "squash")
    options = load(FORMATS / "1-options", Classifier)
    assert options.record.options["crop_mode"] == options.backbone.preprocessing.crop_mode == "squash"
    assert options.record.data.training == sum(options.record.task.training)
    assert options.trained is not None


def test_a_migration_leaves_the_old_fields_alone() -> None:
    old = json.loads((FORMATS / "1-advice" / "model.json").read_text("utf-8"))
    before = copy.deepcopy(old)
    assert migrated(old, "model.json")["format"] == FORMAT
    assert old == before


@pytest.mark.parametrize("missing", ["classes", "data", "backbone", "trials", "calibration"])
def test_a_damaged_old_model_is_refused_by_its_field(tmp_path: Path, missing: str) -> None:
    shutil.copytree(FORMATS / "1-options", tmp_path / "model")
    fields: dict[str, Any] = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    del fields[missing]
    (tmp_path / "model" / "model.json").write_text(json.dumps(fields), "utf-8")
    with pytest.raises(ModelError, match=rf"model\.json: a field of format version 1 is missing or wrong: '{missing}'"):
        load(tmp_path / "model")
