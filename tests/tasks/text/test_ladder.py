"""The ladder of texts, climbed on texts whose class one word tells, and on noise."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import topwork
from topwork.backbones import TextBackbone
from topwork.data import TextDataset, read_texts
from topwork.errors import DataError
from topwork.metrics import mcnemar
from topwork.tasks.text._ladder import AdviceOptions, climb
from topwork.tasks.text.strategies import ProbeOptions, ZeroShotOptions

pytest.importorskip("sklearn")

QUICK = AdviceOptions(describe=False, budget_seconds=60)


def test_the_best_way_is_chosen_and_the_rest_is_told(told: TextDataset, network: TextBackbone, cache: object) -> None:
    climbed = climb(told, [network], QUICK)
    advice = climbed.advice
    rungs = {rung.name: rung for rung in advice.rungs}
    assert next(iter(rungs)) == "n-grams"
    assert advice.learnable
    assert advice.chosen.accuracy is not None
    assert advice.chosen.accuracy.value > 0.9
    counts, chosen = rungs["n-grams"], advice.chosen
    assert counts.images == len(told.split("train"))
    assert counts is chosen or counts.p_value is None or 0 <= counts.p_value <= 1
    fitted = climbed.fitted()
    assert [trial.answer for trial in fitted.trials if trial.chosen and trial.question == "rung"] == [chosen.name]
    again = type(advice).from_dict(advice.to_dict())
    assert again == advice


def test_nothing_is_learnt_of_noise(noise: TextDataset, network: TextBackbone, cache: object) -> None:
    advice = climb(noise, [network], QUICK).advice
    assert not advice.learnable
    tuned = next(rung for rung in advice.rungs if rung.name == "fine-tuning")
    assert tuned.accuracy is None
    assert tuned.note


def test_held_out_texts_have_no_say(told: TextDataset, network: TextBackbone, cache: object) -> None:
    turned = dataclasses.replace(told, labels=np.where(told.splits == "test", 1 - told.labels, told.labels))
    ours, theirs = (climb(each, [network], QUICK).advice for each in (told, turned))
    assert [rung.log_loss for rung in ours.rungs] == [rung.log_loss for rung in theirs.rungs]


def test_the_p_value_is_mcnemars() -> None:
    assert mcnemar(0, 10) < 0.05 < mcnemar(4, 5)


def test_one_backbone_is_climbed(told: TextDataset, network: TextBackbone) -> None:
    with pytest.raises(DataError, match="auto takes one text backbone"):
        climb(told, [network, network], QUICK)
    with pytest.raises(DataError, match="a finite number of seconds above 0"):
        AdviceOptions(budget_seconds=float("inf"))


def test_one_text_a_class_is_no_error(network: TextBackbone, cache: object) -> None:
    dataset = read_texts((["w1 w2 w3", "w4 w5 w6", "w7 w8 w9"], ["a", "a", "b"]))
    whole = dataclasses.replace(dataset, splits=np.array(["train"] * 3))
    climbed = climb(whole, [network], QUICK)
    assert climbed.fitted().head.n_classes == 2


def test_zero_shot_needs_no_data(network: TextBackbone, cache: object) -> None:
    room = topwork.tasks.task("text")
    strategy = room.strategy("zero-shot")
    assert strategy.dataless is not None
    model = strategy.dataless([network], ZeroShotOptions(labels=("w1 w2", "w3 w4")))
    first, second = model.predict(["w1 w2", "w3 w4"])
    assert (first.label, second.label) == ("w1 w2", "w3 w4")
    assert model.metrics is None
    with pytest.raises(DataError):
        strategy.dataless([network], ZeroShotOptions(labels=("same", "same")))


def test_several_backbones_are_compared_by_the_probe(told: TextDataset, network: TextBackbone, cache: object) -> None:
    other = dataclasses.replace(network, name="other").replace(longest=8)
    plain = ProbeOptions(layers="last", ngrams=False)
    model = topwork.fit(told, task="text", strategy="probe", backbone=[network, other], options=plain)
    names = [trial.answer for trial in model.record.trials if trial.question == "backbone"]
    assert names == ["tiny-bert", "other"]
