"""What fine-tuning is whatever the rows: who judges it, when it is kept, what is said of it, where its weights lie."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from topwork._system import cache_dir, delete_file, make_room, use, write_whole
from topwork.advising import Trial
from topwork.backbones import Weights
from topwork.data import Dataset, split
from topwork.features import FeatureTable
from topwork.heads import LinearHead, fit_temperature, row_losses
from topwork.metrics import exceeds_zero
from topwork.tasks._classes._fitted import Fitted
from topwork.train import TrainConfig

if TYPE_CHECKING:
    from topwork.features import Progress
    from topwork.train import EpochRecord, TrainResult
    from topwork.train import Progress as Step

INTERRUPTED = "training was interrupted after"
"""How the note begins that Ctrl-C leaves behind; checkpoints are kept then."""

_ERRORS, _LEAST = 2.0, 30  # standard errors by which its losses must be lower than the probe's; on so many rows
AS_SERVED = 0.02
"""Accuracy by which the engine that serves may differ from the training: a few rows of 150."""

_JUDGES, _MOST = 40, 1 / 3  # validation rows that there should be, and the share of the training rows they may cost


@runtime_checkable
class TellingProgress(Protocol):
    """A progress callback that also shows how it goes, in a few words."""

    def __call__(self, done: int, total: int, /) -> None:
        """So far."""

    def tell(self, words: str) -> None:
        """Show them beside the step's name, in place of the former ones."""


@runtime_checkable
class HearingProgress(Protocol):
    """A progress callback that also hears what each epoch of a training gave."""

    def heard(self, record: EpochRecord, /) -> None:
        """One epoch, as soon as it is measured."""


@dataclass(frozen=True)
class Finetuned(Fitted):
    """A fine-tuned backbone with its head, or the probe where that was no worse.

    A fine-tuned network is not cross-validated; its out-of-fold predictions are those on the validation rows.

    Attributes:
        strategy: ``finetune``, or ``probe`` where fine-tuning did not beat it; ``scratch`` from random weights.
    """

    strategy: Literal["finetune", "probe", "scratch"] = "finetune"  # type: ignore[misc]  # a class's fact elsewhere, a result here


class Score(NamedTuple):
    """Accuracy and log loss on validation rows."""

    accuracy: float
    log_loss: float

    def beats(self, other: Score) -> bool:
        """Whether more are right, or as many at a lower loss."""
        return (self.accuracy, -self.log_loss) > (other.accuracy, -other.log_loss)


def score(head: LinearHead, table: FeatureTable) -> Score:
    """How well a head does on the rows of a table."""
    right = head.logits(table.values).argmax(axis=1) == table.dataset.labels
    return Score(float(right.mean()), float(losses(head, table).mean()))


def losses(head: LinearHead, table: FeatureTable) -> npt.NDArray[np.float64]:
    """Log loss of each row of a table, in nats, after the temperature."""
    return row_losses(head.logits(table.values) / head.temperature, table.dataset.labels.astype(np.int64))


class Halves(NamedTuple):
    """Rows of the probe's table: what is learnt from, and what tells when to stop."""

    learn: npt.NDArray[np.intp]
    check: npt.NDArray[np.intp]


def halves_of(dataset: Dataset, share: float, seed: int) -> Halves:
    """Rows to learn from and to judge by.

    ``val`` validates where ``test`` measures; otherwise a share of the training split does (``validation_share``).

    Raises:
        DataError: There are too few rows to set any aside.
    """
    train = np.flatnonzero(dataset.splits == "train")
    if dataset.held_out_split == "test" and (dataset.splits == "val").any():
        return Halves(train, np.flatnonzero(dataset.splits == "val"))
    halved = split(dataset.split("train"), test=validation_share(len(train), share), seed=seed)
    return Halves(train[halved.splits == "train"], train[halved.splits == "test"])


def validation_share(rows: int, least: float) -> float:
    """Share of so many training rows that judge a fine-tuning, where the data has no ``val`` for that."""
    return max(least, min(_MOST, _JUDGES / max(rows, 1)))


