from __future__ import annotations

import dataclasses
import functools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork.fitting
from tests.model.samples import CLASSES, copied, easy_folder, photos, textile_folder, textiles
from topwork.backbones import load as load_backbone
from topwork.data import read, split
from topwork.errors import BackboneError, DataError, MissingExtraError
from topwork.model import Classifier
from topwork.tasks import load
from topwork.tasks.classification import sample_folder
from topwork.tasks.classification.strategies import ProbeOptions

QUICK = ProbeOptions(stages="last", crop_mode="crop")
fit: Any = functools.partial(topwork.fit, strategy="probe")  # what all strategies share is shown by the quickest


def head_bytes(model: Classifier) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in model.head.to_tensors().items()}


def moved(folder: Path, part: str, label: str, names: int) -> None:
    """Move the first files of a class into a split."""
    for file in sorted((folder / "train" / label).iterdir())[:names]:
        (folder / part / label).mkdir(parents=True, exist_ok=True)
        file.rename(folder / part / label / file.name)


@pytest.fixture
def parted(tmp_path: Path, shared_cache: Path) -> Path:
    """Six images of each of two classes for training, two for ``val`` and two for ``test``."""
    folder = tmp_path / "parted"
    easy_folder(folder / "train", count=10)
    for part in ("val", "test"):
        for label in ("photo", "textile"):
            moved(folder, part, label, 2)
    return folder


def test_the_public_names_are_there() -> None:
    names = ["PAGE", "Tracked", "advise", "default_options", "fit", "fit_shards", "held_out_again", "network_of"]
    assert topwork.fitting.__all__ == [*names, "write_report"]
    assert topwork.fit is topwork.fitting.fit


def test_a_fit_beats_chance_and_says_how_it_was_made(textile: Path) -> None:
    model = fit(textile)
    assert model.metrics is not None
    assert model.metrics.n == 12
    assert model.metrics.accuracy.value >= 0.5  # chance: 0.33
    assert model.record.data.held_out_split == "test"
    assert [(trial.question, trial.images) for trial in model.record.trials] == [
        *[("stages", 48)] * 2,
        *[("crop_mode", 48)] * 2,
        *[("method", 48)] * 3,
    ]
    assert model.record.cross_validation.keys() == {"accuracy", "log_loss"}


def test_easy_classes_are_told_apart(easy: Path) -> None:
    model = fit(easy, options=QUICK)
    assert model.metrics is not None
    assert model.metrics.accuracy.value == 1
    assert model.predict([photos()[15]])[0].label == "photo"
    assert model.predict([textiles("local")[15]])[0].label == "textile"


def test_the_same_seed_gives_the_same_model_and_another_another(textile: Path) -> None:
    first, second, other = (fit(textile, options=ProbeOptions(seed=seed)) for seed in (0, 0, 1))
    assert head_bytes(first) == head_bytes(second)
    assert head_bytes(first) != head_bytes(other)
    said = [m.record.model_dump(exclude={"created"}) for m in (first, second, other)]
    assert said[0] == said[1]
    assert said[2]["seed"] == 1
    assert said[0]["data"]["fingerprint"] == said[2]["data"]["fingerprint"]  # the same data, otherwise split
    assert said[0]["task"]["metrics"] != said[2]["task"]["metrics"]


def test_the_cache_changes_nothing(easy: Path) -> None:
    found = [fit(easy, options=dataclasses.replace(QUICK, cache=cache)) for cache in (False, True, True)]
    assert head_bytes(found[0]) == head_bytes(found[1]) == head_bytes(found[2])
    assert found[0].record.task.metrics == found[1].record.task.metrics


