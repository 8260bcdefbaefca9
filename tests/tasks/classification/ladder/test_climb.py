"""Whole climbs on real pictures, small enough to take seconds."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import easy_folder, textile_folder
from topwork.advising import Advice
from topwork.backbones import load
from topwork.data import ImageDataset, from_arrays, read, split
from topwork.errors import DataError
from topwork.tasks.classification.ladder import AdviceOptions, Climbed, climb
from topwork.tasks.classification.strategies import FinetuneOptions, Probe, ProbeOptions

SMALL = load(size=64)  # quick to run; other sizes are tried from here
TINY = load("test_resnet", weights="random:1", size=32)  # where it does not matter how good the features are
OPTIONS = AdviceOptions(finetune=FinetuneOptions(probe=ProbeOptions(crop_mode="squash")))
PLAIN = dataclasses.replace(OPTIONS, describe=False)  # without the forecast, which takes as long as the climb


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> ImageDataset:
    """Photographs against cloth."""
    return split(read(easy_folder(tmp_path_factory.mktemp("data") / "easy", count=16)), test=0.25)


@pytest.fixture(scope="module")
def textile(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> ImageDataset:
    return split(read(textile_folder(tmp_path_factory.mktemp("data") / "textile")), test=0.25)


@pytest.fixture(scope="module")
def climbed(textile: ImageDataset) -> Climbed:
    return climb(textile, [SMALL], OPTIONS)


def test_the_ladder_is_told_whole(climbed: Climbed, textile: ImageDataset) -> None:
    advice = climbed.advice
    names = [rung.name for rung in advice.rungs]
    assert names == [
        "as-is",
        "zero-shot",
        "kNN",
        "probe, last features",
        "probe, best features",
        "fine-tuning, last stages",
        "fine-tuning, all stages",
    ]
    for rung in advice.rungs:
        assert (rung.accuracy is None) == bool(
            rung.note
        ) or rung.note == "not clearly better than the probe on the same images"
        if rung.accuracy is not None:
            assert 0 <= rung.accuracy.low <= rung.accuracy.value <= rung.accuracy.high <= 1
            assert rung.images > 0
            assert rung.milliseconds is None or rung.milliseconds > 0
    assert advice.runner_up is not None
    assert advice.rungs[advice.runner_up].strategy == "probe"  # kNN is a baseline, and cannot be chosen
    assert advice.chosen.accuracy is not None
    assert advice.description.images == len(textile.split("train"))
    assert advice.stopped
    assert advice.backbone == "tf_efficientnet_lite0"


def test_advice_goes_to_json_and_back(climbed: Climbed) -> None:
    text = json.dumps(climbed.advice.to_dict(), allow_nan=False)
    assert Advice.from_dict(json.loads(text)) == climbed.advice


@pytest.mark.parametrize("wrong", [{}, {"rungs": []}, {"rungs": [{"name": "x"}]}])
def test_what_is_no_advice_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError, match="not a saved advice"):
        Advice.from_dict(wrong)


def test_what_stands_on_the_rung_reads_what_was_chosen(climbed: Climbed, textile: ImageDataset) -> None:
    found = climbed.fitted()
    assert isinstance(found, Probe)
    assert len(found.table) == len(textile)
    assert found.table.outputs == climbed.advice.spec.outputs(found.table.backbone)
    assert found.table.backbone.preprocessing.size == climbed.advice.spec.size
    assert next(trial.answer for trial in found.trials if trial.chosen) == climbed.advice.chosen.name


def test_the_same_seed_gives_the_same_advice(easy: ImageDataset, shared_cache: Path) -> None:
    told = []
    for _ in range(2):
        shutil.rmtree(shared_cache / "advice", ignore_errors=True)  # it would be read from there
        advice = climb(easy, [TINY], PLAIN).advice
        told.append((advice.choice, [(rung.name, rung.accuracy, rung.detail) for rung in advice.rungs]))
    assert told[0] == told[1]


def test_a_second_of_budget_gives_the_first_rung_and_names_what_was_skipped(easy: ImageDataset) -> None:
    advice = climb(easy, [SMALL], dataclasses.replace(OPTIONS, budget_seconds=1e-3)).advice
    assert advice.chosen.name == "probe, last features"
    assert advice.chosen.accuracy is not None
    assert {rung.note for rung in advice.rungs if rung.accuracy is None} <= {
        "the time was used up",
        "the search ended at the previous strategy",
    }
    assert advice.stopped == "fine-tuning, last stages: the time was used up"


def test_what_cannot_pay_is_not_even_priced(easy: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to mend here, so it does not matter how long a fine-tuning would take."""
    monkeypatch.setattr("topwork.tasks.classification.ladder._by_plan.prices", lambda *given: pytest.fail("was priced"))
    advice = climb(easy, [SMALL], PLAIN).advice
    assert advice.chosen.strategy == "probe"
    assert "expected gain 0.0 points" in advice.stopped
    assert "that can be measured on 8 images" in advice.stopped


