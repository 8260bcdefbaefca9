"""How a data set's files become what ``fit`` reads: one function a kind of layout.

A layout is a kind and what that needs, parted by colons: ``folders:images``. Each function is given the folder in which
the archives are unpacked and other files lie, changes it, and gives the path in it that ``fit`` takes.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from topwork._system import optional
from topwork._web import lift, unpack
from topwork.errors import DataError

TABLE = "data.csv"

Row = tuple[str, str, str]
"""A path or a text, its label, and its split."""

_RECORD = 32 * 32 * 3  # bytes of one picture of CIFAR
_SUPERCATEGORY = 1  # byte before CIFAR-100's label


def prepare(folder: Path, layout: str) -> str:
    """Bring a folder into a form that ``fit`` reads.

    Args:
        folder: With what was downloaded, archives unpacked.
        layout: As the catalogue has it.

    Returns:
        The path in the folder that ``fit`` takes, with forward slashes; empty for the folder itself.

    Raises:
        DataError: It does not hold what the layout says.
    """
    kind, *given = layout.split(":")
    try:
        return _KINDS[kind](folder, *given)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"what was downloaded is not as expected: {error}", hint="its makers may have published another version"
        ) from error


def _folders(folder: Path, inner: str, *unwanted: str) -> str:
    """Class folders, which lie in an inner folder."""
    lift(folder, inner)
    for name in unwanted:
        _remove(folder / name)
    return ""


def _nested(folder: Path, archive: str, inner: str, *unwanted: str) -> str:
    """Class folders in an archive within the archive."""
    unpack(folder / archive, folder)
    return _folders(folder, inner, *unwanted)


def _tree(folder: Path, inner: str) -> str:
    """A folder in a form that topwork reads as it is: Pascal VOC, or images with masks."""
    lift(folder, inner)
    return ""


def _listed(folder: Path, inner: str, images: str, suffix: str, *lists: str) -> str:
    """Images in class folders, and a list of each split's images: ``train=meta/train.txt``."""
    lift(folder, inner)

    def rows() -> Iterator[Row]:
        for split, file in (each.split("=") for each in lists):
            for line in _lines(folder / file):
                yield f"{images}/{line}{suffix}", line.partition("/")[0], split

    return _table(folder, "path", rows())


def _pets(folder: Path) -> str:
    """Oxford-IIIT Pets: the breed stands in an image's name."""

    def rows() -> Iterator[Row]:
        for split, file in (("train", "trainval.txt"), ("test", "test.txt")):
            for line in _lines(folder / "annotations" / file):
                name = line.split()[0]
                yield f"images/{name}.jpg", name.rpartition("_")[0], split

    return _table(folder, "path", rows())


def _flowers(folder: Path) -> str:
    """Flowers-102: labels and splits are tables of MATLAB's; the classes have numbers and no names."""
    read = optional("scipy.io", extra="sklearn", what="reading the labels of the flowers").loadmat
    labels = read(folder / "imagelabels.mat")["labels"].ravel()
    splits = read(folder / "setid.mat")

    def rows() -> Iterator[Row]:
        for split, key in (("train", "trnid"), ("val", "valid"), ("test", "tstid")):
            for number in splits[key].ravel():
                yield f"jpg/image_{number:05d}.jpg", f"flower-{labels[number - 1]:03d}", split

    return _table(folder, "path", rows())


def _cifar(folder: Path, inner: str, names: str, *files: str) -> str:
    """CIFAR's records as PNGs in class folders; where a record has two labels, the first is the superclass's."""
    from PIL import Image

    lift(folder, inner)
    classes = _lines(folder / names)
    before = 0 if len(classes) <= 10 else _SUPERCATEGORY
    for split, file in (each.split("=") for each in files):
        records = np.fromfile(folder / file, np.uint8).reshape(-1, before + 1 + _RECORD)
        for number, record in enumerate(records):
            place = folder / split / classes[record[before]]
            place.mkdir(parents=True, exist_ok=True)
            pixels = record[before + 1 :].reshape(3, 32, 32).transpose(1, 2, 0)
            Image.fromarray(np.ascontiguousarray(pixels)).save(place / f"{Path(file).stem}-{number:05d}.png")
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    return ""


