"""What an exported recogniser answers: embeddings. Its gallery, which is of people, stays with the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from topwork._arrays import AnyArray, Float32Array
from topwork.backbones import is_face
from topwork.data import printable
from topwork.errors import TopworkError
from topwork.exporting import Answers, Value
from topwork.tasks.recognition._model import Recognizer

_WITHIN = 1e-3  # of a number of an embedding, whose length is one
_TINY = float(np.finfo(np.float32).tiny)
_SETUP = """TOLD = json.loads((HERE / "recognition.json").read_text("utf-8"))
FIRST = []


def told(name, embedding):  # with how similar it is to the first image that was named
    FIRST.append(embedding)
    similarity = float(FIRST[0] @ embedding)
    same = similarity >= TOLD["threshold"]
    return {"source": str(name), "similarity": similarity, "same": same, "embedding": embedding.tolist()}"""


def _require(model: Recognizer, to: str) -> None:
    if is_face(model.backbone):
        raise TopworkError(
            f"{printable(model.backbone.name)} is a network of faces, which is not written as nodes",
            hint="`topwork verify` and `topwork predict` answer with it",
        )


def _nodes(model: Recognizer, features: Value) -> Mapping[str, Value]:
    rows = (features - model.projection.mean) @ model.projection.matrix
    rows = rows / abs(rows).max(1).largest(_TINY)  # or the squares of large numbers would overflow
    length = features.nodes.add("Sqrt", (rows * rows).sum(1)).largest(_TINY)
    return {"embedding": rows / length}


def _expected(model: Recognizer, features: Float32Array) -> Mapping[str, AnyArray]:
    return {"embedding": model.projection.embed(features)}


def _told(model: Recognizer) -> dict[str, Any]:
    """What says whether two embeddings are of one identity; nothing of anybody who is enrolled."""
    promise = model.record.task.promise
    facts = model.record.task.finder
    return {
        "threshold": promise.threshold,
        "false_accept": promise.false_accept,
        "embedding_id": model.embedding_id,
        "finder": None if facts is None else facts.get("name"),
    }


def _files(model: Recognizer) -> Mapping[str, str]:
    return {"recognition.json": json.dumps(_told(model), ensure_ascii=False, indent=1) + "\n"}


EXPORTED = Answers(
    nodes=_nodes,
    expected=_expected,
    tolerances={"embedding": _WITHIN},
    outputs={
        "embedding": "float32 [batch, numbers], of length one: the product of two of them is their similarity. Where "
        "`recognition.json` names a finder, what goes in is what that cuts out of a picture, upright; this folder does "
        "not find it. The gallery is not in this folder"
    },
    require=_require,
    features=False,
    metadata=_told,
    files=_files,
    about={"recognition.json": "the similarity from which on two images are of one identity, and what it promises"},
    setup=_SETUP,
    line='json.dumps(told(name, found["embedding"][row]), ensure_ascii=False)',
)
