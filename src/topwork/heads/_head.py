"""What every head can do, and how one is read back by its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from topwork._arrays import AnyArray, Float32Array
from topwork.errors import ModelError

from ._knn import KNNHead
from ._linear import LinearHead
from ._mapped import MappedHead
from ._mlp import MLPHead
from ._text import BlendHead, TextHead


class Head(Protocol):
    """Features in, class probabilities out; storable as named tensors."""

    @property
    def kind(self) -> str:
        """The name under which `head_from_tensors` finds this class again."""

    @property
    def n_classes(self) -> int:
        """Number of classes, those without a training image included."""

    @property
    def n_features(self) -> int:
        """Number of features it reads."""

    @property
    def calibration(self) -> dict[str, float]:
        """The calibration's numbers, such as the temperature; empty where there are none."""

    def uncalibrated(self) -> Head | None:
        """The same head without its calibration; None where it has none."""

    def probabilities(self, features: AnyArray) -> Float32Array:
        """Features (N, D) to probabilities (N, C), each row summing to one."""

    def to_tensors(self) -> dict[str, AnyArray]:
        """Everything needed to build the head again, fit for safetensors."""


_KINDS: dict[str, Callable[[Mapping[str, AnyArray]], Head]] = {
    kind.kind: kind.from_tensors for kind in (LinearHead, KNNHead, MLPHead, TextHead, BlendHead, MappedHead)
}


def head_from_tensors(kind: str, tensors: Mapping[str, AnyArray]) -> Head:
    """Build the head of this kind from its tensors.

    Args:
        kind: "linear", "knn", "mlp", "mapped", "text" or "blend".
        tensors: What the head's `to_tensors` gave.

    Raises:
        ModelError: The kind is unknown, or a tensor is missing, extra, misshapen or not finite.
    """
    if kind not in _KINDS:
        raise ModelError(
            f"unknown head kind {kind!r}; expected one of {', '.join(sorted(_KINDS))}",
            hint="The model may come from a newer version of topwork.",
        )
    return _KINDS[kind](tensors)