def _digits(folder: Path) -> str:
    """Handwritten digits of 8 by 8 pixels, which scikit-learn holds, eight times as large."""
    from PIL import Image

    held = optional("sklearn.datasets", extra="sklearn", what="the digits").load_digits()
    for number, (image, label) in enumerate(zip(held.images, held.target, strict=True)):
        place = folder / str(label)
        place.mkdir(exist_ok=True)
        pixels = np.kron(np.clip(image * (255 / 16), 0, 255).round().astype(np.uint8), np.ones((8, 8), np.uint8))
        Image.fromarray(pixels).save(place / f"{number:04d}.png")
    return ""


def _textile(folder: Path) -> str:
    """Woven textile, which the package ``conformal-clip-data`` holds."""
    held = optional("conformal_clip_data", extra="sample", what="the images of textile")
    root = Path(held.textile_simulated_root())
    for path in sorted(root.rglob("*")):
        if path.is_file():
            place = folder / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return ""


def _objects(folder: Path, inner: str, images: str, masks: str, ending: str) -> str:
    """Images and masks whose values are objects, not classes, as ``images/`` and ``objects/`` with equal names."""
    lift(folder, inner)
    (folder / images).rename(folder / "images")
    (folder / masks).rename(folder / "objects")
    for path in sorted((folder / "objects").iterdir()):
        path.rename(path.with_name(f"{path.stem.removesuffix(ending)}{path.suffix}"))
    for path in folder.iterdir():
        if path.name not in ("images", "objects"):
            _remove(path)
    return ""


def _rows_of_csv(folder: Path, classes: str, *files: str) -> str:
    """Texts in CSV files without a first line: the class's number from 1, and then the text's parts."""
    names = classes.split(",")

    def rows() -> Iterator[Row]:
        for split, file in (each.split("=") for each in files):
            with (folder / file).open(encoding="utf-8", newline="") as lines:
                for label, *parts in csv.reader(lines):
                    yield " ".join(parts), names[int(label) - 1], split

    return _finished(folder, rows(), (each.partition("=")[2] for each in files))


def _rows_of_tsv(folder: Path, text: str, label: str, classes: str, *files: str) -> str:
    """Texts in TSV files with a first line; a class's number counts from 0."""
    names = classes.split(",")

    def rows() -> Iterator[Row]:
        for split, file in (each.split("=") for each in files):
            with (folder / file).open(encoding="utf-8", newline="") as lines:
                for row in csv.DictReader(lines, dialect="excel-tab", quoting=csv.QUOTE_NONE):
                    if row[text]:  # a few reviews are empty
                        yield row[text], names[int(row[label])], split

    return _finished(folder, rows(), (each.partition("=")[2] for each in files))


def _rows_of_json(folder: Path, text: str, label: str, *files: str) -> str:
    """Texts in JSON files, each a list of objects."""

    def rows() -> Iterator[Row]:
        for split, file in (each.split("=") for each in files):
            for row in json.loads((folder / file).read_text("utf-8")):
                yield str(row[text]), str(row[label]), split

    return _finished(folder, rows(), (each.partition("=")[2] for each in files))


def _finished(folder: Path, rows: Iterator[Row], files: Iterable[str]) -> str:
    """One table of texts in the place of the files that it was made of."""
    table = _table(folder, "text", rows)
    for file in files:
        (folder / file).unlink()
    return table


def _table(folder: Path, first: str, rows: Iterator[Row]) -> str:
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([first, "label", "split"])
        writer.writerows(rows)
    return TABLE


def _lines(file: Path) -> Sequence[str]:
    """Lines that say something; ``#`` begins a remark."""
    lines = (line.strip() for line in file.read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


_KINDS: dict[str, Callable[..., str]] = {
    "folders": _folders,
    "nested": _nested,
    "tree": _tree,
    "listed": _listed,
    "pets": _pets,
    "flowers": _flowers,
    "cifar": _cifar,
    "digits": _digits,
    "textile": _textile,
    "objects": _objects,
    "csv": _rows_of_csv,
    "tsv": _rows_of_tsv,
    "json": _rows_of_json,
}
KINDS = tuple(_KINDS)
