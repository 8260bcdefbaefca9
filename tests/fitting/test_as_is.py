"""`fit(strategy="as-is")`: the record tells how the classes met, and the saved model predicts alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import copied, easy_folder
from topwork.errors import BackboneError, DataError, ModelError
from topwork.fitting import fit
from topwork.model import Classifier
from topwork.tasks import load
from topwork.tasks.classification.strategies import AsIsOptions, ProbeOptions

THINGS = {"snapshot": ["entity"], "weaving": ["velvet", "wool", "dishrag", "quilt", "doormat"]}


@pytest.fixture
def easy(tmp_path: Path, shared_cache: Path) -> Path:
    return easy_folder(tmp_path / "easy", "snapshot", "weaving", count=10)


@pytest.fixture
def named(tmp_path: Path, photos: list[Path], shared_cache: Path) -> Path:
    """Ten of foolbox's pictures in classes that ImageNet knows."""
    for photo in photos:
        index = int(photo.stem.rpartition("_")[2])
        if index < 400:
            copied([photo], tmp_path / "named" / "animal")
        elif index < 900:
            copied([photo], tmp_path / "named" / "artefact")
    return tmp_path / "named"


def test_names_are_measured_and_recorded(named: Path) -> None:
    model = fit(named, strategy="as-is", test=0.4)
    record = model.record
    assert (record.strategy, record.head, record.outputs) == ("as-is", "mapped", ("embedding",))
    assert record.task.mapping is not None
    assert (record.task.mapping.way, record.task.mapping.covers[0]) == ("names", 398)  # ImageNet-1k's animals
    assert (record.trials, record.cross_validation, record.task.calibration) == ((), {}, {"temperature": 1.0})
    assert model.metrics is not None
    assert model.metrics.accuracy.value == 1


def test_a_map_is_learnt_and_the_notes_say_why(easy: Path) -> None:
    record = fit(easy, strategy="as-is").record
    assert record.task.mapping is not None
    assert record.task.mapping.way == "learnt"
    assert any(
        note.startswith(
            "the classes were matched by learning from images, because 2 of 2 class names match no ImageNet-1k class"
        )
        for note in record.data.notes
    )


def test_a_saved_model_predicts_the_same_without_torch(easy: Path, tmp_path: Path, photos: list[Path]) -> None:
    model = fit(easy, strategy="as-is", options=AsIsOptions(class_map=THINGS))
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(photos[:3]), model.predict_proba(photos[:3]))
    code = (
        "import sys; from topwork.tasks import load\n"
        f"print(load({str(tmp_path / 'model')!r}).predict([{str(photos[0])!r}])[0].label)\n"
        "print(sorted({'torch', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [again.predict([photos[0]])[0].label, "[]"]


def test_a_probes_model_has_no_mapping(easy: Path) -> None:
    assert (
        fit(easy, strategy="probe", options=ProbeOptions(stages="last", crop_mode="crop")).record.task.mapping is None
    )


@pytest.mark.parametrize(("strategy", "options"), [("as-is", ProbeOptions()), ("probe", AsIsOptions())])
def test_options_of_another_strategy_are_refused(
    easy: Path, strategy: str, options: ProbeOptions | AsIsOptions
) -> None:
    with pytest.raises(DataError, match=f"strategy {strategy} takes .*Options, not {type(options).__name__}"):
        fit(easy, strategy=strategy, options=options)  # type: ignore[arg-type]


def test_several_backbones_are_refused(easy: Path) -> None:
    with pytest.raises(DataError, match="as-is takes one backbone, not 2"):
        fit(easy, strategy="as-is", backbone=["lite0", "lite1"])


def test_random_weights_are_refused(easy: Path) -> None:
    from topwork.backbones import load as load_backbone

    with pytest.raises(BackboneError, match="its classes have no meaning"):
        fit(easy, strategy="as-is", backbone=load_backbone("resnet18", weights="random"))


def spoilt(model: Classifier, folder: Path, old: str, new: str) -> Path:
    model.save(folder)
    text = (folder / "model.json").read_text("utf-8")
    assert old in text
    (folder / "model.json").write_text(text.replace(old, new), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"way": "given"', '"way": "guessed"', r"mapping\.way"),
        ('"covers": [995, 5]', '"covers": [995]', "2 classes, but a mapping of 1"),
        ('"covers": [995, 5]', '"covers": [995, "x"]', r"mapping\.covers"),
        ('"head": "mapped"', '"head": "linear"', "head tensors"),
    ],
)
def test_a_damaged_record_is_refused(easy: Path, tmp_path: Path, old: str, new: str, complaint: str) -> None:
    model = fit(easy, strategy="as-is", options=AsIsOptions(class_map=THINGS), test=0)
    with pytest.raises(ModelError, match=complaint):
        load(spoilt(model, tmp_path / "model", old, new))
