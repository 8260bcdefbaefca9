"""Read a labelled set of images, decode one, split the set; what cannot be used is listed, not dropped.

One natural pass: :func:`read` lists a folder or a manifest into an :class:`ImageDataset` without opening an
image, :func:`split` gives each row its part, :func:`decode` turns one file into pixels. Needs numpy,
simplejpeg and Pillow.
"""

from __future__ import annotations

from topwork.data._dataset import ImageDataset, LeftOut
from topwork.data._decode import decode
from topwork.data._files import read_bytes
from topwork.data._names import printable
from topwork.data._read import read
from topwork.data._split import split

__all__ = ["ImageDataset", "LeftOut", "decode", "printable", "read", "read_bytes", "split"]
