"""``topwork serve`` under load, beside the engine alone, a plain FastAPI handler with eager torch, and LitServe.

    python bench/serve.py [--repeats 3] [--seconds 20] [--clients 32] [--litserve PYTHON] [--soak MINUTES]

A Lite0 probe of the last stage, which is what the plain handler computes, is fitted on the sample, and JPEGs of 400×360
are made from it. In each repeat all servers run one after another, each loaded by 32 clients from a second process on
the same cores (``_load.py``), and ratios are taken within the repeat. Then topwork's alone: ten times what it just did
is offered in an open loop; how long until it is ready; and with ``--soak`` its memory over time, that of its decoders
included. PYTHON is one in whose environment LitServe, torch, timm and topwork are.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import math
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import _load
from _report import header, spread, table
from topwork.features._read_ahead import reader_of

HERE = Path(__file__).parent
SIZE = (400, 360)
IMAGES = 64  # different ones that clients send
CALM = 0.5  # of what the server can do: the load after ten times as much
NORMAL = 5.0  # seconds of it that are watched


@dataclass
class Server:
    """A server in a process of its own, and where it answers."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def predict(self) -> str:
        return f"http://127.0.0.1:{self.port}/predict"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT if self.process.poll() is None else 0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # its own group: it was started as a session
            self.process.wait()


@dataclass
class Figures:
    """Of all repeats, one list a figure."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    p50: dict[str, list[float]] = field(default_factory=dict)
    p99: dict[str, list[float]] = field(default_factory=dict)
    odd: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, load: _load.Load) -> None:
        self.rates.setdefault(name, []).append(load.rate)
        self.p50.setdefault(name, []).append(_load.quantile(load.accepted, 0.5))
        self.p99.setdefault(name, []).append(_load.quantile(load.accepted, 0.99))
        self.odd[name] = self.odd.get(name, 0) + sum(n for status, n in load.statuses.items() if status != 200)

    def ratio(self, over: str, under: str) -> str:
        pairs = zip(self.rates[over], self.rates[under], strict=True)
        return spread([first / second if second else math.inf for first, second in pairs], 2)


def prepare(folder: Path, stages: str) -> tuple[Path, Path]:
    """A fitted model, and a folder of JPEGs."""
    from PIL import Image

    import topwork
    from topwork.tasks.classification import sample_folder
    from topwork.tasks.classification.strategies import ProbeOptions

    model, images = folder / "textile", folder / "images"
    topwork.fit(sample_folder(), strategy="probe", options=ProbeOptions(stages=stages)).save(model)
    images.mkdir()
    sources = [path for path in sorted(sample_folder().rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    for number, path in enumerate(sources[:: max(1, len(sources) // IMAGES)][:IMAGES]):
        with Image.open(path) as picture:
            picture.convert("RGB").resize(SIZE).save(images / f"{number:03}.jpg", quality=90)
    return model, images


def alone(model: Path, images: Path, seconds: float) -> dict[str, float]:
    """Images per second of the model's own engine in this process, with and without decoding; no HTTP."""
    import topwork
    from topwork.engines import open_engine

    loaded, bytes_ = topwork.load(model), [path.read_bytes() for path in sorted(images.iterdir())]
    engine = open_engine(loaded.backbone, loaded.record.outputs, loaded.engine_choice)
    reader = reader_of(loaded.backbone)
    few = reader.batch([reader.read(bytes_, index, lambda key: False).content for index in range(16)])
    batch = np.resize(few, (engine.batch_size, *few.shape[1:]))
    numbers = itertools.count()

    def network() -> int:
        with ThreadPoolExecutor(engine.callers) as pool:
            list(pool.map(engine, [batch] * 2 * engine.callers))
        return len(batch) * 2 * engine.callers

    def predict() -> int:
        # what is the same image is computed once: some bytes after a JPEG's end make it another
        return len(loaded.predict([each + b"%d" % next(numbers) for each in bytes_ * 4]))

    return {
        "the network alone, on decoded pixels": _rate(network, seconds),
        "decoding and the network, no HTTP": _rate(predict, seconds),
    }


