"""What was found in an image, drawn upon it."""

from __future__ import annotations

from topwork._arrays import UInt8Array
from topwork.data import Source, as_source, decode
from topwork.drawing import Outline, framed
from topwork.tasks.detection._found import FoundObjects


def drawn(found: FoundObjects, source: Source) -> UInt8Array:
    """The image with a box for each object, in the colour of its class, with its name and score.

    Args:
        found: What a model says of the image.
        source: The image, as ``predict`` was given it.

    Raises:
        ImageError: It cannot be read any more.
    """
    labels = found.detections.labels.tolist()
    outlines = [
        Outline(each.corners, label, f"{each.label} {each.score:.2f}")
        for label, each in zip(labels, found, strict=True)
    ]
    return framed(decode(as_source(source)), outlines)