def test_fault_44_shuffled_labels_teach_nothing_and_it_says_so(textile: ImageDataset) -> None:
    labels = np.random.default_rng(3).permutation(textile.labels)
    shuffled = dataclasses.replace(textile, labels=labels)
    advice = climb(shuffled, [TINY], PLAIN).advice
    assert not advice.learnable
    assert advice.chosen.accuracy is not None
    assert advice.chosen.accuracy.low <= advice.chance
    assert advice.changes[0].startswith("Nothing was learnt: ")
    assert advice.chosen.strategy == "probe"


def test_all_images_the_same_is_no_crash(tmp_path: Path, shared_cache: Path) -> None:
    folder = easy_folder(tmp_path / "same", count=6)
    one = sorted(folder.rglob("*.jpg"))[0].read_bytes()
    for place in folder.rglob("*.*"):
        place.write_bytes(one)
    dataset = split(read(folder), test=0.34)
    advice = climb(dataset, [TINY], OPTIONS).advice
    assert not advice.learnable


@pytest.mark.parametrize("count", [1, 2])
def test_an_image_or_two_a_class_end_at_a_probe(tmp_path: Path, shared_cache: Path, count: int) -> None:
    dataset = read(easy_folder(tmp_path / "few", count=count))
    dataset = dataclasses.replace(dataset, splits=np.full(len(dataset), "train"))
    found = climb(dataset, [TINY], OPTIONS)
    assert found.advice.chosen.strategy == "probe"
    assert (found.advice.chosen.accuracy is None) == (count == 1)
    assert json.dumps(found.advice.to_dict(), allow_nan=False)
    assert len(found.fitted().table) == 2 * count


def test_one_class_in_a_hundred_is_not_taken_for_an_answer(tmp_path: Path, shared_cache: Path) -> None:
    """Whoever always says "cloth" is right 98 times of 100, and no accuracy beats that beyond chance: rank does."""
    easy = read(easy_folder(tmp_path / "rare", count=100))
    cloth = easy.labels == easy.labels[-1]
    kept = np.flatnonzero(cloth | (np.cumsum(~cloth) <= 2))
    rare = easy.select(kept[: 2 + 98])
    advice = climb(dataclasses.replace(rare, splits=np.full(len(rare), "train")), [TINY], PLAIN).advice
    assert advice.chance == pytest.approx(0.98)
    assert advice.learnable
    assert not any("Nothing has been learnt" in each for each in advice.changes)
    assert advice.chosen.strategy == "probe"
    assert advice.chosen.accuracy is not None
    assert json.dumps(advice.to_dict(), allow_nan=False)


@pytest.mark.slow
def test_hundreds_of_classes_of_two_images_are_climbed(shared_cache: Path) -> None:
    rng = np.random.default_rng(0)
    tone = np.repeat(rng.integers(0, 256, (200, 4, 4, 3)), 3, axis=0)  # three images a class, much alike
    pixels = np.clip(tone + rng.normal(0, 20, tone.shape), 0, 255).astype(np.uint8)
    labels = [f"class {place // 3}" for place in range(600)]
    dataset = split(from_arrays(pixels.repeat(8, axis=1).repeat(8, axis=2), labels), test=0.34)
    advice = climb(dataset, [TINY], dataclasses.replace(PLAIN, budget_seconds=3)).advice
    assert advice.chosen.accuracy is not None
    assert advice.chosen.accuracy.low > 2 * advice.chance
    assert len(json.dumps(advice.to_dict(), allow_nan=False)) < 3e5


def test_one_class_alone_is_refused(easy: ImageDataset) -> None:
    with pytest.raises(DataError, match="two classes are needed"):
        climb(easy.select(easy.labels == 0), [SMALL], OPTIONS)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_budget_that_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(DataError, match="a finite number of seconds above 0"):
        AdviceOptions(budget_seconds=seconds)


def test_of_several_backbones_the_better_one_is_climbed(textile: ImageDataset) -> None:
    advice = climb(textile, [TINY, SMALL], PLAIN).advice
    assert advice.backbone == SMALL.name
    assert [each.backbone for each in advice.shortlist] == [TINY.name, SMALL.name]
    assert all(each.finalist for each in advice.shortlist)
    assert advice.shortlist[1].logme > advice.shortlist[0].logme


def test_a_backbone_that_comes_twice_is_refused(easy: ImageDataset) -> None:
    with pytest.raises(DataError, match="is given twice"):
        climb(easy, [SMALL, SMALL], OPTIONS)