def _rate(work: Callable[[], int], seconds: float) -> float:
    work()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        done += work()
    return done / (time.perf_counter() - start)


@contextlib.contextmanager
def serving(command: list[str], health: str, port: int) -> Iterator[Server]:
    """A server that is ready, and is stopped afterwards."""
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    threading.Thread(target=_drain, args=(process,), daemon=True).start()
    server = Server(process, port)
    try:
        _await(server, health)
        yield server
    finally:
        server.stop()


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Logs must not fill a pipe; what a server says when it does not start is worth reading."""
    assert process.stderr is not None
    for line in process.stderr:
        if b"rror" in line:
            sys.stderr.buffer.write(line)


def _await(server: Server, health: str, patience: float = 120) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end and server.process.poll() is None:
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(f"http://127.0.0.1:{server.port}{health}", timeout=5).status == 200:
                return
        time.sleep(0.01)
    raise SystemExit(f"{server.process.args!r} did not get ready")


def topwork_serve(model: Path) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    return serving([sys.executable, "-m", "topwork", "serve", str(model), "--port", str(port)], "/readyz", port)


def peer(python: str, name: str, health: str, *more: str) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    return serving([python, str(HERE / f"_serve_{name}.py"), str(port), *more], health, port)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def overload(server: Server, images: Path, rate: float, seconds: float, p99: float) -> list[tuple[str, str]]:
    """Ten times the load, and then a calm one at once."""
    storm = _load.run(server.predict, images, seconds, rate=10 * rate)
    calm = _load.run(server.predict, images, NORMAL, rate=CALM * rate)
    bad = [shot for shot in calm.shots if shot.status != 200 or 1000 * shot.latency > p99]
    normal = max((shot.done for shot in bad), default=0.0)
    others = {status: count for status, count in storm.statuses.items() if status not in (200, 503)}
    quantiles = [f"{_load.quantile(storm.refused, share):.1f}" for share in (0.5, 0.99)]
    return [
        ("requests offered a second", f"{10 * rate:.0f}"),
        ("answered a second", f"{storm.rate:.0f}"),
        ("refused", f"{100 * len(storm.refused) / len(storm.shots):.0f} %"),
        ("time of a refusal, ms: median, p99", ", ".join(quantiles)),
        ("the client's own lateness, ms: p99", f"{storm.late_p99:.1f}"),
        (
            "p50, p99 of the accepted, ms",
            f"{_load.quantile(storm.accepted, 0.5):.0f}, {_load.quantile(storm.accepted, 0.99):.0f}",
        ),
        ("neither answered nor refused", str(others or "none")),
        (f"normal again (all answered within the calm p99, {p99:.0f} ms), s", f"{normal:.1f}"),
    ]


def ready(model: Path, repeats: int) -> list[float]:
    """Seconds from the start of the process to readiness."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        with topwork_serve(model):
            found.append(time.perf_counter() - start)
    return found


