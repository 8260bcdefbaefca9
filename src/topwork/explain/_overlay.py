"""Evidence for one image as a picture to lay upon it, fast enough to come with an answer.

What a head reads as the mean or the maximum of a stage's map has its evidence in that map's cells, and no gradient of
the network is needed for it: it is ``grad_cam``'s map, by OpenVINO and NumPy, in milliseconds, without torch. Where the
head or the network is of another kind (nearest neighbours, words, a class token), ``grad_cam`` itself draws it: that
needs torch.
"""

from __future__ import annotations

import io
import math
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array, Float64Array, UInt8Array
from topwork._system import has_torch, require_torch
from topwork.backbones import EMBEDDING, Backbone, Preprocessing, has_blocks
from topwork.data import as_source, decode
from topwork.drawing import heat
from topwork.engines import open_maps
from topwork.errors import ExplainError
from topwork.explain._classifier import Label, TorchClassifier, averages_of, require_maps
from topwork.explain._slopes import has_slope, slope
from topwork.metrics import decide

if TYPE_CHECKING:
    from topwork.model import Classifier

    Maps = Callable[[UInt8Array], tuple[Float32Array, ...]]

View = tuple[float, float, float, float]

_SOFT = 28  # as grad_cam spreads evidence in stages
_LEVELS = np.linspace(0, 1, 256)
_ALPHA = np.round(255 * 0.8 * _LEVELS**0.7).astype(np.uint8)  # as drawing.overlay mixes


@dataclass(frozen=True)
class Overlay:
    """Evidence for a class, to lay upon an image.

    Attributes:
        png: With transparency: the more speaks for the class, the brighter and the less transparent.
        view: What of the upright image it lies upon: left, top, right and bottom, in shares of its width and height.
        label: The class.
    """

    png: bytes
    view: View
    label: str


def overlay(model: Classifier, image: Any, label: Label | None = None) -> Overlay:
    """Where in one image a model sees a class.

    The first call of a model compiles its network once more, for float32 maps; those that follow take milliseconds.

    Args:
        model: A classifier of images.
        image: As ``predict`` takes it: a path, bytes, an array, Pillow's image.
        label: The class, by name or place; the model's answer when None.

    Raises:
        ImageError: The image cannot be used.
        ExplainError: The model reads texts, or there is no such class or no evidence of it.
        MissingExtraError: This kind of head or network needs torch (``overlay_needs_torch``).
    """
    require_images(model)
    preprocessing = model.backbone.preprocessing
    pixels = decode(as_source(image), min_side=preprocessing.min_side)
    return overlay_of_square(model, preprocessing(pixels), pixels.shape[:2], label)


def overlay_of_square(
    model: Classifier, square: UInt8Array, shape: tuple[int, int], label: Label | None = None
) -> Overlay:
    """The same of what the network sees, uint8 (size, size, 3), of an upright image of this height and width."""
    require_images(model)
    size = model.backbone.preprocessing.size
    if square.dtype != np.uint8 or square.shape != (size, size, 3):
        raise ExplainError(f"a square must be uint8 ({size}, {size}, 3), not {square.dtype} {square.shape}")
    place = None if label is None else _place(model, label)
    place, values = _drawer_of(model)(square, place)
    return laid_over(values, model.backbone.preprocessing, shape, model.classes[place])


def laid_over(values: Float32Array, preprocessing: Preprocessing, shape: tuple[int, int], label: str) -> Overlay:
    """Evidence (size, size) in the square that a network sees, for an upright image of this height and width."""
    seen, (left, top, right, bottom) = preprocessing.view(*shape)
    height, width = shape
    view = (seen[0] / width, seen[1] / height, seen[2] / width, seen[3] / height)
    return Overlay(_png(values[top:bottom, left:right]), view, label)


def overlay_needs_torch(model: Classifier) -> bool:
    """Whether evidence of a model's answers needs torch, which takes its time too."""
    backbone = model.backbone
    if not isinstance(backbone, Backbone) or not has_slope(model.head):
        return True
    return EMBEDDING in model.record.outputs and not has_blocks(backbone)  # others may do more than take the mean


def can_overlay(model: Classifier) -> bool:
    """Whether ``overlay`` can draw evidence of a model's answers on this machine."""
    return isinstance(model.backbone, Backbone) and (not overlay_needs_torch(model) or has_torch())


def require_images(model: Classifier) -> None:
    """Refuse, by an ExplainError, a model that reads texts."""
    if not isinstance(model.backbone, Backbone):
        raise ExplainError(f"evidence is drawn upon images, and this model reads {model.thing}s")


def _place(model: Classifier, label: Label) -> int:
    known = label in model.classes if isinstance(label, str) else 0 <= label < len(model.classes)
    if not known:
        raise ExplainError(f"no class is called {label!r}", hint=f"there are {len(model.classes)} classes")
    return model.classes.index(label) if isinstance(label, str) else int(label)


