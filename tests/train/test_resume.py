"""A resumed training is the unbroken one, to the bit."""

import itertools
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.train.samples import BUSY, PLAIN, Wrapped, digest, layers_of, network, part, timeless
from topwork.train import CheckpointError, TrainConfig, TrainError, locked, train

TRAINING, VALIDATION = part(0, 61), part(120, 160)
EVERY_STEP = {"checkpoint_minutes": 1e-9}

STORIES = {
    "everything": BUSY,
    "sgd and plateau": PLAIN.model_copy(
        update={"optimizer": "sgd", "schedule": "plateau", "epochs": 3, "plateau_factor": 0.2, "plateau_patience": 0}
    ),
    "bf16, cosine, patience": PLAIN.model_copy(
        update={"precision": "bf16", "schedule": "cosine", "patience": 1, "epochs": 3}
    ),
}


class CrashError(Exception):
    """What ends a run from within."""


def run(config, data=TRAINING, validation=VALIDATION, *, frozen=1, model=None, **options):
    model = network() if model is None else model
    return model, train(model, data, validation, config, layers=layers_of(model, frozen=frozen), **options)


def crashing(step):
    def crash(index, *batch):
        if index == step:
            raise CrashError
        return batch

    return Wrapped(TRAINING, crash)


def crash(config, folder, step, **options):
    with pytest.raises(CrashError):
        run(config, crashing(step), checkpoint=folder, **options)


@pytest.mark.parametrize("story", STORIES)
def test_resumed_at_every_step_it_is_the_unbroken_one(tmp_path, story):  # FAULTS 34
    config = STORIES[story].model_copy(update=EVERY_STEP)
    model, whole = run(config)
    for step in range(1, whole.steps):
        folder = tmp_path / str(step)
        crash(config, folder, step)
        resumed, result = run(config, checkpoint=folder, resume=True)
        assert digest(resumed) == digest(model)
        assert timeless(result) == timeless(whole)
        assert result.notes == ()


def test_broken_again_and_again_it_is_the_unbroken_one(tmp_path):
    config = BUSY.model_copy(update=EVERY_STEP)
    model, whole = run(config)
    for _ in range(whole.steps - 1):
        crash(config, tmp_path, 1, resume=True)
    resumed, result = run(config, checkpoint=tmp_path, resume=True)
    assert digest(resumed) == digest(model)
    assert timeless(result) == timeless(whole)


def test_a_resumed_epoch_trains_on_what_is_left_of_it(tmp_path):
    config = BUSY.model_copy(update=EVERY_STEP)
    crash(config, tmp_path, 6)
    data = Wrapped(TRAINING, lambda index, *batch: batch)
    _, result = run(config, data, checkpoint=tmp_path, resume=True)
    assert data.given == result.steps - 6


def test_without_minutes_epochs_alone_are_saved(tmp_path):
    crash(BUSY, tmp_path, 6)
    data = Wrapped(TRAINING, lambda index, *batch: batch)
    _, result = run(BUSY, data, checkpoint=tmp_path, resume=True)
    assert data.given == result.steps - 4


def test_a_finished_training_is_not_trained_again(tmp_path):
    model, whole = run(BUSY, checkpoint=tmp_path)
    again, result = run(BUSY, crashing(0), checkpoint=tmp_path, resume=True)
    assert digest(again) == digest(model)
    assert timeless(result) == timeless(whole)
    assert result.seconds <= whole.seconds


def test_with_nothing_to_resume_it_begins_and_says_so(tmp_path):
    model, result = run(BUSY, checkpoint=tmp_path, resume=True)
    assert "so training starts from the beginning" in result.notes[0]
    assert digest(model) == digest(run(BUSY)[0])


def test_without_resume_a_checkpoint_is_not_read_but_followed_by_newer_ones(tmp_path):
    crash(BUSY, tmp_path, 6)
    other = BUSY.model_copy(update={"seed": 9})
    model, whole = run(other, checkpoint=tmp_path)
    assert digest(model) == digest(run(other)[0])
    _, result = run(other, crashing(0), checkpoint=tmp_path, resume=True)
    assert timeless(result) == timeless(whole)


def test_a_damaged_newest_one_falls_back_and_says_so(tmp_path):  # FAULTS 33
    config = BUSY.model_copy(update=EVERY_STEP)
    crash(config, tmp_path, 6)
    newest = sorted(tmp_path.glob("checkpoint-*"))[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    model, result = run(config, checkpoint=tmp_path, resume=True)
    assert "checksum" in result.notes[0]
    assert digest(model) == digest(run(config)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.5}, "learning_rate was 0.01, is 0.5"),
        ({"seed": 4, "ema_decay": None}, "ema_decay was 0.9, is nothing; seed was 3, is 4"),
    ],
)
def test_other_settings_are_refused(tmp_path, change, message):
    crash(BUSY, tmp_path, 6)
    with pytest.raises(CheckpointError, match=message):
        run(BUSY.model_copy(update=change), checkpoint=tmp_path, resume=True)


