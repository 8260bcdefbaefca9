"""From a file, or its bytes, to pixels.

A plain JPEG goes through libjpeg-turbo (simplejpeg): up to three times Pillow's speed, the same pixels. Every other
format goes through Pillow, with its guesses and limits replaced by defined ones. EXIF orientation is undone.
"""

from __future__ import annotations

import importlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from topwork.data._source import Pixels, Source, read_bytes, source_name
from topwork.data._upright import orientation, upright
from topwork.data.formats import check_jpeg_size, check_size, check_structure, jpeg_segments, max_pixels, sniff
from topwork.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MAX_SCANS = 100
"""A progressive JPEG of more scans is refused: each is a pass over the whole picture. Encoders write ten."""

_APP1 = 0xE1
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)

_PACKAGES = {"AVIF": "-U 'pillow>=11.3'", "HEIC": "'topwork[heic]'"}
_PLUGINS = {
    "AVIF": "Avif",
    "BMP": "Bmp",
    "GIF": "Gif",
    "HEIC": "Heif",
    "JPEG": "Jpeg",
    "PNG": "Png",
    "PPM": "Ppm",
    "TIFF": "Tiff",
    "WEBP": "WebP",
}
_SUBFILE_TYPE, _TILE_WIDTH, _TILE_LENGTH, _DNG_VERSION = 254, 322, 323, 50706
_BITS, _PHOTOMETRIC, _MAX_SAMPLE, _WHITE_IS_ZERO = 258, 262, 281, 0


def decode(source: Source, *, min_side: int | None = None, rough: bool = False) -> npt.NDArray[np.uint8]:
    """Decode one image, whole, to upright RGB. Safe to call from many threads; the decoders release the GIL.

    The format is told by the first bytes, not by the name: JPEG, PNG, WebP, GIF and TIFF (the first picture),
    BMP, PPM. EXIF orientation is undone. Transparency is laid on white. 16-bit samples are scaled to 8
    by what the file declares, or else by the bits that they use: 8, 12 or 16.
    Colour profiles are not applied, so a damaged one does no harm, and neither does damaged EXIF.

    Args:
        source: A path, the bytes of a file, a slice of a larger file, or pixels, which come back as they are.
        min_side: Pixels. A JPEG may then come scaled by 1/2, 1/4 or 1/8 (much faster), as long as its shorter
            side is at least this long and both sides can be divided by that: otherwise its last row or column would
            be part of a pixel, and whoever resizes it would stretch it. Other formats, and a picture that is
            smaller to begin with, come at full size. A picture that would be refused whole may be read so.
        rough: Whether such a stretch does no harm.

    Returns:
        Shape ``(H, W, 3)``, uint8, RGB, C-contiguous.

    Raises:
        ImageError: Not an image, of a format that is not read, damaged, truncated, of more than 89 million pixels
            (``TOPWORK_MAX_PIXELS``) or 512 MiB, missing, or not a regular file; pixels that are not uint8
            ``(H, W, 3)``. Names the file where a path was given.
    """
    if min_side is not None and min_side < 1:
        raise ImageError(f"min_side must be at least 1 pixel, not {min_side}")
    if isinstance(source, np.ndarray):
        return checked_pixels(source)
    data = source if isinstance(source, bytes) else read_bytes(source)
    try:
        kind = sniff(data)
        pixels = decode_jpeg(data, min_side, rough=rough) if kind == "JPEG" else None
        return decode_other(data, kind) if pixels is None else pixels
    except ImageError as error:
        if not (name := source_name(source)):
            raise
        raise ImageError(f"{name}: {error.message}", hint=error.hint) from error


def checked_pixels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(
            f"an image array must be uint8 (height, width, 3), not {image.dtype} {image.shape}",
            hint="grey images: np.stack([image] * 3, axis=-1); floats from 0 to 1: (image * 255).astype('uint8')",
        )
    return image


