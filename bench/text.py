"""Accuracy and seconds of `topwork fit` on labelled texts, each command from an empty cache.

    python bench/text.py OUT.jsonl NAME=DATA ... [ngrams probe glove auto:5m auto:15m]
    python bench/text.py OUT.jsonl few NAME=DATA K
    python bench/text.py OUT.jsonl table

DATA has a test part, which measures and takes no part in any choice. ``glove`` is the probe on GloVe's vectors, and
``auto:5m`` the default command with that budget. ``few`` draws K training texts a class five times and measures heads
on MiniLM's features beside n-grams, on the test part.
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

import numpy as np

from _report import header, table
from topwork.advising import fit_head, stratified_order
from topwork.backbones import load_text
from topwork.data import read_texts
from topwork.features import extract
from topwork.tasks.text.strategies import NgramOptions, fit_ngrams

WAYS = ("ngrams", "probe", "glove", "auto:5m", "auto:15m")


def measured(data: str, way: str) -> dict[str, Any]:
    """One whole command in a process of its own."""
    strategy, _, budget = way.partition(":")
    options = ["--strategy", "probe", "--backbone", "glove"] if way == "glove" else ["--strategy", strategy]
    options += ["--budget", budget] if budget else []
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        environment = {**os.environ, "TOPWORK_CACHE": str(Path(folder) / "cache")}
        command = [sys.executable, "-m", "topwork", "fit", data, "-o", str(model), *options]
        load, wall, before = os.getloadavg()[0], time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
        record = json.loads((model / "model.json").read_text("utf-8"))
    advice = record["advice"]
    return {
        "way": way,
        "wall": wall,
        "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "load": [load, os.getloadavg()[0]],
        "rung": advice["rungs"][advice["choice"]]["name"] if advice else record["strategy"],
        "accuracy": record["task"]["metrics"]["accuracy"],
    }


def few(data: str, each: int, draws: int = 5) -> dict[str, Any]:
    """Test accuracy of heads on so many texts a class, and the seconds of a head, mean over the draws."""
    dataset = read_texts(data)
    table_of = extract(dataset, load_text(), cache=False)
    train, test = table_of.split("train"), table_of.split("test")
    found: dict[str, list[float]] = {"network": [], "n-grams": [], "seconds": []}
    for seed in range(draws):
        order = stratified_order(train.dataset.labels, seed)
        rows = np.sort(np.concatenate([order[train.dataset.labels[order] == label][:each] for label in _labels(train)]))
        part, begun = train.select(rows), time.perf_counter()
        head = fit_head(part, class_weight="none", seed=seed).head
        found["seconds"].append(time.perf_counter() - begun)
        found["network"].append(_right(head, test))
        whole = np.concatenate(
            [np.flatnonzero(dataset.splits == "train")[rows], np.flatnonzero(dataset.splits == "test")]
        )
        counts = fit_ngrams(dataset.select(np.sort(whole)), NgramOptions(seed=seed))
        found["n-grams"].append(_right(counts.head, counts.table.split("test")))
    return {"way": f"few {each}", **{name: float(np.mean(values)) for name, values in found.items()}}


def _labels(part: Any) -> list[int]:
    return np.unique(part.dataset.labels).tolist()


def _right(head: Any, test: Any) -> float:
    return float((head.probabilities(test.values).argmax(axis=1) == test.dataset.labels).mean())


def shown(rows: list[dict[str, Any]]) -> str:
    """The rows as tables."""
    fits = [row for row in rows if "wall" in row]
    cells = [
        (
            row["data"],
            row["way"],
            row["rung"],
            "{:.1f} % ({:.1f} to {:.1f})".format(*(100 * row["accuracy"][key] for key in ("value", "low", "high"))),
            f"{row['wall']:.0f}",
            f"{row['processor']:.0f}",
            f"{row['load'][0]:.1f}, {row['load'][1]:.1f}",
        )
        for row in fits
    ]
    lines = (
        [table(("data", "command", "chosen", "test accuracy", "wall s", "processor s", "load"), cells)] if fits else []
    )
    drawn = [row for row in rows if "n-grams" in row]
    if drawn:
        head = ("data", "", "network", "n-grams", "seconds of the head")
        told = [
            (r["data"], r["way"], f"{r['network']:.1%}", f"{r['n-grams']:.1%}", f"{r['seconds']:.1f}") for r in drawn
        ]
        lines += ["", table(head, told)]
    return "\n".join(lines)


def main() -> None:
    file, *asked = sys.argv[1:]
    if asked == ["table"]:
        rows = [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]
        print(header("Texts: whole commands, each from an empty cache"), "", shown(rows), sep="\n")
        return
    data = dict(each.split("=", 1) for each in asked if "=" in each)
    ways = [each for each in asked if "=" not in each and each != "few"] or [*WAYS]
    for name, place in data.items():
        for way in ways:
            row = few(place, int(way)) if "few" in asked else measured(place, way)
            with Path(file).open("a", encoding="utf-8") as out:
                out.write(json.dumps({"data": name, **row}) + "\n")
            print(json.dumps({"data": name, **row}), flush=True)


if __name__ == "__main__":
    main()
