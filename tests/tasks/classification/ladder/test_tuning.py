"""What is planned of a fine-tuning, and how one that was broken off is gone on with; nothing is trained here."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from topwork.advising import BudgetClock, Plan, Prices, Timed
from topwork.backbones import load
from topwork.heads import LinearHead
from topwork.tasks.classification.ladder import _tuning
from topwork.tasks.classification.ladder._tuning import planned, prices, set_apart, tuned
from topwork.tasks.classification.strategies import INTERRUPTED, FinetuneOptions
from topwork.train import CheckpointError


def features(images: int = 1000, splits: tuple[str, ...] = ("train", "test"), seconds: float = 1.5e-3) -> Any:
    """What a plan asks of the features: sizes of splits, and how fast an image is at a size."""
    held = "test" if "test" in splits else "val"
    dataset = SimpleNamespace(splits=np.repeat(splits, images), held_out_split=held)
    return SimpleNamespace(
        options=SimpleNamespace(finetune=FinetuneOptions()),
        train=range(images),
        dataset=type("Data", (SimpleNamespace,), {"__len__": lambda self: images * len(splits)})(**vars(dataset)),
        seconds_an_image=lambda size: seconds * (size / 224) ** 2,
        whole=lambda spec: "whole",
        table=lambda size: SimpleNamespace(backbone=None, keep=lambda outputs: "training images"),
    )


def test_a_part_val_judges_where_test_measures() -> None:
    assert set_apart(features(splits=("train", "val", "test"))) == (1000, 1000)
    assert set_apart(features()) == (850, 150)


def test_a_plan_names_the_budget_that_has_time_for_all_that_came_before_it() -> None:
    clock = BudgetClock(60.0, time.perf_counter() - 50)
    every = planned(features(), "last", Prices(224, 3e-3, {5: 20e-3}, 0.5), [224], 0.03, clock)
    assert [plan.epochs for plan in every] == [3, 4, 5, 6, 7, 8]
    for plan in every:
        assert plan.budget == pytest.approx(max(60, plan.seconds + 25), abs=1)  # half of what came before was ours


@pytest.mark.slow
@pytest.mark.parametrize(("unfreeze", "counts"), [("auto", [2, 3]), ("all", [5]), (3, [3])])
def test_prices_are_measured_by_steps_of_a_real_training(unfreeze: Any, counts: list[int]) -> None:
    backbone = load("test_resnet", weights="random:1", size=64)
    width, options = backbone.width("embedding"), FinetuneOptions()
    row = np.ones(width, np.float32)
    head = LinearHead(0 * row, row, np.zeros((width, 3), np.float32), np.zeros(3, np.float32), 1.0)
    named = {"options": SimpleNamespace(finetune=options), "backbone": backbone, "size": 64, "on_gpu": False}
    slow: Any = SimpleNamespace(**named, timed_image=lambda size: Timed(4e-3, 1e-3))
    found = prices(slow, unfreeze, head, BudgetClock(60.0))
    assert sorted(found.training) == counts
    assert all(0 < each < 1 for each in found.training.values())
    assert found.image == 1e-3
    assert 0 < found.share <= 1
    clock: Any = SimpleNamespace(share=lambda cores: 1.0)  # others were busy while it was measured, but not before
    assert prices(slow, unfreeze, head, clock).share == 1


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[FinetuneOptions]:
    """The options that each fine-tuning was called with; none is made."""
    seen: list[FinetuneOptions] = []

    def finetune(dataset: Any, probe: Any, options: FinetuneOptions, *, announce: Any) -> Any:
        seen.append(options)
        return SimpleNamespace(notes=())

    monkeypatch.setattr(_tuning, "finetune", finetune)
    monkeypatch.setattr(_tuning, "probe_of", lambda *given: None)
    return seen


PLAN = Plan("last", 5, 256, 8, gain=0.03, seconds=200.0)
START: Any = SimpleNamespace(spec=SimpleNamespace(size=256, outputs=lambda backbone: ()), fitted=None)


def cache(place: Path) -> Any:
    return SimpleNamespace(training=lambda name: place / name)


def test_fault_43_a_training_that_was_broken_off_is_gone_on_with(tmp_path: Path, calls: list[FinetuneOptions]) -> None:
    place = tmp_path / "5-256"
    place.mkdir()
    (place / "checkpoint-00000001.safetensors").touch()
    tuned(features(), PLAN, START, 200, lambda text: None, cache(tmp_path))
    assert [(each.checkpoint, each.resume) for each in calls] == [(place, True)]
    tuned(features(), PLAN, START, 200, lambda text: None, cache(tmp_path / "other"))
    assert not calls[1].resume


def test_the_schedule_is_as_long_as_there_is_time_for(calls: list[FinetuneOptions]) -> None:
    for seconds in (150, -20):
        tuned(features(), PLAN, START, seconds, lambda text: None, None)
    assert [each.config.budget_seconds for each in calls] == [150, 1]
    assert [(each.config.epochs, each.unfreeze) for each in calls] == [(8, 5), (8, 5)]


def test_images_that_only_measure_the_model_are_not_read_for_a_training(
    calls: list[FinetuneOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    monkeypatch.setattr(_tuning, "probe_of", lambda table, fitted, trials: read.append(table))
    for splits in (("train", "test"), ("train", "val"), ("train", "val", "test")):
        tuned(features(splits=splits), PLAN, START, 200, lambda text: None, None)
    assert read == ["training images", "training images", "whole"]


def test_a_checkpoint_of_another_training_is_left(
    tmp_path: Path, calls: list[FinetuneOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "5-256"
    place.mkdir()
    (place / "checkpoint-00000001.safetensors").touch()

    def finetune(dataset: Any, probe: Any, options: FinetuneOptions, *, announce: Any) -> Any:
        calls.append(options)
        if options.resume:
            raise CheckpointError("it is of another training")
        return SimpleNamespace(notes=(f"{INTERRUPTED} 2 epochs",))

    monkeypatch.setattr(_tuning, "finetune", finetune)
    tuned(features(), PLAN, START, 200, lambda text: None, cache(tmp_path))
    assert [each.resume for each in calls] == [True, False]
    monkeypatch.setattr(_tuning, "probe_of", lambda *given: None)
    tuned(features(), PLAN, START, 200, lambda text: None, None)
    assert calls[-1].checkpoint is None
