"""Fills a folder on a cluster of machines, which are processes of this one, and loses one, a worker or the driver.

A program of its own: Ray reads its token when it is first imported, and what it starts must be gone at the end.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psutil
import ray
from ray.cluster_utils import Cluster

from topwork.backbones import load
from topwork.engines import EngineChoice
from topwork.sharding import Embedding, plan, work_on

NO_CLUSTER = 77
"""How the program ends where this machine is too busy for Ray's processes to find each other: no fault of ours."""


def cluster_of(nodes: int, **head: Any) -> Any:
    """Machines of one core each, which are processes of this one; the program ends where they do not start."""
    try:
        told = {"num_cpus": 1, "include_dashboard": False, **head}
        cluster = Cluster(initialize_head=True, head_node_args=told)
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=1)
    except Exception as error:  # so Ray says it: its processes wait for each other no longer than they were built to
        print(f"no cluster: {error}", file=sys.stderr)
        sys.exit(NO_CLUSTER)
    return cluster


def main(data: str, out: str) -> None:
    """On one cluster of two machines: a worker is lost, then a driver, and last a machine, which stays away."""
    cluster = cluster_of(2)
    for loses in ("worker", "node"):
        fill(cluster.address, data, f"{out}/{loses}", functools.partial(lose, loses, cluster))
        ray.shutdown()
        if loses == "worker":
            driven(cluster.address, data, f"{out}/driver")
    cluster.shutdown()


def driven(address: str, data: str, out: str) -> None:
    """A driver of its own is killed once two shards are done, where it waits; another does the rest."""
    command = [sys.executable, "-m", "tests.sharding.on_ray", "drive", data, out, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        while not driver.stdout.readline().startswith("two are done"):
            assert driver.poll() is None
        driver.kill()
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


def fill(address: str, data: str, out: str, after_two: Callable[[], None]) -> None:
    ray.init(address, log_to_driver=False, configure_logging=False, logging_level="ERROR")
    network: Any = load("lite0", size=64)
    made = plan(data, out, Embedding(network, network.outputs("last"), EngineChoice("openvino", "f32")), size=2)
    seen: list[int] = []
    done: list[tuple[str, str]] = []
    for each in work_on("ray", made, made.missing(), lambda count, total: seen.append(count)):
        done.append((each.shard.name, str(each.failure)))
        if len(done) == 2:
            after_two()
    print(json.dumps({"done": done, "seen": seen, "missing": len(made.missing())}), flush=True)


_NOT_STARTED = ("Starting Ray client server failed", "psutil.ZombieProcess")
"""What Ray says of a client's server that did not come up in the seconds that it gives it, or ended meanwhile."""


def through_a_client(data: str, out: str) -> None:
    """By the address of a cluster that this program is no part of, on the command line; Ray's own port is refused."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cluster = cluster_of(1, ray_client_server_port=port)
    command = [sys.executable, "-m", "topwork", "embed", data, "-o", out, "--size", "64", "--shard-size", "2"]
    command += ["--on", f"ray://127.0.0.1:{port}", "--json"]
    precise = {**os.environ, "TOPWORK_PRECISION": "f32"}  # as ``fill`` computes
    found = subprocess.run(command, env=precise, check=False, capture_output=True, text=True)
    cluster.shutdown()
    print(found.stderr, file=sys.stderr)
    if any(each in found.stderr for each in _NOT_STARTED):
        sys.exit(NO_CLUSTER)
    print(json.dumps({"told": json.loads(found.stdout)}))


def wait() -> None:
    """Until stdin ends, or we."""
    print("two are done", flush=True)
    sys.stdin.read()


def lose(what: str, cluster: Any) -> None:
    if what == "node":
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        return
    workers = [each for each in psutil.Process().children(recursive=True) if "ray::_Worker" in each.name()]
    workers[0].kill()


if __name__ == "__main__":
    if sys.argv[1] == "drive":
        fill(sys.argv[4], sys.argv[2], sys.argv[3], wait)
        sys.exit()
    if sys.argv[1] == "client":
        through_a_client(sys.argv[2], sys.argv[3])
        sys.exit()
    main(sys.argv[1], sys.argv[2])