def decode_jpeg(data: bytes, min_side: int | None, *, rough: bool = False) -> npt.NDArray[np.uint8] | None:
    """Decode a JPEG to RGB, upright.

    The accurate DCT and the smooth chroma upsampling give the pixels that Pillow gives, bit for bit; the fast
    ones save 11 % and differ by up to 74 of 255 at colour edges. ``None`` for what this decoder cannot do right and
    Pillow can: CMYK, a damaged ICC profile.

    Raises:
        ImageError: Damaged, truncated or too large.
    """
    import simplejpeg

    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if colours in ("CMYK", "YCCK"):
        return None
    # A row of pixels more or less is nothing to a picture that is too large to be read whole.
    factor = _factor(height, width, min_side, rough=rough or height * width > max_pixels())
    check_jpeg_size(width, height, factor, progressive=_is_progressive(data))
    exif = _exif_of(data)
    least = {} if factor == 1 else {"min_height": -(-height // factor), "min_width": -(-width // factor)}
    try:
        # strict: without it a truncated file decodes, half of it grey.
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB", strict=True, **least)
    except ValueError as error:
        raise ImageError(f"damaged JPEG: {error}") from error
    return upright(pixels, orientation(exif)) if exif else pixels


def _factor(height: int, width: int, min_side: int | None, *, rough: bool) -> int:
    """Choose the largest of 1, 2, 4, 8 that leaves the shorter side long enough, and both whole unless it is rough.

    Only these: libjpeg-turbo's other factors have no SIMD code and take longer than no scaling.
    """
    if min_side is None:
        return 1
    long_enough = [factor for factor in (8, 4, 2) if -(-min(height, width) // factor) >= min_side]
    return next((factor for factor in long_enough if rough or height % factor == width % factor == 0), 1)


def _is_progressive(data: bytes) -> bool:
    return any(marker in _PROGRESSIVE for marker, _, _ in jpeg_segments(data))


def _exif_of(data: bytes) -> bytes:
    """The EXIF block, empty where there is none.

    Raises:
        ImageError: Progressive, with too many scans.
    """
    exif = b""
    for marker, start, end in jpeg_segments(data):
        if marker in _PROGRESSIVE and data.count(b"\xff\xda", start - 4) > MAX_SCANS:
            raise ImageError(f"too costly to decode safely: a progressive JPEG of more than {MAX_SCANS} scans")
        if marker == _APP1 and not exif and data[start : start + 6] == b"Exif\0\0":
            exif = data[start + 6 : end]
    return exif


def decode_other(data: bytes, kind: str) -> npt.NDArray[np.uint8]:
    """Decode the first picture of a file to RGB, upright, full size; only the decoder of its kind is tried.

    Raises:
        ImageError: Damaged, truncated, too large, or samples without a defined range.
    """
    check_structure(data, kind)
    try:
        with _pillow_quiet() if _may_warn(data, kind) else nullcontext():
            image = _plugin(kind)(io.BytesIO(data))
            _check(image, kind)
            image.load()
        pixels = _to_rgb(image, kind, deep=kind == "PNG" and data[24:25] == b"\x10")
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise nearly every built-in exception on damaged data
        reason = str(error) or type(error).__name__
        raise ImageError(f"damaged {kind}: {reason}") from error
    # Pillow has turned a TIFF already. Its EXIF stands behind the pixels of a PNG, so it is read after them.
    exif = image.info.get("exif") if kind != "TIFF" else None
    return upright(pixels, orientation(exif)) if isinstance(exif, bytes) else pixels


def assumed_white(data: bytes, kind: str) -> int:
    """What was taken for white in a grey image of 16 bits that does not say so and uses 8 or 12; 0 for any other image.

    Args:
        data: A file that can be decoded.
        kind: Its format.
    """
    if kind != "TIFF" and (kind != "PNG" or data[24:26] != b"\x10\0"):  # 16 bits, grey
        return 0
    with _pillow_quiet():
        image = _plugin(kind)(io.BytesIO(data))
        if not image.mode.startswith("I;16") or (kind == "TIFF" and _MAX_SAMPLE in image.tag_v2):  # type: ignore[attr-defined]
            return 0
        largest = int(np.asarray(image).max(initial=0))
    return next((white for white in (255, 4095) if largest <= white), 0)


def pixels_of(image: Image) -> npt.NDArray[np.uint8]:
    """A picture that Pillow has opened, as :func:`decode` gives its file: upright RGB, on white; shape (H, W, 3).

    Raises:
        ImageError: It is damaged, too large, or its samples have no defined range.
    """
    check_size(*image.size)
    try:
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"damaged image: {error}") from error
    pixels = _to_rgb(image, image.format or "", deep=False)
    exif = image.info.get("exif") if image.format != "TIFF" else None
    return upright(pixels, orientation(exif)) if isinstance(exif, bytes) else pixels


@contextmanager
def opened_image(file: BinaryIO, kind: str) -> Iterator[ImageFile]:
    """A picture of which the header alone is read, while Pillow's warnings are silent.

    Raises:
        ImageError: Damaged, or what must not be decoded.
    """
    try:
        with _pillow_quiet():
            image = _plugin(kind)(file)
            _check(image, kind)
            yield image
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # as where pixels are decoded
        raise ImageError(f"damaged {kind}: {str(error) or type(error).__name__}") from error


def _plugin(kind: str) -> Callable[[BinaryIO], ImageFile]:
    """Give the class that reads one format.

    ``Image.open`` would do the same after importing every plugin, and would warn of large pictures by itself.
    """
    name, package = _PLUGINS[kind], _PACKAGES.get(kind)
    try:
        module = importlib.import_module("pi_heif.as_plugin" if kind == "HEIC" else f"PIL.{name}ImagePlugin")
    except ImportError as error:
        raise ImageError(f"{kind} needs a package that is not installed: pip install {package}") from error
    if not getattr(module, "SUPPORTED", True):  # AVIF's module is there where its library is not
        raise ImageError(f"{kind} needs a package that is not installed: pip install {package}")
    plugin: Callable[[BinaryIO], ImageFile] = getattr(module, f"{name}ImageFile")
    return plugin


def _check(image: ImageFile, kind: str) -> None:
    """Refuse, from the header, what must not be decoded."""
    check_size(*image.size)
    if kind != "TIFF":
        return
    tags = image.tag_v2  # type: ignore[attr-defined]
    if _DNG_VERSION in tags or tags.get(_SUBFILE_TYPE, 0) & 1:  # the first picture is a preview of another
        raise ImageError("camera raw is not supported", hint="develop it to JPEG, PNG or TIFF")
    check_size(tags.get(_TILE_WIDTH, 1), tags.get(_TILE_LENGTH, 1))  # a tile is allocated whole


def _to_rgb(image: Image, kind: str, *, deep: bool) -> npt.NDArray[np.uint8]:
    """Give RGB of 8 bits; every mode has one defined result.

    Transparency is laid on white. 16 bits a sample are scaled to 8 by the bits that are used (Pillow's own ``convert``
    clips). Integers of 32 bits and floats have no defined range, so they are refused.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):
        return np.repeat(_grey_of_16(image, kind)[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        samples = "float" if image.mode == "F" else "32-bit or signed"
        raise ImageError(f"{samples} samples have no defined range", hint="save it with 8 or 16 bits a sample")
    if kind == "TIFF":
        deep = max(image.tag_v2.get(_BITS, (8,))) == 16  # type: ignore[attr-defined]
    colours = image.convert("RGB") if deep else None  # Pillow has kept the upper byte of each sample
    if image.has_transparency_data:
        import PIL.Image

        layer = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, "white"), layer)
    pixels = np.array(image.convert("RGB"))
    return pixels if colours is None else _brightened(pixels, int(np.asarray(colours).max()))


def _grey_of_16(image: Image, kind: str) -> npt.NDArray[np.uint8]:
    """Samples of 16 bits as 8, shape (H, W): by the greatest that the file declares, or else by the bits they use.

    Sensors of 12 bits, and masks and exports of 8, are often kept in 16; the upper byte alone would be black.
    """
    samples = np.asarray(image)
    tags = image.tag_v2 if kind == "TIFF" else {}  # type: ignore[attr-defined]
    # Pillow has gone by a PPM's own white.
    grey = eight_bits(samples, 65535 if kind == "PPM" else int(np.max(tags.get(_MAX_SAMPLE, 0))))
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts these of up to 8 bits alone
        grey = 255 - grey
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[samples == clear] = 255
    return grey


def eight_bits(samples: npt.NDArray[Any], white: int = 0) -> npt.NDArray[np.uint8]:
    """Samples of 16 bits without sign as 8.

    Args:
        samples: Of any shape.
        white: The greatest value that there can be; where it is not known or wrong, it goes by the bits in use.
    """
    largest = int(samples.max(initial=0))
    top = next(top for top in (white, 255, 4095, 65535) if top and largest <= top)
    if top == 65535:
        return (samples >> 8).astype(np.uint8)
    return ((samples.astype(np.int32) * 255 + top // 2) // top).astype(np.uint8)


def _brightened(pixels: Pixels, largest: int) -> Pixels:
    """Colours of which 12 bits of 16 are used, on their own scale, as far as Pillow kept them.

    Args:
        pixels: Shape (H, W, 3), the upper bytes.
        largest: Among them before transparency was laid on white.

    Raises:
        ImageError: There is nothing in the upper bytes.
    """
    if largest == 0:
        raise ImageError(
            "its samples have 16 bits and use the lower 8 at most, which cannot be read in colour",
            hint="save it with 8 bits a sample",
        )
    return pixels if largest > 15 else np.minimum(pixels.astype(np.int32) * 17, 255).astype(np.uint8)


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
