"""The training loop, and everything put in its place for its first step."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from topwork._system import freed_memory_kept
from topwork.errors import TrainError
from topwork.train._checkpoint import clear_drafts, locked
from topwork.train._config import TrainConfig
from topwork.train._loss import Loss, default_loss
from topwork.train._parts import Layers, copied, put, put_for_now, set_training, training_of
from topwork.train._ranks import Ranks, current_ranks
from topwork.train._run import Run, identity, resume, save
from topwork.train._samples import Samples, batch_count, epoch_batches, lengths_of, reading, require_some
from topwork.train._state import (
    Clock,
    EpochRecord,
    Pace,
    Progress,
    Reason,
    Score,
    State,
    TrainResult,
    affordable_steps,
    multiplier_at,
)
from topwork.train._step import Step, device_of, measure, own_randomness

Tell = Callable[[Progress], None]
_GPU_LOOK = 10  # steps between looks at the loss: to look is to wait for the device

# Of 90 small trainings with one-cycle at rates up to 100 times too high, these limits stopped 12, and none of those 12
# would have become better later. Before half of the steps are done the falling rate still mends most: 4 of 34 would.
_DIVERGED = 2.0  # times the start's validation loss, from which a training may be stopped
_RISEN = 1.5  # times the start's validation loss, from which a training that gained nothing is told of
_LEAST_LOSS = 0.1  # nats that the start's loss counts for at least: twice nothing is no divergence


@dataclass(frozen=True, eq=False)
class Job:
    """What stays the same in a training."""

    model: nn.Module
    data: Samples
    validation: Samples
    config: TrainConfig
    loss: Loss
    layers: Layers
    ranks: Ranks
    step: Step
    clock: Clock  # of this process; a resumed training has a new one
    save: Callable[[], None]  # does nothing where there is no folder for checkpoints
    tell: Tell
    per_epoch: int  # steps

    @property
    def device(self) -> torch.device:
        """Where the model lies and computes."""
        return device_of(self.model)

    @property
    def planned(self) -> int:
        """Number of steps in all, if there is time for them."""
        return self.config.epochs * self.per_epoch


@contextlib.contextmanager
def _prepared(
    model: nn.Module,
    data: Samples,
    validation: Samples,
    config: TrainConfig,
    layers: Layers,
    loss: Loss | None,
    folder: Path | None,
    resumed: bool,
    tell: Tell | None,
) -> Iterator[tuple[Job, Run]]:
    """A training ready for its next step; locks, random states, modes and hooks do not outlive it. See ``train``."""
    require_some(data, "training")
    require_some(validation, "validation")
    ranks, device, clock = current_ranks(), device_of(model), Clock()
    given = loss
    if loss is None:
        loss = default_loss(data, config, "training", device)
        default_loss(validation, config, "validation", device)  # its labels must fit too
    with contextlib.ExitStack() as stack:
        if folder is not None and ranks.first:
            stack.enter_context(locked(folder))
            clear_drafts(folder)
        stack.enter_context(_memory_advice(config))
        stack.enter_context(own_randomness(device))
        if config.channels_last:
            model.to(memory_format=torch.channels_last)
        parts = stack.enter_context(training_of(model, layers, config.dropout))
        ranks.copy_first(list(parts.state.values()))
        per_epoch = batch_count(len(data.labels), config.batch_size)
        steps = config.epochs * per_epoch
        step = Step(model, parts, loss, config, ranks, steps)
        mean = None if config.ema_decay is None else copied(parts.state)
        run = Run(parts, step.optimizer, State(pace=Pace(total=steps)), mean, copied(parts.state))
        facts = {} if folder is None else identity(parts, data, validation, config, given)
        if folder is not None and resumed:
            resume(run, folder, facts)

        def write() -> None:
            if folder is not None and ranks.first:
                save(run, folder, facts)
            clock.saved_at = time.monotonic()

        told: Tell = tell if tell is not None and ranks.first else lambda _: None
        yield Job(model, data, validation, config, loss, layers, ranks, step, clock, write, told, per_epoch), run


@contextlib.contextmanager
def _memory_advice(config: TrainConfig) -> Iterator[None]:
    """Say what to do where the memory does not suffice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch's own, on a GPU and on a CPU, are RuntimeErrors
        if not isinstance(error, MemoryError) and not re.search("out of memory|not enough memory", str(error)):
            raise
        raise TrainError(
            f"not enough memory for {config.batch_size} samples in {config.accumulate} pieces",
            hint=f"accumulate = {2 * config.accumulate} halves the pieces and gives the same gradients",
        ) from error


