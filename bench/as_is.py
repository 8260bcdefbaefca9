"""Accuracy of `--strategy as-is` with EfficientNet-Lite0: nothing is trained.

    python bench/as_is.py DATA [NAME=FOLDER ...]

DATA has classes called cat and dog under train/ and test/. The names alone; maps that are learnt from a few training
images a class, drawn ten times; and the network's own classes on the 20 ImageNet pictures that foolbox ships. Then how
soft a learnt map should be, on other training images of DATA and of each FOLDER, and on pictures against cloth.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from _report import header, spread, table
from topwork.backbones import Backbone, classifier, imagenet_labels, load
from topwork.data import read
from topwork.features import FeatureTable, extract
from topwork.heads import MappedHead, fit_mapped
from topwork.tasks.classification import sample_folder
from topwork.tasks.classification.strategies import AsIsOptions, OwnClasses, fit_as_is

DRAWS = 10
SOFTNESSES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
CLOTHS = 60


def score(head: MappedHead, test: FeatureTable) -> tuple[float, float]:
    """Accuracy in percent, and log loss in nats."""
    probabilities, labels = head.probabilities(test.values), test.dataset.labels
    right = probabilities[np.arange(len(labels)), labels]
    return 100 * float((probabilities.argmax(axis=1) == labels).mean()), float(-np.log(right).mean())


def by_names(folder: str, backbone: Backbone) -> tuple[str, ...]:
    dataset = read(folder)
    found = fit_as_is(dataset, backbone, AsIsOptions(way="names"))
    accuracy, loss = score(found.head, found.table.split("test"))
    covers = ", ".join(f"{name} {count}" for name, count in zip(dataset.classes, found.covers, strict=True))
    return f"names alone ({covers} classes of the network)", "0", f"{accuracy:.1f}", f"{loss:.3f}"


def learnt(features: FeatureTable, backbone: Backbone, per_class: int) -> tuple[str, ...]:
    train, test = features.split("train"), features.split("test")
    scores = [score(fit_drawn(train, backbone, per_class, seed), test) for seed in range(DRAWS)]
    accuracies, losses = zip(*scores, strict=True)
    return "learnt map", str(per_class), spread(accuracies, 1), spread(losses, 3)


def fit_drawn(train: FeatureTable, backbone: Backbone, per_class: int, seed: int) -> MappedHead:
    """A map learnt from the first images of each class in a seeded order."""
    order = np.random.default_rng(seed).permutation(len(train))
    labels = train.dataset.labels[order]
    classes = range(len(train.dataset.classes))
    drawn = train.select(np.sort(np.concatenate([order[labels == label][:per_class] for label in classes])))
    found = fit_as_is(drawn.dataset, backbone, AsIsOptions(way="learnt"))
    return found.head


def photographs() -> list[Path]:
    spec = importlib.util.find_spec("foolbox")
    assert spec is not None
    assert spec.origin is not None
    return sorted((Path(spec.origin).parent / "data").glob("imagenet_*.jpg"))


def own_classes(backbone: Backbone) -> tuple[str, ...]:
    photos = photographs()
    truths = [imagenet_labels()[int(photo.stem.rpartition("_")[2])].synset for photo in photos]
    tops = [[candidate.label for candidate in answer.top] for answer in OwnClasses(backbone).top(photos)]
    first = sum(top[0] == truth for top, truth in zip(tops, truths, strict=True))
    among = sum(truth in top for top, truth in zip(tops, truths, strict=True))
    return "foolbox's ImageNet pictures", str(len(photos)), str(first), str(among)


def pictures_and_cloth(backbone: Backbone) -> FeatureTable:
    """Features of foolbox's pictures and of cloth without a fault: a network cannot put a name to the latter."""
    with tempfile.TemporaryDirectory() as folder:
        classes = {"picture": photographs(), "cloth": sorted((sample_folder() / "nominal").iterdir())[:CLOTHS]}
        for name, files in classes.items():
            (Path(folder) / name).mkdir()
            for file in files:
                shutil.copy(file, Path(folder) / name)
        return extract(read(folder), backbone)


def softened(table: FeatureTable, backbone: Backbone, per_class: int, softness: float) -> str:
    """Accuracy and log loss, each class counting as much as the others, on images that a map was not learnt from."""
    layer, labels, classes = classifier(backbone), table.dataset.labels, len(table.dataset.classes)
    accuracies, losses = [], []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(table))
        drawn = np.concatenate([order[labels[order] == label][:per_class] for label in range(classes)])
        others = np.setdiff1d(order, drawn)
        head = fit_mapped(table.values[drawn], labels[drawn], classes, layer.weight, layer.bias, softness=softness)
        probabilities = head.probabilities(table.values[others])
        right = probabilities[np.arange(len(others)), labels[others]]
        share = 1 / (classes * np.bincount(labels[others])[labels[others]])
        accuracies.append(100 * float(share @ (probabilities.argmax(axis=1) == labels[others])))
        losses.append(float(share @ -np.log(right)))
    return f"{np.mean(accuracies):.1f} ({np.mean(losses):.3f})"


def softness_table(folders: dict[str, str], backbone: Backbone) -> str:
    tables = {name: extract(read(folder), backbone).split("train") for name, folder in folders.items()}
    cloth = pictures_and_cloth(backbone)
    columns = [("pictures and cloth", cloth, count) for count in (3, 8)]
    columns += [(name, table, count) for name, table in tables.items() for count in (3, 8, 20)]
    rows = [
        (f"{softness:.0f}", *(softened(data, backbone, count, softness) for _, data, count in columns))
        for softness in SOFTNESSES
    ]
    return table(("softness", *(f"{name}, {count} a class" for name, _, count in columns)), rows)


def main() -> None:
    folder, backbone = sys.argv[1], load("lite0")
    more = dict(named.split("=", 1) for named in sys.argv[2:])
    features = extract(read(folder), backbone)
    rows = [by_names(folder, backbone), *(learnt(features, backbone, count) for count in (1, 5, 20, 100))]
    print(header("As it is: EfficientNet-Lite0's own classes answer"))
    tested = len(features.split("test"))
    print(f"{tested} test images of cats and dogs. In brackets: lowest and highest of {DRAWS} draws.\n")
    print(table(("way", "images a class", "accuracy %", "log loss"), rows))
    print()
    print(table(("pictures", "in all", "named right", "right among five"), [own_classes(backbone)]))
    print(f"\nMean accuracy in % and, in brackets, log loss of {DRAWS} learnt maps on training images beside theirs.\n")
    print(softness_table({"cats and dogs": folder, **more}, backbone))


if __name__ == "__main__":
    main()
