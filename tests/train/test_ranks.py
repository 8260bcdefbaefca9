import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from topwork.train import Ranks, current_ranks

TASKS = {"train": (1, 2), "norm": (2,), "few": (1, 3), "measure": (1, 3, 8), "die": (3,)}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Of each task, for each number of processes, what each of them wrote down (None for a killed one)."""
    folder = tmp_path_factory.mktemp("ranks")
    asked = [f"{task}:{','.join(map(str, worlds))}" for task, worlds in TASKS.items()]
    arguments = [sys.executable, "-m", "tests.train.rank_worker", str(folder), *asked]
    done = subprocess.run(arguments, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600)
    found = {
        task: [[_read(folder / task / str(world) / f"rank{rank}.json") for rank in range(world)] for world in worlds]
        for task, worlds in TASKS.items()
    }
    assert all(None not in chain(*each) for task, each in found.items() if task != "die"), done.stderr
    assert (folder / "train" / "2" / "checkpoint").is_dir()
    found["checkpoints"] = list((folder / "train" / "2" / "checkpoint").glob("*.safetensors"))
    return found


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


def test_two_processes_train_like_one(told):
    (alone,), both = told["train"]
    same_as_alone(both, alone)
    assert len(told["checkpoints"]) == 2


def test_every_rank_ends_with_the_same_statistics(told):
    """A moving average of BatchNorm's statistics was each rank's own."""
    first, second = told["norm"][0]
    assert first["digest"] == second["digest"]


def test_more_ranks_than_samples_in_a_batch_do_not_hang(told):  # FAULTS 41
    (alone,), several = told["few"]
    same_as_alone(several, alone)


def test_101_samples_on_any_number_of_ranks_give_the_same_metric(told):  # FAULTS 40
    (alone,), *others = told["measure"]
    for score in chain(*others):
        assert (score["accuracy"], score["samples"]) == (alone["accuracy"], 101)
        assert score["loss"] == pytest.approx(alone["loss"], rel=1e-6)


def test_a_killed_rank_ends_the_others(told):  # FAULTS 39
    ((*left, killed),) = told["die"]
    assert killed is None
    for rank in left:
        assert "another process of this training ended" in rank["error"]
        assert "continue from the last checkpoint" in rank["hint"]