@freed_memory_kept()
def train(
    model: nn.Module,
    data: Samples,
    validation: Samples,
    config: TrainConfig,
    *,
    layers: Layers,
    loss: Loss | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Tell | None = None,
) -> TrainResult:
    """Train the layers of a model and leave the best weights in it, by validation accuracy, then loss.

    The model is measured before the first step too, and keeps its first weights where nothing beats them. All that is
    outside the layers stays as it is to the byte. With equal arguments on a CPU the weights are equal to the bit,
    resumed or not, unless a budget changed the schedule. Ctrl-C ends it with the best so far, as does a loss that is
    not a number, and a training that diverges: then a note names the learning rate to try.

    Args:
        model: Inputs (n, ...) to what the loss takes, logits (n, C) by default; on the device where it is to train.
        data: What it learns from.
        validation: What tells which weights are best.
        config: All settings.
        layers: Name and module of what is trained, nearest the input first, the head last (see ``parts_of``).
        loss: What is made smaller and measured. None is ``CrossEntropy`` with the configuration's smoothing and class
            weights, for which the samples must be ``ClassSamples``.
        checkpoint: Folder for checkpoints, one run's at a time; None writes none.
        resume: Go on from the newest sound checkpoint in the folder, if there is one.
        progress: Called after steps and epochs, on the first rank.

    Raises:
        TrainError: Data, layers or model do not fit; no memory; another run writes to the folder.
        CheckpointError: A checkpoint cannot be written, or it is of another training.
    """
    with _prepared(model, data, validation, config, layers, loss, checkpoint, resume, progress) as (job, run):
        try:
            if run.state.start is None:
                _measure_start(job, run)
            while run.state.stopped is None:
                _run_steps(job, run)
                if run.state.stopped is None:
                    _end_epoch(job, run)
        except KeyboardInterrupt:
            if run.state.start is None:
                raise
            run.state.stopped = "interrupted"
        if run.state.stopped == "diverged" or (run.state.best_epoch == 0 and _above_start(run, _RISEN)):
            run.notes += (_risen(job, run),)
        put(run.best, run.parts.state)
        return run.result()


def _measure_start(job: Job, run: Run) -> None:
    """Measure the model as it was given: it is the first that the best must beat."""
    run.state.start = _score(job, run)
    run.keep_if_best(run.state.start)
    run.state.epoch_end_seconds = job.clock.lap()
    run.state.seconds += run.state.epoch_end_seconds


def _score(job: Job, run: Run) -> Score:
    with put_for_now(run.weights, run.parts.state):
        return measure(job.model, job.validation, job.config, job.ranks, loss=job.loss)


def _run_steps(job: Job, run: Run) -> None:
    """Take the steps that are left of an epoch, or of the time."""
    state, config = run.state, job.config
    samples, lengths = len(job.data.labels), lengths_of(job.data)
    plan = epoch_batches(config.seed, state.epoch, samples, config.batch_size, lengths)[state.batch :]
    losses = torch.tensor(state.loss_sum, dtype=torch.float64, device=job.device)
    look_every, unseen = (1 if job.device.type == "cpu" else _GPU_LOOK), 0
    set_training(job.model, job.layers)
    with reading(job.data, state.epoch, [job.ranks.shard(rows) for rows in plan]) as batches:
        for rows in plan:
            if state.step >= state.pace.total:
                return
            batch = next(batches, None)
            if batch is None:
                raise TrainError(f"the data gave {state.batch} of {job.per_epoch} batches in epoch {state.epoch + 1}")
            course = multiplier_at(state.pace.share_at(state.step), config)
            state.learning_rate = config.learning_rate * state.plateau.factor * course
            losses += job.step(batch, state.learning_rate, state.epoch, state.batch, len(rows))
            state.batch, state.step, state.samples = state.batch + 1, state.step + 1, state.samples + len(rows)
            run.average(config.ema_decay)
            unseen += 1
            if unseen == look_every or state.batch == job.per_epoch or state.step == state.pace.total:
                _look(job, run, float(losses), unseen)
                unseen = 0
                if state.stopped is not None:
                    return


def _look(job: Job, run: Run, loss_sum: float, steps: int) -> None:
    """See how it goes: is the loss a number, what does the clock say, is a checkpoint due?"""
    state, seconds = run.state, job.clock.lap()
    state.epoch_seconds += seconds
    state.seconds += seconds
    if not math.isfinite(loss_sum):
        _stop_unfinite(job, run, f"the training loss was {loss_sum}")
        return
    state.loss_sum = loss_sum
    job.clock.saw_step(seconds / steps)
    _fit_to_budget(job, run)
    job.tell(_progress(job, run))
    if time.monotonic() - job.clock.saved_at >= 60 * job.config.checkpoint_minutes:
        job.save()
        state.seconds += job.clock.lap()


