"""A process is killed again and again: the next one goes on, and what is there in the end is what one run gives."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from topwork.sharding import Embedding, Parts, Plan, plan, work_all

WORK = """
import sys
from topwork.backbones import load
from topwork.engines import EngineChoice
from topwork.sharding import Embedding, plan, work_all
network = load("lite0", size=64)
recipe = Embedding(network, network.outputs("last"), EngineChoice("openvino", "f32"))
made = plan(sys.argv[1], sys.argv[2], recipe, size=1)
for done in work_all(made, made.missing()):
    assert done.failure is None
"""


def _until_killed(made: Plan, out: Path, after: float) -> bool:
    """Let a process work until so many seconds after it has begun to write; whether it had to be killed."""
    before = set(out.glob(".part-*"))
    process = subprocess.Popen([sys.executable, "-c", WORK, made.source, str(out)])
    while process.poll() is None and set(out.glob(".part-*")) <= before:
        time.sleep(0.002)
    time.sleep(after)
    killed = process.poll() is None
    process.kill()
    process.wait()
    return killed


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(pictures: Path, recipe: Embedding, tmp_path: Path) -> None:
    whole = plan(str(pictures), str(tmp_path / "whole"), recipe, size=1)
    assert all(each.failure is None for each in work_all(whole, whole.shards))
    out, chance = tmp_path / "out", random.Random(0)
    killed = sum(_until_killed(whole, out, chance.uniform(0, 0.2)) for _ in range(3))
    assert killed
    rest = plan(str(pictures), str(out), recipe, size=1)
    list(work_all(rest, rest.missing()))
    for shard in whole.shards:
        assert (out / shard.file).read_bytes() == Path(whole.out, shard.file).read_bytes()
    ids = [each for part in Parts(str(out)) for each in part.ids]
    assert len(ids) == len(set(ids)) == 20
