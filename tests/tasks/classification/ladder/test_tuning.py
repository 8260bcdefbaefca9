"""What is planned of a fine-tuning, and how one that was broken off is gone on with; nothing is trained here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from topwork.tasks.classification.ladder import _tuning
from topwork.tasks.classification.ladder._tuning import Plan, plan, tuned
from topwork.tasks.classification.strategies import INTERRUPTED, FinetuneOptions
from topwork.train import CheckpointError


def features(images: int = 1000, splits: tuple[str, ...] = ("train", "test"), seconds: float = 1.5e-3) -> Any:
    """What a plan asks of the features: sizes of splits, and how fast an image is at a size."""
    held = "test" if "test" in splits else ""
    dataset = SimpleNamespace(splits=np.repeat(splits, images), held_out_split=held)
    return SimpleNamespace(
        options=SimpleNamespace(finetune=FinetuneOptions()),
        train=range(images),
        dataset=type("Data", (SimpleNamespace,), {"__len__": lambda self: images * len(splits)})(**vars(dataset)),
        seconds_an_image=lambda size: seconds * (size / 224) ** 2,
        whole=lambda reading: None,
    )


def test_the_largest_size_that_there_is_time_for_is_taken() -> None:
    sizes = [224, 256, 320]
    found = [plan(features(), "auto", sizes, left).size for left in (40, 65, 300)]
    assert found == [224, 256, 320]
    planned = plan(features(), "auto", sizes, 300)
    assert (planned.images, planned.judges) == (850, 150)
    assert 30 < planned.beside < 100


def test_a_part_val_judges_where_test_measures() -> None:
    found = plan(features(splits=("train", "val", "test")), "auto", [224], 300)
    assert (found.images, found.judges) == (1000, 1000)


def test_too_little_time_is_seen_before_it_is_spent() -> None:
    found = plan(features(), "auto", [224], 20)
    assert found.needed > found.left
    assert found.seconds == 20
    slow = plan(features(seconds=20e-3), "auto", [224], 300)  # an epoch takes 80 seconds, and three are the least
    assert slow.needed > slow.left > slow.left - slow.beside > 100


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


PLAN = Plan("auto", 256, 850, 150, left=300.0, seconds=200.0, needed=60.0, beside=50.0)
START: Any = SimpleNamespace(spec=None, fitted=None)


def cache(place: Path) -> Any:
    return SimpleNamespace(training=lambda name: place / name)


def test_fault_43_a_training_that_was_broken_off_is_gone_on_with(tmp_path: Path, calls: list[FinetuneOptions]) -> None:
    place = tmp_path / "auto-256"
    place.mkdir()
    (place / "checkpoint-00000001.safetensors").touch()
    tuned(features(), PLAN, START, 200, lambda text: None, cache(tmp_path))
    assert [(each.checkpoint, each.resume) for each in calls] == [(place, True)]
    tuned(features(), PLAN, START, 200, lambda text: None, cache(tmp_path / "other"))
    assert not calls[1].resume


def test_what_its_start_took_is_taken_from_the_training(calls: list[FinetuneOptions]) -> None:
    for left in (200, 120, 10):
        tuned(features(), PLAN, START, left, lambda text: None, None)
    assert [each.config.budget_seconds for each in calls] == [150, 70, 1]


def test_a_checkpoint_of_another_training_is_left(
    tmp_path: Path, calls: list[FinetuneOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "auto-256"
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
