"""A file of a mask becomes numbers as they stand in it: nothing is scaled, mixed or rounded, as a picture would be."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._system import optional
from topwork.data._decode import opened_image
from topwork.data._names import printable
from topwork.data._source import Source, content_key, opened, read_bytes, stamp
from topwork.data._upright import orientation, upright
from topwork.data.formats import check_size, check_structure, sniff
from topwork.errors import ImageError

Values = npt.NDArray[np.int32]
_NPY = b"\x93NUMPY"
_MOST_PAGES = 100_000
_PAGE_KIND, _REDUCED, _TRANSPARENCY = 254, 1, 4  # TIFF's NewSubfileType, and two of its bits
_STACK = "its file holds several pages, and its image is one: give each image a mask of its own"
_LOSSY = ("JPEG", "WEBP", "AVIF", "HEIC")
_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Raw:
    """What a mask holds before it is known what it means. H × W pixels.

    Attributes:
        values: int32 (H, W): numbers, or colours as ``red << 16 | green << 8 | blue``.
        colours: Whether they are colours.
        palette: int32 (P,), what colours the numbers stand for, where the file says so.
        deep: Whether a number has more than 8 bits.
        lossy: Whether the format mixes neighbouring pixels, as JPEG does.
        objects: int32 (H, W), the object of each pixel, where something else than the values tells them.
        flaws: Kind and detail of what was found while it was put together.
        key: 16 bytes that change when its files do.
    """

    values: Values
    colours: bool = False
    palette: Values | None = None
    deep: bool = False
    lossy: bool = False
    objects: Values | None = None
    flaws: tuple[tuple[str, str], ...] = ()
    key: bytes = b""

    def turned(self, way: int) -> Raw:
        """As EXIF's orientation says."""
        if way == 1:
            return self
        objects = None if self.objects is None else upright_plane(self.objects, way)
        return replace(self, values=upright_plane(self.values, way), objects=objects)


def upright_plane(values: npt.NDArray[Any], way: int) -> npt.NDArray[Any]:
    """Turn (H, W) as :func:`~topwork.data._upright.upright` turns an image."""
    turned: npt.NDArray[Any] = upright(values[:, :, None], way)[:, :, 0]
    return turned


def packed(colours: npt.NDArray[Any]) -> Values:
    """(…, 3) of 0 to 255 as one number each."""
    parts = colours.astype(np.int32)
    return np.asarray(parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2], np.int32)


def unpacked(values: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """(…, 3) of what :func:`packed` gives."""
    return np.stack([values >> 16 & 255, values >> 8 & 255, values & 255], axis=-1).astype(np.int32)


def raw_of(source: Source) -> Raw:
    """Read a mask.

    Args:
        source: A file of an image, or of an array (``.npy``), or its bytes.

    Raises:
        ImageError: It cannot be read, or its numbers are not whole.
    """
    if isinstance(source, np.ndarray):
        return raw_of_array(source)
    data = source if isinstance(source, bytes) else read_bytes(source)
    key = content_key(data)
    if data.startswith(_NPY):
        return replace(raw_of_array(_array_of(data)), key=key)
    kind = sniff(data)
    check_structure(data, kind)
    try:
        found = _opened(data, kind)
    except ImageError as error:
        if kind != "TIFF" or "too large" in error.message:
            raise
        found = _by_tifffile(data, error)
    return replace(found, key=key, lossy=_is_lossy(data, kind))


def _is_lossy(data: bytes, kind: str) -> bool:
    return kind in _LOSSY and not (kind == "WEBP" and b"VP8L" in data[:64])


def _opened(data: bytes, kind: str) -> Raw:
    with opened_image(io.BytesIO(data), kind) as image:
        _require_one_page(image)
        image.load()
        mode, info = image.mode, image.info
        palette = image.getpalette("RGB") if mode in ("P", "PA") else None
        if mode in ("1", "L", "P", "I", "F") or mode.startswith("I;16"):
            raw = raw_of_array(np.asarray(image))
        elif mode in ("LA", "PA"):
            raw = raw_of_array(np.asarray(image)[:, :, 0])
        else:
            raw = raw_of_array(_opaque(np.asarray(image.convert("RGBA"))))
    if palette:
        raw = replace(raw, palette=packed(np.array(palette, np.int32).reshape(-1, 3)))
    exif = info.get("exif") if kind != "TIFF" else None  # Pillow has turned a TIFF already
    return raw.turned(orientation(exif)) if isinstance(exif, bytes) else raw


def _require_one_page(image: Any) -> None:
    """Refuse a stack where one mask is asked for: nothing says which page it is.

    Of a TIFF, what is marked as a smaller version of the first page, or as its transparency, is no page.
    """
    if getattr(image, "n_frames", 1) == 1:
        return
    size = image.size
    image.seek(1)
    kind = int(getattr(image, "tag_v2", {}).get(_PAGE_KIND, 0))
    if image.size == size and not kind & (_REDUCED | _TRANSPARENCY):
        raise ImageError(_STACK)
    image.seek(0)


def _opaque(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Colours of RGBA: what is clear is black, whatever colour lies under it."""
    return np.where(pixels[:, :, 3:] > 0, pixels[:, :, :3], np.uint8(0))


def raw_of_array(array: npt.NDArray[Any]) -> Raw:
    """Numbers (H, W) or (H, W, 1), or colours (H, W, 3).

    Raises:
        ImageError: It has another shape, or numbers that are not whole or are too large.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 3 and array.shape[2] == 4 and array.dtype == np.uint8:
        array = _opaque(array)
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] != 3):
        raise ImageError(
            f"an array of shape {array.shape} is not a mask", hint="a mask is (height, width), a number a pixel"
        )
    if array.ndim == 3:
        if array.dtype != np.uint8:
            raise ImageError(f"colours of {array.dtype} are not read as a mask", hint="save it with 8 bits a colour")
        if (array[:, :, 0] == array[:, :, 1]).all() and (array[:, :, 1] == array[:, :, 2]).all():
            return Raw(array[:, :, 0].astype(np.int32))
        return Raw(packed(array), colours=True)
    return Raw(_whole(array), deep=array.dtype.itemsize > 1)


