"""What preprocessing costs: scaled decoding, filters, and timm's own evaluation beside ours.

    python bench/preprocessing.py decode FOLDER [FOLDER ...] [--backbone lite0 --weights pretrained]
    python bench/preprocessing.py accuracy NAME=DATA [NAME=DATA ...] --backbones lite0,lite1,lite2 [--sample]
    python bench/preprocessing.py speed FOLDER

FOLDERs hold JPEGs. Of DATA only the training images are looked at. ``--sample`` adds 600 pictures of the textile
sample.
"""

from __future__ import annotations

import argparse
import io
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from _report import header, spread, table
from topwork.advising import fit_head, held_out_losses, stratified_order
from topwork.backbones import EMBEDDING, Backbone, Preprocessing, classifier, load
from topwork.data import ImageDataset, decode, read
from topwork.errors import DataError
from topwork.features import FeatureTable, extract, extract_few
from topwork.heads import LinearHead
from topwork.tasks.classification import sample_folder
from topwork.tasks.classification.strategies import AsIsOptions, OwnClasses, as_is_of, crop_modes_to_try

Images = list[npt.NDArray[np.uint8]]
EDGES = (1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
SIZES = (64, 112)
FEW, DRAWS = 5, 10
WAYS = {
    "topwork (area)": {},
    "topwork, bicubic": {"interpolation": "bicubic"},
    "timm": {"rules": "timm", "interpolation": "bicubic"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("decode", "accuracy", "speed"))
    parser.add_argument("data", nargs="+")
    parser.add_argument("--backbones", default="lite0")
    parser.add_argument("--weights", default="pretrained")
    parser.add_argument("--images", type=int, default=150)
    parser.add_argument("--sample", action="store_true")
    options = parser.parse_args()
    {"decode": decoding, "accuracy": accuracy, "speed": speed}[options.what](options)


# ---- decoding at a scale


def decoding(options: argparse.Namespace) -> None:
    """How far a scaled decode moves pixels and features, by the pixels it leaves for each of the network's."""
    print(header("Scaled decoding against the full decode, by what it leaves"))
    print("Pixels: mean difference of 255. Features: length of the difference over that of the full decode's, mean.\n")
    files = photographs(options.data, options.images)
    for name in options.backbones.split(","):
        for filter_ in ("area", "bicubic"):
            found: dict[int, list[tuple[float, float]]] = {}
            for size in SIZES:
                backbone = load(name, weights=options.weights).replace(size=size, interpolation=filter_)
                for left, moved in moves(files, backbone):
                    found.setdefault(int(np.searchsorted(EDGES, left, "right")), []).append(moved)
            rows = [
                (f"{EDGES[place - 1]:.2f} to {EDGES[place]:.2f}", str(len(each)), *means(each))
                for place, each in sorted(found.items())
                if 0 < place < len(EDGES)
            ]
            print(f"\n{name} ({options.weights}), {filter_}, at {', '.join(map(str, SIZES))} pixels\n")
            print(table(("pixels left for one", "images", "pixels moved", "features moved %", "worst %"), rows))


def photographs(folders: list[str], count: int) -> list[bytes]:
    files = sorted(path for folder in folders for path in Path(folder).rglob("*.jpg"))
    return [files[row].read_bytes() for row in np.unique(np.linspace(0, len(files) - 1, count).astype(int))]


def moves(files: list[bytes], backbone: Backbone) -> Iterator[tuple[float, tuple[float, float]]]:
    """Of every image and every scale: pixels left for one of the network's, and how far pixels and features move."""
    fit = backbone.preprocessing.replace(rules="topwork")
    squares, lefts, owners = [], [], []
    for file in files:
        whole = decode(file)
        short = min(whole.shape[:2])
        squares.append(fit(whole))
        own = len(squares) - 1
        for factor in (2, 4, 8):
            left = -(-short // factor) / (fit.size / fit.crop)
            whole_sides = all(side % factor == 0 for side in whole.shape[:2])
            if EDGES[0] <= left < EDGES[-1] and whole_sides:
                squares.append(fit(decode(file, min_side=-(-short // factor))))
                lefts.append(left)
                owners.append((own, len(squares) - 1))
    values = extract_few(squares, with_whole(backbone), (EMBEDDING,)).values
    for left, (own, scaled) in zip(lefts, owners, strict=True):
        pixels = np.abs(squares[own].astype(np.float32) - squares[scaled]).mean()
        features = np.linalg.norm(values[own] - values[scaled]) / np.linalg.norm(values[own])
        yield left, (float(pixels), float(features))


def with_whole(backbone: Backbone) -> Backbone:
    """It takes squares as they are."""
    return backbone.replace(crop_mode="squash", rules="topwork")


def means(moved: list[tuple[float, float]]) -> tuple[str, str, str]:
    pixels, features = np.array(moved).T
    return f"{pixels.mean():.2f}", f"{100 * features.mean():.2f}", f"{100 * features.max():.1f}"


# ---- accuracy


def accuracy(options: argparse.Namespace) -> None:
    """As-is by the classes' names, and probes on the network's pooled features, in each way of preprocessing."""
    print(header("Preprocessing and accuracy"))
    print("Training images alone. As-is by the classes' names. Probes on the network's pooled features: of")
    print(f"{FEW} images a class, the mean of {DRAWS} draws judged on all others; of all, 5-fold cross-validation;")
    print("and that on all stages. Cloth is square, so topwork shows it whole. Accuracy in %, log loss in brackets.\n")
    sets = {name: training(read(Path(folder))) for name, folder in (each.split("=", 1) for each in options.data)}
    sets |= {"textile": textile()} if options.sample else {}
    for name in options.backbones.split(","):
        rows = []
        for way, changes in WAYS.items():
            backbone = load(name).replace(**changes)
            tables = [features(each, backbone) for each in sets.values()]
            tops = np.concatenate([own_top(each) for each in tables[: len(options.data)]])  # cloth has no class
            cells = [cell for each in tables for cell in scores(each)]
            rows.append([way, *cells, tops])
        rows = [(*row[:-1], f"{100 * (row[-1] == rows[-1][-1]).mean():.1f}") for row in rows]
        columns = [f"{each}, {how}" for each in sets for how in ("as-is", f"{FEW} a class", "all", "all stages")]
        print(f"\n{name}\n\n" + table(("preprocessing", *columns, "top-1 as timm's, %"), rows), flush=True)


def training(dataset: ImageDataset) -> ImageDataset:
    return dataset.split("train") if dataset.held_out_split else dataset


def textile() -> ImageDataset:
    found = read(sample_folder())
    return found.select(np.sort(stratified_order(found.labels, 0)[:600]))


def features(dataset: ImageDataset, backbone: Backbone) -> FeatureTable:
    """All stages, in the crop mode that the probe begins with."""
    fitting = backbone.replace(crop_mode=crop_modes_to_try(dataset, backbone)[0])
    return extract(dataset, fitting, outputs=fitting.outputs("all"))


def scores(table: FeatureTable) -> tuple[str, str, str, str]:
    train = table.keep((EMBEDDING,))
    try:
        as_is = score(as_is_of(train, AsIsOptions(way="names")).head, train)
    except DataError:
        as_is = "–"
    return as_is, few(train), crossed(train), crossed(table)


def crossed(train: FeatureTable) -> str:
    fitted = fit_head(train, class_weight="none", seed=0)
    return f"{100 * (fitted.cv_accuracy or 0):.1f} ({held_out_losses(fitted, train).mean():.3f})"


def few(train: FeatureTable) -> str:
    """Probes of a few images a class, on all others."""
    found = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(train))
        labels = train.dataset.labels[order]
        drawn = np.concatenate([order[labels == label][:FEW] for label in range(len(train.dataset.classes))])
        head = fit_head(train.select(np.sort(drawn)), class_weight="none", seed=seed).head
        found.append(figures(head, train.select(np.setdiff1d(order, drawn))))
    return "{:.1f} ({:.3f})".format(*np.mean(found, axis=0))


def figures(head: LinearHead, test: FeatureTable) -> tuple[float, float]:
    probabilities, labels = head.probabilities(test.values), test.dataset.labels
    right = probabilities[np.arange(len(labels)), labels]
    return 100 * float((probabilities.argmax(axis=1) == labels).mean()), float(-np.log(np.maximum(right, 1e-12)).mean())


def score(head: LinearHead, test: FeatureTable) -> str:
    return "{:.1f} ({:.3f})".format(*figures(head, test))


def own_top(table: FeatureTable) -> npt.NDArray[np.intp]:
    """ImageNet's most probable class of each image."""
    layer = classifier(table.backbone)
    return (table.keep((EMBEDDING,)).values @ layer.weight + layer.bias).argmax(axis=1)


# ---- speed


def speed(options: argparse.Namespace) -> None:
    """Decode and resize on one core, and the whole prediction; then photographs of 12 million pixels."""
    print(header("Preprocessing and speed"))
    files = photographs(options.data, options.images)
    rows = []
    for way, changes in WAYS.items():
        backbone = load("lite0").replace(**changes)
        fit = backbone.preprocessing
        alone = [per_second(partial(prepared, files, fit, fit.min_side), len(files)) for _ in range(3)]
        own = OwnClasses(backbone)
        answered(own, files[:40])
        whole = [per_second(partial(answered, own, files), len(files)) for _ in range(3)]
        rows.append((way, spread(alone), spread(whole)))
    print(f"{len(files)} photographs, Lite0.\n")
    print(table(("preprocessing", "decode and resize, images/s on one core", "predict, images/s"), rows))
    large = [enlarged(file) for file in files[:6]]
    rows = []
    for name, pixels in (("one pixel for each of the network's", 1), ("four", 4), ("all", None)):
        fit = load("lite0").preprocessing
        least = None if pixels is None else pixels * math.ceil(fit.size / fit.crop)
        rows.append((name, spread([per_second(partial(prepared, large, fit, least), 6) for _ in range(3)], 1)))
    print("\nSix of them enlarged to 4,000 x 3,000 pixels, by what the decoder leaves.\n")
    print(table(("left", "decode and resize, images/s on one core"), rows))


def answered(own: OwnClasses, files: list[bytes]) -> None:
    assert len([*own.top(files)]) == len(files)


def prepared(files: list[bytes], fit: Preprocessing, least: int | None) -> None:
    for file in files:
        fit(decode(file, min_side=least))


def enlarged(file: bytes) -> bytes:
    with io.BytesIO() as out:
        Image.fromarray(decode(file)).resize((4000, 3000), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        return out.getvalue()


def per_second(work: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
