"""Advice on disk: ``fit`` goes on from it, and whatever is wrong with it is made anew."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.model.samples import easy_folder
from topwork._system import cache_dir
from topwork.advising import Advice, BudgetClock, Prices, Rung
from topwork.backbones import load
from topwork.data import ImageDataset, from_arrays, read, split
from topwork.tasks.classification.ladder import AdviceOptions, climb
from topwork.tasks.classification.strategies import Finetuned, FinetuneOptions, ProbeOptions, default_config

TINY = load("test_resnet", weights="random:1", size=32)  # its features tell little, which does not matter here
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
    first = climb(easy, [TINY], OPTIONS)
    monkeypatch.setattr(
        "topwork.tasks.classification.ladder._ladder.Ladder.climb", lambda ladder: pytest.fail("it climbs again")
    )
    again = climb(easy, [TINY], OPTIONS)
    assert again.advice == first.advice
    one, other = first.fitted(), again.fitted()
    np.testing.assert_array_equal(one.head.weight, other.head.weight)
    assert one.trials == other.trials


def test_each_rung_is_told_as_it_is_known_and_all_of_them_where_they_were_kept(easy: ImageDataset) -> None:
    for _ in range(2):  # the second time nothing is climbed
        heard: list[Rung] = []
        advice = climb(easy, [TINY], OPTIONS, climbed=heard.append).advice
        assert {rung.name for rung in heard} == {rung.name for rung in advice.rungs}


def test_what_advise_adds_to_the_climb_of_a_fit_is_kept_too(
    easy: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = climb(easy, [TINY], OPTIONS).advice
    described = climb(easy, [TINY], dataclasses.replace(OPTIONS, describe=True)).advice
    assert plain.forecast is None
    assert described.forecast is not None
    assert described.description.distance is not None
    assert described.seconds > plain.seconds
    monkeypatch.setattr(
        "topwork.tasks.classification.ladder._climb.forecast", lambda *given: pytest.fail("it forecasts again")
    )
    assert climb(easy, [TINY], dataclasses.replace(OPTIONS, describe=True)).advice == described
    assert climb(easy, [TINY], OPTIONS).advice == described


def test_other_settings_or_another_label_are_another_climb(easy: ImageDataset) -> None:
    labels = easy.labels.copy()
    labels[[0, -1]] = labels[[-1, 0]]
    squashed = ProbeOptions(crop_mode="squash")
    climbs: dict[str, tuple[ImageDataset, FinetuneOptions]] = {
        "as it was": (easy, OPTIONS.finetune),
        "seed": (easy, FinetuneOptions(probe=dataclasses.replace(squashed, seed=1))),
        "augment": (easy, FinetuneOptions(probe=squashed, augment="none")),
        "crop": (easy, FinetuneOptions(probe=ProbeOptions(crop_mode="crop"))),
        "label": (dataclasses.replace(easy, labels=labels), OPTIONS.finetune),
    }
    for count, (name, (dataset, finetuning)) in enumerate(climbs.items(), 1):
        climb(dataset, [TINY], dataclasses.replace(OPTIONS, finetune=finetuning, budget_seconds=1e-3))
        assert len(kept()) == count, name


def test_what_time_cut_short_is_gone_on_with_in_as_much_time_or_more(easy: ImageDataset) -> None:
    tiny = dataclasses.replace(OPTIONS, budget_seconds=1e-3)
    short = climb(easy, [TINY], tiny).advice
    assert short.cut_short
    assert climb(easy, [TINY], dataclasses.replace(OPTIONS, budget_seconds=1e-4)).advice == short  # in less it stands
    quiet = BudgetClock(1e-3, began=time.perf_counter() + 100)  # as if the machine were quiet now
    again = climb(easy, [TINY], tiny, clock=quiet).advice
    assert sum(rung.accuracy is not None for rung in again.rungs) > sum(
        rung.accuracy is not None for rung in short.rungs
    )
    assert climb(easy, [TINY], tiny).advice.rungs == again.rungs  # and there never comes less of it
    assert climb(easy, [TINY], OPTIONS).advice.rungs == again.rungs


def test_a_damaged_advice_is_made_anew(easy: ImageDataset) -> None:
    first = climb(easy, [TINY], OPTIONS).advice
    for content in ("{", '{"advice": {}, "tuned": null}'):
        kept()[0].write_text(content)
        assert climb(easy, [TINY], OPTIONS).advice.chosen.name == first.chosen.name, content
        assert kept()[0].read_text() != content


def test_without_a_cache_nothing_is_kept(easy: ImageDataset) -> None:
    probe = ProbeOptions(crop_mode="squash", cache=False)
    climb(easy, [TINY], dataclasses.replace(OPTIONS, finetune=FinetuneOptions(probe=probe)))
    assert not kept()


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    """scikit-learn's digits as colour images of 32 x 32: 480 real, small, far from ImageNet."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = (found.images[:480] * (255 / 16)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    dataset = from_arrays(np.stack([pixels] * 3, axis=-1), [str(label) for label in found.target[:480]])
    return split(dataset, test=0.25)


