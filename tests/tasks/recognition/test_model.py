"""The recogniser: fitted, measured on identities it never saw, saved with a gallery, and without a trace of anybody."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork.backbones import load as load_backbone
from topwork.data import read
from topwork.errors import DataError, ImageError, ModelError
from topwork.fitting import fit, held_out_again
from topwork.model import _folder
from topwork.tasks import load
from topwork.tasks.recognition import Recognizer
from topwork.tasks.recognition._options import RecognitionOptions
from topwork.tasks.recognition._split import hold_out, identity_folds
from topwork.tasks.recognition._words import WORDS
from topwork.tasks.recognition.gallery import FOLDER, Gallery

from .conftest import OPTIONS


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_it_is_measured_on_identities_that_it_never_saw(fitted: Recognizer, people: Path) -> None:
    record, found = fitted.record, fitted.metrics
    assert found is not None
    assert (record.task.identities, found.verification.identities) == (10, 6)
    assert record.data.training + record.data.held_out == 80
    assert found.verification.eer.value < 0.3
    assert found.untrained is not None
    promise = record.task.promise
    assert (promise.false_accept, promise.identities) == (0.02, 10)
    assert found.verification.promised is not None
    assert found.verification.promised.threshold == promise.threshold
    parted = hold_out(read(people), 0.4, 0)
    train, test = (set(parted.split(name).labels.tolist()) for name in ("train", "test"))
    assert train.isdisjoint(test)
    assert {trial.question for trial in record.trials} == {"features", "projection"}
    for question in ("features", "projection"):
        assert sum(trial.chosen for trial in record.trials if trial.question == question) == 1


def test_few_identities_that_judge_say_little(fitted: Recognizer) -> None:
    """Six judge here; ten would be enough."""
    found = fitted.metrics
    assert found is not None
    (said,) = (line for line in WORDS.fitted(fitted) if "say little" in line)
    assert said.startswith("Only 6 identities judge")
    assert found.few
    assert not dataclasses.replace(found, verification=dataclasses.replace(found.verification, identities=10)).few


def test_it_comes_back_and_measures_the_same(fitted: Recognizer, people: Path, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "model")
    again = load(folder, Recognizer)
    assert again.embedding_id == fitted.embedding_id
    held = held_out_again(again, read(people))
    assert held is not None
    found = again.evaluate(held)
    assert fitted.metrics is not None
    assert found.evaluation.verification == fitted.metrics.verification
    assert all(each.same == (held.labels[each.first] == held.labels[each.second]) for each in found.confusions)


def test_strangers_are_enrolled_found_and_forgotten(model: Recognizer, strangers: list[list[Path]]) -> None:
    folder = model.gallery.folder
    assert folder is not None
    clean = everything(folder.parent)
    for number, images in enumerate(strangers[:3]):
        found = model.enroll(f"stranger {number}", images[:3])
        assert (found.images, found.people, dict(found.errors)) == (3, number + 1, {})
    again = load(folder.parent, Recognizer)
    answers = again.predict([images[4] for images in strangers])
    assert [each.matches[0].name for each in answers[:3]] == ["stranger 0", "stranger 1", "stranger 2"]
    for answer in answers:
        assert answer.similarity == answer.matches[0].similarity
        assert (answer.name != "") == (answer.similarity >= model.threshold)
    embedding = again.embed([strangers[1][0]]).values[0].astype(np.float16).tobytes()
    for trace in (b"stranger 1", embedding):
        assert trace in everything(folder.parent)
    assert again.forget("stranger 1") == 3
    for trace in (b"stranger 1", embedding):
        assert trace not in everything(folder.parent)
    assert "stranger 1" not in [match.name for match in again.predict([strangers[1][4]])[0].matches]
    for name in list(again.gallery.counts):
        again.forget(name)
    shutil.rmtree(folder)
    assert everything(folder.parent) == clean


def test_no_name_of_the_training_data_is_written_down(people: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(people, tmp_path / "people")
    (folder / "person 00" / "broken.jpg").write_bytes(b"no image")
    made = fit(folder, task="recognition", strategy="probe", test=0.4, options=OPTIONS)
    written = everything(made.save(tmp_path / "model"))
    assert b"person" not in written.replace(b"let a person", b"").replace(b"a person", b"")
    assert made.record.data.left_out == 1


def test_two_images_are_compared(model: Recognizer, strangers: list[list[Path]], tmp_path: Path) -> None:
    first, second = strangers[0][0], strangers[0][1]
    found = model.verify(first, second)
    rows = model.embed([first, second]).values
    assert found.similarity == pytest.approx(float(rows[0] @ rows[1]))
    assert found.same == (found.similarity >= model.threshold)
    assert model.verify(first, first).similarity == pytest.approx(1, abs=1e-5)
    with pytest.raises(ImageError, match=r"none\.png: no such file"):
        model.verify(first, tmp_path / "none.png")


def test_strangers_are_grouped(model: Recognizer, strangers: list[list[Path]], tmp_path: Path) -> None:
    given = [path for images in strangers for path in (*images[:2], images[0])]
    found = model.group([*given, tmp_path / "none.png"])
    assert found.groups[-1] == 0
    assert dict(found.errors) == {str(tmp_path / "none.png"): "no such file"}
    numbers = np.array(found.groups[:-1]).reshape(4, 3)
    assert (numbers[:, 0] == numbers[:, 2]).all()  # the same image
    counts = np.bincount(numbers.ravel())[1:]
    assert (np.diff(counts) <= 0).all()
    assert model.group([given[0]]).groups == (1,)
    assert model.group([]).groups == ()


def test_the_gallery_goes_with_the_model_and_is_of_no_other(
    model: Recognizer, fitted: Recognizer, people: Path, strangers: list[list[Path]], tmp_path: Path
) -> None:
    model.enroll("a", strangers[0])
    folder = tmp_path / "model"
    model.save(folder)  # over itself
    model.save(tmp_path / "copy", self_contained=True)
    for place in (folder, tmp_path / "copy"):
        assert load(place, Recognizer).gallery.counts == {"a": 5}
    with pytest.raises(ModelError, match="replacing this model would also delete gallery"):
        fitted.save(folder)
    options = dataclasses.replace(OPTIONS, projection="standardised", stages=("blocks.4",))
    other = fit(people, task="recognition", strategy="probe", test=0.4, options=options)
    other.save(tmp_path / "other")
    shutil.copytree(folder / FOLDER, tmp_path / "other" / FOLDER)
    with pytest.raises(ModelError, match="made by another model"):
        load(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "head.safetensors", folder)
    with pytest.raises(ModelError, match="features, its outputs give"):
        load(folder)


def test_everybody_can_be_enrolled_by_the_fit(people: Path, tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, projection="within", stages=("blocks.5",), enroll=True)
    made = fit(people, task="recognition", strategy="probe", test=0.4, options=options)
    made.save(tmp_path / "model")
    again = load(tmp_path / "model", Recognizer)
    assert again.gallery.counts == {f"person {number:02}": 5 for number in range(16)}
    assert again.predict([people / "person 03" / "2.jpg"])[0].name == "person 03"


def test_images_that_tell_nothing_are_refused_alone(
    model: Recognizer, strangers: list[list[Path]], tmp_path: Path
) -> None:
    Image.new("RGB", (8, 8), (90, 30, 200)).save(tmp_path / "8.png")
    (tmp_path / "text.jpg").write_text("no image")
    found = model.enroll("a", [tmp_path / "text.jpg", *strangers[0][:1], tmp_path / "8.png"])
    assert (found.images, list(found.errors)) == (2, [str(tmp_path / "text.jpg")])
    with pytest.raises(DataError, match=r"nothing was enrolled as 'b': .*text\.jpg"):
        model.enroll("b", [tmp_path / "text.jpg"])
    with pytest.raises(DataError, match="nothing was enrolled as 'b': no image was given"):
        model.enroll("b", [])
    assert model.gallery.counts == {"a": 2}
    nan = np.full((32, 32, 3), np.nan)
    refused, good = model.predict([nan, strangers[0][0]])
    assert "not numbers" in refused.error
    assert good.name == "a"
    json.dumps([refused.to_dict(), good.to_dict()])


def test_somebody_who_looks_like_another_is_told(model: Recognizer, strangers: list[list[Path]]) -> None:
    assert model.enroll("a", strangers[0][:2]).alike == ""
    assert model.enroll("b", strangers[0][:1]).alike == "a"
    assert model.enroll("a", strangers[0][2:3]).alike in ("", "b")


def test_identities_are_dealt_whole(people: Path) -> None:
    dataset = read(people)
    folds = identity_folds(dataset, 5, 0)
    assert sorted(np.bincount([folds[dataset.labels == label][0] for label in range(16)])) == [4, 4, 4, 4]
    assert all(len(set(folds[dataset.labels == label])) == 1 for label in range(16))
    few = dataset.select(np.isin(dataset.labels, [0, 1, 2]))
    with pytest.raises(DataError, match="3 identities have two training images or more"):
        identity_folds(few, 5, 0)
    with pytest.raises(DataError, match="cannot be divided"):
        hold_out(few, 0.5, 0)
    with pytest.raises(DataError, match="test must be above 0"):
        hold_out(dataset, 1.5, 0)


def test_what_the_pairs_cannot_promise_is_refused(people: Path) -> None:
    options = RecognitionOptions(crop_mode="squash", stages="last", projection="cosine", false_accept=1e-5)
    with pytest.raises(DataError, match="pairs of strangers cannot tell a false-accept rate of 1e-05"):
        fit(people, task="recognition", strategy="probe", options=options)
    with pytest.raises(DataError, match="nothing that finds 'ghosts' is known"):
        fit(people, task="recognition", strategy="probe", options=dataclasses.replace(options, finder="ghosts"))


def test_who_judges_may_be_divided_off_by_the_user_and_is_named_nowhere(people: Path, tmp_path: Path) -> None:
    """Others in ``test/`` than in ``train/``, one of a single image: notes on the data would name it."""
    for number, source in enumerate(sorted(people.iterdir())):
        shutil.copytree(source, tmp_path / "data" / ("train" if number < 10 else "test") / source.name)
    photo = next(people.glob("person 10/*"))
    single = tmp_path / "data" / "train" / "person 99"
    single.mkdir()
    Image.open(photo).rotate(90).save(single / "one.jpg")
    made = fit(tmp_path / "data", task="recognition", strategy="probe", options=OPTIONS)
    assert isinstance(made, Recognizer)
    assert made.metrics is not None
    assert (made.record.task.identities, made.metrics.verification.identities) == (11, 6)
    folder = made.save(tmp_path / "model")
    assert not re.search(rb"person \d", everything(folder))
    assert load(folder, Recognizer).evaluate(tmp_path / "data").evaluation.verification == made.metrics.verification


def test_several_backbones_are_compared_and_the_better_is_kept(people: Path, shared_cache: Path) -> None:
    own = load_backbone()
    options = dataclasses.replace(OPTIONS, stages="last", projection="within")
    made = fit(people, task="recognition", strategy="probe", test=0.4, backbone=own, options=options)
    with pytest.raises(DataError, match="twice"):
        fit(people, task="recognition", strategy="probe", test=0.4, backbone=[own] * 2, options=options)
    other = load_backbone("mobilenet-v3-small", weights="random:1")
    both = fit(people, task="recognition", strategy="probe", test=0.4, backbone=[other, own], options=options)
    assert isinstance(both, Recognizer)
    trials = [trial for trial in both.record.trials if trial.question == "backbone"]
    assert [(each.answer, each.chosen) for each in trials] == [(other.name, False), (own.name, True)]
    assert trials[1].accuracy > trials[0].accuracy
    assert both.embedding_id == made.embedding_id
    assert both.metrics == made.metrics
    assert WORDS.fitted(both)[1].startswith(f"Backbones compared: {own.name} (equal error rate ")


def test_who_is_enrolled_while_the_model_is_saved_over_itself_is_kept(
    model: Recognizer, strangers: list[list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert model.gallery.folder is not None
    folder, copy = model.gallery.folder.parent, Gallery.copy_to
    model.enroll("a", strangers[0][:1])
    row = model.embed(strangers[1][:1]).values
    other = Gallery(model.projection.width, model.embedding_id, folder / FOLDER)
    enrolling = threading.Thread(target=other.add, args=("b", row))

    def slow(gallery: Gallery, target: Path) -> None:
        copy(gallery, target)
        enrolling.start()
        enrolling.join(0.3)
        assert enrolling.is_alive(), "it waits for the model to be saved"

    monkeypatch.setattr(Gallery, "copy_to", slow)
    model.save(folder)
    enrolling.join(10)
    assert load(folder, Recognizer).gallery.counts == {"a": 1, "b": 1}


def test_the_first_name_is_told_of_where_another_model_takes_the_place(
    model: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is enrolled while another model is saved there is refused, or stops the saving: nobody is lost."""
    assert model.gallery.folder is not None
    folder = model.gallery.folder.parent
    record = model.record.model_copy(update={"created": "2020-01-01T00:00:00+00:00"})
    other = Recognizer(record, model.projection, model.backbone)
    one = np.eye(1, model.projection.width, dtype=np.float32)
    said: list[str] = []

    def enroll() -> None:
        try:
            model.gallery.add("Anna", one)
        except ModelError as error:
            said.append(error.message)

    thread, write = threading.Thread(target=enroll), _folder.write

    def begun(*args: Any, **how: Any) -> None:
        thread.start()  # waits, however fast it is
        write(*args, **how)

    with monkeypatch.context() as patch:
        patch.setattr(_folder, "write", begun)
        other.save(folder)
    thread.join()
    assert [each.split(": ")[1] for each in said] == ["another model has taken this one's place meanwhile"]
    assert not (folder / "gallery").exists()
    other.save(folder)
    other.gallery.add("Anna", one)
    assert load(folder, Recognizer).gallery.counts == {"Anna": 1}
    with pytest.raises(ModelError, match="would also delete gallery"):
        model.save(folder)
    assert load(folder, Recognizer).gallery.counts == {"Anna": 1}
