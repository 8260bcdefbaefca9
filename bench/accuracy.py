"""Accuracy of `fit` with its defaults on held-out images. Everything is chosen on the training part alone.

    python bench/accuracy.py [hymenoptera=FOLDER] [cats-dogs=FOLDER] ...

The textile sample (the extra `sample`) is always measured: 1,000 training and 1,000 test images, split by three seeds.
"""

from __future__ import annotations

import sys
import time

from _report import header, table
from topwork import fit
from topwork.tasks.classification import sample_folder
from topwork.tasks.classification.strategies import ProbeOptions


def row(name: str, folder: str, seed: int, test: float) -> tuple[str, ...]:
    start = time.perf_counter()
    model = fit(folder, strategy="probe", options=ProbeOptions(seed=seed), test=test)
    wall = time.perf_counter() - start
    metrics, chosen = model.metrics, [trial.answer for trial in model.record.trials if trial.chosen]
    assert metrics is not None
    accuracy = metrics.accuracy
    return (
        name,
        str(seed),
        f"{sum(model.record.data.training)} / {metrics.n}",
        ", ".join(chosen),
        f"{100 * accuracy.value:.1f} ({100 * accuracy.low:.1f}–{100 * accuracy.high:.1f})",
        f"{metrics.log_loss.value:.3f}",
        f"{100 * metrics.ece.value:.1f}",
        f"{wall:.1f}",
    )


def main() -> None:
    folders = dict(argument.split("=", 1) for argument in sys.argv[1:])
    rows = [row(name, folder, 0, 0.2) for name, folder in folders.items()]
    rows += [row("textile", str(sample_folder()), seed, 0.5) for seed in range(3)]
    print(header("Accuracy of a probe on EfficientNet-Lite0, defaults"))
    head = ("data", "seed", "train / test", "chosen", "accuracy % (95 %)", "log loss", "ECE %", "seconds")
    print(table(head, rows))


if __name__ == "__main__":
    main()
