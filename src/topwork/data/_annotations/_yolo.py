"""Reads boxes as YOLO's tools write them: a text file for each image, a line for each box, names in ``data.yaml``.

Source: docs.ultralytics.com, "Object Detection Datasets Overview". A line is a class id and the box's centre, width and
height as shares of the image; one with the corners of a polygon gives the box around it. An image without a file has no
object. ``images`` in an image's path is ``labels`` in that of its text file, or they lie side by side.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from topwork._system import Executor
from topwork.data._annotations._files import content_of, head_of, text_of_names
from topwork.data._annotations._listing import BoxListing
from topwork.data._annotations._yaml import Value, flat_yaml
from topwork.data._folder import image_files
from topwork.data._layout import split_of
from topwork.data._listing import look_into
from topwork.data._manifest_rows import Inside
from topwork.data._names import printable
from topwork.errors import DataError

_CONFIGS = (".yaml", ".yml")
_NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "names.txt", "predefined_classes.txt")
_MAX_CONFIG = 2**22  # bytes
_AT_ONCE = 64  # files that a thread reads one after another
_SAMPLE = 20  # files by which a folder is told


@dataclass(frozen=True)
class Config:
    """What ``data.yaml`` says.

    Attributes:
        names: Class id -> name.
        parts: Split -> folders of images, or lists of them, relative to the data folder.
        points: Numbers of key points behind each box.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    points: int = 0


def config_of(root: Path, file: Path | None) -> Config:
    """What ``data.yaml`` says, or a file of names where there is none.

    Raises:
        DataError: It cannot be read, or holds names that are none.
    """
    if file is None:
        return Config(_names_in(root))
    where = printable(str(file))
    try:
        found = flat_yaml(text_of_names(content_of(file, _MAX_CONFIG)))
    except DataError as error:
        raise DataError(f"{where}: {error.message.removeprefix(f'{where}: ')}") from error
    shape = found.get("kpt_shape")
    points = [int(each) for each in shape if each.isdecimal()] if isinstance(shape, list) else []
    return Config(
        _names(found.get("names", []), where),
        _parts(root, file, found),
        points[0] * points[1] if len(points) == 2 else 0,
    )


def _names(given: Value, where: str) -> dict[int, str]:
    try:
        pairs = given.items() if isinstance(given, dict) else enumerate([given] if isinstance(given, str) else given)
        names = {int(number): str(name) for number, name in pairs}
    except ValueError as error:
        raise DataError(f"{where}: a class id is no whole number: {printable(str(error))}") from error
    if len(set(names.values())) < len(names):
        twice = next(name for name in names.values() if list(names.values()).count(name) > 1)
        raise DataError(f"{where}: a class name comes twice: '{printable(twice)}'")
    return names


def _names_in(root: Path) -> dict[int, str]:
    """The lines of a file of names, which LabelImg and darknet write beside the labels or above them."""
    for folder in ("", *sorted(look_into(root)[0])):
        for name in sorted(look_into(root / folder)[1]):
            if name in _NAME_FILES or name.endswith(".names"):
                lines = text_of_names(content_of(root / folder / name, _MAX_CONFIG)).splitlines()
                return dict(enumerate(line.strip() for line in lines if line.strip()))
    return {}


def _parts(root: Path, file: Path, found: Mapping[str, Value]) -> dict[str, tuple[str, ...]]:
    """Split -> its folders and lists that there are: those that name another machine's are told by what folders say."""
    start, parts = found.get("path", ""), dict[str, tuple[str, ...]]()
    for key in ("train", "val", "valid", "test"):
        given = found.get(key, "")
        values = [given] if isinstance(given, str) else list(given)
        places = [_place(root, file, str(start), value) for value in values if value]
        if split := split_of(key):
            parts.setdefault(split, tuple(place for place in places if place is not None))
    return {split: places for split, places in parts.items() if places}


