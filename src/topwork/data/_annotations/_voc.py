"""Reads boxes as Pascal VOC writes them: an XML file for each image.

Source: the development kit of VOC2012, section 3.4. There a pixel is counted from 1 and the last one is part of the
box, so its boxes lose 1 at the left and the top. The tools that write this format today (LabelImg, CVAT, Roboflow)
write edges from 0, so the others lose nothing; the kit's own files are told by their ``<database>``.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from topwork._system import Executor
from topwork.data._annotations._files import content_of, head_of, text_of_names, xml_of
from topwork.data._annotations._listing import BoxListing
from topwork.data._annotations._places import Images
from topwork.data._layout import SPLIT_WORDS
from topwork.data._listing import look_into
from topwork.data._names import printable
from topwork.errors import DataError

_OFFICIAL = re.compile(r"The VOC\d{4} Database")
_SIGN = re.compile(r"\s+(?:-1|0|1)$")  # absent, difficult, present
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SAMPLE = 20  # files by which a folder is told
_AT_ONCE = 64  # files that a thread reads one after another


def add_voc(listing: BoxListing, folder: str, split: str, images: Images, lists: Path | None = None) -> None:
    """Add the images of one folder of XML files.

    Args:
        listing: Takes them.
        folder: Relative to the listing's root.
        split: Of all its images; where there are ``lists``, those say it.
        images: Where its images lie.
        lists: The folder with ``train.txt``, ``val.txt`` and ``test.txt``, or ``trainval.txt``.

    Raises:
        DataError: A list cannot be read, or has an image in two splits.
    """
    names = sorted(name for name in look_into(listing.root / folder)[1] if name.lower().endswith(".xml"))
    splits = listed_splits(lists) if lists else {}
    by_stem = images.choose_by_stems(name[:-4] for name in names)
    names.sort(key=lambda name: name[:-4] not in by_stem)  # an image belongs to the file that is called as it is
    with Executor("annotations") as hands:
        trees = hands.map_ordered(
            lambda name: _tree(listing.root / folder / name),
            names,
            in_flight=16 * _AT_ONCE * hands.workers,
            chunk=_AT_ONCE,
        )
        for name, tree in zip(names, trees, strict=True):
            file, stem = posixpath.join(folder, name), name[:-4]
            if isinstance(tree, str):
                listing.leave_out(file, tree)
            elif splits and stem not in splits:
                listing.leave_out(file, "no list of ImageSets/Main names it")
            else:
                _add(listing, file, tree, splits.get(stem, split), by_stem.get(stem, ""), images)
    _list_rest(listing, {name[:-4] for name in names}, splits, by_stem)


def _list_rest(
    listing: BoxListing, annotated: Collection[str], splits: Mapping[str, str], by_stem: Mapping[str, str]
) -> None:
    """List what has no annotation."""
    for stem in sorted(splits.keys() - annotated):
        listing.leave_out(by_stem.get(stem, stem), "it is listed in ImageSets/Main and has no annotation")
    for stem, path in sorted(by_stem.items()):
        if stem not in splits and stem not in annotated and path not in listing.row_of:
            listing.leave_out(path, "it has no annotation")


def _tree(file: Path) -> Element | str:
    """What a file holds, or why it cannot be read."""
    try:
        root = xml_of(file)
    except DataError as error:
        return error.message
    return root if root.tag == "annotation" else f"not an annotation of Pascal VOC but <{printable(root.tag)[:40]}>"


def _add(listing: BoxListing, file: str, root: Element, split: str, image: str, images: Images) -> None:
    """Add the image of one file: that of its own name, since the name in it stays when files are renamed."""
    reason = ""
    if not image:
        image, reason = images.found((root.findtext("filename") or "").strip())
    if not reason and image in listing.row_of:
        reason = f"its image, {printable(image)}, has another annotation"
    if reason:
        listing.leave_out(file, reason if "image" in reason else f"its image, {printable(image)}: {reason}")
        return
    row = listing.add_image(image, split, (_side(root, "height"), _side(root, "width")))
    first = 1 if _OFFICIAL.fullmatch((root.findtext("source/database") or "").strip()) else 0
    for thing in root.iterfind("object"):
        _add_object(listing, row, thing, first)


def _add_object(listing: BoxListing, row: int, thing: Element, first: int) -> None:
    name, box = (thing.findtext("name") or "").strip(" \t\r\n"), thing.find("bndbox")
    if not name:
        listing.exclude(row, "class", "it has no class")
    elif box is None:
        _add_polygon(listing, row, name, thing)
    else:
        corners = [_number(box.findtext(corner)) for corner in _CORNERS]
        difficult = (thing.findtext("difficult") or "").strip() == "1"
        listing.add_box(row, name, [*(value - first for value in corners[:2]), *corners[2:]], crowd=difficult)


def _add_polygon(listing: BoxListing, row: int, name: str, thing: Element) -> None:
    """The box around a polygon, as LabelMe's ``<pt>`` and Roboflow's ``<x1>`` write one."""
    polygon = thing.find("polygon")
    points = [] if polygon is None else [(each.tag[0], _number(each.text)) for each in polygon.iter()]
    xs, ys = ([value for axis, value in points if axis == wanted and value == value] for wanted in "xy")
    if not xs or not ys:
        listing.exclude(row, "none", "the annotation has no box")
        return
    listing.polygons += 1
    listing.add_box(row, name, (min(xs), min(ys), max(xs), max(ys)))


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return float("nan")


def _side(root: Element, name: str) -> int:
    value = _number(root.findtext(f"size/{name}"))
    return int(value) if 0 < value < 2**31 else 0


def listed_splits(lists: Path) -> dict[str, str]:
    """Stem -> split, as ``train.txt``, ``val.txt``, ``test.txt`` and ``trainval.txt`` say; empty without them.

    ``trainval`` says what no other list says: those are for training.

    Raises:
        DataError: A list cannot be read, or an image is in two.
    """
    found: dict[str, str] = {}
    names = {name[:-4]: name for name in look_into(lists)[1] if name.lower().endswith(".txt")}
    told = [name for name in names if name.casefold() in SPLIT_WORDS]
    for name in told:
        split = SPLIT_WORDS[name.casefold()]
        for stem in _stems(lists / names[name]):
            if found.setdefault(stem, split) != split:
                raise DataError(
                    f"{printable(str(lists))}: '{printable(stem)}' is in both {found[stem]} and {split}",
                    hint="keep each image in one split",
                )
    for stem in _stems(lists / names["trainval"]) if "trainval" in names else ():
        found.setdefault(stem, "train")
    return found


def _stems(file: Path) -> list[str]:
    """The names that a list holds, one a line; a number behind one, as in the lists of one class, is no part of it."""
    lines = text_of_names(content_of(file)).splitlines()
    return [_SIGN.sub("", line.strip()) for line in lines if line.strip()]


def has_voc(folder: Path, files: Iterable[str]) -> bool:
    """Tell a folder with annotations of this kind by some of its XML files."""
    names = (name for name in files if name.lower().endswith(".xml"))
    return any(b"<annotation" in head_of(folder / name) for name in itertools.islice(names, _SAMPLE))
