"""Pictures that lie in the page itself: images of a data set, sheets that were kept, maps of where a model looked."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from topwork._system import Executor, available_cores, kept
from topwork.data import BoxDataset, Dataset, ImageDataset, MaskDataset, Source, decode, image_size, read_source
from topwork.drawing import Outline, overlay, painted
from topwork.errors import DataError, ExplainError, ImageError

if TYPE_CHECKING:
    from PIL import Image

    from topwork.explain import TorchClassifier

SIDE = 192  # pixels of the longer side; shown at about 160, so sharp on most screens
BOXED_SIDE = 320  # the same where objects in it are asked about
_SHEET_QUALITY = 82
_LONGEST = 8_000  # pixels of a sheet
_QUALITY = 75  # WebP: 6 kB for a photograph, a quarter less than a JPEG that looks the same
_EFFORT = 2  # of 6, in making it small: half the time of Pillow's 4, for 4 % more bytes

ROOM = 3_000_000
"""Characters that all pictures of a page may take together."""

MOST_OUTLINES = 60  # upon one picture: more cover it
_NAMED = 8  # boxes up to which each has its class beside it

_NO_ROOM = "left out to keep this page small"  # the catalogue knows it by these words


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a data set as a page shows it: a ``data:`` URI, or the reason why there is none.

    Where it has boxes, ``outlines`` are drawn upon it, in pixels of an image of ``height`` and ``width``.
    """

    name: str
    label: str
    split: str
    uri: str = ""
    reason: str = ""
    height: int = 0
    width: int = 0
    outlines: tuple[Outline, ...] = ()

    @property
    def told(self) -> str:
        """What is written beside its boxes, for whoever cannot see them."""
        return ", ".join(filter(None, (each.text for each in self.outlines)))


class Album:
    """Makes the pictures of one page, each image decoded once, until there is no room left.

    ``unusable`` rows, each with its reason, are not decoded again; ``room`` counts characters of all ``data:`` URIs.
    """

    def __init__(self, dataset: Dataset, unusable: Mapping[int, str] | None = None, *, room: int = ROOM) -> None:
        self._dataset = dataset
        self._reasons = dict(unusable or {})
        self._uris: dict[int, str] = {}
        self._room = room

    def pictures(self, rows: Sequence[int]) -> tuple[Picture, ...]:
        """The images of several rows, a few at a time on all cores."""
        found: list[Picture] = []
        cores = available_cores()
        with Executor("pictures", cores) as pool:
            for some in (rows[start : start + cores] for start in range(0, len(rows), cores)):
                list(pool.map_ordered(self._decode, filter(self._is_missing, set(some)), in_flight=cores))
                found += map(self.picture, some)
        return tuple(found)

    def picture(self, row: int) -> Picture:
        """The image of one row; where it cannot be had, decoded or fitted in, the reason instead."""
        if self._is_missing(row):
            self._decode(row)
        uri, reason = self._uris.get(row, ""), self._reasons.get(row)
        if reason is None and not 0 < len(uri) <= self._room:
            uri, reason = "", _NO_ROOM
            self._room = 0  # a smaller one that still fits would make the choice look arbitrary
        self._room -= len(uri)
        return picture_of(self._dataset, row, uri, reason or "")

    def _is_missing(self, row: int) -> bool:
        """Whether it was not decoded yet, and there is room for it."""
        return row not in self._uris and row not in self._reasons and self._room > 0

    def _decode(self, row: int) -> None:
        try:
            self._uris[row] = _as_uri(row_file(self._dataset, row))
        except (ImageError, DataError) as error:
            self._reasons[row] = error.message


def picture_of(dataset: Dataset, row: int, uri: str, reason: str = "") -> Picture:
    """A row as a page shows it: the picture at ``uri`` with its class, or with its boxes upon it."""
    label = dataset.classes[int(dataset.labels[row])] if isinstance(dataset, ImageDataset) else ""
    found = Picture(dataset.paths[row], label, str(dataset.splits[row]), uri, reason)
    return outlined(found, dataset, row) if isinstance(dataset, BoxDataset) else found


def row_file(dataset: Dataset, row: int) -> bytes:
    """A small picture of one row's image, where it has a mask with that upon it, as a WebP file.

    Raises:
        ImageError: It cannot be decoded.
        DataError: Its mask cannot be read any more.
    """
    if isinstance(dataset, MaskDataset):
        return _masked(dataset, row, BOXED_SIDE)
    return thumbnail_file(dataset.source(row), BOXED_SIDE if isinstance(dataset, BoxDataset) else SIDE)


def _masked(dataset: MaskDataset, row: int, side: int) -> bytes:
    """A small picture of an image with its mask upon it."""
    source, mask = dataset.source(row), dataset.mask(row)
    if image_size(source) != mask.labels.shape:  # it was changed since it was read
        return thumbnail_file(source, side)
    image = decode(source, min_side=side, rough=True)
    down, across = (
        ((np.arange(few) + 0.5) * whole / few).astype(np.intp)
        for few, whole in zip(image.shape, mask.labels.shape, strict=False)
    )
    at = np.ix_(down, across)  # the pixel of the mask that each of the image's shows
    names = {place: dataset.classes[place] for place in dataset.foreground}
    objects = None if mask.objects is None else mask.objects[at]
    return sheet_file(painted(image, mask.labels[at], names, objects, side=side, legend=False))