def test_fault_45_the_frozen_backbone_stays_as_it_was(easy: Path) -> None:
    """Buffers of the normalisation layers included: the torch engine runs the module itself."""
    backbone = load_backbone()
    before = {name: value.numpy().tobytes() for name, value in backbone.module().state_dict().items()}
    model = fit(easy, backbone=backbone, options=dataclasses.replace(QUICK, engine="torch-cpu", cache=False))
    after = {name: value.numpy().tobytes() for name, value in model.backbone.module().state_dict().items()}
    assert before == after
    assert model.record.engine.name == "torch-cpu"


def test_faults_20_to_22_damaged_files_are_left_out_and_named(easy: Path) -> None:
    clean = fit(easy, options=QUICK)
    whole = photos()[12].read_bytes()
    (easy / "photo" / "zero.jpg").touch()
    (easy / "photo" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (easy / "textile" / "text.jpg").write_text("I am not an image")
    (easy / "textile" / "notes.txt").write_text("nor am I")
    model = fit(read(easy), test=0.2, options=QUICK)
    assert model.record.data.left_out == 4
    assert model.record.data.training + model.record.data.held_out == 16
    notes = "\n".join(model.record.data.notes)
    for path in ("photo/zero.jpg", "photo/cut.jpg", "textile/text.jpg", "textile/notes.txt"):
        assert f"left out: {path}: " in notes
    assert clean.record.data.notes == ("few-images: 2 classes with fewer than 10 usable training images.",)


def test_fault_22_a_jpeg_called_png_is_used(easy: Path) -> None:
    shutil.copyfile(photos()[12], easy / "photo" / "photo.png")
    model = fit(easy, options=QUICK)
    assert (model.record.data.left_out, model.record.data.training + model.record.data.held_out) == (0, 17)


def test_many_left_out_files_are_counted(easy: Path) -> None:
    for number in range(13):
        (easy / "photo" / f"empty{number:02}.jpg").touch()
    notes = fit(easy, options=QUICK).record.data.notes
    assert sum(note.startswith("left out: photo/empty") for note in notes) == 10
    assert notes[-1] == "left out: 3 more"


def test_a_test_part_measures_and_is_not_trained_on(parted: Path) -> None:
    model = fit(parted, options=QUICK)
    assert (model.record.data.held_out_split, model.record.data.held_out) == ("test", 4)
    assert model.record.task.training == (6, 6)
    without = parted.with_name("without")
    shutil.copytree(parted / "train", without)
    assert head_bytes(fit(without, test=0, options=QUICK)) == head_bytes(model)


def test_a_val_part_measures_where_there_is_no_test(parted: Path) -> None:
    shutil.rmtree(parted / "test")
    model = fit(parted, options=QUICK)
    assert (model.record.data.held_out_split, model.record.data.held_out) == ("val", 4)


def test_a_train_part_alone_is_split(parted: Path) -> None:
    shutil.rmtree(parted / "test")
    shutil.rmtree(parted / "val")
    model = fit(parted, options=QUICK)
    assert (model.record.data.held_out_split, model.record.data.held_out) == ("test", 2)


def test_fault_4_a_val_part_that_lacks_a_class_leaves_the_map_as_it_was(parted: Path) -> None:
    shutil.rmtree(parted / "test")
    shutil.rmtree(parted / "val" / "photo")
    model = fit(parted, options=QUICK)
    assert model.classes == ("photo", "textile")
    assert model.metrics is not None
    assert [report.support for report in model.metrics.per_class] == [0, 2]
    assert model.metrics.per_class[0].recall is None
    assert model.metrics.accuracy.value == 1
    assert load(model.save(parted.with_name("model"))).metrics is not None


def test_fault_5_a_class_that_is_in_test_alone_is_refused(parted: Path) -> None:
    copied(photos()[15:17], parted / "test" / "phot")
    with pytest.raises(DataError, match="class 'phot' is in test but not in train"):
        fit(parted, options=QUICK)


def test_fault_1_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders"):
        fit(tmp_path)


def test_fault_2_one_class_is_refused_with_why(tmp_path: Path) -> None:
    copied(photos()[:4], tmp_path / "photo")
    with pytest.raises(DataError, match=r"only one class, 'photo'.*at least two classes"):
        fit(tmp_path)


def test_a_class_of_which_nothing_can_be_read_is_refused_by_its_first_file(tmp_path: Path, shared_cache: Path) -> None:
    copied(photos()[:4], tmp_path / "photo")
    for name in "abc":
        (tmp_path / "textile").mkdir(exist_ok=True)
        (tmp_path / "textile" / f"{name}.jpg").touch()
    with pytest.raises(DataError, match="only 1 of 2 classes have readable training images") as refused:
        fit(tmp_path, test=0, options=QUICK)
    assert refused.value.hint == "3 left out, the first: textile/a.jpg: an empty file (0 bytes)"


def test_a_folder_of_damaged_files_is_refused(tmp_path: Path, shared_cache: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for name in "xy":
            (tmp_path / label / f"{name}.jpg").write_text("no")
    with pytest.raises(DataError, match="0 of 2 classes"):
        fit(tmp_path, test=0)


def test_a_test_part_of_which_nothing_can_be_read_is_refused(parted: Path) -> None:
    """Not silently measured on ``val``, nor not at all."""
    for file in (parted / "test").rglob("*.jpg"):
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the test images \(test\) can be read") as refused:
        fit(parted, options=QUICK)
    assert refused.value.hint.startswith("left out: test/photo/")


def test_fault_3_an_empty_class_keeps_its_place_and_is_never_said(easy: Path) -> None:
    (easy / "nothing").mkdir()
    model = fit(easy, options=QUICK)
    assert model.classes == ("nothing", "photo", "textile")
    assert model.record.task.training[0] == 0
    assert model.predict([photos()[15]])[0].probabilities["nothing"] < 1e-6
    assert any("no training image of class 'nothing'" in note for note in model.record.data.notes)


def test_fault_18_a_class_of_one_image_trains_and_is_noted(easy: Path) -> None:
    copied(textiles("global")[:1], easy / "single")
    model = fit(easy, options=QUICK)
    counts = dict(zip(model.classes, model.record.task.training, strict=True))
    assert counts["single"] == 1
    assert any("only one training image of class 'single'" in note for note in model.record.data.notes)
    assert model.predict([textiles("global")[0]])[0].label in model.classes


@pytest.mark.parametrize("count", [1, 2])
def test_fault_18_few_images_a_class_give_a_model(tmp_path: Path, shared_cache: Path, count: int) -> None:
    data = textile_folder(tmp_path / "data", per_class=count)
    model = fit(data, test=0)
    assert model.record.task.training == (count,) * 3
    assert model.metrics is None
    assert (model.record.cross_validation == {}) == (count == 1)  # nothing can be held out of one
    assert load(model.save(tmp_path / "model")).predict([textiles("local")[0]])[0].label == "local"


def test_too_few_images_to_hold_any_out_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few images for a test split") as refused:
        fit(textile_folder(tmp_path / "data", per_class=1))
    assert refused.value.hint


def test_nothing_is_held_out_where_none_is_wanted(easy: Path) -> None:
    model = fit(easy, test=0, options=QUICK)
    assert model.metrics is None
    assert (model.record.data.held_out, model.record.data.held_out_split) == (0, "")
    assert model.record.task.training == (8, 8)
    assert model.record.cross_validation["accuracy"] == 1


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(easy: Path, share: float) -> None:
    with pytest.raises(DataError, match="test must be above 0 and below 1"):
        fit(easy, test=share, options=QUICK)


def test_identical_images_in_both_classes_give_chance_and_no_crash(tmp_path: Path, shared_cache: Path) -> None:
    content = photos()[0].read_bytes()
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(6):
            (tmp_path / label / f"{number}.jpg").write_bytes(content)
    model = fit(tmp_path, test=0, allow=["label-conflicts"])
    probabilities = model.predict_proba([content])
    assert probabilities[0].tolist() == pytest.approx([0.5, 0.5], abs=0.1)


@pytest.mark.slow
def test_fault_44_shuffled_labels_give_chance(tmp_path: Path, shared_cache: Path) -> None:
    dataset = split(read(textile_folder(tmp_path / "data", per_class=80)), test=0.5)
    shuffled = dataclasses.replace(dataset, labels=np.random.default_rng(0).permutation(dataset.labels))
    model, true = fit(shuffled), fit(dataset)
    assert model.metrics is not None
    assert true.metrics is not None
    assert abs(model.metrics.accuracy.value - 1 / 3) < 0.13  # three standard errors of 120 images
    assert abs(model.record.cross_validation["accuracy"] - 1 / 3) < 0.15
    assert model.metrics.log_loss.value < 1.2  # ln 3 = 1.099: it knows that it does not know
    assert true.metrics.accuracy.value > 0.6


def test_fault_18_imbalance_is_noted_and_the_rare_class_still_found(tmp_path: Path, shared_cache: Path) -> None:
    copied(photos()[:3], tmp_path / "rare")
    copied(textiles("nominal")[:120], tmp_path / "common")
    model = fit(tmp_path, options=QUICK)
    assert any(note.startswith("imbalanced: 'common' has 120") for note in model.record.data.notes)
    assert model.metrics is not None
    assert [report.support > 0 for report in model.metrics.per_class] == [True, True]
    assert [each.label for each in model.predict(photos()[10:14])].count("rare") >= 3


def test_fault_8_html_in_a_class_name_stays_text(tmp_path: Path, shared_cache: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    model = load(fit(easy_folder(tmp_path / "data", first=name), options=QUICK).save(tmp_path / "model"))
    assert model.classes == (name, "textile")
    assert model.predict([photos()[15]])[0].label == name


def test_fault_9_a_file_name_that_is_not_utf8_is_used(tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data")
    name = b"caf\xe9\n.jpg".decode("utf-8", "surrogateescape")
    shutil.copyfile(photos()[12], data / "photo" / name)
    model = fit(data, options=QUICK)
    assert model.record.data.training + model.record.data.held_out == 17
    again = load(model.save(tmp_path / "model"))
    assert again.record.data.fingerprint == read(data).fingerprint()
    (data / "photo" / name).unlink()
    assert again.record.data.fingerprint != read(data).fingerprint()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"head": "knn"}, {"head": "knn", "cross_validation": {"accuracy": 1.0}}),
        ({"stages": ("blocks.2", "blocks.4"), "pooling": "max"}, {"outputs": ("blocks.2/max", "blocks.4/max")}),
        ({"stages": "last"}, {"outputs": ("embedding",)}),
        ({"crop_mode": "pad", "method": "logistic"}, {"trials": ()}),
        ({"seed": 7}, {"seed": 7}),
    ],
    ids=["knn", "stages", "last", "pad", "seed"],
)
def test_what_is_asked_for_is_done_and_written_down(easy: Path, changes: dict[str, Any], said: dict[str, Any]) -> None:
    model = fit(easy, options=dataclasses.replace(QUICK, **changes))
    record = model.record.model_dump()
    assert {key: record[key] for key in said} == said
    assert model.backbone.preprocessing.crop_mode == changes.get("crop_mode", "crop")
    assert load(model.save(easy.with_name("model"))).predict([photos()[15]])[0].label == "photo"