def _stop_unfinite(job: Job, run: Run, what: str) -> None:
    run.state.stopped = "not finite"
    where = f"step {run.state.step} (epoch {run.state.epoch + 1})"
    run.notes += (f"{what} at {where}: stopped, the best weights kept; {_lower_rate(job)}",)


def _above_start(run: Run, times: float) -> bool:
    """Whether in each of the latest two epochs the loss was so many times the start's, and the accuracy no better."""
    start, latest = run.state.start, run.state.history[-2:]
    if start is None or len(latest) < 2:
        return False
    limit = times * max(start.loss, _LEAST_LOSS)
    return all(each.validation_loss > limit and each.accuracy <= start.accuracy for each in latest)


def _diverged(job: Job, run: Run) -> bool:
    """Whether the loss is far above the start's and still rises, at a rate that falls already or never will."""
    if not _above_start(run, _DIVERGED):
        return False
    falls = job.config.schedule == "constant" or run.state.pace.share_at(run.state.step) >= 0.5
    before, latest = run.state.history[-2:]
    return falls and latest.validation_loss >= before.validation_loss


def _risen(job: Job, run: Run) -> str:
    """What to say of a training that has diverged, or gained nothing and ended far above the start's loss."""
    assert run.state.start is not None
    loss, latest = run.state.start.loss, run.state.history[-1].validation_loss
    how = "stopped, the best weights kept; " if run.state.stopped == "diverged" else ""
    where = f"after epoch {run.state.epoch}"
    return f"the validation loss rose from {loss:.2f} to {latest:.2f} {where}: {how}{_lower_rate(job)}"


def _lower_rate(job: Job) -> str:
    return f"try a lower learning rate: --set learning_rate={job.config.learning_rate / 10:g}"


def _fit_to_budget(job: Job, run: Run) -> None:
    """Move the last step to where the time ends; the schedule goes on from where it is, so it is shortened, not cut."""
    state, budget, step = run.state, job.config.budget_seconds, job.clock.step_seconds
    if budget is None:
        return
    left = budget - state.seconds
    if step is None:  # the first steps measure nothing but the warming up
        steps = job.planned if left > state.epoch_end_seconds else 0
    else:
        to_end = job.per_epoch - state.batch
        steps = affordable_steps(left, step, state.epoch_end_seconds, to_end, job.per_epoch)
    total = int(job.ranks.agreed(min(job.planned, state.step + steps), job.device))
    state.pace = state.pace.refitted(state.step, total)


def _end_epoch(job: Job, run: Run) -> None:
    """Validate, keep the best, write down, decide whether to go on, save."""
    state = run.state
    job.ranks.average(run.statistics)
    score = _score(job, run)
    state.epoch_end_seconds = job.clock.lap()
    state.seconds += state.epoch_end_seconds
    if not math.isfinite(score.loss):
        _stop_unfinite(job, run, f"the validation loss was {score.loss}")
        return
    record = _record(run, score)
    state.history.append(record)
    last = _progress(job, run, record)
    state.epoch += 1
    run.keep_if_best(score)
    state.plateau = state.plateau.after(score.loss, job.config)
    state.batch, state.samples, state.loss_sum, state.epoch_seconds = 0, 0, 0.0, 0.0
    state.stopped = _reason_to_stop(job, run)
    job.save()
    saving = job.clock.lap()
    state.epoch_end_seconds += saving
    state.seconds += saving
    job.tell(last)


def _reason_to_stop(job: Job, run: Run) -> Reason | None:
    state, patience = run.state, job.config.patience
    if state.step >= job.planned:
        return "epochs"
    if state.step >= state.pace.total:
        return "budget"
    if patience is not None and state.epoch - state.best_epoch >= patience:
        return "patience"
    return "diverged" if _diverged(job, run) else None


def _record(run: Run, score: Score) -> EpochRecord:
    state = run.state
    return EpochRecord(
        epoch=state.epoch + 1,
        step=state.step,
        loss=state.loss_sum / state.samples,
        validation_loss=score.loss,
        accuracy=score.accuracy,
        learning_rate=state.learning_rate,
        seconds=state.epoch_seconds + state.epoch_end_seconds,
        samples_per_second=state.samples / max(state.epoch_seconds, 1e-9),
    )


def _progress(job: Job, run: Run, record: EpochRecord | None = None) -> Progress:
    state, step_time = run.state, job.clock.step_seconds
    steps_left = max(0, state.pace.total - state.step)
    epochs_left = math.ceil(steps_left / job.per_epoch)
    return Progress(
        epoch=state.epoch + 1,
        epochs=job.config.epochs,
        step=state.step,
        steps=state.pace.total,
        loss=state.loss_sum / state.samples,
        samples_per_second=state.samples / max(state.epoch_seconds, 1e-9),
        seconds_left=None if step_time is None else steps_left * step_time + epochs_left * state.epoch_end_seconds,
        record=record,
    )
