"""What a recogniser writes down of itself; no name of anybody is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from topwork.heads import Projection
from topwork.model import ModelRecord, TaskRecord


class PromiseRecord(TaskRecord):
    """A threshold, and what it was set on (``_fit.Promise``)."""

    name: str = "promise"
    threshold: float
    false_accept: float = Field(gt=0, lt=1)
    pairs: int
    identities: int


class RecognitionRecord(TaskRecord):
    """The block of a recogniser.

    Attributes:
        identities: How many trained it.
        weights: SHA-256 of the network's weights when it was fitted, wherever they lie now.
        finder: What finds the things to compare (``Finder.facts``); None where images are compared whole.
        promise: Its threshold.
        metrics: ``Measured`` on identities that were held out; None where none were.
    """

    files: ClassVar[tuple[str, ...]] = ("head",)

    identities: int
    weights: str
    finder: dict[str, Any] | None = None
    promise: PromiseRecord
    metrics: dict[str, Any] | None = None


def embedding_id(record: ModelRecord[Any], projection: Projection) -> str:
    """What two models have in common whose embeddings may be compared: SHA-256 over all that makes them."""
    made_by: Mapping[str, Any] = {
        "network": record.backbone["name"],
        "weights": record.task.weights,
        "preprocessing": record.backbone.get("preprocessing"),
        "outputs": record.outputs,
        "finder": record.task.finder,
    }
    digest = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode())
    for tensor in projection.to_tensors().values():
        digest.update(tensor.tobytes())
    return digest.hexdigest()
