"""What was found in an image, painted upon it; and as files of masks."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np

from topwork._arrays import AnyArray, UInt8Array
from topwork.data import Source, as_source, decode
from topwork.drawing import painted
from topwork.tasks.segmentation._found import FoundMask

_MOST_OBJECTS = 2**16  # of a 16-bit file


def drawn(found: FoundMask, source: Source) -> UInt8Array:
    """The image with each class in its colour, a line around each object, and a legend.

    Args:
        found: What a model says of the image.
        source: The image, as ``predict`` was given it.

    Raises:
        ImageError: It cannot be read any more.
    """
    shares = found.shares()
    names = {place: f"{found.classes[place]} {shares[found.classes[place]]:.1%}" for place in found.foreground}
    return painted(decode(as_source(source)), found.labels, names, found.objects)


def masks(found: FoundMask) -> Mapping[str, AnyArray]:
    """The mask as it is written to files, by what stands behind the image's name: as ``fit`` reads masks.

    Where objects of one class are told apart, their numbers; the classes' places otherwise. Where there are several
    classes of objects, both.
    """
    if found.objects is None:
        return {"": found.labels}
    kind = np.uint16 if int(found.objects.max(initial=0)) < _MOST_OBJECTS else np.int32
    objects = found.objects.astype(kind)
    return {"": objects} if len(found.foreground) == 1 else {"": found.labels, "-objects": objects}


def png(array: AnyArray) -> bytes:
    """A file of an image or a mask whose numbers have 8 or 16 bits."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()
