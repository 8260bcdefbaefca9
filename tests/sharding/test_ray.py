"""Shards on Ray: the same bytes as here, and a machine or a worker that is lost loses nothing."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from topwork.sharding import Embedding, Plan, plan, work_all

pytest.importorskip("ray")
NO_CLUSTER = 77  # of the program
PROGRAM = "tests.sharding.on_ray"


LOST = ("worker", "driver", "node")
"""What is lost, in the program's order."""


@pytest.fixture(scope="module")
def here(pictures: Path, recipe: Embedding, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """All shards, made without Ray."""
    made = plan(str(pictures), str(tmp_path_factory.mktemp("here")), recipe, size=2)
    assert all(each.failure is None for each in work_all(made, made.shards))
    return made


@pytest.fixture(scope="module")
def on_ray(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder with a folder for each loss, and what was said in the end of each; one cluster for all."""
    folder = tmp_path_factory.mktemp("on-ray")
    told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    told |= {"RAY_raylet_start_wait_time_s": "200"}  # on a busy machine a raylet takes more than Ray's 30 seconds
    told |= {"RAY_health_check_period_ms": "1000"}  # of three seconds: a machine that is lost is missed sooner
    command = [sys.executable, "-m", PROGRAM, str(pictures), str(folder)]
    out, err = folder / "out.txt", folder / "err.txt"
    with out.open("w") as to, err.open("w") as faults:  # a pipe stays open as long as any of Ray's processes lives
        code = subprocess.run(
            command, env={**os.environ, **told}, stdout=to, stderr=faults, timeout=500, check=False
        ).returncode
    if code == NO_CLUSTER:
        pytest.skip("Ray's cluster does not start on this machine")
    assert code == 0, err.read_text()[-3000:]
    said = [json.loads(line) for line in out.read_text().splitlines() if line.startswith("{")]
    return folder, dict(zip(LOST, said, strict=True))


@pytest.mark.slow  # starts a cluster
@pytest.mark.parametrize("loses", LOST)
def test_what_is_lost_goes_to_another(loses: str, here: Plan, on_ray: tuple[Path, dict[str, Any]]) -> None:
    folder, said = on_ray[0] / loses, on_ray[1][loses]
    if loses == "driver":  # what is said is the second one's, who did what was missing
        assert 0 < len(said["done"]) <= len(here.shards) - 2
    else:
        assert sorted(said["done"]) == sorted([shard.name, "None"] for shard in here.shards)
        assert said["seen"][-1] == 22
    assert said["seen"] == sorted(said["seen"])
    assert said["missing"] == 0
    for shard in here.shards:
        assert (folder / shard.file).read_bytes() == Path(here.out, shard.file).read_bytes()
