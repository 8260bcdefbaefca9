"""One pass over a data set's files: every image is read and decoded once, small, and only its facts are kept.

They lie in the cache under the image's content, where that is wanted, so that another look decodes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.checking._perceptual_hash import image_hash
from topwork.data import Dataset, assumed_white, content_key, decode, read_source, try_source
from topwork.data.formats import FORMATS, compression, format_of, frames, true_size
from topwork.features import rows_on_disk

if TYPE_CHECKING:
    from PIL.Image import Image

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

_CHUNK = 16  # images a task
_AHEAD = 8  # chunks a core that may wait; each holds its images' facts, 2 kB an image
_MOST_CLASSES = 2_000  # whose mean pictures are kept: 16 kB each

_COLUMNS: dict[str, npt.DTypeLike] = {
    "height": np.int32,
    "width": np.int32,
    "compression": np.float32,
    "frames": np.int32,
    "low": np.float32,
    "high": np.float32,
    "spread": np.float32,
    "colour": np.float32,
    "sharpness": np.float32,
    "flat": np.float32,
    "plain": np.float32,
    "hash": np.uint64,
    "white": np.int32,
}
_ROW = np.dtype([*_COLUMNS.items(), ("kind", np.int8), ("thumbnail", np.uint8, (32, 32)), ("_", np.uint8, (3,))])
"""What is kept of an image: whole float32 numbers long."""

UNIFORM = 4.0  # standard deviation of brightness, of 255, below which a picture is blank (lowest seen: 11)
SIDE = 32  # of the thumbnail that brightness, uniformity and the hash are taken from, in pixels
SHARP_SIDE = 128  # shorter side in pixels at which sharpness is measured, whatever the image's own size
_FORMAT = 1  # raise when the same file gives other facts
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True, eq=False)
class Pictures:
    """Mean and spread of each class's images, pixel by pixel, on thumbnails of 32 x 32.

    Attributes:
        counts: int (C,), images that differ in their bytes.
        means: float (C, 32, 32), brightness 0 to 255.
        spreads: float (C, 32, 32), standard deviation.
    """

    counts: npt.NDArray[np.int64]
    means: npt.NDArray[np.float64]
    spreads: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Survey:
    """Facts of every image, row by row of the data set; zeros where it could not be decoded.

    Attributes:
        refused: Row and reason of every image that cannot be decoded.
        keys: uint64 (N, 2), equal for equal files.
        kinds: int8 (N,), a place in ``FORMATS``; -1 for none.
        facts: A record array (N,) of ``Look``'s numbers by their names there.
    """

    dataset: Any
    refused: dict[int, str]
    keys: npt.NDArray[np.uint64]
    kinds: npt.NDArray[np.int8]
    facts: npt.NDArray[np.void]
    pictures: Pictures

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,), which images could be decoded."""
        usable = np.ones(len(self.dataset), dtype=bool)
        usable[list(self.refused)] = False
        return usable


