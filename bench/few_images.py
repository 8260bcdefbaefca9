"""Fine-tuning of few images against the probe it starts from: the defaults before, and those of now.

    python bench/few_images.py run OUT.jsonl NAME=DATA [NAME=DATA ...] [--sizes 50,100] [--seeds 0,1]
    python bench/few_images.py table OUT.jsonl

DATA may be ``sample`` (the textile sample) or ``digits`` (scikit-learn's). Of its training images so many learn, and
300 others test. A fit that OUT.jsonl holds is not made again, so a run may be broken off. Before: 15 % of the images
validated, and the better figure on those was kept. Lower: as now, with a learning rate that falls with the root of the
number of images below 1,000.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from _report import header, table
from topwork.advising import stratified_order
from topwork.backbones import load
from topwork.data import ImageDataset, read
from topwork.tasks.classification import sample_folder
from topwork.tasks.classification.strategies import (
    Finetuned,
    FinetuneOptions,
    Probe,
    ProbeOptions,
    _finetune,
    default_config,
    finetune,
    fit_probe,
)

TEST, PIXELS = 300, 64
WAYS = ("before", "lower", "now")
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("out", type=Path)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--sizes", default="50,100,200,400")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--most", type=int, default=1000, help="fits to make now")
    options = parser.parse_args()
    done = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    if options.what == "table":
        print(header(f"Fine-tuning of few images, Lite0 at {PIXELS} pixels"))
        print(table(("data", "images", "probe %", *HEAD), [*summary(done)]))
        return
    made = {(each["data"], each["size"], each["seed"], each["way"]) for each in done}
    asked = [
        (name, folder, size, seed, way)
        for seed in map(int, options.seeds.split(","))
        for size in map(int, options.sizes.split(","))
        for name, folder in (each.split("=", 1) for each in options.data)
        for way in options.ways.split(",")
    ]
    for name, folder, size, seed, way in [x for x in asked if (x[0], *x[2:]) not in made][: options.most]:
        row = {"data": name, "size": size, "seed": seed, "way": way, **measured(folder, size, seed, way)}
        print(json.dumps(row), flush=True)
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")


def measured(folder: str, size: int, seed: int, way: str) -> Row:
    """Test accuracy of the probe and of the fine-tuned network, kept or not, and whether it is kept."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        dataset = drawn(source(folder, Path(place)), size, seed)
        asked = ProbeOptions(crop_mode="squash", engine="torch-cpu", seed=seed)  # nothing is converted
        probe = fit_probe(dataset, load(size=PIXELS), asked)
        chosen = FinetuneOptions(config=default_config(seed=seed), probe=asked)
        if way == "lower":
            learners = size * (1 - _finetune.validation_share(size, chosen))
            rate = chosen.config.learning_rate * min(1.0, math.sqrt(learners / 1000))
            chosen = dataclasses.replace(chosen, config=default_config(seed=seed, learning_rate=rate))
        with keeping(way) as decided:
            found = finetune(dataset, probe, chosen)
    judged = [trial for trial in found.trials if trial.question == "strategy"]
    return {
        "probe": accuracy(probe),
        "tuned": accuracy(found) if found.strategy == "finetune" else None,  # None: no epoch beat the start
        "kept": bool(decided and decided[-1][0]),
        "errors": decided[-1][1] if decided else None,  # standard errors by which it was better on validation images
        "judged": [(trial.images, trial.accuracy, trial.log_loss) for trial in judged],
        "losses": [epoch.validation_loss for epoch in found.history],
        "notes": [note for note in found.notes if "learning rate" in note],
        "seconds": round(time.perf_counter() - start, 1),
    }


@contextlib.contextmanager
def keeping(way: str) -> Iterator[list[tuple[bool, float]]]:
    """Have the fine-tuned network back whether it is kept or not; gives what would have been decided, and by what."""
    decided: list[tuple[bool, float]] = []
    before = _finetune._keeps, _finetune._JUDGES

    def keeps(gains: Any, reached: Any, reference: Any) -> bool:
        keep = reached.beats(reference) if way == "before" else before[0](gains, reached, reference)
        decided.append((bool(keep), float(gains.mean() / (gains.std(ddof=1) / np.sqrt(len(gains))))))
        return True

    _finetune._keeps = keeps
    _finetune._JUDGES = 0 if way == "before" else before[1]
    try:
        yield decided
    finally:
        _finetune._keeps, _finetune._JUDGES = before


def source(folder: str, place: Path) -> ImageDataset:
    if folder == "sample":
        return read(sample_folder())
    if folder != "digits":
        found = read(folder)
        return found.split("train") if found.held_out_split else found
    from sklearn.datasets import load_digits

    found = load_digits()
    for number, (image, digit) in enumerate(zip(found.images, found.target, strict=True)):
        (place / f"digit {digit}").mkdir(exist_ok=True)
        pixels = Image.fromarray((image * 255 / 16).astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
        pixels.save(place / f"digit {digit}" / f"{number}.png")
    return read(place)


def drawn(dataset: ImageDataset, size: int, seed: int) -> ImageDataset:
    """So many images to learn from and others to test with, each class with its share."""
    order = stratified_order(dataset.labels, seed)
    rows = np.sort(np.concatenate([order[:size], order[-TEST:]]))
    splits = np.where(np.isin(rows, order[:size]), "train", "test")
    return dataclasses.replace(dataset.select(rows), splits=splits)


def accuracy(found: Probe | Finetuned) -> float:
    held = found.table.split("test")
    return float((found.head.probabilities(held.values).argmax(axis=1) == held.dataset.labels).mean())


HEAD = [f"{way}: {what}" for way in WAYS for what in ("kept", "got %", "tuned %")]


def summary(done: list[Row]) -> Iterator[tuple[str, ...]]:
    """A row for each data set and size: what the user gets, which is the probe where fine-tuning is not kept."""
    for name, size in dict.fromkeys((each["data"], each["size"]) for each in done):
        cells, probes = [], []
        for way in WAYS:
            rows = [each for each in done if (each["data"], each["size"], each["way"]) == (name, size, way)]
            got = [each["tuned"] if each["kept"] else each["probe"] for each in rows]
            tuned = [each["tuned"] for each in rows if each["tuned"] is not None]
            probes += [each["probe"] for each in rows]
            means = [f"{100 * np.mean(each):.1f}" if each else "–" for each in (got, tuned)]
            cells += [f"{sum(each['kept'] for each in rows)} of {len(rows)}", *means]
        yield name, str(size), f"{100 * np.mean(probes):.1f}", *cells


if __name__ == "__main__":
    main()
