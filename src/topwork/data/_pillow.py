"""Every format but the plain JPEG, through Pillow, with its guesses and limits replaced by defined ones."""

from __future__ import annotations

import importlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from topwork.data._format import check_size, check_structure
from topwork.data._orientation import orientation, upright
from topwork.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_PLUGINS = {
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "PPM": ("PIL.PpmImagePlugin", "PpmImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
}
_SUBFILE_TYPE, _TILE_WIDTH, _TILE_LENGTH, _DNG_VERSION = 254, 322, 323, 50706


def decode_other(data: bytes, kind: str) -> npt.NDArray[np.uint8]:
    """Decode the first picture of a file to RGB, upright, full size.

    Args:
        data: The file.
        kind: What :func:`~topwork.data._format.sniff` said; no other decoder is tried.

    Returns:
        Shape ``(H, W, 3)``.

    Raises:
        ImageError: Damaged, truncated, too large, or samples without a defined range.
    """
    check_structure(data, kind)
    try:
        with _pillow_quiet() if _may_warn(data, kind) else nullcontext():
            image = _plugin(kind)(io.BytesIO(data))
            _check(image, kind)
            image.load()
        pixels = _to_rgb(image, kind)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise nearly every built-in exception on damaged data
        reason = str(error) or type(error).__name__
        raise ImageError(f"damaged {kind}: {reason}") from error
    # Pillow has turned a TIFF already. Its EXIF stands behind the pixels of a PNG, so it is read after them.
    exif = image.info.get("exif") if kind != "TIFF" else None
    return upright(pixels, orientation(exif)) if isinstance(exif, bytes) else pixels


def _plugin(kind: str) -> Callable[[io.BytesIO], ImageFile]:
    """Give the class that reads one format.

    ``Image.open`` would do the same after importing every plugin, and would warn of large pictures by itself.
    """
    module, name = _PLUGINS[kind]
    plugin: Callable[[io.BytesIO], ImageFile] = getattr(importlib.import_module(module), name)
    return plugin


def _check(image: ImageFile, kind: str) -> None:
    """Refuse, from the header, what must not be decoded."""
    check_size(*image.size)
    if kind != "TIFF":
        return
    tags = image.tag_v2  # type: ignore[attr-defined]
    if _DNG_VERSION in tags or tags.get(_SUBFILE_TYPE, 0) & 1:  # the first picture is a preview of another
        raise ImageError("camera raw is not read", hint="develop it to JPEG, PNG or TIFF")
    check_size(tags.get(_TILE_WIDTH, 1), tags.get(_TILE_LENGTH, 1))  # a tile is allocated whole


def _to_rgb(image: Image, kind: str) -> npt.NDArray[np.uint8]:
    """Give RGB of 8 bits; every mode has one defined result.

    Transparency is laid on white. 16 bits a sample are scaled by dropping the lower 8 (Pillow's own
    ``convert`` clips). Integers of 32 bits and floats have no defined range, so they are refused.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        samples = "float" if image.mode == "F" else "32-bit or signed"
        raise ImageError(f"{samples} samples have no defined range", hint="save it with 8 or 16 bits a sample")
    if image.has_transparency_data:
        image = _on_white(image)
    return np.array(image.convert("RGB"))


def _on_white(image: Image) -> Image:
    import PIL.Image

    layer = image.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, "white"), layer)


def _may_warn(data: bytes, kind: str) -> bool:
    """Tell the formats whose readers warn of damaged metadata: TIFF, and PNG where it is animated."""
    return kind == "TIFF" or (kind == "PNG" and data.find(b"acTL", 0, max(data.find(b"IDAT"), 0)) >= 0)


_quiet_lock = threading.Lock()
_quiet_threads = 0
_quiet_context: warnings.catch_warnings[None] | None = None


@contextmanager
def _pillow_quiet() -> Iterator[None]:
    """Silence Pillow's warnings of damaged metadata, and only those, while a picture is decoded.

    Python before 3.14 keeps its warning filters for the whole process, and saving them in two threads at once
    can leave them changed. So the first thread in saves them, the last one out puts them back, and others do
    not wait.
    """
    global _quiet_threads, _quiet_context
    with _quiet_lock:
        _quiet_threads += 1
        if _quiet_threads == 1:
            _quiet_context = warnings.catch_warnings()
            _quiet_context.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_threads -= 1
            if _quiet_threads == 0 and _quiet_context is not None:
                _quiet_context.__exit__(None, None, None)
