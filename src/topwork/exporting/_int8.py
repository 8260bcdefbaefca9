"""An image model in eight bits: made, measured beside float32, and refused where it is not worth it."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from topwork._arrays import BoolArray, Float32Array, UInt8Array
from topwork._system import optional
from topwork.data import LabelledDataset
from topwork.engines import EngineChoice, RunsOn
from topwork.engines._package import openvino
from topwork.errors import TopworkError
from topwork.exporting._answers import Answers
from topwork.exporting._images import ImageInputs
from topwork.exporting._inputs import Inputs
from topwork.exporting._network import level_features
from topwork.exporting._nodes import Nodes
from topwork.exporting._onnx import onnx_model
from topwork.exporting._quantised import quantised
from topwork.features import ImageReader, extract_few, read_ahead
from topwork.model import Model

if TYPE_CHECKING:
    from onnx import ModelProto

LEAST_AGREEMENT = 0.995  # of the answers
MOST_LOST = 0.005  # of accuracy
LEAST_GAIN = 1.1  # times as fast, for images one by one or several at once
_NO_SLOWER = 0.97  # in the other way
_KEPT = (0, 1, 3, 6)  # first convolutions in float32 that are tried, until the answers are good enough
_CALIBRATION, _HELD_OUT, _LEAST_HELD_OUT = 128, 2048, 64  # images
_ROUNDING = 1e-9
_TARGETS = ("onnx", "openvino")
_ROUNDS, _BATCHES = 9, (1, 8)  # of timing; images a call
_EXACT = EngineChoice("openvino", "f32")

Say = Callable[[str], object]
Run = Callable[[UInt8Array], Any]


@dataclass(frozen=True)
class Speed:
    """How long both take in turn on this machine, the medians of several rounds.

    Attributes:
        images: A call.
        float32: Milliseconds an image.
        int8: Milliseconds an image.
    """

    images: int
    float32: float
    int8: float

    @property
    def gain(self) -> float:
        """How many times as fast int8 is."""
        return self.float32 / self.int8


@dataclass(frozen=True)
class Int8:
    """What int8 gains and costs.

    Attributes:
        calibrated_on: Training images that told the ranges.
        kept: Convolutions that stay in float32, the first ones; no more than the answers need.
        images: Held-out images that measured the rest.
        agreement: Share of them with the answer of float32.
        accuracy: Of int8; ``accuracy_float32`` of the model as it was.
        speeds: For one image a call and for several.
    """

    calibrated_on: int
    kept: int
    images: int
    agreement: float
    accuracy: float
    accuracy_float32: float
    speeds: tuple[Speed, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return dataclasses.asdict(self)

    @property
    def faults(self) -> list[str]:
        """How it answers worse than it may."""
        found = []
        if self.agreement < LEAST_AGREEMENT - _ROUNDING:
            found.append(
                f"it answers {1 - self.agreement:.1%} of {self.images} held-out images otherwise "
                f"(at most {1 - LEAST_AGREEMENT:.1%} may)"
            )
        lost = self.accuracy_float32 - self.accuracy
        if lost > MOST_LOST + _ROUNDING:
            found.append(f"it loses {100 * lost:.1f} points of accuracy (at most {100 * MOST_LOST:.1f} may be lost)")
        return found

    def require_worth(self) -> None:
        """Refuse what answers otherwise, is less accurate, or is not faster here.

        Raises:
            TopworkError: It says which, and by how much.
        """
        wrong, gains = self.faults, [speed.gain for speed in self.speeds]
        if max(gains) < LEAST_GAIN or min(gains) < _NO_SLOWER:
            each = " and ".join(f"{speed.gain:.2f} times as fast with {speed.images} a call" for speed in self.speeds)
            wrong.append(f"it is {each} on this machine (one of them must reach {LEAST_GAIN:g})")
        if wrong:
            raise TopworkError(
                f"int8 is not worth it for this model: {'; '.join(wrong)}; nothing was written",
                hint="leave out --int8; another network or another machine may gain more",
            )


def in_int8(
    model: Model, inputs: Inputs, answers: Answers, to: str, data: LabelledDataset, say: Say
) -> tuple[Model, Inputs, Answers, Int8]:
    """The model, what it takes and what it answers, with its network in int8.

    Args:
        model: Of images; it stays as it is.
        inputs: What it takes.
        answers: What its task answers with; it has to know how a model is calibrated again.
        to: ``onnx`` or ``openvino``, in which the speed is measured.
        data: Labelled images. Those that trained the model tell the ranges of the maps; the others measure it, and set
            its temperature and thresholds again.
        say: Called with each step's name.

    Raises:
        TopworkError: It is no model of images, too few of the images trained it or did not, or it is not worth it.
    """
    if not isinstance(inputs, ImageInputs) or answers.recalibrated is None or not answers.label:
        raise TopworkError("--int8 is for models that put images into classes", hint="leave it out")
    if to not in _TARGETS:
        raise TopworkError(f"--int8 is not for --to {to}", hint=f"it is for {' and '.join(_TARGETS)}")
    say("what predict says of the images")
    rows = _Rows.of(model, data)
    network = _network(inputs, model.record.outputs)
    squares = _squares(inputs, rows.training)
    for kept in _KEPT:
        say(f"the network in int8, but for its first {kept} convolutions" if kept else "the network in int8")
        small = quantised(network, squares, kept=kept)
        calibrated, measured = _measured(model, answers, small, rows, kept)
        if not measured.faults:
            break
    changed = dataclasses.replace(inputs, network=small)
    say("how long both take")
    plain, quick = (_runner(each, way, answers, to) for each, way in ((model, inputs), (calibrated, changed)))
    measured = dataclasses.replace(measured, speeds=_speeds(plain, quick, rows.held_out, inputs))
    measured.require_worth()
    return calibrated, changed, _told(answers, measured), measured


def _measured(model: Any, answers: Answers, small: ModelProto, rows: _Rows, kept: int) -> tuple[Any, Int8]:
    """The model calibrated for another network, and how it answers."""
    assert answers.recalibrated is not None
    outputs, engine = model.record.outputs, _Engine(small)
    found = extract_few(rows.held_out, model.backbone, outputs, choice=_EXACT, open_network=lambda *asked: engine)
    calibrated = answers.recalibrated(model, found.values, rows.labels)
    own, other = (
        answers.expected(each, values)[answers.label]
        for each, values in ((model, rows.values), (calibrated, found.values))
    )
    agreement, accuracy, before = (
        float((one == two).mean()) for one, two in ((own, other), (other, rows.labels), (own, rows.labels))
    )
    return calibrated, Int8(len(rows.training), kept, len(rows.labels), agreement, accuracy, before)


def _told(answers: Answers, measured: Int8) -> Answers:
    """The same answers, which now need not be those of float32 to a thousandth; what was measured is told instead."""
    return dataclasses.replace(
        answers,
        tolerances={},
        metadata=lambda model: {**answers.metadata(model), "int8": measured.to_dict()},
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Images that trained the model, and others with labels and their features in float32."""

    training: Sequence[Any]
    held_out: Sequence[Any]
    labels: np.ndarray[Any, np.dtype[np.int64]]
    values: Float32Array

    @classmethod
    def of(cls, model: Any, data: LabelledDataset) -> _Rows:
        sources = data.sources()
        chosen = np.sort(np.random.default_rng(0).permutation(len(sources))[: _HELD_OUT + _CALIBRATION])
        some = [sources[place] for place in chosen.tolist()]
        found = extract_few(some, model.backbone, model.record.outputs, choice=_EXACT)
        known: BoolArray = np.isin(found.digests, model.trained if model.trained is not None else [])
        training, others = found.kept[known], found.kept[~known]
        if not len(training) or len(others) < _LEAST_HELD_OUT:
            raise TopworkError(
                f"--int8 needs images that trained the model and at least {_LEAST_HELD_OUT} that did not; of these "
                f"{len(found.kept)} {len(training)} did and {len(others)} did not",
                hint="--data takes all the data that the model was fitted on, held-out images included",
            )
        labels = data.labels[chosen][others].astype(np.int64)
        return cls(
            [some[place] for place in training[:_CALIBRATION].tolist()],
            [some[place] for place in others.tolist()],
            labels,
            found.values[~known],
        )


