"""Shards on Ray: the same bytes as here, and a machine or a worker that is lost loses nothing."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from topwork.sharding import Embedding, plan, work_all

pytest.importorskip("ray")
NO_CLUSTER = 77  # of the program
PROGRAM = "tests.sharding.on_ray"


@pytest.mark.slow  # starts a cluster
@pytest.mark.parametrize(("loses", "nodes"), [("node", 4), ("worker", 2), ("driver", 2)])
def test_what_is_lost_goes_to_another(
    loses: str, nodes: int, pictures: Path, recipe: Embedding, tmp_path: Path
) -> None:
    here = plan(str(pictures), str(tmp_path / "here"), recipe, size=2)
    assert all(each.failure is None for each in work_all(here, here.shards))
    told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    told |= {"RAY_raylet_start_wait_time_s": "200"}  # on a busy machine a raylet takes more than Ray's 30 seconds
    command = [sys.executable, "-m", PROGRAM, loses, str(pictures), str(tmp_path / "out"), str(nodes)]
    out, err = tmp_path / "out.txt", tmp_path / "err.txt"
    with out.open("w") as to, err.open("w") as faults:  # a pipe stays open as long as any of Ray's processes lives
        code = subprocess.run(
            command, env={**os.environ, **told}, stdout=to, stderr=faults, timeout=300, check=False
        ).returncode
    if code == NO_CLUSTER:
        pytest.skip("Ray's cluster does not start on this machine")
    assert code == 0, err.read_text()[-3000:]
    said = json.loads(next(line for line in out.read_text().splitlines() if line.startswith("{")))
    if loses == "driver":  # what is said is the second one's, who did what was missing
        assert 0 < len(said["done"]) <= len(here.shards) - 2
    else:
        assert sorted(said["done"]) == sorted([shard.name, "None"] for shard in here.shards)
        assert said["seen"][-1] == 22
    assert said["seen"] == sorted(said["seen"])
    assert said["missing"] == 0
    for shard in here.shards:
        assert (tmp_path / "out" / shard.file).read_bytes() == (tmp_path / "here" / shard.file).read_bytes()
