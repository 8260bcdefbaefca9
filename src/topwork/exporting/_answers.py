"""What a task's exported models answer with: its outputs as nodes, and what they must agree with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from topwork._arrays import AnyArray, Float32Array
from topwork.exporting._nodes import Value

Outputs = Mapping[str, AnyArray]
"""By name."""


@dataclass(frozen=True)
class Answers:
    """What a task gives the room (``Task.exported``).

    Attributes:
        nodes: Model and its features, float32 (batch, width), to the values of its outputs by name.
        expected: Model and float32 (N, width) features to the same outputs as ``predict`` has them.
        tolerances: How far an output may be from that at most, number by number; of others it is recorded alone.
        outputs: What each output is, in words.
        label: The output that tells which answer it is, for the share of equal answers.
        metadata: Model to what the file tells beside the graph; names without ``topwork.``, values fit for JSON.
        files: Model to files beside it: names and contents; ``about`` tells of each what it is.
        line: What ``predict.py`` prints for a row, a Python expression in ``name``, ``found`` (outputs) and ``row``.
        setup: Lines of ``predict.py`` before that, such as what reads a file of ``files``.
        label_code: Model to a Python expression in ``probabilities``, an array, that gives the labels: for targets
            whose graph ends there.
        require: Model and name of a target; refuses, before any work, what cannot be exported so.
        features: Whether what the head reads is an output too.
        same: Where no output is a label: whether ``predict.py`` answers a row as ``predict`` does. Takes the model, the
            script as a module, the row, and twice its outputs without their first axis: as ``predict`` has them, with
            ``features``, and those that the script is to answer by.
        least_same: Share of the rows that it must answer so by the export's own numbers; of others it is recorded.
        head: Gives the model's head, where the answers are one's; ``--to torch`` needs it.
        recalibrated: The model as it is to be with other features: of the model, and features (N, width) and classes
            (N,) of held-out rows. None where there is nothing to calibrate; ``--int8`` needs it.
    """

    nodes: Callable[[Any, Value], Mapping[str, Value]]
    expected: Callable[[Any, Float32Array], Mapping[str, AnyArray]]
    tolerances: Mapping[str, float]
    line: str
    outputs: Mapping[str, str]
    label: str = ""
    setup: str = ""
    metadata: Callable[[Any], Mapping[str, Any]] = lambda model: {}
    files: Callable[[Any], Mapping[str, str]] = lambda model: {}
    about: Mapping[str, str] = field(default_factory=dict)
    require: Callable[[Any, str], None] = lambda model, to: None
    features: bool = True
    same: Callable[[Any, Any, Any, Outputs, Outputs], bool] | None = None
    least_same: float = 0.0
    label_code: Callable[[Any], str] = lambda model: "probabilities.argmax(1)"
    head: Callable[[Any], Any] = lambda model: None
    recalibrated: Callable[[Any, Float32Array, AnyArray], Any] | None = None