def _network(inputs: ImageInputs, outputs: tuple[str, ...]) -> ModelProto:
    """From ``levels``, float32 (batch, 3, size, size), to features."""
    nodes, size = Nodes(), inputs.backbone.preprocessing.size
    levels = nodes.input("levels", np.float32, ["batch", 3, size, size])
    width = sum(map(inputs.backbone.width, outputs))
    nodes.output("features", level_features(nodes, levels, inputs.backbone, outputs), ["batch", width])
    return nodes.model("network")


def _squares(inputs: ImageInputs, sources: Sequence[Any]) -> list[Float32Array]:
    items = read_ahead(sources, ImageReader(inputs.backbone.preprocessing), lambda key: False)
    return [_levels(item.content[None]) for item in items]


def _levels(squares: UInt8Array) -> Float32Array:
    return np.ascontiguousarray(squares.transpose(0, 3, 1, 2).astype(np.float32))


class _Engine:
    """A network in ONNX Runtime, as ``extract_few`` calls one."""

    name: RunsOn = "openvino"
    precision: Literal["bf16", "f32"] = "f32"
    batch_size, callers = 16, 1

    def __init__(self, network: ModelProto) -> None:
        self._session = _session(network)

    def __call__(self, images: Any) -> Float32Array:
        return self._session.run(None, {"levels": _levels(images)})[0]  # type: ignore[no-any-return]


def _session(model: ModelProto) -> Any:
    runtime: Any = optional("onnxruntime", extra="export", what="an export in int8")
    return runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _runner(model: Model, inputs: ImageInputs, answers: Answers, to: str) -> Run:
    """The whole model, as its script would run it."""
    if to == "onnx":
        session = _session(onnx_model(model, inputs, answers))
        return lambda images: session.run(None, {"images": images})
    core, made = openvino().Core(), onnx_model(model, inputs.outside(), answers)
    network = core.compile_model(core.read_model(made.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: network({"images": images})


def _speeds(plain: Run, small: Run, sources: Sequence[Any], inputs: ImageInputs) -> tuple[Speed, ...]:
    """Both in turn, so that whatever else the machine does slows both."""
    items = read_ahead(sources[: _BATCHES[-1]], ImageReader(inputs.backbone.preprocessing), lambda key: False)
    squares = np.stack([item.content for item in items])
    found = []
    for count in _BATCHES:
        rows = squares[:count]
        times: tuple[list[float], list[float]] = ([], [])
        for place in range(_ROUNDS + 1):
            for run, taken in zip((plain, small), times, strict=True):
                began = time.perf_counter()
                run(rows)
                if place:  # the first round warms up
                    taken.append(time.perf_counter() - began)
        one, other = (1000 * statistics.median(taken) / count for taken in times)
        found.append(Speed(count, round(one, 3), round(other, 3)))
    return tuple(found)