def test_a_backbone_may_be_given_by_name_or_as_a_value(easy: Path) -> None:
    named = fit(easy, backbone="efficientnet-lite0", options=QUICK)
    assert head_bytes(named) == head_bytes(fit(easy, backbone=load_backbone("lite0"), options=QUICK))
    small = fit(easy, backbone=load_backbone("lite0", size=64), options=QUICK)
    assert small.record.backbone["preprocessing"]["size"] == 64


def test_wrong_names_are_refused_with_the_nearest(easy: Path) -> None:
    with pytest.raises(DataError, match=r"strategy must be one of auto, .*, not 'tune'"):
        fit(easy, strategy="tune")  # type: ignore[arg-type]
    with pytest.raises(BackboneError, match="no backbone is called 'lite9'") as refused:
        fit(easy, backbone="lite9")
    assert "lite0" in refused.value.hint
    with pytest.raises(BackboneError, match=r"no stage 'blocks\.9'"):
        fit(easy, options=ProbeOptions(stages=("blocks.9",)))


def test_steps_are_announced_in_order(easy: Path) -> None:
    said: list[str] = []
    fit(easy, announce=said.append)
    assert said[:2] == ["first look at each image", "features of images"]
    assert said[-1] == "measuring the model"
    others = [step for step in said[1:-1] if not step.startswith("features of")]
    assert set(others) == {"training the head"}


