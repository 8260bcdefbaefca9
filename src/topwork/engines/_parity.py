"""Parity: does a fast engine give the reference's features? Decided once for a network on real images, and recorded.

The reference is torch in float32, which is where a network's conversion comes from. A default network is not converted
but built, and the tests hold its graph equal to torch's; its reference is that graph in float32, so no torch is needed.
"""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork._system import PRECISION_VARIABLE, has_torch, write_whole, writing_cache
from topwork.backbones import AnyBackbone, DetectorNetwork, TextBackbone, has_blocks, is_face, row
from topwork.engines._engine import EngineChoice, RunsOn, has_cuda, precisions
from topwork.engines._open import open_engine
from topwork.engines._openvino import is_built, network_folder
from topwork.engines._texts import text_network_folder
from topwork.errors import BackboneError

# Relative distance that each output may have from the reference's. bfloat16 keeps 8 bits: it moves Lite0's embedding
# by 4 % of its norm and one early stage's mean by 7 %, which changes no log loss in the third digit as long as
# training and prediction do the same.
TOLERANCE = {"bf16": 0.15, "f32": 0.01}

PARITY_IMAGES = 4  # real images that are compared; each costs the reference about 50 ms


def deviation(features: Float32Array, reference: Float32Array) -> float:
    """Median over the images of the distance between two feature vectors over the reference's norm.

    Args:
        features: float32 (N, D), of the engine that is tried.
        reference: float32 (N, D), of the reference in float32.
    """
    distance = np.linalg.norm(features - reference, axis=1)
    return float(np.median(distance / np.maximum(np.linalg.norm(reference, axis=1), 1e-12)))


def worst_deviation(
    backbone: AnyBackbone, outputs: tuple[str, ...], features: Float32Array, reference: Float32Array
) -> float:
    """The deviation of the output that deviates most, so that a wide output cannot hide a narrow one's."""
    ends = np.cumsum([backbone.width(output) for output in outputs])[:-1]
    parts = zip(np.split(features, ends, axis=1), np.split(reference, ends, axis=1), strict=True)
    return max(deviation(part, expected) for part, expected in parts)


def _in_order_of(features: Float32Array, reference: Float32Array, queries: int) -> Float32Array:
    """A detector's candidates in the reference's order, each the nearest: they stand by score, and near ties swap."""
    return np.stack([_matched(*pair, queries) for pair in zip(features, reference, strict=True)])


def _matched(row: Float32Array, reference: Float32Array, queries: int) -> Float32Array:
    boxes, told = 4 * queries, (queries, -1)
    ours, theirs = (np.hstack([each[:boxes].reshape(told), each[boxes:].reshape(told)]) for each in (row, reference))
    distances = (ours**2).sum(axis=1) - 2 * theirs @ ours.T  # and what is the same for all of ours
    order = distances.argmin(axis=1)
    return np.concatenate([each.reshape(told)[order].ravel() for each in (row[:boxes], row[boxes:])])


def recorded_choice(backbone: AnyBackbone, engine: RunsOn) -> EngineChoice | None:
    """The decision of an earlier run, None where there is none among the precisions that may be used now.

    Where there is nothing to decide it is the reference. Of faces it always is: who was enrolled on one machine is
    compared on another, which may not have the other precision.
    """
    available, reference = precisions(engine), _reference(backbone, engine)
    if engine == reference.name and (available == ("f32",) or is_face(backbone)):
        return reference
    try:
        fields = json.loads(_record_file(backbone, engine).read_text("utf-8"))
        choice = EngineChoice(engine, fields["precision"], fields["deviation"])
        among = fields.get("among", [*available])  # an older topwork did not write it
    except (OSError, ValueError, KeyError, TypeError, BackboneError):
        return None
    return choice if among == [*available] and choice.precision in available else None


def nearest_choice(choice: EngineChoice) -> EngineChoice:
    """The engine and precision that made a head's features, or the nearest that this machine has, with a warning."""
    if (choice.name == "torch-cuda" and not has_cuda()) or (choice.name == "torch-cpu" and not has_torch()):
        choice = EngineChoice("openvino", choice.precision, choice.deviation)
    if choice.precision in precisions(choice.name):
        return choice
    why = "TOPWORK_PRECISION excludes" if os.environ.get(PRECISION_VARIABLE) else "this processor does not support"
    warnings.warn(
        f"this model was trained on {choice.precision} features, which {why}; "
        "float32 is used instead, so probabilities may differ in the second digit",
        stacklevel=4,
    )
    return EngineChoice(choice.name, "f32")


def decide(backbone: AnyBackbone, engine: RunsOn, images: Any) -> EngineChoice:
    """The fastest precision whose features agree with float32's on these images or texts; remembered for this network.

    Args:
        backbone: The network that is run.
        engine: The engine that is to run it.
        images: Real images, preprocessed: uint8 (N, size, size, 3), or N texts; the first few are used.

    Raises:
        BackboneError: Not even float32 agrees: the conversion is wrong and its features cannot be trusted.
    """
    known = recorded_choice(backbone, engine)
    if known is not None:
        return known
    choice = _measure(backbone, engine, images[:PARITY_IMAGES])
    with contextlib.suppress(BackboneError):  # where the cache cannot be written it is measured anew each time
        _record(backbone, choice)
    return choice


def _reference(backbone: AnyBackbone, engine: RunsOn) -> EngineChoice:
    """What gives the true features."""
    if isinstance(backbone, TextBackbone):  # one graph for both precisions, which the tests hold equal to torch's
        return EngineChoice(engine, "f32")
    return EngineChoice("openvino" if engine == "openvino" and is_built(backbone) else "torch-cpu", "f32")


def _measure(backbone: AnyBackbone, engine: RunsOn, images: Any) -> EngineChoice:
    outputs, reference = backbone.outputs("all"), _reference(backbone, engine)
    expected = open_engine(backbone, outputs, reference)(images)
    of_boxes = isinstance(backbone, DetectorNetwork)
    for precision in ("f32",) if of_boxes else precisions(engine):  # bfloat16 would move a box by pixels
        if (engine, precision) == (reference.name, reference.precision):
            return reference
        trial = open_engine(backbone, outputs, EngineChoice(engine, precision))
        given = trial(images)
        if isinstance(backbone, DetectorNetwork):
            given = _in_order_of(given, expected, backbone.queries)
        distance = worst_deviation(backbone, outputs, given, expected)
        if distance <= TOLERANCE[precision]:
            return EngineChoice(engine, precision, round(distance, 6))
    raise BackboneError(
        f"{engine} computes other features of {backbone.name} than torch (they differ by {distance:.1%})",
        hint="`topwork fit --engine torch-cpu` runs the reference itself",
    )


def _record_file(backbone: AnyBackbone, engine: RunsOn) -> Path:
    """Where a decision lies; one holds for all sizes of the image where the graph is the same but for its size."""
    if isinstance(backbone, TextBackbone):
        return text_network_folder(backbone) / f"parity-{engine}.json"
    entry = row(backbone.name) if has_blocks(backbone) else None
    of_size = backbone if entry is None else backbone.replace(size=entry.size)
    return network_folder(of_size) / f"parity-{engine}.json"


def _record(backbone: AnyBackbone, choice: EngineChoice) -> None:
    file = _record_file(backbone, choice.name)
    fields = {"precision": choice.precision, "deviation": choice.deviation, "among": precisions(choice.name)}
    content = json.dumps(fields).encode()
    with writing_cache():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, content)
