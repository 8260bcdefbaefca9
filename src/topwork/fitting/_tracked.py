"""A fit that trackers watch: its epochs as they come, then the figures of its model and its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork.features import Progress
from topwork.fitting._fit import as_json
from topwork.model import Model, flat_options
from topwork.tracking import Artefact, Begun, Figures, Tracking

if TYPE_CHECKING:
    from topwork.tasks import Announce
    from topwork.train import EpochRecord

_EPOCH = {
    "loss": "train/loss",
    "validation_loss": "validation/loss",
    "accuracy": "validation/accuracy",
    "learning_rate": "learning_rate",
    "samples_per_second": "samples_per_second",
}
"""Of an epoch's fields those that are told, by the names under which trackers show them."""


class Tracked:
    """What a fit tells of itself; where nobody listens it tells nothing.

    Args:
        tracking: Who listens; already begun, and ended by whoever began it.
        name: Of the run.
        parameters: What was asked for.
    """

    def __init__(self, tracking: Tracking, name: str, parameters: Mapping[str, Any]) -> None:
        self._tracking = tracking
        self._told: dict[int, set[int]] = {}  # epochs of each training
        if tracking.heard:
            tracking.tell(Begun(name, flat_options(as_json(parameters))))

    def announced(self, announce: Announce) -> Announce:
        """Announces steps as this does, with callbacks that also hear epochs."""
        return (lambda text: _Heard(announce(text), self)) if self._tracking.heard else announce

    def epoch(self, training: int, record: Mapping[str, Any]) -> None:
        """One epoch of the first training, or of a later one, whose figures have its number before their names."""
        done = self._told.setdefault(training, set())
        if record["epoch"] not in done:
            done.add(record["epoch"])
            before = "" if training == 1 else f"{training}/"
            values = {f"{before}{name}": float(record[field]) for field, name in _EPOCH.items() if field in record}
            self._tracking.tell(Figures(values, record["epoch"]))

    @property
    def trainings(self) -> int:
        """How many have told an epoch."""
        return len(self._told)

    def finish(self, model: Model, artefacts: Sequence[Path]) -> None:
        """Tell what came out, and epochs that were not heard: those before a training was resumed."""
        if not self._tracking.heard:
            return
        if self.trainings <= 1:  # the kept training is not told apart from others
            for record in model.history:
                self.epoch(1, record)
        self._tracking.tell(Figures(dict(_figures(model))))
        for path in artefacts:
            self._tracking.tell(Artefact(path))


class _Heard:
    """One step's progress, which hears epochs too; shows what the one below it can show."""

    def __init__(self, below: Progress | None, tracked: Tracked) -> None:
        self._below, self._tracked, self._training = below, tracked, 0

    def __call__(self, done: int, total: int, /) -> None:
        if self._below is not None:
            self._below(done, total)

    def tell(self, words: str) -> None:
        """Beside the step's name, where that can be shown."""
        tell = getattr(self._below, "tell", None)
        if tell is not None:
            tell(words)

    def heard(self, record: EpochRecord, /) -> None:
        """As ``HearingProgress`` promises."""
        self._training = self._training or self._tracked.trainings + 1
        self._tracked.epoch(self._training, record.model_dump())


def _figures(model: Model) -> Iterator[tuple[str, float]]:
    """Every figure of a model that is one number, by its name."""
    for name, value in model.record.cross_validation.items():
        yield f"cross_validation/{name}", float(value)
    metrics = model.record.task.model_dump(mode="json").get("metrics") or {}
    for name, value in metrics.items():
        number = value.get("value") if isinstance(value, Mapping) else value
        if isinstance(number, int | float) and not isinstance(number, bool):
            yield f"test/{name}", float(number)
