"""What a classifier's folder holds, each part checked: head, what tells strange images, training images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.backbones import NGRAMS
from topwork.errors import ModelError
from topwork.heads import Head, Novelty, head_from_tensors
from topwork.model._folder import Parts
from topwork.model._neighbours import Neighbours

DIGESTS = "digests"
"""The one tensor of ``training.safetensors``."""


def head_of(parts: Parts, where: str) -> Head:
    """The head; raises, as all of these do, a ModelError that names the file."""
    found: Head = head_in(parts, where, lambda tensors: head_from_tensors(parts.record.head, tensors))
    require_fit(parts, found.n_classes, found.n_features, where)
    return found


def head_in(parts: Parts, where: str, read: Callable[[Any], Any]) -> Any:
    """What ``read`` makes of the tensors of ``head.safetensors``."""
    tensors = parts.tensors.get("head")
    if tensors is None:
        raise ModelError(f"{where}/head.safetensors: not a readable .safetensors file: it is missing")
    try:
        return read(tensors)
    except ModelError as error:
        raise ModelError(f"{where}/head.safetensors: {error.message}", hint=error.hint) from error


def require_fit(parts: Parts, n_classes: int, n_features: int, where: str) -> None:
    """Refuse a head of other classes than the record's, or of other features than the backbone gives."""
    if n_classes != len(parts.record.task.classes):
        raise ModelError(f"{where}: the head has {n_classes} classes, model.json has {len(parts.record.task.classes)}")
    width = sum(map(parts.backbone.width, parts.record.outputs))
    if n_features != width:
        raise ModelError(f"{where}: the head reads {n_features} features, its outputs give {width}")


def novelty_of(parts: Parts, head: Head, where: str) -> Novelty | None:
    """What tells strange images; models of an older topwork, and of very few images, have none."""
    tensors, file = parts.tensors.get("novelty"), f"{where}/novelty.safetensors"
    if tensors is None:
        return None
    try:
        novelty = Novelty.from_tensors(tensors)
    except ModelError as error:
        raise ModelError(f"{file}: {error.message}") from error
    if novelty.n_features != head.n_features:
        raise ModelError(f"{file}: it reads {novelty.n_features} features, the head {head.n_features}")
    return novelty


def neighbours_in(parts: Parts, where: str, *, pictures: bool) -> Neighbours | None:
    """Training images, where the model keeps any."""
    tensors, record = parts.tensors.get("neighbours"), parts.record
    if tensors is None:
        return None
    try:
        found = Neighbours.from_tensors(tensors, len(record.task.classes), pictures=pictures)
        width = sum(parts.backbone.width(output) for output in record.outputs if output != NGRAMS)
        if len(found.mean) != width:
            raise ModelError(f"it has {len(found.mean)} features, and the head reads {width}")
    except ModelError as error:
        raise ModelError(
            f"{where}/neighbours.safetensors: {error.message}", hint="delete it: the model predicts without it"
        ) from error
    return found


def trained_of(parts: Parts, where: str) -> npt.NDArray[np.uint64] | None:
    """Digests of the images that trained the model; models of an older topwork have none."""
    tensors = parts.tensors.get("training")
    if tensors is None:
        return None
    digests = tensors.get(DIGESTS)
    if digests is None or len(tensors) != 1 or digests.ndim != 1 or digests.dtype != np.uint64:
        raise ModelError(f"{where}/training.safetensors: expected one row of uint64, {DIGESTS!r}, and nothing else")
    return digests