def best_epoch(result: TrainResult) -> Score | None:
    """What the best finished epoch measured itself, which may be worse than the start; None where none was finished."""
    epochs = [Score(epoch.accuracy, epoch.validation_loss) for epoch in result.history]
    return max(epochs, key=lambda each: (each.accuracy, -each.log_loss), default=None)


def keeps(gains: npt.NDArray[np.float64], reached: Score, reference: Score) -> bool:
    """Whether as many are right and what each validation row saves of the loss is more than chance."""
    return len(gains) >= _LEAST and reached.accuracy >= reference.accuracy and exceeds_zero(gains, _ERRORS)


def why_kept(
    result: TrainResult, reached: Score | None, reference: Score, what: str, rows: int, things: str = "images"
) -> str:
    """Why the probe is kept; ``what`` was trained, such as ``3 stages``, and that many ``things`` judged it."""
    if reached is None:
        return f"no epoch of fine-tuning {what} was finished, so the probe is kept"
    if result.best_epoch > 0:
        said = f"fine-tuning {what} gave {reached.accuracy:.1%} on {rows} validation {things}"
        chance = ", which may be chance" if reached.beats(reference) else ""
        return f"{said} and the probe {reference.accuracy:.1%}{chance}, so the probe is kept"
    start = f"its start of {result.start.accuracy:.1%}" if reached.beats(reference) else "its start"
    figures = f"best epoch: {reached.accuracy:.1%}, the probe {reference.accuracy:.1%} on the same validation {things}"
    return f"no epoch of fine-tuning {what} beat {start} ({figures}), so the probe is kept"


def notes_of(result: TrainResult, *, resumable: bool = True) -> tuple[str, ...]:
    """What the training says of itself, and that Ctrl-C ended it."""
    if not result.interrupted:
        return result.notes
    said = f"{INTERRUPTED} {len(result.history)} epochs; the best epoch so far is used"
    return (*result.notes, f"{said}, and --resume continues it" if resumable else said)


def strategy_trials(rows: int, reference: Score, tuned: Score | None, name: str, *, better: bool) -> tuple[Trial, ...]:
    """The probe and the fine-tuning on the same rows; none where no epoch was finished and nothing was compared."""
    if tuned is None:
        return ()
    return (
        Trial("strategy", "probe", rows, reference.accuracy, reference.log_loss, chosen=not better),
        Trial("strategy", name, rows, tuned.accuracy, tuned.log_loss, chosen=better),
    )


def shown(
    progress: Progress, config: TrainConfig, things: str = "images", measure: str = "accuracy"
) -> Callable[[Step], None]:
    """Steps done, and how it goes where that can be shown."""
    reached = ""

    def tell(step: Step) -> None:
        nonlocal reached
        if step.record is not None:
            reached = f", {measure} {step.record.accuracy:.1%}"
            if isinstance(progress, HearingProgress):
                progress.heard(step.record)
        if isinstance(progress, TellingProgress):
            epoch = f"epoch {min(step.epoch, config.epochs)} of {config.epochs}"
            progress.tell(f"{epoch}, loss {step.loss:.3f}{reached}, {step.samples_per_second:.0f} {things}/s")
        progress(step.step, step.steps)

    return tell


def kept_file(name: str, content: bytes) -> Weights:
    """A tuned network's weights, as safetensors writes them, in the cache; saving a model copies the file."""
    digest = hashlib.sha256(content).hexdigest()
    file = cache_dir() / "tuned" / f"{name}-{digest[:16]}.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, content)
    use(file)  # until the model is saved, which may be hours later
    make_room(file.parent, "*.safetensors", delete_file)
    return Weights("file", digest, str(file.resolve()))


def at_temperature(head: LinearHead, check: FeatureTable) -> LinearHead:
    """A trained head with a temperature from the validation rows."""
    labels = check.dataset.labels.astype(np.int64)
    plain = replace(head, temperature=1.0)
    return replace(plain, temperature=fit_temperature(plain.logits(check.values), labels))
