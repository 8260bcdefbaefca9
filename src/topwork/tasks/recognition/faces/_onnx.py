"""Faces by a detector in an ONNX file of the user's, run by OpenVINO and aligned by its five points."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork.backbones import file_sha256
from topwork.data import printable
from topwork.engines._engine import last_line, openvino_core
from topwork.errors import DataError
from topwork.tasks.recognition._finder import ONNX_FINDER, Find
from topwork.tasks.recognition.faces._align import ARCFACE_POINTS, ARCFACE_SIDE, aligned, resized
from topwork.tasks.recognition.faces._flaws import flaws, turned
from topwork.tasks.recognition.faces._layouts import STRIDES, faces, told_layout

_RULES = 1  # raise when what is found, or how it is cut out, changes
_SIDE = 640  # pixels of the square that is looked at, where the file does not say
_LARGEST = 4096
_LONGEST = 1600  # pixels to which the longer side of a large picture is made smaller
_KNOWN = (
    "known are YuNet (outputs of 1, 1, 4, 10 numbers) and SCRFD (1, 4, 10), each on grids of 8, 16 and 32 pixels; "
    "they see a square of a multiple of 32 pixels"
)
_RIGHT = "give a detector of faces: --finder FILE.onnx"
_LOST = "put the detector there that made it, or fit it again"


def open_onnx(facts: Mapping[str, Any]) -> OnnxFaces:
    """The finder of these facts, or of a file alone.

    Raises:
        DataError: The file is not there, cannot be run, is no detector whose layout is known, or is another one.
    """
    if not facts.get("file"):
        raise DataError(f"--finder {ONNX_FINDER} needs a file", hint=_RIGHT)
    file, of_model = Path(str(facts["file"])), "sha256" in facts
    try:
        finder = OnnxFaces(file)
    except DataError as error:
        if not of_model:
            raise
        raise DataError(error.message, hint=_LOST) from error
    if of_model and dict(facts) != finder.facts():
        raise DataError(
            f"the faces of this model were found by another file, or by other rules, than {printable(str(file))}",
            hint=_LOST,
        )
    return finder


class OnnxFaces:
    """Finds faces; each thread asks the network in a request of its own."""

    thing, longest = "face", _LONGEST
    advice = "the face has to look at the camera"

    def __init__(self, file: Path) -> None:
        self._file = file.absolute()
        self._network, self._side = _compiled(self._file)
        self._own = threading.local()
        outputs = self._outputs(np.zeros((1, 3, self._side, self._side), np.float32))
        layout = told_layout(outputs, self._side)
        if layout is None:
            found = ", ".join(str(each.shape) for each in outputs[:12]) + (", …" if len(outputs) > 12 else "")
            raise DataError(
                f"{printable(str(file))}: no detector of faces whose layout is known: its outputs for a square of "
                f"{self._side} pixels are {found}",
                hint=_KNOWN,
            )
        self._layout = layout

    def __reduce__(self) -> tuple[type[OnnxFaces], tuple[Path]]:
        """A copy, in this process or another, opens its own."""
        return OnnxFaces, (self._file,)

    def facts(self) -> dict[str, Any]:
        """The version of its rules, and the file with its hash."""
        return {"name": ONNX_FINDER, "rules": _RULES, "file": str(self._file), "sha256": file_sha256(self._file)}

    def find(self, pixels: UInt8Array) -> list[Find]:
        """Faces of uint8 (height, width, 3), upright; the surest first."""
        height, width = pixels.shape[:2]
        small = resized(pixels, self._side / max(height, width))
        square = np.zeros((self._side, self._side, 3), np.uint8)
        square[: small.shape[0], : small.shape[1]] = small[: self._side, : self._side]
        seen = faces(self._layout, self._outputs(self._layout.shown(square)), self._side)
        scale = np.array([width / small.shape[1], height / small.shape[0]], np.float32)
        several = zip(seen.corners * np.tile(scale, 2), seen.scores, seen.points * scale, strict=True)
        return [found for each in several if (found := _find(pixels, *each)) is not None]

    def _outputs(self, shown: Float32Array) -> list[Float32Array]:
        if not hasattr(self._own, "request"):
            self._own.request = self._network.create_infer_request()
        answer = self._own.request.infer([shown])
        return [np.array(each, np.float32) for each in answer.values()]


def _find(pixels: UInt8Array, corners: Float32Array, score: float, points: Float32Array) -> Find | None:
    """One face; None where its points do not lie apart, so that nothing can be aligned."""
    try:
        crop = aligned(pixels, points, ARCFACE_POINTS, ARCFACE_SIDE)
    except (ValueError, np.linalg.LinAlgError):
        return None
    left, top, right, bottom = corners.tolist()
    where = (left, top, right, bottom)
    flaw = flaws(crop, where, pixels.shape[:2], turned(*np.asarray(points[:3], np.float64)))
    return Find(crop, where, float(score), points, flaw)


def _compiled(file: Path) -> tuple[Any, int]:
    """The network for one square, and the square's side in pixels.

    Raises:
        DataError: It is not there, or OpenVINO cannot run it, or it takes no picture.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        why = f"the detector of faces cannot be read: {error.strerror or error}"
        raise DataError(f"{printable(str(file))}: {why}", hint=_RIGHT) from error
    try:
        core = openvino_core()
        network = core.read_model(content)
        side = _side_of([_length(each) for each in network.input(0).get_partial_shape()], len(network.inputs))
        if side:
            network.reshape([1, 3, side, side])
            return core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}), side
    except RuntimeError as error:
        why = f"OpenVINO cannot run the detector of faces: {last_line(error)}"
        raise DataError(f"{printable(str(file))}: {why}", hint=_RIGHT) from error
    raise DataError(f"{printable(str(file))}: it takes no square picture, (1, 3, side, side)", hint=_KNOWN)


def _length(dimension: Any) -> int:
    """0 where any will do."""
    return int(dimension.get_length()) if dimension.is_static else 0


def _side_of(shape: Sequence[int], inputs: int) -> int:
    """Side of the square that a network of this input takes; 0 where it takes none."""
    if inputs != 1 or len(shape) != 4 or shape[0] > 1 or shape[1] not in (0, 3) or shape[2] != shape[3]:
        return 0
    side = shape[2] or _SIDE
    return side if side % STRIDES[-1] == 0 and side <= _LARGEST else 0
