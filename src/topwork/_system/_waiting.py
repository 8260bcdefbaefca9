"""How the threads of one computation wait for each other: by spinning for a moment, or not at all on busy cores.

PyTorch cuts every layer into one part a core, by OpenMP, and goes on when the last part is done. GNU's OpenMP lets the
threads that are done spin for some 10 ms before they sleep. Where another process has one of the cores, the last part
waits for a core that is spun away: an ideal image took 37 s instead of 2 beside three other processes. A thread that
sleeps at once leaves the core to whoever computes; but to wake it takes time, so on idle cores it spins, shortly.

The number of threads stays what it is: with another one, sums are rounded differently, and a seed would no longer
repeat a result. Source: libgomp's manual, GOMP_SPINCOUNT. OpenMP reads it once, when PyTorch is loaded.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from topwork._system._executor import available_cores

SPIN_VARIABLE = "GOMP_SPINCOUNT"
_OTHERS = ("OMP_WAIT_POLICY", SPIN_VARIABLE)  # with which users choose themselves
_SHORTLY = "1000"  # turns, about 30 µs
_LOOKS, _APART = 5, 0.002  # seconds: what runs on at every look is no blip

_LOAD = Path("/proc/loadavg")


def wait_considerately() -> None:
    """Choose how threads wait, for this process and those that it starts, before PyTorch is loaded.

    Call it where the process is our own. What the user has set stays.
    """
    if not any(name in os.environ for name in _OTHERS):
        os.environ[SPIN_VARIABLE] = "0" if crowded() else _SHORTLY


def crowded() -> bool:
    """Whether there are fewer idle cores than this process may use; False where the system does not tell."""
    return free_cores() < available_cores()


def free_cores() -> int:
    """Cores that this process may use and nobody else does, at least one; all where the system does not tell."""
    others = None
    for look in range(_LOOKS):
        if look:
            time.sleep(_APART)
        running = _running()
        if running is None:
            return available_cores()
        others = running - 1 if others is None else min(others, running - 1)  # one of them is this process
        if not others:
            break
    return max(1, min(available_cores(), (os.cpu_count() or 1) - (others or 0)))


def _running() -> int | None:
    """Threads on the whole machine that run or wait for a core, this one among them."""
    try:
        return int(_LOAD.read_text().split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return None