def outlined(picture: Picture, dataset: BoxDataset | MaskDataset, row: int, over: Sequence[Outline] = ()) -> Picture:
    """A picture, where there is one, with boxes: those of its row, thin where others are drawn ``over`` them."""
    if not picture.uri:
        return picture
    if isinstance(dataset, MaskDataset):
        height, width = (int(side) for side in dataset.sizes[row])
        return replace(picture, height=height, width=width, outlines=tuple(over))
    boxes = dataset.boxes(row)
    named = not over and len(dataset.classes) > 1 and len(boxes) <= _NAMED
    given = [
        Outline(
            (float(corners[0]), float(corners[1]), float(corners[2]), float(corners[3])),
            int(label),
            dataset.classes[int(label)] if named else "",
            "thin" if over or crowd else "solid",
        )
        for corners, label, crowd in zip(boxes.corners[:MOST_OUTLINES], boxes.labels, boxes.crowd, strict=False)
    ]
    height, width = (int(side) for side in dataset.sizes[row])
    return replace(picture, height=height, width=width, outlines=(*given, *over))


class Sheets:
    """Reads the sheets of one page from their files, until there is no ``room`` (in characters) left."""

    def __init__(self, room: int) -> None:
        self._room = room

    def sheet(self, path: Path) -> str:
        """One sheet as a ``data:`` URI; empty where it cannot be read or fitted in."""
        try:
            pixels = decode(path)
        except ImageError:
            return ""
        uri = webp(pixels) if max(pixels.shape) <= _LONGEST else ""
        if len(uri) > self._room:
            return ""
        self._room -= len(uri)
        return uri


@dataclass(frozen=True, slots=True)
class MapPicture:
    """What speaks for a class, and where, as a page shows it: the class, and the map as a ``data:`` URI."""

    label: str
    uri: str


class MapAlbum:
    """Makes maps of where in an image a model saw a class, by Grad-CAM, and keeps them in the cache.

    The model is opened in torch, which takes seconds, only for a map that is not there yet.
    """

    def __init__(self, model: Any, *, cache: bool = True) -> None:
        self._model = model
        self._cache = cache

    @cached_property
    def _network(self) -> TorchClassifier:
        from topwork.explain import TorchClassifier

        return TorchClassifier.of_model(self._model)

    @cached_property
    def _facts(self) -> tuple[Any, ...]:
        """All of the model that a map depends on."""
        record = self._model.record
        head = sorted(self._model.head.to_tensors().items())
        values = [part for name, tensor in head for part in (name, np.ascontiguousarray(tensor))]
        return (SIDE, record.backbone, record.outputs, record.head, *values)

    def pictures(self, source: Source, classes: Sequence[int]) -> tuple[MapPicture, ...]:
        """One image's maps for some classes, by their places in the model's list.

        There is none of a class that has no evidence, nor of an image that cannot be read.
        """
        try:
            content = read_source(source)
        except ImageError:
            return ()
        pixels = content if isinstance(content, bytes) else np.ascontiguousarray(content)
        key = (*self._facts, np.shape(content), pixels, list(classes))
        found = kept("maps", key, lambda: self._made(content, classes), cache=self._cache)
        return tuple(MapPicture(self._model.classes[place], uri) for place, uri in found)

    def _made(self, content: Any, classes: Sequence[int]) -> list[tuple[int, str]]:
        from topwork.explain import grad_cam

        try:
            square = self._network.squares([content])
        except ImageError:
            return []
        found = []
        for place in classes:
            try:
                (evidence,) = grad_cam(self._network, square, place)
            except ExplainError:  # such as of a nearest-neighbour head where no neighbour has the class
                continue
            heat = (evidence.map / (float(np.abs(evidence.map).max()) or 1.0)).clip(0)  # what speaks for the class
            found.append((place, thumbnail(overlay(evidence.image, heat))))
        return found


def thumbnail(source: Source, side: int = SIDE) -> str:
    """A small picture of one image, ``side`` pixels at its longer side, as a ``data:`` URI.

    Raises:
        ImageError: It cannot be decoded.
    """
    return _as_uri(thumbnail_file(source, side))


def thumbnail_file(source: Source, side: int = SIDE) -> bytes:
    """The same as a WebP file.

    Raises:
        ImageError: It cannot be decoded.
    """
    from PIL import Image

    small = Image.fromarray(_enlarged(decode(source, min_side=side, rough=True), side))
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _as_file(small, _QUALITY)


def webp(pixels: npt.NDArray[np.uint8]) -> str:
    """A sheet, uint8 (H, W, 3), as a ``data:`` URI; what is written on it stays sharp."""
    return _as_uri(sheet_file(pixels))


def sheet_file(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The same as a WebP file."""
    from PIL import Image

    return _as_file(Image.fromarray(pixels), _SHEET_QUALITY)


def _as_file(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=quality, method=_EFFORT)
    return file.getvalue()


def _as_uri(file: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(file).decode('ascii')}"


def _enlarged(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """(H, W, 3), a tiny picture with each pixel as a square block, as sharp as it is: a browser would blur it."""
    times = side // max(pixels.shape[:2])
    return pixels.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else pixels


def rows_of(dataset: Dataset, names: set[str]) -> dict[str, int]:
    """Each name's row, for those of ``names`` that the data set holds."""
    return {name: row for row, name in enumerate(dataset.paths) if name in names}
