"""What every engine is: its name and precision, what this machine has, and the batches that it takes."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork._system import has_torch, require_torch, uses_bf16
from topwork.backbones import AnyBackbone, DetectorNetwork, TextBackbone, is_face, is_onnx
from topwork.engines._package import openvino
from topwork.errors import BackboneError

EngineName = Literal["openvino", "torch-cpu", "torch-cuda"]
RunsOn = EngineName | Literal["numpy"]
"""What features may come from: an engine, or a lookup that needs none."""

_LOOKUP = "numpy"
Precision = Literal["bf16", "f32"]

_lock = threading.Lock()
BATCH = 16  # images a call; larger batches are no faster on a CPU and hold more memory (bench/extract.py)


class Engine(Protocol):
    """Takes batches of uint8 images or lists of texts and gives float32 features; several threads may call it at once.

    Attributes:
        batch_size: Images or texts a call that suit it best; any number is taken.
        callers: Threads that should call it at once.
    """

    @property
    def name(self) -> RunsOn: ...
    @property
    def precision(self) -> Precision: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def callers(self) -> int: ...

    def __call__(self, images: Any, /) -> Float32Array:
        """Features of uint8 (N, size, size, 3) images, N at least 1: float32 (N, width of the outputs together).

        Raises:
            BackboneError: The images are of another type or shape.
        """


@dataclass(frozen=True)
class EngineChoice:
    """Which engine runs, and in which precision.

    Attributes:
        deviation: How far its features lie from the float32 reference's on real images (``decide``); None where it
            is the reference.
    """

    name: RunsOn
    precision: Precision
    deviation: float | None = None

    def __post_init__(self) -> None:
        """Refuse, by a BackboneError, an engine or a precision that does not exist."""
        if self.name != _LOOKUP:
            _require(self.name, "engine", get_args(EngineName))
        _require(self.precision, "precision", get_args(Precision))


def _require(value: str, what: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BackboneError(f"no {what} is called {value!r}", hint=f"there are {', '.join(known)}")


def default_engine() -> EngineName:
    """CUDA where torch sees a GPU, OpenVINO otherwise."""
    return "torch-cuda" if has_cuda() else "openvino"


def engine_for(backbone: AnyBackbone, engine: EngineName | None = None) -> RunsOn:
    """What runs a backbone where nothing else is asked for: a lookup needs none; texts and faces take the CPU.

    A detector of torchvision runs in torch alone: it chooses boxes within, whose number differs from image to image.
    """
    if isinstance(backbone, TextBackbone):
        return "openvino" if backbone.family == "transformer" else "numpy"
    if isinstance(backbone, DetectorNetwork) and backbone.library == "torchvision":
        return "torch-cuda" if engine != "torch-cpu" and has_cuda() else "torch-cpu"
    if is_face(backbone) or is_onnx(backbone):
        return engine or "openvino"
    return engine or default_engine()


def has_cuda() -> bool:
    """Whether torch can use an NVIDIA GPU; asks torch, which takes a second to import, only where a driver is there."""
    if sys.platform == "win32":
        import ctypes.util

        driver = ctypes.util.find_library("nvcuda") is not None
    else:
        driver = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()  # the latter in WSL
    if not driver or not has_torch():
        return False
    import torch

    return torch.cuda.is_available()


def precisions(engine: RunsOn) -> tuple[Precision, ...]:
    """What the engine may compute in: what this machine does natively and ``TOPWORK_PRECISION`` lets it, fastest first.

    Raises:
        BackboneError: There is no such engine.
        MissingExtraError: It needs PyTorch, which is not installed.
        TopworkError: The variable asks for what there is not.
    """
    if engine == _LOOKUP:
        return ("f32",)
    _require(engine, "engine", get_args(EngineName))
    if engine == "torch-cpu":
        return ("f32",)
    if engine == "torch-cuda":
        require_torch("the engine torch-cuda")
        import torch

        capable = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capable = "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("bf16", "f32") if uses_bf16(capable, engine) else ("f32",)


def openvino_core() -> Any:
    """OpenVINO, ready to be called from several threads; one for the whole process, since loading it takes a moment.

    It sets up its view of NumPy when it is first shown an array. Two threads that do so at once, which the engine's
    callers are, can block each other for ever: one sets it up and wants the interpreter's lock, the other has that and
    waits for the first. So it is shown one here, in one thread.
    """
    with _lock:
        return _core()


@functools.cache
def _core() -> Any:
    openvino().Tensor(np.zeros(1, np.uint8))
    return openvino().Core()


def batches(images: UInt8Array, size: int, count: int) -> Iterator[UInt8Array]:
    """The images, uint8 (N, size, size, 3), N at least 1, ``count`` at a time; a BackboneError for any others."""
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3) or len(images) == 0:
        raise BackboneError(
            f"an engine needs images as uint8 (N, {size}, {size}, 3), not {images.dtype} {images.shape}",
            hint="use the preprocessing of the backbone",
        )
    yield from (images[start : start + count] for start in range(0, len(images), count))


def last_line(error: Exception) -> str:
    """What OpenVINO says after the places in its own source."""
    return str(error).strip().rpartition("\n")[2]