def _whole(array: npt.NDArray[Any]) -> Values:
    if array.dtype.kind not in "biuf":
        raise ImageError(f"an array of {array.dtype} is not a mask", hint="give whole numbers")
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.rint(array)).all()):
        raise ImageError("its numbers are not whole, so they name no class", hint="save whole numbers")
    if array.dtype.itemsize > 2 and (array.max() >= 2**31 or array.min() < -(2**31)):
        raise ImageError("its numbers are too large to name classes or objects", hint="number them from 0")
    return np.ascontiguousarray(array, dtype=np.int32)


def _array_of(data: bytes) -> npt.NDArray[Any]:
    """An array of numbers as NumPy saves it; nothing in it may act."""
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            version = np.lib.format.read_magic(file)
            shape, _, kind = _HEADER[version](file)
            if kind.hasobject:
                raise ImageError("it holds Python objects, which are not read", hint="save whole numbers")
            check_size(int(np.prod(shape[:2], dtype=np.int64)), 1)
            file.seek(0)
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # NumPy raises many kinds on damaged files
        raise ImageError(f"damaged NumPy file: {error}") from error


def _by_tifffile(data: bytes, first: ImageError) -> Raw:
    """What Pillow does not read, such as numbers of 32 bits without sign.

    Raises:
        ImageError: ``tifffile`` is not there, or does not read it either.
    """
    try:
        tifffile = optional("tifffile", extra="segmentation", what="a TIFF of this kind")
    except Exception as missing:
        raise first from missing
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            found = file.pages[0]
            if len(file.pages) > 1 and file.pages[1].shape == found.shape and not file.pages[1].subfiletype:
                raise ImageError(_STACK)
            check_size(int(found.imagewidth), int(found.imagelength))
            return raw_of_array(found.asarray())
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # as Pillow, it raises many kinds on damaged files
        raise ImageError(f"damaged TIFF: {error}") from error


def raw_of_page(path: Path, page: int) -> Raw:
    """One page of a stack, from 0; of the file no more is read than that.

    Raises:
        ImageError: It cannot be read.
    """
    with opened(os.fspath(path)) as (file, info):
        try:
            with opened_image(file, "TIFF") as image:
                image.seek(page)
                check_size(*image.size)
                image.load()
                raw = raw_of_array(np.asarray(image))
        except ImageError as error:
            raise ImageError(f"{printable(os.fspath(path))}: {error.message}", hint=error.hint) from error
        return replace(raw, key=content_key(b"%d:%d:%d" % (*stamp(info), page)))


def pages_of(path: Path) -> int:
    """How many pictures a TIFF holds; 1 for every other file, and one that cannot be read: whoever does will tell."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return 1
    try:
        with opened(os.fspath(path)) as (file, _):
            sniff(file.read(64))
            file.seek(0)
            with opened_image(file, "TIFF") as image:
                return min(_MOST_PAGES, int(getattr(image, "n_frames", 1)))
    except ImageError:
        return 1
