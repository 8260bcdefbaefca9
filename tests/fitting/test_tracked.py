"""What a fit tells trackers: each epoch once, under the names of its training, then figures and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topwork.fitting import Tracked
from topwork.model import Classifier
from topwork.tasks._classes._finetuned import shown
from topwork.tracking import Artefact, Begun, Figures
from topwork.train import EpochRecord, Progress, TrainConfig

from .test_from_shards import data, model, out, recipe

__all__ = ["data", "model", "out", "recipe"]


class Listening:
    """Keeps the events."""

    heard = True

    def __init__(self) -> None:
        self.events: list[Any] = []

    def tell(self, event: Any) -> None:
        self.events.append(event)


def record(epoch: int) -> EpochRecord:
    speed = {"learning_rate": 0.1, "seconds": 1.0, "samples_per_second": 9.0}
    return EpochRecord(epoch=epoch, step=epoch, loss=1 / epoch, validation_loss=2 / epoch, accuracy=0.5, **speed)


def epochs_told(progress: Any, *epochs: int) -> None:
    tell = shown(progress, TrainConfig(epochs=4))
    for epoch in epochs:
        tell(Progress(epoch, 4, epoch, 4, 0.5, 9.0, None, record(epoch)))


def test_epochs_then_figures_then_the_page(model: Classifier) -> None:
    listening, below = Listening(), []
    tracked = Tracked(listening, "flowers", {"strategy": "finetune", "options": TrainConfig(epochs=4), "none": None})
    announce = tracked.announced(lambda text: lambda done, total: below.append((text, done, total)))
    epochs_told(announce("training 2 stages"), 3, 4)  # resumed after two
    made = Classifier(model.record, model.head, model.backbone, [record(each).model_dump() for each in (1, 2, 3, 4)])
    tracked.finish(made, [Path("report.html")])
    begun, *epochs, figures, page = listening.events
    assert isinstance(begun, Begun)
    assert (begun.name, begun.parameters["options.epochs"]) == ("flowers", "4")
    assert "none" not in begun.parameters
    assert [each.step for each in epochs] == [3, 4, 1, 2]
    assert epochs[0].values["train/loss"] == 1 / 3
    assert epochs[0].values["validation/accuracy"] == 0.5
    assert isinstance(figures, Figures)
    assert figures.values["test/accuracy"] == model.metrics.accuracy.value
    assert figures.values["cross_validation/accuracy"] == model.record.cross_validation["accuracy"]
    assert figures.step is None
    assert page == Artefact(Path("report.html"))
    assert below == [("training 2 stages", 3, 4), ("training 2 stages", 4, 4)]


def test_a_second_training_is_told_apart(model: Classifier) -> None:
    listening = Listening()
    tracked = Tracked(listening, "flowers", {})
    announce = tracked.announced(lambda text: None)
    epochs_told(announce("training 2 stages"), 1)
    epochs_told(announce("training 3 stages"), 1)
    assert [set(each.values) & {"train/loss", "2/train/loss"} for each in listening.events[1:]] == [
        {"train/loss"},
        {"2/train/loss"},
    ]


def test_where_nobody_listens_nothing_changes() -> None:
    listening = Listening()
    listening.heard = False
    announce = Tracked(listening, "flowers", {}).announced(lambda text: None)
    assert announce("training") is None
    assert listening.events == []
