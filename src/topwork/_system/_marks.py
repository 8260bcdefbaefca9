"""By what topwork knows again the files that it wrote itself, wherever they lie."""

from __future__ import annotations

import re

CHECKPOINT = re.compile(r"checkpoint-(\d{6,})-([0-9a-f]{64})\.safetensors")
"""Name of a training's checkpoint: its number, and the hash of its content."""

PICTURE_MARK = "topwork"
"""In the text chunk ``Software`` of every PNG that topwork draws."""

PICTURE_HEAD = 200
"""Bytes of a PNG in which the mark stands: right behind the header."""


def is_own_picture(head: bytes) -> bool:
    """Whether a file that begins so is a picture that topwork drew."""
    return head.startswith(b"\x89PNG") and b"tEXtSoftware\0" + PICTURE_MARK.encode() in head[:PICTURE_HEAD]
