"""Zero-shot on a model that a test trains: real handwriting in colours, named by words in pairs it has never seen."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests import clips
from topwork.backbones import EMBEDDING, Backbone, load
from topwork.data import ImageDataset, read, split
from topwork.errors import BackboneError, DataError
from topwork.features import FeatureTable, Progress, extract
from topwork.heads import BlendHead, LinearHead, TextHead
from topwork.metrics import log_loss
from topwork.tasks.classification.strategies import (
    ProbeOptions,
    ZeroShotOptions,
    fit_probe,
    fit_zero_shot,
    words_alone,
    zero_shot_of,
)
from topwork.tasks.classification.strategies._zero_shot import _alone


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.digits_clip().save(tmp_path_factory.mktemp("clip") / "files")


@pytest.fixture(scope="module")
def backbone(clip_folder: Path, shared_cache: Path) -> Backbone:
    return clips.digits_clip().backbone(clip_folder).replace(crop_mode="squash")


@pytest.fixture(scope="module")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    """Twelve classes of which the model has seen no image, 30 images each."""
    return read(clips.digit_folder(tmp_path_factory.mktemp("digits") / "unseen", clips.UNSEEN, 30))


@pytest.fixture
def options(clip_folder: Path) -> ZeroShotOptions:
    return ZeroShotOptions(text=clip_folder)


def right(head: TextHead | BlendHead | LinearHead, dataset: ImageDataset, backbone: Backbone) -> float:
    table = extract(dataset, backbone, outputs=(EMBEDDING,))
    return float((head.probabilities(table.values).argmax(axis=1) == table.dataset.labels).mean())


def test_classes_it_has_never_seen_are_named(
    unseen: ImageDataset, backbone: Backbone, options: ZeroShotOptions
) -> None:
    """Chance is 8 % among the twelve."""
    found = fit_zero_shot(unseen, backbone, options)
    assert isinstance(found.head, TextHead)
    assert right(found.head, unseen, backbone) > 0.85
    assert found.prompts[0][:2] == ("blue four", "a photo of a blue four.")
    assert found.cv_accuracy is None  # no split of these data is for training


def test_features_that_are_there_are_not_taken_again(
    unseen: ImageDataset, backbone: Backbone, options: ZeroShotOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = fit_zero_shot(unseen, backbone, options)
    table = extract(unseen, backbone, outputs=backbone.outputs("all"))
    monkeypatch.delattr("topwork.tasks.classification.strategies._zero_shot.extract")
    found = zero_shot_of(table, options)
    assert found.prompts == anew.prompts
    assert found.table.outputs == (EMBEDDING,)
    np.testing.assert_allclose(
        found.head.probabilities(found.table.values), anew.head.probabilities(anew.table.values), atol=1e-6
    )


def test_they_are_named_among_all_classes_too(
    unseen: ImageDataset, backbone: Backbone, options: ZeroShotOptions
) -> None:
    """The sixty classes together: 48 that the model was trained on and 12 that it was not. Chance is 2 %."""
    head = words_alone([name.replace("_", " ") for name in clips.CLASSES], backbone, options).head
    table = extract(unseen, backbone, outputs=(EMBEDDING,))
    said = np.array(clips.CLASSES)[head.probabilities(table.values).argmax(axis=1)]
    assert (said == np.array(unseen.classes)[table.dataset.labels]).mean() > 0.6


def test_several_prompts_are_averaged(unseen: ImageDataset, backbone: Backbone, options: ZeroShotOptions) -> None:
    from topwork.backbones import text_tower

    names = ["red one", "blue two"]
    templates = ("{}", "a blurry photo of a {}.")
    tower = text_tower(backbone, options.text)
    head = words_alone(names, backbone, ZeroShotOptions(text=options.text, templates=templates)).head
    for name, row in zip(names, head.texts, strict=True):
        mean = tower([template.replace("{}", name) for template in templates]).mean(axis=0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def test_descriptions_name_what_names_do_not(tmp_path: Path, backbone: Backbone, options: ZeroShotOptions) -> None:
    """Classes called ok and ng are beyond any model; said in words it knows they are not."""
    dataset = read(clips.digit_folder(tmp_path / "digits", ("red_zero", "green_seven"), 20))
    renamed = dataclasses.replace(dataset, classes=("ng", "ok"))
    told = ZeroShotOptions(
        text=options.text, descriptions={"ng": ["a green seven", "the green seven"], "ok": ["a red zero"]}
    )
    assert right(fit_zero_shot(renamed, backbone, told).head, renamed, backbone) == 1


def test_labelled_images_make_the_probabilities_honest(
    unseen: ImageDataset, backbone: Backbone, options: ZeroShotOptions
) -> None:
    parted = split(unseen, test=0.5)
    plain = fit_zero_shot(parted, backbone, ZeroShotOptions(text=options.text, calibrate=False))
    honest = fit_zero_shot(parted, backbone, options)
    assert isinstance(plain.head, TextHead)
    assert isinstance(honest.head, TextHead)
    assert plain.head.temperature == 1 != honest.head.temperature
    assert honest.cv_accuracy == plain.cv_accuracy
    assert honest.cv_accuracy is not None
    assert honest.cv_accuracy > 0.85
    vain = dataclasses.replace(plain.head, scale=10 * plain.head.scale)
    cured = _alone(vain, plain.table.split("train"), calibrate=True).head
    test = plain.table.split("test")
    losses = [_loss(head, test) for head in (vain, cured)]
    assert losses[1] < 0.5 * losses[0]


def _loss(head: TextHead | BlendHead | LinearHead, table: FeatureTable) -> float:
    said = head.probabilities(table.values)[np.arange(len(table)), table.dataset.labels]
    return float(-np.log(np.maximum(said, 1e-30)).mean())


def test_words_probe_and_blend_come_out_of_one_extraction(
    unseen: ImageDataset, backbone: Backbone, options: ZeroShotOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    parted = split(unseen, test=0.9)
    blending = ZeroShotOptions(text=options.text, blend=True, crop_mode="squash")
    found = fit_zero_shot(parted, backbone, blending)
    assert isinstance(found.head, BlendHead)
    questions = [(trial.question, trial.answer) for trial in found.trials]
    assert questions[:2] == [("blend", "words"), ("blend", "probe")]
    assert [trial.chosen for trial in found.trials] == [False, False, True]
    losses = [trial.log_loss for trial in found.trials]
    assert losses[2] == min(losses) == found.cv_log_loss
    assert found.out_of_fold is not None
    assert found.out_of_fold.source == "cross-validation"
    labels = found.table.dataset.labels[found.out_of_fold.rows].astype(np.intp)
    assert log_loss(found.out_of_fold.probabilities, labels) == pytest.approx(losses[2], abs=1e-4)

    def no_engine(*arguments: object, **named: object) -> None:
        pytest.fail("features were computed again")

    monkeypatch.setattr("topwork.features._extract.open_engine", no_engine)
    probe = fit_probe(parted, backbone, ProbeOptions(stages="last", crop_mode="squash"))
    np.testing.assert_array_equal(probe.table.values, found.table.values)
    scores = {}
    for name, head in {"words": found.head.words, "probe": probe.head, "blend": found.head}.items():
        test = found.table.split("test")
        scores[name] = (head.probabilities(test.values).argmax(axis=1) == test.dataset.labels).mean()
    assert scores["blend"] >= max(scores["words"], scores["probe"]) - 0.01


def test_a_blend_gives_wrong_words_no_say(tmp_path: Path, backbone: Backbone, options: ZeroShotOptions) -> None:
    names = ("red_zero", "green_seven", "blue_three")
    parted = split(read(clips.digit_folder(tmp_path / "digits", names, 30)), test=0.2)
    wrong = dict(zip(names, [["green seven"], ["blue three"], ["red zero"]], strict=True))
    found = fit_zero_shot(parted, backbone, ZeroShotOptions(text=options.text, descriptions=wrong, blend=True))
    assert isinstance(found.head, LinearHead) or (isinstance(found.head, BlendHead) and found.head.share <= 0.1)
    assert found.cv_accuracy == 1


def test_no_blend_where_a_class_has_too_few_images(
    tmp_path: Path, backbone: Backbone, options: ZeroShotOptions
) -> None:
    clips.digit_folder(tmp_path / "digits" / "train", ("red_zero", "green_seven"), 5)
    clips.digit_folder(tmp_path / "digits" / "train", ("blue_one",), 1)
    found = fit_zero_shot(read(tmp_path / "digits"), backbone, ZeroShotOptions(text=options.text, blend=True))
    assert isinstance(found.head, TextHead)
    assert "two training images per class" in found.reason
    assert found.trials == ()


def test_the_words_are_checked_before_anything_is_loaded(unseen: ImageDataset, backbone: Backbone) -> None:
    with pytest.raises(DataError, match="12 classes"):
        fit_zero_shot(unseen, backbone, ZeroShotOptions(labels=("a cat", "a dog")))


def test_a_backbone_that_knows_no_words_is_refused(unseen: ImageDataset) -> None:
    with pytest.raises(BackboneError, match="needs a text model for this, and none is known") as caught:
        fit_zero_shot(unseen, load("lite0"), ZeroShotOptions())
    assert "clip-b32" in caught.value.hint


def test_steps_may_show_their_progress(unseen: ImageDataset, backbone: Backbone, options: ZeroShotOptions) -> None:
    calls: list[tuple[str, int, int]] = []
    steps: list[str] = []

    def announce(text: str) -> Progress:
        steps.append(text)
        return lambda done, total: calls.append((text, done, total))

    fit_zero_shot(unseen, backbone, options, announce=announce)
    assert steps == ["features of the texts", "features of images"]
    assert calls[-1] == ("features of images", len(unseen), len(unseen))
