"""One command as its own process: seconds from start to end, and the most memory it and its children held."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_EVERY = 0.2  # seconds between looks at the memory, at least
_SHARE = 0.02  # of one core that looking may take: the kernel walks every page of a large process


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes:
        seconds: From its start to its end.
        processor_seconds: What it and its children computed, which other work on the machine hardly moves.
        peak_mb: The most memory that it and its children held at one look; shared pages count once.
        code: Its exit code; None when the limit ended it.
        output: What it wrote, both streams.
        others: Share of all cores, 0..1, that other work on the machine took meanwhile: how far to trust the seconds.
    """

    seconds: float
    processor_seconds: float
    peak_mb: float
    code: int | None
    output: str
    others: float


def measured(command: Sequence[str], environment: Mapping[str, str], limit: float, log: Path) -> Measured:
    """Run a command in a process group of its own, by which its children are known, and end them all at the limit."""
    peak = [0]
    over = threading.Event()
    done = threading.Event()
    with log.open("wb") as output:
        start, busy = time.perf_counter(), _busy()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, process_group=0)

        def watch() -> None:
            pause = looked = 0.0
            while not done.wait(_EVERY):
                now, cost = time.perf_counter(), time.thread_time()
                if now - looked > pause:
                    peak[0] = max(peak[0], _held(process.pid))
                    looked, pause = now, (time.thread_time() - cost) / _SHARE
                if now - start > limit:
                    over.set()
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds, busy = time.perf_counter() - start, _busy() - busy
        done.set()
        watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    # The kernel's own peak of the largest process misses no short moment, but a process is born with its parent's.
    inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kilobytes = max(peak[0], usage.ru_maxrss if usage.ru_maxrss > inherited else 0)
    code = None if over.is_set() else process.returncode
    own = usage.ru_utime + usage.ru_stime
    others = max(0.0, busy - own) / (seconds * (os.cpu_count() or 1))
    return Measured(seconds, own, kilobytes / 1024, code, log.read_text("utf-8", errors="replace"), others)


def _busy() -> float:
    """Seconds of all cores together since the machine started that were neither idle nor waiting for a disk."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _held(group: int) -> int:
    """Kilobytes that the processes of a group hold: each page shared by n of them counts as an nth."""
    return sum(_proportional(process) for process in _members(group))


def _members(group: int) -> Iterator[Path]:
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                yield process


def _proportional(process: Path) -> int:
    with contextlib.suppress(OSError):
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
