"""Shards on Ray: the same bytes as here, and a worker that is killed loses nothing. Everything is on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from topwork.sharding import Embedding, Plan, plan, work_all, work_on

psutil = pytest.importorskip("psutil")
ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def parts_of(out: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(out).glob("part-*"))}


@pytest.fixture(scope="module")
def here(pictures: Path, recipe: Embedding, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What one machine gives in shards of 2."""
    made = plan(str(pictures), str(tmp_path_factory.mktemp("here")), recipe, size=2)
    assert all(each.failure is None for each in work_all(made, made.shards))
    return made


@pytest.fixture
def nodes() -> Iterator[Any]:
    """Four machines of one core each, as processes of this one."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "node_ip_address": "127.0.0.1", "include_dashboard": False}
    )
    for _ in range(3):
        cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1")
    ray.init(cluster.address, log_to_driver=False, configure_logging=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_a_node_that_is_lost_loses_no_shard(
    nodes: Any, here: Plan, pictures: Path, recipe: Embedding, tmp_path: Path
) -> None:
    made = plan(str(pictures), str(tmp_path), recipe, size=2)
    seen: list[int] = []
    done = []
    for each in work_on("ray", made, made.missing(), lambda count, total: seen.append(count)):
        done.append(each)
        if len(done) == 2:
            nodes.remove_node(nodes.worker_nodes[-1], allow_graceful=False)
    assert [each.failure for each in done] == [None] * len(made.shards)
    assert sorted(each.shard.name for each in done) == sorted(shard.name for shard in made.shards)
    assert seen == sorted(seen)
    assert seen[-1] == 22
    assert parts_of(made.out) == parts_of(here.out)


def test_a_worker_that_is_killed_is_replaced(here: Plan, pictures: Path, recipe: Embedding, tmp_path: Path) -> None:
    """On a cluster of its own, which is gone with the work."""
    made = plan(str(pictures), str(tmp_path), recipe, size=2)
    done = []
    for each in work_on("ray", made, made.missing()):
        done.append(each)
        if len(done) == 3:
            workers = [each for each in psutil.Process().children(recursive=True) if "ray::_Worker" in each.name()]
            workers[0].kill()
    assert [each.failure for each in done] == [None] * len(made.shards)
    assert parts_of(made.out) == parts_of(here.out)
    assert not ray.is_initialized()
