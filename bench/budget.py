"""Accuracy by budget: `topwork fit` of the textile sample with several budgets, each from an empty cache.

    python bench/budget.py OUT.jsonl 1m 2m 3m 6m [again]
    python bench/budget.py OUT.jsonl table

1,000 images are learnt from, 1,000 others measure (seed 0). A row is appended to OUT.jsonl as soon as it is done.
``again`` asks the last one a second time, with the cache that it left: an answer that time has cut short is gone on
from. The load is the mean number of processes that wanted a core in the minute before and in the last one of the run;
the processor time beside the wall time tells how much of the cores was ours.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _report import header, table
from topwork.tasks.classification import sample_folder


def measured(budget: str, cache: Path, *, again: bool) -> dict[str, Any]:
    """One whole command in a process of its own."""
    model = cache.parent / ("again" if again else "model")
    command = [sys.executable, "-m", "topwork", "fit", str(sample_folder()), "-o", str(model), "--test", "0.5"]
    load, wall, before = os.getloadavg()[0], time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "TOPWORK_CACHE": str(cache)}
    subprocess.run([*command, "--budget", budget], env=environment, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
    record = json.loads((model / "model.json").read_text("utf-8"))
    advice = record["advice"]
    rung = advice["rungs"][advice["choice"]]
    best = max(
        each["accuracy"]["value"] for each in advice["rungs"] if each["accuracy"] and each["strategy"] == "probe"
    )
    return {
        "budget": budget + (" again" if again else ""),
        "wall": wall,
        "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "load": [load, os.getloadavg()[0]],
        "cores": len(os.sched_getaffinity(0)),
        "rung": rung["name"],
        "detail": rung["detail"],
        "probe": best,
        "accuracy": record["task"]["metrics"]["accuracy"]["value"],
        "stopped": advice["stopped"],
        "plans": advice["plans"],
    }


def main() -> None:
    file, *asked = sys.argv[1:]
    if asked == ["table"]:
        rows = [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]
        print(header("Accuracy by budget, textile sample, 1,000 training images, empty cache"))
        head: tuple[str, ...] = (
            "budget",
            "cores",
            "wall s",
            "processor s",
            "load",
            "chosen",
            "probe, cross-validated %",
            "test %",
        )
        head += ("stopped", "largest plan left, own s")
        print(table(head, [shown(row) for row in rows]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for place, budget in enumerate(asked):
            again = budget == "again"
            cache = Path(folder) / str(place - again) / "cache"
            row = measured(asked[place - again], cache, again=again)
            with Path(file).open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")


def shown(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    tried = [f"{each['epochs']} epochs" for each in row["plans"] if each["tried"] and each["rung"] == row["rung"]]
    left = [each for each in row["plans"] if not each["tried"]][-1:]
    return (
        row["budget"],
        str(row["cores"]),
        f"{row['wall']:.0f}",
        f"{row['processor']:.0f}",
        " to ".join(f"{each:.1f}" for each in row["load"]),
        ", ".join([row["rung"], row["detail"], *tried]),
        f"{100 * row['probe']:.1f}",
        f"{100 * row['accuracy']:.1f}",
        row["stopped"].rpartition("); ")[2],
        "; ".join(
            f"{each['stages']} stages, {each['size']} px, {each['epochs']} epochs: {each['seconds']:.0f}"
            for each in left
        ),
    )


if __name__ == "__main__":
    main()
