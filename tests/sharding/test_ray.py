"""Shards on Ray: the same bytes as here, and a machine or a worker that is lost loses nothing."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from topwork._texts import Texts
from topwork.errors import MissingExtraError, TopworkError
from topwork.sharding import Embedding, in_ray, plan, work_all

ray = pytest.importorskip("ray")
NO_CLUSTER = 77  # of the program
PROGRAM = "tests.sharding.on_ray"


@pytest.mark.slow  # starts a cluster
@pytest.mark.parametrize(("loses", "nodes"), [("node", 4), ("worker", 2), ("driver", 2), ("nothing", 1)])
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
    if loses == "nothing":  # by the address of its client server, on the command line
        assert (said["told"]["done"], said["told"]["failed"]) == (len(here.shards), 0)
        said |= {"seen": [], "missing": 0}
    elif loses == "driver":  # what is said is the second one's, who did what was missing
        assert 0 < len(said["done"]) <= len(here.shards) - 2
    else:
        assert sorted(said["done"]) == sorted([shard.name, "None"] for shard in here.shards)
        assert said["seen"][-1] == 22
    assert said["seen"] == sorted(said["seen"])
    assert said["missing"] == 0
    for shard in here.shards:
        assert (tmp_path / "out" / shard.file).read_bytes() == (tmp_path / "here" / shard.file).read_bytes()


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
