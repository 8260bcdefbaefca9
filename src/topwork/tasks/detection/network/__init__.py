"""The detector's network beyond its backbone: a feature pyramid and the head that tells classes and boxes.

In: maps of a backbone's stages, one row an image. Out: what the head says of each place (by OpenVINO without torch, or
by torch while it is trained), and detections: decoded, freed of doubles, and in the image's own pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from topwork._arrays import AnyArray
from topwork.tasks.detection.network._decode import Decoding, at_each_place, decode
from topwork.tasks.detection.network._graph import Operators, predicted
from topwork.tasks.detection.network._head import DetectorHead
from topwork.tasks.detection.network._places import in_image, in_square
from topwork.tasks.detection.network._queries import QueryHead, QuerySpec
from topwork.tasks.detection.network._raw import Raw
from topwork.tasks.detection.network._spec import HeadSpec, Layers, Level
from topwork.tasks.detection.network._suppress import suppress
from topwork.tasks.detection.network._tiles import Tile, merged, tiles

if TYPE_CHECKING:
    from topwork.tasks.detection.network._module import TorchHead

AnyHead = DetectorHead | QueryHead
"""What makes detections of features: a pyramid on maps, or a class layer on another detector's candidates."""

__all__ = [
    "AnyHead",
    "Decoding",
    "DetectorHead",
    "HeadSpec",
    "Layers",
    "Level",
    "Operators",
    "QueryHead",
    "QuerySpec",
    "Raw",
    "Tile",
    "at_each_place",
    "decode",
    "head_from",
    "in_image",
    "in_square",
    "merged",
    "predicted",
    "suppress",
    "tiles",
    "torch_head",
]


def head_from(tensors: Mapping[str, AnyArray], fields: dict[str, Any]) -> AnyHead:
    """The head of a saved model.

    Args:
        tensors: What its ``to_tensors`` gave.
        fields: What its spec's ``to_dict`` gave.

    Raises:
        ModelError: They are of no head, or do not fit each other.
    """
    if fields.get("reads") == "queries":
        return QueryHead.from_tensors(tensors, QuerySpec.from_dict(fields))
    return DetectorHead.from_tensors(tensors, HeadSpec.from_dict(fields))


def torch_head(spec: HeadSpec) -> TorchHead:
    """The head in torch with random numbers, as it is trained: ``maps or features -> Predicted``.

    Raises:
        MissingExtraError: PyTorch is not installed.
    """
    from topwork._system import require_torch

    require_torch("training a detector")
    from topwork.tasks.detection.network import _module

    return _module.TorchHead(spec)
