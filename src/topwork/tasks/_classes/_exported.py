"""What an exported model with classes answers: probabilities, the label that its decision rule gives, typicality."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from topwork._arrays import AnyArray, Float32Array
from topwork.exporting import Answers, Value, label_of, probabilities_of, typicality_of
from topwork.metrics import Costs, decide, typicality
from topwork.model import Classifier
from topwork.tasks._classes._recalibrated import recalibrated

_WITHIN = 1e-3  # of a probability


def _nodes(model: Classifier, features: Value) -> Mapping[str, Value]:
    probabilities = probabilities_of(features, model.head)
    found = {"probabilities": probabilities, "label": label_of(probabilities, model.rule)}
    if model.novelty is not None:
        found["typicality"] = typicality_of(features, model.novelty)
    return found


def _expected(model: Classifier, features: Float32Array) -> Mapping[str, AnyArray]:
    probabilities = model.head.probabilities(features)
    found: dict[str, AnyArray] = {"probabilities": probabilities, "label": decide(probabilities, model.rule)}
    if model.novelty is not None:
        found["typicality"] = typicality(model.novelty.distances(features), model.novelty.reference)
    return found


def _metadata(model: Classifier) -> Mapping[str, Any]:
    block = model.record.task
    selective, decision = block.selective, block.decision
    return {
        "classes": list(model.classes),
        "temperature": block.calibration.get("temperature", 1.0),
        "thresholds": None if selective is None else selective.model_dump(include={"levels", "sets", "answers"}),
        "decision": None if decision is None else decision.model_dump(mode="json"),
    }


def _files(model: Classifier) -> Mapping[str, str]:
    return {
        "classes.json": json.dumps(model.classes, ensure_ascii=False, indent=1) + "\n",
        "classes.txt": "".join(f"{' '.join(name.split())}\n" for name in model.classes),
    }


def _label_code(model: Classifier) -> str:
    rule = model.rule
    if isinstance(rule, Costs):
        return f"(probabilities @ np.array({rule.matrix.tolist()})).argmin(1)"
    if rule is None:
        return "probabilities.argmax(1)"
    others = f"np.where(np.arange({len(model.classes)}) == {rule.place}, -1, probabilities).argmax(1)"
    return f"np.where(probabilities[:, {rule.place}] >= {rule.probability}, {rule.place}, {others})"


EXPORTED = Answers(
    nodes=_nodes,
    expected=_expected,
    tolerances={"probabilities": _WITHIN},
    outputs={
        "probabilities": "float32 [batch, classes], calibrated as in topwork",
        "label": "int64 [batch]: the answer, a place in `classes.json`, by the model's decision rule where it has one",
        "typicality": "float32 [batch], where the model has it: the share of the training data that is as far out; "
        "0.05 and below is unlike them",
    },
    label="label",
    metadata=_metadata,
    files=_files,
    about=dict.fromkeys(("classes.json", "classes.txt"), "the classes, in the order of the probabilities"),
    setup='CLASSES = json.loads((HERE / "classes.json").read_text("utf-8"))',
    # a tab or a line break in a name becomes a blank: a row stays one row of three cells
    line=r""""\t".join(" ".join(each.expandtabs(1).splitlines()) for each in (name, CLASSES[found["label"][row]]))"""
    r''' + f"\t{found['probabilities'][row, found['label'][row]]:.4f}"''',
    label_code=_label_code,
    head=lambda model: model.head,
    recalibrated=recalibrated,
)
