"""Whole commands, alone and with one busy process beside them: how much slower, and how long each says nothing.

    python bench/beside.py OUT.jsonl DATA [--repeats 3] [--only fit predict …]     DATA: a folder of class folders
    python bench/beside.py OUT.jsonl                                               the table of all that OUT.jsonl holds

The busy process is a Python that counts. With it two cores have three who want them, so a command that shares them
fairly takes up to twice as long. Where others use the machine too, seconds on the clock say little; seconds of the
processor still tell whether threads spin while they wait: then a command needs more of them beside a busy process.

What uses a model finds its network converted; everything else begins with an empty cache. A silence is the time without
a byte on stdout or stderr, neither of which is a terminal.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _report import header, spread, table
from topwork import read

BUSY = (sys.executable, "-c", "while True: pass")
TOPWORK = (sys.executable, "-m", "topwork")
WARM = [
    "predict",
    "evaluate",
    "gradcam",
    "ideal",
    "attack",
    "report",
]


def rows(data: Path, model: Path, folder: Path) -> dict[str, list[str]]:
    """Name of a row -> the command."""
    images = read(data)
    one, every, out = images.full_path(0), [images.full_path(row) for row in range(len(images))], str(folder / "out")
    found: dict[str, list[Any]] = {
        "fit": ["fit", data, "-o", out],
        "fit probe": ["fit", data, "-o", out, "--strategy", "probe"],
        "predict": ["predict", model, *every, "--no-cache"],
        "evaluate": ["evaluate", model, data, "--no-cache"],
        "check": ["check", data],
        "advise": ["advise", data],
        "gradcam": ["explain", model, one, "-o", out],
        "ideal": ["explain", "--backbone", "lite0", "--what", "ideal", "--class", "zebra", "-o", out],
        "attack": ["explain", model, one, "--what", "attack", "-o", out],
        "report": ["report", model, "--data", data, "--evidence", "-o", f"{out}.html"],
        "embed": ["embed", data, "-o", f"{out}.npz"],
        "doctor": ["doctor"],
        "models": ["models"],
    }
    return {name: [str(each) for each in command] for name, command in found.items()}


def measured(command: list[str], cache: str) -> dict[str, float]:
    """Seconds on the clock and of the processor, and the longest silence, of one run."""
    environ = {**os.environ, "TOPWORK_CACHE": cache}
    start = last = time.perf_counter()
    silence = 0.0
    process = subprocess.Popen([*TOPWORK, *command], stdout=-1, stderr=-1, env=environ)
    with selectors.DefaultSelector() as streams:
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            streams.register(stream, selectors.EVENT_READ)
        while streams.get_map():
            for key, _ in streams.select():
                now = time.perf_counter()
                silence, last = max(silence, now - last), now
                if not os.read(key.fd, 65536):
                    streams.unregister(key.fileobj)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ended with {process.returncode}")
    seconds = time.perf_counter() - start
    silence = max(silence, time.perf_counter() - last)
    return {"clock": seconds, "processor": used.ru_utime + used.ru_stime, "silence": silence}


def measure(out: Path, data: Path, repeats: int, only: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model, kept = folder / "model", str(folder / "cache")
        measured(["fit", str(data), "-o", str(model), "--strategy", "probe"], kept)
        for name, command in rows(data, model, folder).items():
            for _ in range(repeats if not only or name in only else 0):
                for beside in (False, True):
                    with tempfile.TemporaryDirectory() as empty:
                        busy = subprocess.Popen(BUSY) if beside else None
                        try:
                            found: dict[str, Any] = measured(command, kept if name in WARM else empty)
                        finally:
                            if busy is not None:
                                busy.kill()
                                busy.wait()
                    with out.open("a") as file:
                        print(json.dumps({"row": name, "beside": beside, **found}), file=file)


def told(name: str, runs: list[dict[str, Any]]) -> tuple[str, ...]:
    alone, beside = ([run for run in runs if run["beside"] is wanted] for wanted in (False, True))
    pairs = list(zip(alone, beside, strict=True))

    def share(some: list[dict[str, Any]]) -> str:
        return f"{statistics.median(run['processor'] / run['clock'] for run in some):.2f}"

    return (
        name,
        *(spread([run["clock"] for run in some], 1) for some in (alone, beside)),
        *(spread([b[what] / a[what] for a, b in pairs], 2) for what in ("clock", "processor")),
        f"{share(alone)}, {share(beside)}",
        f"{max(run['silence'] for run in runs):.1f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    if options.data is not None:
        return measure(options.out, options.data, options.repeats, options.only)
    found: dict[str, list[dict[str, Any]]] = {}
    for line in options.out.read_text().splitlines():
        found.setdefault(json.loads(line)["row"], []).append(json.loads(line))
    print(header("Commands alone, and with one busy process beside them"))
    print("Medians, lowest and highest in brackets. A ratio is beside the busy process to alone, run by run.\n")
    head = "command|s alone|s beside|ratio|ratio of processor seconds|cores had: alone, beside|longest silence, s"
    print(table(head.split("|"), [told(name, runs) for name, runs in found.items()]))
    return None


if __name__ == "__main__":
    main()
