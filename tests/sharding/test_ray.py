"""Shards on Ray: the same bytes as here, and a machine or a worker that is lost loses nothing."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from topwork._texts import Texts
from topwork.errors import MissingExtraError, TopworkError
from topwork.sharding import Embedding, Plan, in_ray, plan, work_all

ray = pytest.importorskip("ray")
NO_CLUSTER = 77  # of the program
PROGRAM = "tests.sharding.on_ray"


def ran(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """What the program printed as JSON."""
    told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    told |= {"RAY_raylet_start_wait_time_s": "200"}  # on a busy machine a raylet takes more than Ray's 30 seconds
    told |= {"RAY_health_check_period_ms": "1000"}  # of three seconds: a machine that is lost is missed sooner
    command = [sys.executable, "-m", PROGRAM, *arguments]
    out, err = folder / "out.txt", folder / "err.txt"
    with out.open("w") as to, err.open("w") as faults:  # a pipe stays open as long as any of Ray's processes lives
        code = subprocess.run(
            command, env={**os.environ, **told}, stdout=to, stderr=faults, timeout=500, check=False
        ).returncode
    if code == NO_CLUSTER:
        pytest.skip("Ray's cluster does not start on this machine")
    assert code == 0, err.read_text()[-3000:]
    return [json.loads(line) for line in out.read_text().splitlines() if line.startswith("{")]


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
    said = ran(folder, str(pictures), str(folder))
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


@pytest.mark.slow  # starts a cluster
def test_a_client_s_shards_are_those_made_here(here: Plan, pictures: Path, tmp_path: Path) -> None:
    """By the address of a cluster's client server, on the command line."""
    (said,) = ran(tmp_path, "client", str(pictures), str(tmp_path / "out"))
    assert (said["told"]["done"], said["told"]["failed"]) == (len(here.shards), 0)
    for shard in here.shards:
        assert (tmp_path / "out" / shard.file).read_bytes() == Path(here.out, shard.file).read_bytes()


def on(address: str) -> TopworkError:
    with pytest.raises(TopworkError) as raised, in_ray(ray, address):
        pass
    return raised.value


def test_an_address_at_which_nothing_answers_is_refused_at_once() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets it meanwhile
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        error = on(f"ray://{address}")
    assert error.message.startswith(f"Ray cannot be reached: {address}: ")
    assert "ray start" in error.hint
    assert Texts("ko").said(error.message).startswith("Ray에")


@pytest.mark.parametrize("address", ["ray://", "ray://:10001", "ray://here:port", "ray://here:99999", "ray://[::1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    assert on(address).message == f"--on takes local, ray or ray://HOST:PORT, not {address}"


def test_a_client_without_its_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    error = on("ray://127.0.0.1:10001")
    assert isinstance(error, MissingExtraError)
    assert error.message == "--on ray://HOST:PORT needs grpc, which is not installed"
    assert error.hint == "pip install 'topwork[ray]'"
