"""The seam for what must be found before it is recognised, such as faces: a picture to crops that a backbone embeds.

A finder cuts out and turns upright; a backbone makes numbers of the crop; so the cache, the engines, saving and
prediction know nothing of finders. Without one the whole picture is what is recognised.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

import numpy as np
import numpy.typing as npt

from topwork.data import Dataset, Source, decode
from topwork.errors import DataError, ImageError
from topwork.tasks.recognition._answers import Seen

if TYPE_CHECKING:
    Pixels = npt.NDArray[np.uint8]

Several = Literal["largest", "refuse"]
"""What becomes of a picture with several finds: the largest is taken, or the picture is refused."""


@dataclass(frozen=True, eq=False)
class Find:
    """One thing that was found in a picture.

    Attributes:
        crop: uint8 (side, side, 3), cut out, upright and aligned as the backbone wants it.
        corners: xmin, ymin, xmax, ymax in pixels of the picture as it is shown.
        score: How sure the detector is, 0..1.
        points: (K, 2) x and y of landmarks in pixels of the picture; none where there are none.
        flaw: Why it should not be relied on (``24 pixels wide``, ``blurred``, ``turned away``); empty where nothing is
            wrong.
    """

    crop: Pixels
    corners: tuple[float, float, float, float]
    score: float = 1.0
    points: npt.NDArray[np.float32] | None = None
    flaw: str = ""

    @property
    def area(self) -> float:
        """In pixels of the picture."""
        left, top, right, bottom = self.corners
        return max(0.0, right - left) * max(0.0, bottom - top)


class Finder(Protocol):
    """Finds things in pictures. Asked from several threads at once."""

    @property
    def thing(self) -> str:
        """What is found, as in ``no face was found``."""

    @property
    def longest(self) -> int:
        """Side in pixels to which it makes a larger picture smaller, as ``data.shrunk`` does, before it looks."""

    @property
    def advice(self) -> str:
        """How a picture should be in which something is found."""

    def facts(self) -> dict[str, Any]:
        """JSON-ready: its ``name`` for `open_finder`, and all that changes what it finds, files with their sha256."""

    def find(self, pixels: Pixels) -> Sequence[Find]:
        """What is in a picture, uint8 (height, width, 3), upright; nothing is an empty answer."""


NO_FINDER = "none"
"""What is given where a network of faces is to see the pictures as they are: crops that were aligned before."""

ONNX_FINDER = "faces-onnx"
"""What a detector of faces in an ONNX file is called; it is given by its file."""

_FINDERS: dict[str, str] = {
    "faces": "topwork.tasks.recognition.faces:open_dlib",
    "faces-arcface": "topwork.tasks.recognition.faces:open_dlib",
    ONNX_FINDER: "topwork.tasks.recognition.faces:open_onnx",
}
"""A finder's name -> ``package.module:function``; the function takes its facts (or but a name) to a ``Finder``."""


def finder_names() -> tuple[str, ...]:
    """The names of all finders that need no file."""
    return tuple(name for name in _FINDERS if name != ONNX_FINDER)


def require_finder(facts: Mapping[str, Any]) -> str:
    """The name of a finder that is known, which is not opened.

    Raises:
        DataError: No finder has this name.
    """
    name = str(facts.get("name"))
    if name not in _FINDERS:
        known = f"there are {', '.join((*finder_names(), NO_FINDER))}, and detectors in files: --finder FILE.onnx"
        raise DataError(f"nothing that finds {name!r} is known", hint=known)
    return name


def open_finder(facts: Mapping[str, Any]) -> Finder:
    """The finder of these facts; a name that ends in ``.onnx`` is a detector's file.

    Raises:
        DataError: No finder has this name, or its file cannot be used.
        MissingExtraError: What it runs on is not installed.
    """
    if str(facts.get("name")).lower().endswith(".onnx"):
        facts = {"name": ONNX_FINDER, "file": facts["name"]}
    module, _, function = _FINDERS[require_finder(facts)].partition(":")
    opened: Callable[[Mapping[str, Any]], Finder] = getattr(importlib.import_module(module), function)
    return opened(facts)


def only_find(finder: Finder, pixels: Pixels, several: Several) -> Find:
    """The one find of a picture, or the largest of several.

    Raises:
        ImageError: There is none; or there are several, or it has a flaw, where one that can be relied on is expected.
    """
    found, seen = look(finder, pixels)
    if several == "refuse":
        require_sound(seen)
    return found


def look(finder: Finder, pixels: Pixels) -> tuple[Find, Seen]:
    """The largest find of a picture, and what is to be told of all of them.

    Raises:
        ImageError: There is none.
    """
    found = sorted(finder.find(pixels), key=lambda each: -each.area)
    if not found:
        raise ImageError(f"no {finder.thing} was found", hint=finder.advice)
    return found[0], Seen(finder.thing, tuple(each.corners for each in found), found[0].flaw)


def require_sound(seen: Seen) -> None:
    """Refuse, by an ImageError, what nobody should be enrolled by: several finds, or one with a flaw."""
    if len(seen.corners) > 1:
        raise ImageError(
            f"{len(seen.corners)} {seen.thing}s were found where one is expected", hint="cut out the right one"
        )
    if seen.flaw:
        raise ImageError(f"the {seen.thing} is {seen.flaw}", hint="take another picture")


class Crops(Sequence[Source]):
    """Pictures, each cut to what was found in it when it is asked for; where nothing is, that one raises, alone.

    Attributes:
        seen: What was found in each picture that was asked for, by its place.
    """

    def __init__(self, sources: Sequence[Source], finder: Finder, several: Several = "largest") -> None:
        self._sources, self._finder, self._several = sources, finder, several
        self.seen: dict[int, Seen] = {}

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | Sequence[Source]:
        if isinstance(index, slice):
            return Crops(self._sources[index], self._finder, self._several)
        found, self.seen[index] = look(self._finder, decode(self._sources[index]))
        if self._several == "refuse":
            require_sound(self.seen[index])
        return found.crop


@dataclass(frozen=True, eq=False)
class _CropStore:
    """The crops of a data set's pictures, as its store."""

    crops: Crops

    def source(self, key: int) -> Source:
        return self.crops[key]


def seen_in(dataset: Any) -> list[Seen | None]:
    """What was found in the picture of each row of a data set that `cropped` gave; None without a finder."""
    if not isinstance(dataset.store, _CropStore):
        return [None] * len(dataset)
    return [dataset.store.crops.seen.get(key) for key in dataset.keys.tolist()]


def cropped(dataset: Any, finder: Finder | None) -> Any:
    """The same rows, each what was found in its picture; unchanged without a finder."""
    if finder is None:
        return dataset
    assert isinstance(dataset, Dataset)
    store = _CropStore(Crops(dataset.sources(), finder))
    return replace(dataset, store=store, keys=np.arange(len(dataset)))