def survey(dataset: Dataset, progress: Callable[[int], None], *, cache: bool = False) -> Survey:
    """Look at every image once, on all cores; what was seen lies on disk, and memory grows by some 200 bytes an image.

    Args:
        dataset: The images.
        progress: Called with the images done.
        cache: Whether what was seen of a file is looked up and kept, under its content.
    """
    rows = len(dataset)
    contents: dict[int, bytes] = {}
    refused: dict[int, str] = {}
    sources = dataset.sources()
    with rows_on_disk({"look": _FORMAT}, _ROW.itemsize // 4, cache=cache) as store:

        def look_at(row: int) -> tuple[bytes, bytes] | str:
            return try_source(sources, row, lambda source: _seen(read_source(source), store))

        with Executor("look") as pool:
            looks = pool.map_ordered(look_at, range(rows), in_flight=_AHEAD * _CHUNK * pool.workers, chunk=_CHUNK)
            for row, seen in enumerate(looks):
                if isinstance(seen, str):
                    refused[row] = seen
                else:
                    contents[row], packed = seen
                    if seen[0] not in store:
                        store.add([seen[0]], np.frombuffer(packed, np.float32)[None])
                progress(row + 1)
        kept = store.gather([*contents.values()])
    return _surveyed(dataset, refused, contents, kept.view(_ROW).reshape(-1))


def _seen(content: bytes | UInt8Array, store: Container[bytes]) -> tuple[bytes, bytes]:
    """A content's name, and what it looks like, packed; nothing of one that is known."""
    key = pixels_key(content) if isinstance(content, np.ndarray) else content_key(content)
    return key, b"" if key in store else _packed(look(content, key))


def _packed(seen: Look) -> bytes:
    row = np.zeros((), _ROW)
    for name in _COLUMNS:
        row[name] = getattr(seen, name)
    row["kind"] = FORMATS.index(seen.kind) if seen.kind in FORMATS else -1
    row["thumbnail"] = seen.thumbnail
    return row.tobytes()


def _surveyed(dataset: Dataset, refused: dict[int, str], contents: dict[int, bytes], kept: npt.NDArray[Any]) -> Survey:
    """The survey of rows whose contents and packed looks, in that order, are there."""
    rows, known = len(dataset), np.fromiter(contents, np.intp, len(contents))
    keys = np.zeros((rows, 2), np.uint64)
    kinds = np.full(rows, -1, np.int8)
    facts = np.zeros(rows, np.dtype(list(_COLUMNS.items())))
    if len(known):
        keys[known] = np.frombuffer(b"".join(contents.values()), np.uint64).reshape(-1, 2)
        kinds[known] = kept["kind"]
        for name in _COLUMNS:
            facts[name][known] = kept[name]
    strata, sums = dataset.strata(), _Sums(dataset.n_strata)
    for row, key, thumbnail in zip(contents, contents.values(), kept["thumbnail"], strict=True):
        sums.add(int(strata[row]), key, thumbnail)
    return Survey(dataset, refused, keys, kinds, facts, sums.pictures())


class _Sums:
    """Sums of each class's thumbnails; a file that comes again in its class is counted once."""

    def __init__(self, classes: int) -> None:
        kept = classes if classes <= _MOST_CLASSES else 0
        self._counts = np.zeros(kept, np.int64)
        self._sums = np.zeros((kept, SIDE, SIDE), np.int64)
        self._squares = np.zeros((kept, SIDE, SIDE), np.int64)
        self._seen: set[tuple[int, int]] = set()

    def add(self, label: int, content: bytes, thumbnail: UInt8Array) -> None:
        key = (label, hash(content))
        if label >= len(self._counts) or key in self._seen:
            return
        self._seen.add(key)
        values = thumbnail.astype(np.int64)
        self._counts[label] += 1
        self._sums[label] += values
        self._squares[label] += values**2

    def pictures(self) -> Pictures:
        count = np.maximum(self._counts, 1)[:, None, None]
        means = self._sums / count
        return Pictures(self._counts, means, np.sqrt(np.maximum(self._squares / count - means**2, 0)))


@dataclass(frozen=True, slots=True)
class Look:
    """What one image is like. Brightness runs from 0 to 255.

    Attributes:
        key: 16 bytes that name the file's content.
        kind: Format, from the first bytes.
        compression: How coarsely a JPEG was quantised, see ``compression``.
        frames: Pictures in an animation; 1 for a still.
        low: Brightness that 1 % of the thumbnail is below.
        high: Brightness that 1 % of it is above.
        spread: Standard deviation of the thumbnail's brightness.
        colour: Mean difference between the largest and the smallest channel of the thumbnail.
        sharpness: Of its edges, see ``_sharpness``; NaN where the image is too small to say.
        flat: Share of it that is of one even colour, see ``_flat``; NaN where the image is too small to say.
        plain: Share of it that its eight most frequent colours cover; NaN as well.
        white: What was taken for white in an image of 16 bits that does not say so, see ``assumed_white``; else 0.
        thumbnail: uint8 (32, 32), the whole image squashed, brightness alone.
    """

    key: bytes
    kind: str
    height: int
    width: int
    compression: float
    frames: int
    low: float
    high: float
    spread: float
    colour: float
    sharpness: float
    flat: float
    plain: float
    hash: int
    white: int
    thumbnail: UInt8Array


def look(found: bytes | UInt8Array, key: bytes = b"") -> Look:
    """Look at one image, whose content ``key`` names. A JPEG is decoded at a fraction of its size, which still finds
    every damage.

    Raises:
        ImageError: It cannot be decoded.
    """
    from PIL import Image

    pixels = found if isinstance(found, np.ndarray) else decode(found, min_side=SHARP_SIDE, rough=True)
    data = b"" if isinstance(found, np.ndarray) else found
    image = Image.fromarray(pixels)
    small = _resized(image, (SIDE, SIDE))
    grey = _brightness(small)
    order = np.sort(grey, axis=None)
    margin = order.size // 100
    height, width = true_size(data, kind := format_of(data), (pixels.shape[0], pixels.shape[1]))
    sharpness, flat, plain = _drawn(image) if min(height, width) >= SHARP_SIDE else (float("nan"),) * 3
    return Look(
        key=key,
        kind=kind,
        height=height,
        width=width,
        compression=compression(data, kind),
        frames=frames(data, kind),
        low=float(order[margin]),
        high=float(order[-1 - margin]),
        spread=float(grey.std()),
        colour=float(np.ptp(small, axis=2).mean()),
        sharpness=sharpness,
        flat=flat,
        plain=plain,
        hash=image_hash(grey),
        white=assumed_white(data, kind),
        thumbnail=np.round(grey).astype(np.uint8),
    )


def pixels_key(pixels: UInt8Array) -> bytes:
    """16 bytes that name an image's pixels and shape."""
    return content_key(np.array(pixels.shape).tobytes() + pixels.tobytes())


def _drawn(image: Image) -> tuple[float, float, float]:
    """Sharpness, evenness and plainness at a shorter side of 128 pixels, which both sides must have at least."""
    scale = SHARP_SIDE / min(image.size)
    width, height = (max(SHARP_SIDE, round(side * scale)) for side in image.size)
    pixels = _resized(image, (width, height))
    return _sharpness(_brightness(pixels)), _flat(pixels), _plain(pixels)


def _sharpness(grey: Float32Array) -> float:
    """Variance of the Laplacian over the variance of the brightness.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy". At one scale for all images,
    since a large photograph that is a little soft is sharp to a network that sees 224 pixels of it; divided by
    the variance, since a sharp picture of a grey day is still sharp.
    """
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    return float(laplacian.var() / max(float(middle.var()), 1.0))


def _flat(pixels: UInt8Array) -> float:
    """Share of pixels that differ from their neighbours to the right and beneath by two levels of 255 at most."""
    values = pixels.astype(np.int16)
    here = values[:-1, :-1]
    even = (np.abs(here - values[:-1, 1:]) <= 2) & (np.abs(here - values[1:, :-1]) <= 2)
    return float(
        (even[..., 0] & even[..., 1] & even[..., 2]).mean()
    )  # 17 times as fast as a maximum along the channels


def _plain(pixels: UInt8Array) -> float:
    """Share of pixels that have one of the eight most frequent colours, of 16 levels a channel."""
    levels = pixels >> 4
    colours = (levels[..., 0].astype(np.int16) << 8) | (levels[..., 1] << 4) | levels[..., 2]
    counts = np.bincount(colours.ravel(), minlength=8)
    return float(np.partition(counts, -8)[-8:].sum() / counts.sum())


def _brightness(pixels: UInt8Array) -> Float32Array:
    """(H, W) of (H, W, 3), 0 to 255."""
    return pixels.astype(np.float32) @ _LUMA


def _resized(image: Image, size: tuple[int, int]) -> UInt8Array:
    """The image at another width and height."""
    from PIL import Image

    return np.asarray(image.resize(size, Image.Resampling.BOX))
