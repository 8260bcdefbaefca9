"""Fits on a cluster of two machines, which are processes of this one, and loses one once there is a checkpoint.

A program of its own: Ray reads its token when it is first imported, and what it starts must be gone at the end.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

import ray

from tests.sharding.on_ray import cluster_of
from topwork.cli._app import app


def lose(cluster: Any, training: Path, done: threading.Event) -> None:
    """Take a machine away as soon as the training could go on without it."""
    while not done.is_set():
        if any(training.glob("checkpoint-*.safetensors")):
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            print("lost a machine", file=sys.stderr, flush=True)
            return
        time.sleep(0.05)


def main(model: Path, args: list[str]) -> int:
    cluster = cluster_of(2)
    ray.init(cluster.address, log_to_driver=False, configure_logging=False, logging_level="ERROR")
    done = threading.Event()
    losing = threading.Thread(target=lose, args=(cluster, model.with_name(f"{model.name}.training"), done))
    losing.start()
    code: int = app(["fit", "-o", str(model), "--on", "ray", *args], standalone_mode=False) or 0
    done.set()
    losing.join()
    ray.shutdown()
    cluster.shutdown()
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