def _place(root: Path, file: Path, start: str, value: str) -> str | None:
    """A folder or list as seen from the root; None where it is not there, or outside."""
    value = posixpath.normpath(value.replace("\\", "/"))
    inner = value.lstrip("./") if value.startswith("..") else value  # Roboflow's lead out of the folder they mean
    for base in (posixpath.join(str(file.parent), start), str(file.parent), str(root)):
        for name in (value, inner):
            path = os.path.relpath(posixpath.join(base, name), root)
            if not path.startswith("..") and (root / path).exists():
                return "" if path == "." else path.replace(os.sep, "/")
    return None


def add_yolo(listing: BoxListing, config: Config) -> None:
    """Add all images below the listing's root that the configuration names, or all where it names none.

    Raises:
        DataError: A list of images cannot be read.
    """
    root, inside = listing.root, Inside(listing.root)
    rows, labels = [], []
    for path, split in _images(listing, config):
        place, reason = inside.found(path)
        if reason:
            listing.leave_out(path, reason)
        elif place not in listing.row_of:
            rows.append(listing.add_image(place, split))
            labels.append(_labels_of(root, place))
    _add_lines(listing, rows, labels, config.points)
    _name(listing, config.names)
    _list_alone(listing, [label for label in labels if label])


def _images(listing: BoxListing, config: Config) -> Iterator[tuple[str, str]]:
    """Path and split of each image."""
    if not config.parts:
        for file in image_files(str(listing.root)):
            path = os.path.relpath(file, listing.root).replace(os.sep, "/")
            yield path, next(filter(None, map(split_of, posixpath.dirname(path).split("/"))), "")
        return
    places = [place for parts in config.parts.values() for place in parts]
    several = len(places) == 1 or len(set(places)) > 1  # one folder for all is no split at all
    if several and len(set(places)) < len(places):
        listing.notes.append("data.yaml gives one folder as several splits: its images are in the first of them")
    for split, parts in config.parts.items():
        for place in parts:
            for path in _below(listing.root, place):
                yield path, split if several else ""


def _below(root: Path, place: str) -> Iterator[str]:
    if (root / place).is_dir():
        for file in image_files(str(root / place)):
            yield os.path.relpath(file, root).replace(os.sep, "/")
        return
    for line in text_of_names(content_of(root / place)).splitlines():
        if name := line.strip().replace("\\", "/"):
            here = posixpath.normpath(posixpath.join(posixpath.dirname(place), name))
            yield here if (root / here).exists() and not here.startswith("..") else _from_images(root, name)


def _from_images(root: Path, name: str) -> str:
    """A path of another machine from a folder on that is here too."""
    parts = name.strip("/").split("/")
    ends = (posixpath.normpath("/".join(parts[place:])) for place in range(len(parts)))
    return next((end for end in ends if not end.startswith("..") and (root / end).exists()), parts[-1])


def _labels_of(root: Path, image: str) -> str:
    """Where an image's boxes are; empty where it has no file."""
    parts = posixpath.splitext(image)[0].split("/")
    places = [place for place, part in enumerate(parts[:-1]) if part.casefold() == "images"]
    beside = "/".join([*parts[: places[-1]], "labels", *parts[places[-1] + 1 :]]) if places else ""
    return next((f"{stem}.txt" for stem in (beside, "/".join(parts)) if stem and (root / f"{stem}.txt").is_file()), "")


def _add_lines(listing: BoxListing, rows: Sequence[int], labels: Sequence[str], points: int) -> None:
    with Executor("annotations") as hands:
        files = hands.map_ordered(
            lambda label: _lines(listing.root / label) if label else [],
            labels,
            in_flight=16 * _AT_ONCE * hands.workers,
            chunk=_AT_ONCE,
        )
        for row, label, lines in zip(rows, labels, files, strict=True):
            if isinstance(lines, str):
                listing.leave_out(label, lines)
                listing.exclude(row, "none", f"its file of boxes cannot be used: {lines}")
                continue
            for line in lines:
                _add_line(listing, row, line, points)
    if empty := sum(not label for label in labels):
        counted, them = ("1 image has", "it") if empty == 1 else (f"{empty:,} images have", "them")
        listing.notes.append(f"{counted} no file of boxes: no object is taken to be in {them}")