@pytest.mark.slow
def test_a_tuned_network_is_kept_and_found_again(digits: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.tasks.classification.ladder._ladder.of_finetuning", _always_worth)
    monkeypatch.setattr(
        "topwork.tasks.classification.ladder._ladder.Ladder.feature_specs", lambda ladder: None
    )  # early random stages do well
    config = default_config(epochs=6, learning_rate=5e-3)
    tuning = FinetuneOptions(unfreeze="all", orient="none", config=config, probe=ProbeOptions(crop_mode="squash"))
    options = AdviceOptions(describe=False, finetune=tuning, budget_seconds=900)  # however slow the machine is
    first = climb(digits, [TINY], options)
    assert first.advice.chosen.name == "fine-tuning, all stages"
    again = climb(digits, [TINY], options)
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
    last = climb(digits, [TINY], options).advice
    assert last.chosen.name == first.advice.chosen.name, [(each.name, each.note, each.accuracy) for each in last.rungs]


@pytest.mark.slow
def test_a_fine_tuning_that_found_no_time_is_made_by_the_next_climb(
    digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.tasks.classification.ladder._ladder.of_finetuning", _always_worth)
    monkeypatch.setattr("topwork.tasks.classification.ladder._ladder.Ladder.feature_specs", lambda ladder: None)
    dear = Prices(32, 1e-3, {5: 3.0})
    monkeypatch.setattr("topwork.tasks.classification.ladder._by_plan.prices", lambda *given: dear)
    config = default_config(epochs=6, learning_rate=5e-3)
    tuning = FinetuneOptions(unfreeze="all", orient="none", config=config, probe=ProbeOptions(crop_mode="squash"))
    options = AdviceOptions(describe=False, finetune=tuning, budget_seconds=900)
    hasty = climb(digits, [TINY], options).advice
    assert hasty.cut_short
    assert hasty.chosen.strategy == "probe"
    assert "it takes at least" in hasty.stopped
    assert {plan.tried for plan in hasty.plans} == {False}
    assert hasty.plans[0].budget > 900
    assert hasty.plans[0].words in hasty.changes

    quiet = dear._replace(training={5: 0.01})  # asked again with the same budget, and nothing else runs now
    monkeypatch.setattr("topwork.tasks.classification.ladder._by_plan.prices", lambda *given: quiet)
    found = climb(digits, [TINY], options)
    assert found.advice.chosen.name == "fine-tuning, all stages"
    assert [plan.epochs for plan in found.advice.plans if plan.tried] == [6]
    assert not found.advice.cut_short
    monkeypatch.setattr("topwork.tasks.classification.ladder._by_plan.tuned", lambda *given: pytest.fail("again"))
    assert climb(digits, [TINY], options).advice == found.advice


@pytest.mark.slow
def test_more_time_goes_on_from_a_fine_tuning_that_was_cut_short(
    digits: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.tasks.classification.ladder._ladder.of_finetuning", _always_worth)
    monkeypatch.setattr("topwork.tasks.classification.ladder._ladder.Ladder.feature_specs", lambda ladder: None)
    two = Prices(32, 1e-3, {4: 0.01, 5: 4.0})  # four stages are cheap, all are dear
    monkeypatch.setattr("topwork.tasks.classification.ladder._by_plan.prices", lambda *given: two)
    config = default_config(epochs=6, learning_rate=5e-3)
    tuning = FinetuneOptions(unfreeze="all", orient="none", config=config, probe=ProbeOptions(crop_mode="squash"))
    options = AdviceOptions(describe=False, finetune=tuning, budget_seconds=900)
    short = climb(digits, [TINY], options).advice
    assert short.cut_short
    assert tried(short) == [(True, 4), (False, 5)]
    assert "4 of" in next(rung.detail for rung in short.rungs if rung.strategy == "finetune")

    same = climb(digits, [TINY], options)  # nothing larger fits: what was measured stands, and is not made again
    assert same.advice.chosen == short.chosen
    assert tried(same.advice) == [(True, 4), (False, 5)]
    longer = climb(digits, [TINY], dataclasses.replace(options, budget_seconds=90_000)).advice
    assert tried(longer) == [(True, 4), (True, 5)]
    assert longer.chosen.accuracy is not None
    assert short.chosen.accuracy is not None
    assert longer.chosen.accuracy.value >= short.chosen.accuracy.value


def tried(advice: Advice) -> list[tuple[bool, int]]:
    """Whether each number of stages was trained, whatever the length."""
    return list(dict.fromkeys((plan.tried, plan.stages) for plan in advice.plans))


def _always_worth(*given: Any, **named: Any) -> Any:
    from topwork.advising._budget import ExpectedGain

    return ExpectedGain(1.0, 0.0, "a test wants it", "nothing")
