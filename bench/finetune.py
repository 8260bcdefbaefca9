"""Fine-tuning against the probe it starts from: accuracy on test images that neither has seen, and time.

    python bench/finetune.py NAME=DATA [NAME=DATA ...] [--size 256] [--epochs 8] [--crop-mode squash] [--sample]

DATA without parts is split in halves. ``--sample`` adds the textile sample (1,000 training and 1,000 test images).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from _report import header, table
from topwork import read
from topwork.backbones import load
from topwork.data import ImageDataset, split
from topwork.tasks.classification import sample_folder
from topwork.tasks.classification.strategies import (
    Finetuned,
    FinetuneOptions,
    Probe,
    ProbeOptions,
    default_config,
    finetune,
    fit_probe,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--crop-mode", default="auto")
    parser.add_argument("--unfreeze", default="auto")
    parser.add_argument("--sample", action="store_true")
    options = parser.parse_args()
    tasks = [tuple(each.split("=", 1)) for each in options.data]
    tasks += [("textile", str(sample_folder()))] if options.sample else []
    print(header(f"Fine-tuning Lite0 at {options.size} pixels, {options.epochs} epochs"))
    rows = [measured(name, read(Path(folder)), options) for name, folder in tasks]
    head = ("data", "training", "test", "probe %", "fine-tuned %", "kept", "images/s", "seconds in all")
    print(table(head, rows))


def measured(name: str, dataset: ImageDataset, options: argparse.Namespace) -> tuple[str, ...]:
    parted = dataset if dataset.held_out_split else split(dataset, test=0.5)
    start = time.perf_counter()
    probe = fit_probe(parted, load(size=options.size), probe_options(options))
    unfreeze = int(options.unfreeze) if options.unfreeze.isdecimal() else options.unfreeze
    chosen = FinetuneOptions(
        unfreeze=unfreeze, config=default_config(epochs=options.epochs), probe=probe_options(options)
    )
    found = finetune(parted, probe, chosen)
    wall = time.perf_counter() - start
    speed = max(epoch.samples_per_second for epoch in found.history)
    counts = [str(len(parted.split(part))) for part in ("train", parted.held_out_split)]
    scores = [f"{100 * accuracy(each, parted.held_out_split):.1f}" for each in (probe, found)]
    return (name, *counts, *scores, found.strategy, f"{speed:.0f}", f"{wall:.0f}")


def probe_options(options: argparse.Namespace) -> ProbeOptions:
    return ProbeOptions(crop_mode=options.crop_mode, cache=False)


def accuracy(found: Probe | Finetuned, part: str) -> float:
    held = found.table.split(part)
    return float((found.head.probabilities(held.values).argmax(axis=1) == held.dataset.labels).mean())


if __name__ == "__main__":
    main()