def _lines(file: Path) -> list[list[str]] | str:
    """The words of each line, or why they cannot be had."""
    try:
        lines = content_of(file).decode("ascii", "replace").splitlines()
    except DataError as error:
        return error.message.removeprefix(f"{printable(str(file))}: ")
    return [words for line in lines if (words := line.replace(",", " ").split())]


def _add_line(listing: BoxListing, row: int, words: Sequence[str], points: int) -> None:
    try:
        number, values = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        listing.exclude(row, "number", f"a line holds no numbers: '{printable(' '.join(words))[:60]}'")
        return
    if not number.is_integer():
        listing.exclude(row, "class", f"its class id is no whole number: {number:g}")
        return
    if points and len(values) == 4 + points:
        values = values[:4]
    if len(values) == 4:
        x, y, width, height = values
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    elif len(values) >= 6 and len(values) % 2 == 0:
        corners = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
        listing.polygons += 1
    else:
        listing.exclude(row, "number", f"a line holds {len(words)} numbers, where a box has 5")
        return
    listing.add_box(row, str(int(number)), corners)


def _name(listing: BoxListing, names: Mapping[int, str]) -> None:
    """Give the ids that were found their names."""
    found = {int(number): label for number, label in listing.names.items()}
    if not names:
        listing.order = tuple(map(str, sorted(number for number in found if number >= 0)))
        listing.notes.append("the classes have no names: they are called by their ids")
    elif max(found, default=0) == len(names) and min(found) > 0 and len(names) not in names:
        names = {number + 1: name for number, name in names.items()}
        listing.notes.append("the class ids count from 1: the first name is that of 1")
    told = {number: names.get(number, "") if names else str(number) for number in found}
    listing.order = listing.order or tuple(name for _, name in sorted(names.items()))
    listing.names = {told[number] or f"{number} (no name)": label for number, label in found.items()}
    for number, label in found.items():
        if number < 0 or not told[number]:
            listing.nameless[label] = f"no name has the class id {number}"


def _list_alone(listing: BoxListing, used: Iterable[str]) -> None:
    """List files of boxes whose image is not there."""
    known, folders = set(used), dict[str, None]()
    for label in known:
        folders[posixpath.dirname(label)] = None
    for folder in folders:
        for name in sorted(look_into(listing.root / folder)[1]):
            path = posixpath.join(folder, name)
            if name.endswith(".txt") and path not in known and name not in _NAME_FILES:
                listing.leave_out(path, "no image is called as it is")


def yolo_config(root: Path, files: Iterable[str]) -> Path | None:
    """The ``data.yaml`` of a folder, whatever it is called; None where there is none."""
    for name in sorted(files, key=lambda name: (name != "data.yaml", name)):
        if os.path.splitext(name)[1].lower() in _CONFIGS and is_yolo_config(root / name):
            return root / name
    return None


def is_yolo_config(file: Path) -> bool:
    """Tell a YAML with names of classes."""
    head = b"\n" + head_of(file)
    return b"\nnames:" in head and (b"\ntrain:" in head or b"\nnc:" in head or b"\npath:" in head or b"\nval:" in head)


def has_yolo(root: Path, files: Mapping[str, Sequence[str]]) -> bool:
    """Tell a folder with images and files of boxes of the same names, by some of them."""
    for folder, names in files.items():
        texts = [name for name in names if name.endswith(".txt") and name not in _NAME_FILES]
        stems = {os.path.splitext(name)[0] for name in names if not name.endswith(".txt")} if texts else set()
        beside = [name for name in texts if name[:-4] in stems]
        chosen = texts if "labels" in folder.casefold().split("/") else beside
        if any(_is_label(root / folder / name) for name in chosen[:_SAMPLE]):
            return True
    return False


def _is_label(file: Path) -> bool:
    words = head_of(file).decode("ascii", "replace").partition("\n")[0].split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        return False
    return len(values) >= 5 and values[0].is_integer()