def test_fault_14_a_file_that_vanished_since_it_was_listed_is_named(easy: Path) -> None:
    dataset = read(easy)
    (easy / dataset.paths[0]).unlink()
    model = fit(dataset, options=QUICK)
    assert any(dataset.paths[0] in note and "no such file" in note for note in model.record.data.notes)


def test_the_sample_is_there_and_a_missing_one_names_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(path.name for path in sample_folder().iterdir()) == list(CLASSES)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as refused:
        sample_folder()
    assert "pip install 'topwork[sample]'" in refused.value.hint


def leaking(folder: Path) -> Path:
    """One of two test photographs is a training one too."""
    (folder / "test" / "photo").mkdir(exist_ok=True)
    target = sorted((folder / "test" / "photo").iterdir())[0]
    shutil.copyfile(sorted((folder / "train" / "photo").iterdir())[0], target)
    return folder


def test_fault_15_a_copy_between_parts_is_refused_unless_allowed(parted: Path) -> None:
    leaking(parted)
    with pytest.raises(
        DataError,
        match=r"would be misleading: 1 held-out image with an exact copy in another split \(up to 25\.0% of a split\)",
    ) as caught:
        fit(parted, options=QUICK)
    assert "--allow leakage trains anyway" in caught.value.hint
    model = fit(parted, options=QUICK, allow=["leakage"])
    assert [note for note in model.record.data.notes if note.startswith("leakage: 1 held-out image")]


