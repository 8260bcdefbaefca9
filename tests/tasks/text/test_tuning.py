"""The ladder's rung of fine-tuning: when it is tried, and what is said where it is not."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from topwork.advising import BudgetClock, Scores
from topwork.backbones import TextBackbone
from topwork.data import TextDataset
from topwork.tasks.text import _ladder, _tuning
from topwork.tasks.text._ladder import AdviceOptions, climb
from topwork.tasks.text._tuning import FINETUNING, gain_of, knows_language
from topwork.tasks.text.strategies import FinetuneOptions, ProbeOptions
from topwork.tasks.text.strategies._finetune import default_config

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")


def options(**more: Any) -> AdviceOptions:
    quick = {"epochs": 15, "learning_rate": 5e-3, "layer_decay": 1.0, "precision": "f32"}
    tuning = FinetuneOptions(config=default_config(**quick), probe=ProbeOptions(layers="last"), validation=0.3)
    return AdviceOptions(finetune=tuning, describe=False, **more)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without n-grams, which tell these texts apart by themselves, and whatever can be measured."""
    monkeypatch.setattr(_ladder.Ladder, "counts", lambda self: None)
    monkeypatch.setattr(_tuning, "_SENSITIVE", 0.0)


def note(advice: Any) -> str:
    return next(rung.note for rung in advice.rungs if rung.name == FINETUNING)


def test_n_grams_that_are_far_better_tell_that_the_language_is_not_known(
    told: TextDataset, network: TextBackbone
) -> None:
    advice = climb(told, [network], options()).advice
    assert "n-grams are far better" in note(advice)
    assert advice.chosen.strategy != "finetune"
    assert note(advice) in advice.stopped


def test_without_torch_the_line_that_installs_it_is_told(
    told: TextDataset, network: TextBackbone, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tuning, "missing", lambda: ("PyTorch", "pip install 'topwork[tune]'"))
    said = note(climb(told, [network], options()).advice)
    assert said.startswith("expected gain ")
    assert said.endswith("but it needs PyTorch, which is not installed (pip install 'topwork[tune]')")


def test_too_small_a_budget_is_told_with_one_that_would_do(
    told: TextDataset, network: TextBackbone, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topwork.tasks.text.strategies import _pricing

    monkeypatch.setattr(_pricing, "seconds_a_text", lambda *given: 2.0)
    found = climb(told, [network], options()).advice
    assert "an epoch takes " in note(found)
    assert note(found).endswith("m")
    assert "there is time for it with --budget " in note(found)
    assert found.cut_short


def test_time_that_is_used_up_is_told(told: TextDataset, network: TextBackbone, eager: None) -> None:
    found = climb(told, [network], options(), clock=BudgetClock(1e-9)).advice
    assert note(found) == "the time was used up"


def test_what_is_kept_is_chosen(told: TextDataset, network: TextBackbone, eager: None) -> None:
    climbed = climb(told, [network], options())
    assert climbed.advice.chosen.name == FINETUNING
    found = climbed.fitted()
    assert found.strategy == "finetune"
    assert [trial.answer for trial in found.trials if trial.chosen][:2] == [FINETUNING, "finetune 2 of 2 layers"]


def test_more_texts_and_more_errors_promise_more() -> None:
    assert gain_of(0.2, 3000, 300).gain > gain_of(0.2, 100, 300).gain
    assert gain_of(0.2, 3000, 300).gain > gain_of(0.1, 3000, 300).gain
    assert gain_of(0.2, 3000, 300).worth
    assert not gain_of(0.2, 3000, 300, seconds=36_000).worth
    assert not gain_of(0.2, 60, 20).worth


@pytest.mark.parametrize(("network", "counts", "knows"), [(0.63, 0.84, False), (0.80, 0.81, True), (0.93, 0.90, True)])
def test_nsmc_is_told_from_english_texts(network: float, counts: float, knows: bool) -> None:
    rng = np.random.default_rng(0)
    one, other = (
        Scores(rng.random(2000) < accuracy, np.zeros(2000), np.ones(2000, bool)) for accuracy in (network, counts)
    )
    assert knows_language(one, other) is knows
    assert knows_language(one, dataclasses.replace(other, held=np.zeros(2000, bool)))
