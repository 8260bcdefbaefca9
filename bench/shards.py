"""A folder of shards beside one run: what shards cost, what they hold in memory, and what is left after kills.

    python bench/shards.py cost [--images 20000] [--shards 40] [--size 224] [--repeats 3]
    python bench/shards.py beside [--images 5000] [--shards 10] [--size 224] [--repeats 6]
    python bench/shards.py memory [--images 20000] [--size 224]
    python bench/shards.py kills [--kills 50]
    python bench/shards.py ray [--images 20000] [--shards 40] [--size 224]

The images are JPEGs of 160 x 120 from a seed. The plain run is ``extract`` without a cache, whose features are written
as one ``.npz``. Cost is told in processor seconds too, which other jobs on the machine move less than the clock.
``beside`` is the same with an engine that answers at once: what shards cost beside the network, which a busy machine
hides otherwise, over what an image costs with it. A shard is a whole number of calls of the network.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _report import header, table
from topwork._system import available_cores
from topwork.engines import BATCH


def generate(folder: Path, count: int) -> Path:
    """``count`` different images in ten class folders."""
    import simplejpeg

    rng = np.random.default_rng(0)
    for index in range(count):
        label = folder / f"class{index % 10}"
        label.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(10, axis=0).repeat(10, axis=1)
        (label / f"{index:06d}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels, 85))
    return folder


def recipe(size: int) -> Any:
    from topwork.backbones import load
    from topwork.engines import EngineChoice
    from topwork.sharding import Embedding

    network: Any = load("lite0", size=size)
    return Embedding(network, network.outputs("last"), EngineChoice("openvino", "f32"))


def _seconds() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), used.ru_utime + used.ru_stime


def plain(data: Path, out: Path, made: Any) -> None:
    from topwork.data import read
    from topwork.features import extract

    found = extract(read(data), made.backbone, outputs=made.outputs, choice=made.choice, cache=False)
    np.savez(out, values=found.values, paths=np.array(found.dataset.paths))


def sharded(data: Path, out: Path, made: Any, size: int) -> None:
    from topwork.sharding import plan, work_all

    planned = plan(str(data), str(out), made, size=size)
    assert all(each.failure is None for each in work_all(planned, planned.missing()))


def each_shard(args: argparse.Namespace) -> int:
    """Images a shard: a multiple of what a call of the network takes, so that every call is full."""
    return -(-args.images // args.shards // BATCH) * BATCH


def cost(args: argparse.Namespace, root: Path) -> None:
    data, made = generate(root / "data", args.images), recipe(args.size)
    few = generate(root / "few", 64)
    plain(few, root / "few.npz", made)  # the network is converted and every module loaded
    sharded(few, root / "few out", made, 32)
    ratios = []
    print(table(["repeat", "plain s", "shards s", "plain cpu s", "shards cpu s"], []), flush=True)
    for repeat in range(args.repeats):
        taken = {}
        for name in (
            ("plain", "shards") if repeat % 2 else ("shards", "plain")
        ):  # the second may find the machine slower
            before = _seconds()
            if name == "plain":
                plain(data, root / f"{repeat}.npz", made)
            else:
                sharded(data, root / f"out{repeat}", made, each_shard(args))
            taken[name] = [now - then for now, then in zip(_seconds(), before, strict=True)]
        (wall, busy), (wall2, busy2) = taken["plain"], taken["shards"]
        ratios.append((wall2 / wall, busy2 / busy))
        print(f"| {repeat + 1} | {wall:.1f} | {wall2:.1f} | {busy:.1f} | {busy2:.1f} |", flush=True)
    for place, what in enumerate(("clock", "processor")):
        found = sorted(each[place] for each in ratios)
        print(f"\nshards / plain, {what}: {statistics.median(found):.3f} ({found[0]:.3f} to {found[-1]:.3f})")


class Answering:
    """An engine that answers at once, with numbers as compressible as features are."""

    batch_size, callers = BATCH, available_cores()
    _features = np.maximum(np.random.default_rng(0).normal(0.2, 0.5, (BATCH, 1280)), 0).astype(np.float32)

    def __call__(self, images: Any) -> Any:
        return self._features[: len(images)].copy()


def beside(args: argparse.Namespace, root: Path) -> None:
    import topwork.features._extract as extracting
    from topwork.sharding import plan, work_all

    data, made = generate(root / "data", args.images), recipe(args.size)
    few = generate(root / "few", 512)
    plain(few, root / "few.npz", made)  # the network is converted and every module loaded
    before = _seconds()
    plain(few, root / "few.npz", made)
    whole = (_seconds()[1] - before[1]) / 512
    vars(extracting)["open_engine"] = lambda *given, **named: Answering()
    each, ratios, rows = each_shard(args), [], []
    for repeat in range(args.repeats):
        start = _seconds()[1]
        plain(data, root / f"{repeat}.npz", made)
        middle = _seconds()[1]
        planned = plan(str(data), str(root / f"out{repeat}"), made, size=each)
        assert all(done.failure is None for done in work_all(planned, planned.missing(), engine=Answering()))
        one, other = ((b - a) / args.images for a, b in ((start, middle), (middle, _seconds()[1])))
        ratios.append((other - one) / whole)
        rows.append([str(repeat + 1), *(f"{1e3 * value:.3f}" for value in (one, other, other - one))])
    print(table(["repeat", "plain, ms of a core an image", "shards", "difference"], rows))
    found = sorted(ratios)
    print(f"\nan image with the network: {1e3 * whole:.2f} ms of a core")
    print(f"beside the network: {statistics.median(found):+.2%} ({found[0]:+.2%} to {found[-1]:+.2%}) of that")


def memory(args: argparse.Namespace, root: Path) -> None:
    data = generate(root / "data", args.images)
    rows = []
    for shards in (4, 40):
        command = [sys.executable, __file__, "child", str(data), str(root / f"out{shards}"), str(args.size)]
        done = subprocess.run([*command, str(-(-args.images // shards))], check=True, capture_output=True, text=True)
        rows.append([str(shards), str(-(-args.images // shards)), done.stdout.strip()])
    print(table(["shards", "images each", "peak MB"], rows))


def child(data: str, out: str, size: str, each: str) -> None:
    sharded(Path(data), Path(out), recipe(int(size)), int(each))
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


IMAGES = 96  # of which processes are killed in the middle


def kills(args: argparse.Namespace, root: Path) -> None:
    """A process is killed at a random moment, or as soon as a part is being written; the next one goes on."""
    import openvino

    import topwork.sharding

    assert openvino
    assert topwork.sharding
    data, chance = generate(root / "data", IMAGES), random.Random(0)
    start = time.monotonic()
    assert _forked(data, root / "whole", None) == 0
    whole = time.monotonic() - start
    expected = _bytes(root / "whole")
    killed = rounds = 0
    while killed < args.kills:
        out = root / f"out{rounds}"
        while True:
            writing = chance.random() < 0.5
            code = _forked(data, out, chance.uniform(0, whole), writing)
            killed += code != 0
            if code == 0:
                break
        assert _bytes(out) == expected, out
        _ids(out, IMAGES)
        rounds += 1
    print(f"{killed} kills in {rounds} rounds of 12 shards: the same bytes, every id once, none missing, every time")


def _forked(data: Path, out: Path, after: float | None, writing: bool = False) -> int:
    process = os.fork()
    if process == 0:
        sharded(data, out, recipe(64), IMAGES // 12)
        os._exit(0)
    start = time.monotonic()
    while after is not None and time.monotonic() - start < after:
        if writing and any(each.stat().st_size for each in out.glob(".part-*")):
            break
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    if after is not None:
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _bytes(out: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted(out.iterdir()) if not each.name.startswith(".")}


def _ids(out: Path, count: int) -> None:
    from topwork.sharding import Parts

    found = [each for part in Parts(str(out)) for each in part.ids]
    assert len(found) == len(set(found)) == count


def on_ray(args: argparse.Namespace, root: Path) -> None:
    """Two machines of one core each, as processes of this one; told from the first shard on, once both work."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    import ray  # reads its token now
    from ray.cluster_utils import Cluster

    from topwork.sharding import plan, work_all, work_on

    data, made = generate(root / "data", args.images), recipe(args.size)
    each = each_shard(args)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    ray.init(cluster.address, log_to_driver=False, configure_logging=False)
    rows, ratios = [], []
    for repeat in range(args.repeats):
        taken = {}
        for name in ("local", "ray"):
            planned = plan(str(data), str(root / f"{name}{repeat}"), made, size=each)
            work = work_on("ray", planned, planned.shards) if name == "ray" else work_all(planned, planned.shards)
            times = [(time.perf_counter(), done.failure) for done in work]
            assert all(failure is None for _, failure in times)
            taken[name] = (times[-1][0] - times[1][0]) / (len(times) - 2)  # of shards, once two are done
        ratios.append(taken["ray"] / taken["local"])
        rows.append(
            [str(repeat + 1), f"{each / taken['local']:.0f}", f"{each / taken['ray']:.0f}", f"{ratios[-1]:.3f}"]
        )
    ray.shutdown()
    cluster.shutdown()
    print(table(["repeat", "local images/s", "ray images/s", "ray / local"], rows))
    print(f"\nray / local: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        return child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("cost", "beside", "memory", "kills", "ray"))
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=50)
    args = parser.parse_args()
    print(header(f"Shards: {args.part}"), "\n")
    with tempfile.TemporaryDirectory() as root:
        {"cost": cost, "beside": beside, "memory": memory, "kills": kills, "ray": on_ray}[args.part](args, Path(root))


if __name__ == "__main__":
    main()
