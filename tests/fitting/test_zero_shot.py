"""`fit(strategy="zero-shot")` and models from words alone: the record, and prediction without a text tower."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import clips
from topwork import fit
from topwork.backbones import Backbone
from topwork.errors import DataError
from topwork.model import Classifier
from topwork.tasks import load
from topwork.tasks.classification import from_words
from topwork.tasks.classification.strategies import ProbeOptions, ZeroShotOptions

CLASSES = clips.UNSEEN[:4]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.digits_clip().save(tmp_path_factory.mktemp("clip") / "files")


@pytest.fixture(scope="module")
def backbone(clip_folder: Path, shared_cache: Path) -> Backbone:
    return clips.digits_clip().backbone(clip_folder).replace(crop_mode="squash")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.digit_folder(tmp_path_factory.mktemp("digits") / "data", CLASSES, 20)


@pytest.fixture(scope="module")
def model(data: Path, backbone: Backbone, clip_folder: Path) -> Classifier:
    return fit(data, strategy="zero-shot", backbone=backbone, options=ZeroShotOptions(text=clip_folder), test=0.5)


def test_the_record_tells_what_was_said_and_who_understood_it(model: Classifier, clip_folder: Path) -> None:
    record = model.record
    assert (record.strategy, record.head, record.outputs) == ("zero-shot", "text", ("embedding",))
    assert record.task.words is not None
    assert record.task.words.source == str(clip_folder)
    assert len(record.task.words.sha256) == 64
    assert record.task.words.prompts[0][1] == f"a photo of a {record.task.classes[0].replace('_', ' ')}."
    assert set(record.task.calibration) == {"temperature"}
    assert set(record.cross_validation) == {"accuracy", "log_loss"}
    assert model.metrics is not None
    assert model.metrics.accuracy.value > 0.9


def test_the_saved_model_needs_no_text_tower(model: Classifier, data: Path, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    images = sorted(data.rglob("*.png"))
    again = load(tmp_path / "model")
    np.testing.assert_allclose(again.predict_proba(images), model.predict_proba(images), atol=1e-6)
    code = (
        "import sys; from topwork import load; "
        f"print(load({str(tmp_path / 'model')!r}).predict([{str(images[0])!r}])[0].label, "
        "[name for name in ('torch', 'open_clip', 'tokenizers') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"{images[0].parent.name} []"


def test_a_blend_is_recorded_and_saved(data: Path, backbone: Backbone, clip_folder: Path, tmp_path: Path) -> None:
    options = ZeroShotOptions(text=clip_folder, blend=True)
    blend = fit(data, strategy="zero-shot", backbone=backbone, options=options, test=0.8)
    assert [trial.question for trial in blend.record.trials] == ["blend"] * 3
    assert sum(trial.chosen for trial in blend.record.trials) == 1
    blend.save(tmp_path / "model")
    images = sorted(data.rglob("*.png"))
    np.testing.assert_allclose(load(tmp_path / "model").predict_proba(images), blend.predict_proba(images), atol=1e-6)


def test_words_alone_make_a_model(data: Path, backbone: Backbone, clip_folder: Path, tmp_path: Path) -> None:
    labels = ["a " + name.replace("_", " ") for name in CLASSES]
    model = from_words(labels, backbone, ZeroShotOptions(text=clip_folder))
    assert model.classes == tuple(labels)
    assert model.metrics is None
    assert model.record.task.training == (0, 0, 0, 0)
    model.save(tmp_path / "model")
    images = sorted(data.rglob("*.png"))
    said = [prediction.label for prediction in load(tmp_path / "model").predict(images)]
    expected = ["a " + path.parent.name.replace("_", " ") for path in images]
    assert np.mean(np.array(said) == np.array(expected)) > 0.9


def test_options_and_backbones_of_another_strategy_are_refused(data: Path, backbone: Backbone) -> None:
    with pytest.raises(DataError, match="zero-shot takes ZeroShotOptions, not ProbeOptions"):
        fit(data, strategy="zero-shot", backbone=backbone, options=ProbeOptions())
    with pytest.raises(DataError, match="zero-shot takes one backbone, not 2"):
        fit(data, strategy="zero-shot", backbone=[backbone, backbone])