def test_fault_16_one_picture_under_two_labels_is_refused_unless_allowed(easy: Path) -> None:
    shutil.copyfile(sorted((easy / "photo").iterdir())[0], easy / "textile" / "again.jpg")
    with pytest.raises(DataError, match="2 images are exact copies under different labels") as caught:
        fit(easy, options=QUICK)
    assert "--allow label-conflicts" in caught.value.hint
    assert fit(easy, options=QUICK, allow=["label-conflicts"]).metrics is not None


def test_a_finding_that_does_not_exist_cannot_be_allowed(easy: Path) -> None:
    with pytest.raises(DataError, match="no finding that stops a fit is called 'leak'") as caught:
        fit(easy, options=QUICK, allow=["leak"])
    assert caught.value.hint == "there are group-in-two-splits, label-conflicts, leakage"


def test_fault_15_copies_stay_on_one_side_of_the_split(easy: Path) -> None:
    """Copies, a re-encoded one among them: with each alone, some would be torn under one of these seeds."""
    from PIL import Image

    for file in sorted((easy / "photo").iterdir())[:4]:
        shutil.copyfile(file, file.with_name(f"copy-{file.name}"))
        with Image.open(file) as image:
            image.save(file.with_name(f"again-{file.name}"), quality=85)
    for seed in range(4):
        model = fit(easy, options=dataclasses.replace(QUICK, seed=seed), test=0.4)
        notes = " ".join(model.record.data.notes)
        assert "exact-duplicates: 4 images more than needed" in notes
        assert "leakage" not in notes
        assert model.record.data.held_out > 0