class _Drawer:
    """Evidence of one model, by OpenVINO and NumPy."""

    def __init__(self, model: Classifier) -> None:
        backbone, outputs = model.backbone, model.record.outputs
        self._head, self._rule, self._outputs = model.head, model.rule, outputs
        self._size = backbone.preprocessing.size
        require_maps(backbone)
        last = backbone.stages[-1].name
        self._stage_of = {name: last if name == EMBEDDING else name.rpartition("/")[0] for name in outputs}
        self._stages = tuple(dict.fromkeys(self._stage_of.values()))
        self._averages = averages_of(backbone, outputs, model.head)
        self._maps: Maps = open_maps(backbone, self._stages)

    def __call__(self, square: UInt8Array, place: int | None) -> tuple[int, Float32Array]:
        """The class, the model's answer where none is given, and its map (size, size)."""
        maps = dict(zip(self._stages, map(_grid, self._maps(square)), strict=True))
        read = {
            name: maps[stage].max(axis=(1, 2)) if name.endswith("/max") else maps[stage].mean(axis=(1, 2))
            for name, stage in self._stage_of.items()
        }
        row = np.concatenate(list(read.values()))
        if place is None:
            place = int(decide(self._head.probabilities(row[None].astype(np.float32)), self._rule)[0])
        ends = np.cumsum([len(each) for each in read.values()])
        slopes = np.split(slope(self._head, row, place), ends[:-1])
        stages, embedding = np.zeros((2, self._size, self._size))
        for (name, values), rises in zip(read.items(), slopes, strict=True):
            cells = self._cells(name, maps[self._stage_of[name]], values, rises, row)
            if name == EMBEDDING:
                embedding += _enlarged(cells, self._size)
            else:
                stages += _enlarged(cells, self._size)
        return place, (_softened(stages) + embedding).astype(np.float32)

    def _cells(
        self, name: str, maps: Float64Array, read: Float64Array, rises: Float64Array, row: Float64Array
    ) -> Float64Array:
        """Evidence in a stage's cells, per area: what its channels are above their average, times the slope."""
        average = _as_read(self._head, self._averages.get(name, np.zeros(len(read))), row)
        if not name.endswith("/max"):
            found: Float64Array = np.tensordot(rises, maps, 1) - rises @ average
            return found
        highest = maps == read[:, None, None]
        share = highest / highest.sum(axis=(1, 2), keepdims=True) * maps[0].size
        peaks: Float64Array = np.einsum("c,chw,chw->hw", rises, maps - average[:, None, None], share)
        return peaks


class _TorchDrawer:
    """The same by ``grad_cam``; one image at a time."""

    def __init__(self, model: Classifier) -> None:
        require_torch("evidence of this kind of model")
        self._network, self._lock = TorchClassifier.of_model(model), threading.Lock()

    def __call__(self, square: UInt8Array, place: int | None) -> tuple[int, Float32Array]:
        from topwork.explain._attribution import grad_cam

        with self._lock:
            if place is None:
                place = int(self._network.answers(square[None])[0])
            return place, grad_cam(self._network, square[None], place)[0].map


_drawers: weakref.WeakKeyDictionary[Any, _Drawer | _TorchDrawer] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def _drawer_of(model: Classifier) -> _Drawer | _TorchDrawer:
    """What draws a model's evidence, made once."""
    with _lock:
        if model not in _drawers:
            _drawers[model] = _TorchDrawer(model) if overlay_needs_torch(model) else _Drawer(model)
        return _drawers[model]


def _grid(maps: Float32Array) -> Float64Array:
    """A stage's map (C, H, W) from tokens (C, T) or a map."""
    side = math.isqrt(maps.shape[-1])
    return (maps.reshape(len(maps), side, side) if maps.ndim == 2 else maps).astype(np.float64)


def _as_read(head: Any, average: Any, row: Float64Array) -> Float64Array:
    """The head's average of some columns as this row has them: it may be of rows of length one, or of their roots."""
    if getattr(head, "rooted", False):
        roots = average * np.sqrt(np.abs(row).sum())
        return np.asarray(roots * np.abs(roots), np.float64)
    scaled = average * np.linalg.norm(row) if getattr(head, "normalised", False) else average
    return np.asarray(scaled, np.float64)


def _enlarged(cells: Float64Array, size: int) -> Float64Array:
    """Cells (h, w) over the whole square (size, size), bilinear between their middles."""
    for axis in (0, 1):
        count = cells.shape[axis]
        places = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
        low = np.minimum(places.astype(int), max(count - 2, 0))
        share = np.expand_dims(places - low, 1 - axis)
        first, second = np.take(cells, low, axis), np.take(cells, np.minimum(low + 1, count - 1), axis)
        cells = first * (1 - share) + second * share
    return cells


def _softened(values: Float64Array) -> Float64Array:
    """Each number spread around it, mirrored at the edges."""
    if not values.any():
        return values
    deviation = len(values) / _SOFT
    reach = min(math.ceil(3 * deviation), len(values) - 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(values, [(reach, reach) if each == axis else (0, 0) for each in (0, 1)], mode="reflect")
        values = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis) @ weights
    return values


def _png(values: Float32Array) -> bytes:
    """A map as a PNG of 256 colours, each with its transparency; what speaks against the class is transparent."""
    from PIL import Image

    top = float(values.max()) if values.size else 0.0
    levels = np.clip(values / top if top > 0 else np.zeros_like(values), 0, 1)
    picture = Image.fromarray(np.round(levels * 255).astype(np.uint8), "P")
    picture.putpalette(heat(_LEVELS).tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=_ALPHA.tobytes())
    return file.getvalue()
