"""The segmenter's head beyond its backbone, and how what it says is placed in the image.

In: maps of a backbone's stages, one row an image. Out: what the head says of each place of a grid, and of each pixel of
the image: probabilities in strips of rows, so that those of a large image are never held at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from topwork._arrays import AnyArray, Float32Array
from topwork.errors import ModelError
from topwork.tasks.segmentation.network._grid import Between, Grid, Placed, nearest, on_grid
from topwork.tasks.segmentation.network._pixel import PixelHead
from topwork.tasks.segmentation.network._spec import PixelSpec
from topwork.tasks.segmentation.network._strips import Strip, softmax_of, strips
from topwork.tasks.segmentation.network._tiles import Part, blended, parts_of

__all__ = [
    "Between",
    "Grid",
    "HeadSpec",
    "Part",
    "PixelHead",
    "PixelSpec",
    "Placed",
    "SegmentationHead",
    "Strip",
    "blended",
    "head_from",
    "nearest",
    "on_grid",
    "parts_of",
    "softmax_of",
    "strips",
]


class HeadSpec(Protocol):
    """What a head is.

    Attributes:
        n_classes: C.
        border: Whether a channel behind the classes tells objects apart: where they touch, or how near their edges are.
        channels: K, C and the border's.
        n_features: D, numbers that it reads for each image.
        grid: Where the places lie of which it tells.
    """

    @property
    def n_classes(self) -> int: ...
    @property
    def border(self) -> bool: ...
    @property
    def channels(self) -> int: ...
    @property
    def n_features(self) -> int: ...
    @property
    def grid(self) -> Grid: ...

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, ``kind`` among them."""


class SegmentationHead(Protocol):
    """What makes logits of maps; without torch."""

    @property
    def spec(self) -> Any: ...

    def logits(self, features: Float32Array) -> Float32Array:
        """What it says of each place of the grid: (N, K, side, side) float32 of features (N, D)."""

    def to_tensors(self) -> Mapping[str, AnyArray]:
        """What is saved."""


def head_from(tensors: Mapping[str, AnyArray], fields: dict[str, Any]) -> SegmentationHead:
    """The head of a saved model.

    Args:
        tensors: What its ``to_tensors`` gave.
        fields: What its spec's ``to_dict`` gave.

    Raises:
        ModelError: They are of no head, or do not fit each other.
    """
    kind = fields.get("kind")
    if kind == "pixel":
        return PixelHead.from_tensors(tensors, PixelSpec.from_dict(fields))
    if kind == "decoder":
        from topwork.tasks.segmentation.decoder import DecoderHead, DecoderSpec

        return DecoderHead.from_tensors(tensors, DecoderSpec.from_dict(fields))
    raise ModelError(f"no head of a segmenter is called {str(kind)[:40]!r}", hint="a newer topwork may know it")
