"""Images as people hold them in a program: Pillow's, arrays, tensors, open files, in a list or whatever gives them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from topwork.data._decode import eight_bits, pixels_of
from topwork.data._source import Pixels, Slice, Source
from topwork.errors import ImageError

_HELD = "a path, bytes, an open file, a Pillow image, an array or a tensor"
_CHANNELS = (1, 3, 4)


def in_chunks(images: Iterator[object], size: int) -> Iterator[tuple[list[Any], list[str]]]:
    """So many at a time, and what each is called: its path, or its number among them all such as ``#3``."""
    start = 0
    while chunk := list(itertools.islice(images, size)):
        yield chunk, [name_of(image, start + place) for place, image in enumerate(chunk)]
        start += len(chunk)


def name_of(image: object, place: int) -> str:
    """What an image is called: its path, or ``#3``."""
    return os.fsdecode(image) if isinstance(image, str | os.PathLike) else f"#{place}"


def several(images: object) -> Iterator[object]:
    """The images one after another, whatever holds them: a list, a generator, a column of a data frame, an array.

    Raises:
        ImageError: It is one image, or a mapping, or nothing that can be gone through.
    """
    if isinstance(images, Mapping) or hasattr(images, "columns"):
        column = "of a data frame, give the column: model.predict(df['path'])"
        raise ImageError(f"a {_kind(images)} is not a list of images", hint=column)
    single = isinstance(images, str | bytes | bytearray | memoryview | os.PathLike | Slice) or hasattr(images, "read")
    if single or _is_pillow(images) or getattr(images, "ndim", 1) not in (1, 4):
        raise ImageError("several images are expected as a list, not as one image", hint="model.predict([image])")
    if not isinstance(images, Iterable):
        raise ImageError(f"a {_kind(images)} is not a list of images", hint=f"give a list, each of it {_HELD}")
    return iter(images)


class Held(Sequence[Source]):
    """Images as people hold them, each made a source when it is asked for; what is none raises then, alone."""

    def __init__(self, images: Iterable[object]) -> None:
        self.images = list(images)

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | Sequence[Source]:
        return Held(self.images[index]) if isinstance(index, slice) else as_source(self.images[index])


def as_source(image: object) -> Source:
    """One image as ``decode`` takes it.

    Arrays and tensors are (H, W), (H, W, C) or (C, H, W), with 1, 3 or 4 channels: whole numbers from 0 to 255, 16 bits
    without sign, or floats from 0 to 1 or from 0 to 255.

    Raises:
        ImageError: It is none, or its numbers are not an image's. The hint says what to do.
    """
    if isinstance(image, str | os.PathLike | bytes | Slice):
        return image
    if isinstance(image, bytearray | memoryview):
        return bytes(image)
    held: Any = image
    if _is_pillow(image):
        return pixels_of(held)
    if hasattr(image, "read"):
        return _content(held.read())
    if not hasattr(image, "__array__"):
        raise ImageError(f"a {_kind(image)} is not an image", hint=f"give {_HELD}")
    if hasattr(image, "detach"):  # a tensor of torch's, perhaps on a GPU
        held = held.detach().cpu()
        held = held.float() if held.is_floating_point() else held
    return _pixels(np.asarray(held))


def _is_pillow(image: object) -> bool:
    return hasattr(image, "getbands") and hasattr(image, "convert")


def _kind(image: object) -> str:
    return type(image).__name__


def _content(data: object) -> bytes:
    if not isinstance(data, bytes):
        raise ImageError("the file gives text, not bytes", hint="open it with mode 'rb'")
    if not data:
        raise ImageError("the file gives no bytes", hint="if it was read before, call seek(0) on it")
    return data


def _pixels(array: npt.NDArray[Any]) -> Pixels:
    """Upright RGB of 8 bits, shape (H, W, 3), of an array of any usual kind."""
    shape = array.shape
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim == 3 and shape[2] not in _CHANNELS and shape[0] in _CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in _CHANNELS or not array.size:
        raise ImageError(
            f"an array of shape {shape} is not an image",
            hint="an image is (height, width), (height, width, channels) or (channels, height, width)",
        )
    values = _eight_bits(array)
    if values.shape[2] == 4:
        alpha = values[:, :, 3:].astype(np.float32) / 255
        values = np.rint(values[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))


def _eight_bits(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    kind: str = array.dtype.kind
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if kind == "b":
        return np.where(array, np.uint8(255), np.uint8(0))
    if array.dtype == np.uint16:
        return eight_bits(array)
    if kind not in "iuf":
        raise ImageError(f"an array of {array.dtype} is not an image", hint="give numbers from 0 to 255")
    low, high = float(array.min()), float(array.max())
    if kind == "f" and low >= 0 and high <= 1:
        return np.rint(array * 255.0).astype(np.uint8)
    if low >= 0 and high <= 255:
        whole: npt.NDArray[np.uint8] = np.rint(array).astype(np.uint8)
        return whole
    if not np.isfinite([low, high]).all():
        raise ImageError("the array contains values that are not numbers", hint="replace NaN and infinity first")
    raise ImageError(
        f"the array's values run from {low:.4g} to {high:.4g}",
        hint="give values from 0 to 1 or from 0 to 255, without the network's own normalisation",
    )
