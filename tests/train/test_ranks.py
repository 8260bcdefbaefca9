import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from topwork.train import Ranks, current_ranks


def together(folder, task, *worlds):
    """Run a task in as many processes; for each number of them, what each wrote down (None for a killed one)."""
    arguments = [sys.executable, "-m", "tests.train.rank_worker", str(folder), task, *map(str, worlds)]
    done = subprocess.run(arguments, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300)
    told = [[_read(folder / str(world) / f"rank{rank}.json") for rank in range(world)] for world in worlds]
    assert task == "die" or None not in chain(*told), done.stderr
    return told


def _read(path):
    return json.loads(path.read_text()) if path.exists() else None


def test_alone_without_torchs_processes():
    assert current_ranks() == Ranks(0, 1)
    value = torch.ones(3)
    Ranks().sum([value])
    Ranks().average([value])
    Ranks().copy_first([value])
    assert value.tolist() == [1, 1, 1]
    assert Ranks().agreed(2.5, torch.device("cpu")) == 2.5


@pytest.mark.parametrize("world", range(1, 9))
@pytest.mark.parametrize("size", [0, 1, 5, 101])
def test_shards_are_the_whole_once(world, size):
    rows = np.arange(size)
    shards = [Ranks(rank, world).shard(rows) for rank in range(world)]
    np.testing.assert_array_equal(np.concatenate(shards), rows)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def same_as_alone(told, alone):
    assert len({rank["digest"] for rank in told}) == 1
    np.testing.assert_allclose(told[0]["weights"], alone["weights"], rtol=1e-3, atol=2e-4)
    for ours, theirs in zip(told[0]["history"], alone["history"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["accuracy"] == theirs["accuracy"]


def test_two_processes_train_like_one(tmp_path):
    (alone,), told = together(tmp_path, "train", 1, 2)
    same_as_alone(told, alone)
    assert len(list((tmp_path / "2" / "checkpoint").glob("*.safetensors"))) == 2


@pytest.mark.slow
def test_every_rank_ends_with_the_same_statistics(tmp_path):
    """A moving average of BatchNorm's statistics was each rank's own."""
    first, second = together(tmp_path, "norm", 2)[0]
    assert first["digest"] == second["digest"]


def test_more_ranks_than_samples_in_a_batch_do_not_hang(tmp_path):  # FAULTS 41
    (alone,), *others = together(tmp_path, "few", 1, 3, 4)
    for told in others:
        same_as_alone(told, alone)


@pytest.mark.slow
def test_101_samples_on_any_number_of_ranks_give_the_same_metric(tmp_path):  # FAULTS 40
    (alone,), *others = together(tmp_path, "measure", 1, 2, 3, 8)
    for score in chain(*others):
        assert (score["accuracy"], score["samples"]) == (alone["accuracy"], 101)
        assert score["loss"] == pytest.approx(alone["loss"], rel=1e-6)


@pytest.mark.slow
def test_a_killed_rank_ends_the_others(tmp_path):  # FAULTS 39
    ((*left, killed),) = together(tmp_path, "die", 3)
    assert killed is None
    for rank in left:
        assert "another process of this training ended" in rank["error"]
        assert "continue from the last checkpoint" in rank["hint"]
