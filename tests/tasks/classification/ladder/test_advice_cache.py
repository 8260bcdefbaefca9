"""Advice on disk: ``fit`` goes on from it, and whatever is wrong with it is made anew."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.model.samples import easy_folder
from topwork._system import cache_dir
from topwork.backbones import Backbone, load
from topwork.data import ImageDataset, from_arrays, read, split
from topwork.tasks.classification.ladder import AdviceOptions, climb
from topwork.tasks.classification.strategies import Finetuned, FinetuneOptions, ProbeOptions, default_config

SMALL = load(size=64)
OPTIONS = AdviceOptions(describe=False, finetune=FinetuneOptions(probe=ProbeOptions(crop_mode="squash")))


@pytest.fixture(autouse=True)
def nothing_kept(shared_cache: Path) -> None:
    """No advice; networks and features stay, so that a climb takes a second."""
    shutil.rmtree(shared_cache / "advice", ignore_errors=True)


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory) -> ImageDataset:
    return split(read(easy_folder(tmp_path_factory.mktemp("data") / "easy", count=12)), test=0.25)


def kept() -> list[Path]:
    return sorted((cache_dir() / "advice").glob("*/advice.json"))


def test_a_second_climb_measures_nothing_again(easy: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = climb(easy, [SMALL], OPTIONS)
    monkeypatch.setattr(
        "topwork.tasks.classification.ladder._ladder.Ladder.climb", lambda ladder: pytest.fail("it climbs again")
    )
    again = climb(easy, [SMALL], OPTIONS)
    assert again.advice == first.advice
    one, other = first.fitted(), again.fitted()
    np.testing.assert_array_equal(one.head.weight, other.head.weight)
    assert one.trials == other.trials


def test_what_advise_adds_to_the_climb_of_a_fit_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    easy = split(read(easy_folder(tmp_path / "easy", count=40)), test=0.25)  # enough for a learning curve
    plain = climb(easy, [SMALL], OPTIONS).advice
    described = climb(easy, [SMALL], dataclasses.replace(OPTIONS, describe=True)).advice
    assert plain.forecast is None
    assert described.forecast is not None
    assert described.description.distance is not None
    assert described.seconds > plain.seconds
    monkeypatch.setattr(
        "topwork.tasks.classification.ladder._climb.forecast", lambda *given: pytest.fail("it forecasts again")
    )
    assert climb(easy, [SMALL], dataclasses.replace(OPTIONS, describe=True)).advice == described
    assert climb(easy, [SMALL], OPTIONS).advice == described


@pytest.mark.parametrize(
    "changes",
    [
        {"finetune": FinetuneOptions(probe=ProbeOptions(crop_mode="squash", seed=1))},
        {"finetune": FinetuneOptions(probe=ProbeOptions(crop_mode="squash"), augment="none")},
        {"finetune": FinetuneOptions(probe=ProbeOptions(crop_mode="crop"))},
    ],
    ids=["seed", "augment", "fit"],
)
def test_other_settings_are_another_climb(easy: ImageDataset, changes: dict[str, Any]) -> None:
    climb(easy, [SMALL], OPTIONS)
    climb(easy, [SMALL], dataclasses.replace(OPTIONS, **changes))
    assert len(kept()) == 2


def test_another_label_is_another_climb(easy: ImageDataset) -> None:
    climb(easy, [SMALL], OPTIONS)
    labels = easy.labels.copy()
    labels[[0, -1]] = labels[[-1, 0]]
    climb(dataclasses.replace(easy, labels=labels), [SMALL], OPTIONS)
    assert len(kept()) == 2


def test_what_time_cut_short_is_climbed_again_with_more_of_it(easy: ImageDataset) -> None:
    short = climb(easy, [SMALL], dataclasses.replace(OPTIONS, budget_seconds=1e-3)).advice
    assert short.cut_short
    assert climb(easy, [SMALL], dataclasses.replace(OPTIONS, budget_seconds=1e-3)).advice == short
    longer = climb(easy, [SMALL], OPTIONS).advice
    assert longer.budget == OPTIONS.budget_seconds
    assert not longer.cut_short
    assert climb(easy, [SMALL], dataclasses.replace(OPTIONS, budget_seconds=1e-3)).advice == longer


@pytest.mark.parametrize("content", ["{", '{"advice": {}, "tuned": null}'])
def test_a_damaged_advice_is_made_anew(easy: ImageDataset, content: str) -> None:
    first = climb(easy, [SMALL], OPTIONS).advice
    kept()[0].write_text(content)
    assert climb(easy, [SMALL], OPTIONS).advice.chosen.name == first.chosen.name
    assert kept()[0].read_text() != content


def test_without_a_cache_nothing_is_kept(easy: ImageDataset) -> None:
    probe = ProbeOptions(crop_mode="squash", cache=False)
    climb(easy, [SMALL], dataclasses.replace(OPTIONS, finetune=FinetuneOptions(probe=probe)))
    assert not kept()


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    """scikit-learn's digits as colour images of 32 x 32: 480 real, small, far from ImageNet."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = (found.images[:480] * (255 / 16)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    dataset = from_arrays(np.stack([pixels] * 3, axis=-1), [str(label) for label in found.target[:480]])
    return split(dataset, test=0.25)


@pytest.fixture(scope="module")
def network() -> Backbone:
    """Small and untrained, so that there is much for a training to gain."""
    return load("resnet18", weights="random:1", size=32)


@pytest.mark.slow
def test_a_tuned_network_is_kept_and_found_again(
    digits: ImageDataset, network: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.tasks.classification.ladder._ladder.of_finetuning", _always_worth)
    monkeypatch.setattr(
        "topwork.tasks.classification.ladder._ladder.Ladder.feature_specs", lambda ladder: None
    )  # early random stages do well
    config = default_config(epochs=4, learning_rate=2e-3)
    tuning = FinetuneOptions(unfreeze="all", orient="none", config=config, probe=ProbeOptions(crop_mode="squash"))
    options = AdviceOptions(describe=False, finetune=tuning, budget_seconds=900)  # however slow the machine is
    first = climb(digits, [network], options)
    assert first.advice.chosen.name == "fine-tuning, all stages"
    again = climb(digits, [network], options)
    assert again.advice == first.advice
    one, other = first.fitted(), again.fitted()
    assert isinstance(one, Finetuned)
    assert isinstance(other, Finetuned)
    np.testing.assert_array_equal(one.head.weight, other.head.weight)
    np.testing.assert_array_equal(one.table.values, other.table.values)
    assert one.history == other.history
    assert one.out_of_fold is not None
    assert other.out_of_fold is not None
    np.testing.assert_array_equal(one.out_of_fold.probabilities, other.out_of_fold.probabilities)
    assert not list((cache_dir() / "advice").glob("*/checkpoint-*"))
    shutil.rmtree(cache_dir() / "tuned")
    last = climb(digits, [network], options).advice
    assert last.chosen.name == first.advice.chosen.name, [(each.name, each.note, each.accuracy) for each in last.rungs]


def _always_worth(*given: Any, **named: Any) -> Any:
    from topwork.advising._budget import ExpectedGain

    return ExpectedGain(1.0, 0.0, "a test wants it", "nothing")