def soak(server: Server, images: Path, minutes: float, clients: int) -> list[tuple[str, str]]:
    """Memory of the server and its decoders under load; the first tenth is for warming up."""
    done, sizes = threading.Event(), []

    def watch() -> None:
        while not done.wait(min(10.0, 6 * minutes / 10)):
            sizes.append(memory(server.process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    load = _load.run(server.predict, images, 60 * minutes, clients=clients)
    done.set()
    watcher.join()
    kept = sizes[len(sizes) // 10 :]
    return [
        ("minutes", f"{minutes:g}"),
        ("requests answered", str(len(load.accepted))),
        ("others", str({status: n for status, n in load.statuses.items() if status != 200} or "none")),
        *_course("private memory", [each.private for each in kept]),
        *_course("memory with its share of what others map too", [each.proportional for each in kept]),
        ("p99, ms", f"{_load.quantile(load.accepted, 0.99):.0f}"),
    ]


def _course(what: str, sizes: list[float]) -> list[tuple[str, str]]:
    middle = statistics.median(sizes)
    shares = [100 * (size / middle - 1) for size in sizes]
    return [
        (f"{what}, MB: first, median, last", f"{sizes[0]:.0f}, {middle:.0f}, {sizes[-1]:.0f}"),
        ("away from the median, %", f"{min(shares):+.1f} to {max(shares):+.1f}"),
    ]


@dataclass(frozen=True)
class Memory:
    """MB of a process and all below it.

    Attributes:
        private: That no other process maps: what a leak would grow (unique set size).
        proportional: With a share of each library's pages, by how many processes map it; moves as others come and go.
    """

    private: float
    proportional: float


def memory(pid: int) -> Memory:
    """What a process and all below it take now."""
    sizes: Counter[str] = Counter()
    for one in [pid, *_below(pid)]:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()[1:]:
                name, size = line.split()[:2]
                sizes[name] += int(size)
    return Memory((sizes["Private_Clean:"] + sizes["Private_Dirty:"]) / 1024, sizes["Pss:"] / 1024)


def _below(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_below(child)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="of each load")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--stages", default="last", help="auto reads all of them on the sample, as fit by itself would")
    parser.add_argument("--litserve", metavar="PYTHON")
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, images = prepare(Path(folder), options.stages)
        measure(model, images, options)


def measure(model: Path, images: Path, options: argparse.Namespace) -> None:
    figures = Figures()
    cold = ready(model, 1)
    servers: dict[str, Callable[[], contextlib.AbstractContextManager[Server]]] = {
        "topwork serve": lambda: topwork_serve(model),
        "FastAPI, eager torch": lambda: peer(sys.executable, "plain", "/docs"),
        "the same, torch on one thread": lambda: peer(sys.executable, "plain", "/docs", "--threads", "1"),
    }
    if options.litserve:
        lit = functools.partial(peer, options.litserve, "litserve", "/health")
        servers |= {"LitServe, eager torch": lit, "LitServe, topwork's prediction": lambda: lit("--model", str(model))}
    for _ in range(options.repeats):
        for name, rate in alone(model, images, options.seconds / 2).items():
            figures.rates.setdefault(name, []).append(rate)
        for name, start in servers.items():
            with start() as server:
                _load.run(server.predict, images, min(3, options.seconds), clients=options.clients)  # warm
                figures.add(name, _load.run(server.predict, images, options.seconds, clients=options.clients))
    print(header(f"topwork serve, {options.clients} clients, JPEGs of {SIZE[0]}×{SIZE[1]}, Lite0 probe"))
    print(table(("", "requests a second", "p50, ms", "p99, ms", "not answered"), list(rows(figures))))
    print(f"\nMedian (lowest–highest) of {options.repeats} runs of {options.seconds:g} s.\n")
    print(table(("ratio of requests a second, within a run", ""), list(ratios(figures, servers))))
    with topwork_serve(model) as server:
        rate = statistics.median(figures.rates["topwork serve"])
        p99 = max(figures.p99["topwork serve"])
        print(f"\nTen times the load, {options.seconds:g} s, open loop:\n")
        print(table(("", ""), overload(server, images, rate, options.seconds, p99)))
    print("\nSeconds from the start of the process to readiness:\n")
    print(table(("first start", "later ones"), [(spread(cold, 1), spread(ready(model, options.repeats), 1))]))
    if options.soak:
        with topwork_serve(model) as server:
            print("\nSoak:\n")
            print(table(("", ""), soak(server, images, options.soak, options.clients)))


def rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    for name, rates in figures.rates.items():
        if name in figures.p99:
            times = (spread(figures.p50[name], 1), spread(figures.p99[name], 1), str(figures.odd[name]))
        else:
            times = ("", "", "")
        yield (name, spread(rates, 1), *times)


def ratios(figures: Figures, servers: Iterable[str]) -> Iterator[tuple[str, str]]:
    ours, *others = servers
    for name in figures.rates:
        if name not in servers or name in others:
            yield (f"{ours} / {name}", figures.ratio(ours, name))


if __name__ == "__main__":
    main()