def test_more_time_and_other_minutes_are_allowed(tmp_path):
    crash(BUSY, tmp_path, 6)
    run(BUSY.model_copy(update={"budget_seconds": 1e5, **EVERY_STEP}), checkpoint=tmp_path, resume=True)


def test_other_data_frozen_weights_and_layers_are_refused(tmp_path):
    crash(BUSY, tmp_path, 6)
    with pytest.raises(CheckpointError, match="training data was"):
        run(BUSY, part(1, 62), checkpoint=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="validation data was"):
        run(BUSY, validation=part(121, 161), checkpoint=tmp_path, resume=True)
    other = network()
    nn.init.zeros_(other[0][0].weight)
    with pytest.raises(CheckpointError, match="frozen weights was"):
        run(BUSY, model=other, checkpoint=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="frozen weights was"):
        run(BUSY, frozen=0, checkpoint=tmp_path, resume=True)


def test_another_shape_is_refused(tmp_path):
    model, data = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), TRAINING
    config = TrainConfig(epochs=1)
    train(model, data, VALIDATION, config, layers=[("all", model)], checkpoint=tmp_path)
    wider = nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.Linear(7, 10))
    with pytest.raises(CheckpointError, match=r"model/1\.weight was \(10, 64\), is \(7, 64\)"):
        train(wider, data, VALIDATION, config, layers=[("all", wider)], checkpoint=tmp_path, resume=True)


def test_tied_weights_and_channels_last_come_back(tmp_path):
    def tied():
        model = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False), nn.Linear(64, 10)
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.linspace(-0.1, 0.1, parameter.numel()).view_as(parameter))
        model[2].weight = model[1].weight
        return model

    def trained(**options):
        model = tied()
        data = options.pop("data", TRAINING)
        train(model, data, VALIDATION, config, layers=[("all", model)], **options)
        return digest(model)

    config = BUSY.model_copy(update={"mixup": 0.0, **EVERY_STEP})
    with pytest.raises(CrashError):
        trained(data=crashing(5), checkpoint=tmp_path)
    assert trained(checkpoint=tmp_path, resume=True) == trained()


def test_a_full_disk_ends_it_and_the_old_checkpoint_goes_on(tmp_path):  # FAULTS 32
    crash(BUSY, tmp_path, 6)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="no checkpoint can be written"):
            run(BUSY, checkpoint=tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert digest(run(BUSY, checkpoint=tmp_path, resume=True)[0]) == digest(run(BUSY)[0])


def test_two_runs_on_one_folder_the_second_is_refused(tmp_path):  # FAULTS 42
    with locked(tmp_path), pytest.raises(TrainError, match="another run is writing to it"):
        run(BUSY, checkpoint=tmp_path)
    run(BUSY, checkpoint=tmp_path)


def test_a_budget_counts_the_time_before(tmp_path, monkeypatch):
    """By a clock that goes on by a second each time somebody looks at it."""
    looks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(looks)))
    config = PLAIN.model_copy(update={"epochs": 10_000, "budget_seconds": 60.0, **EVERY_STEP})
    crash(config, tmp_path, 8)
    before = next(looks)
    _, result = run(config, checkpoint=tmp_path, resume=True)
    assert result.stopped == "budget"
    assert result.seconds < 75
    assert next(looks) - before < 40  # what was used before the crash is not given again


_VICTIMS = """
import os, random, signal, sys, time
from pathlib import Path
import torch, torch._dynamo  # each victim would import that at its first step
torch.set_num_threads(1)
from tests.train.test_resume import LONG, run
chance, kills, said = random.Random(0), -1, ""
while "done" not in said:
    kills += 1
    reading, writing = os.pipe()
    if not (victim := os.fork()):
        try:
            run(LONG, checkpoint=Path(sys.argv[1]), resume=True, progress=lambda event: os.write(writing, b"a step\\n"))
            os.write(writing, b"done\\n")
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        said = told.readline()
        assert said, "it came to no step"
        # The first one never comes to its end; each may live longer than the last, so a slow machine comes to it too.
        time.sleep(chance.random() * (0.4 * 2**kills if kills else 0.02))
        os.kill(victim, signal.SIGKILL)
        said += told.read()
    os.waitpid(victim, 0)
print(kills)
"""
LONG = BUSY.model_copy(update=EVERY_STEP | {"epochs": 8})


@pytest.mark.slow
def test_killed_again_and_again_it_is_the_unbroken_one(tmp_path):  # FAULTS 31, 34
    """Each lives for a random while after its first new step; torch is imported once, in what they are forked from."""
    model, whole = run(LONG)
    arguments = [sys.executable, "-c", _VICTIMS, str(tmp_path)]
    done = subprocess.run(arguments, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 1
    resumed, result = run(LONG, checkpoint=tmp_path, resume=True)
    assert digest(resumed) == digest(model)
    assert timeless(result) == timeless(whole)
