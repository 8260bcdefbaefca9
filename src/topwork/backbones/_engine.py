"""Engines: what runs a frozen backbone. OpenVINO on a CPU, torch on a GPU, torch on a CPU as the reference.

An engine takes batches of uint8 images and gives float32 features. It may be called from several threads at once.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from topwork._cores import available_cores
from topwork._precision import uses_bf16
from topwork.backbones import _compiled
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from topwork.backbones._backbone import Backbone

Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

EngineName = Literal["openvino", "torch-cpu", "torch-cuda"]
Precision = Literal["bf16", "f32"]

BATCH = 16  # images a call; larger batches are no faster on a CPU and hold more memory (bench/extract.py)
_CUDA_BATCH = 128


class Engine(Protocol):
    """What every engine is.

    Attributes:
        name: Which engine.
        precision: What it computes in.
        batch_size: Images a call that suit it best; any number is taken.
        callers: Threads that should call it at once.
    """

    name: EngineName
    precision: Precision
    batch_size: int
    callers: int

    def __call__(self, images: UInt8Array) -> Float32Array:
        """Features of uint8 (N, size, size, 3) images, N at least 1: float32 (N, width of the outputs together).

        Raises:
            BackboneError: The images are of another type or shape.
        """
        ...


@dataclass(frozen=True)
class EngineChoice:
    """Which engine runs, and in which precision.

    Attributes:
        name: Which engine.
        precision: What it computes in.
        deviation: How far its features lie from the float32 reference's on real images (``parity``); None where it
            is the reference.
    """

    name: EngineName
    precision: Precision
    deviation: float | None = None

    def __post_init__(self) -> None:
        """Refuse an engine or a precision that does not exist.

        Raises:
            BackboneError: There is no such one.
        """
        _require(self.name, "engine", get_args(EngineName))
        _require(self.precision, "precision", get_args(Precision))


def _require(value: str, what: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BackboneError(f"no {what} is called {value!r}", hint=f"there are {', '.join(known)}")


def default_engine() -> EngineName:
    """CUDA where torch sees a GPU, OpenVINO otherwise."""
    return "torch-cuda" if has_cuda() else "openvino"


def has_cuda() -> bool:
    """Whether torch can use an NVIDIA GPU; asks torch, which takes a second to import, only where a driver is there."""
    if sys.platform == "win32":
        import ctypes.util

        driver = ctypes.util.find_library("nvcuda") is not None
    else:
        driver = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()  # the latter in WSL
    if not driver:
        return False
    import torch

    return torch.cuda.is_available()


def precisions(engine: EngineName) -> tuple[Precision, ...]:
    """What the engine may compute in: what this machine does natively and ``TOPWORK_PRECISION`` lets it, fastest first.

    Raises:
        BackboneError: There is no such engine.
        TopworkError: The variable asks for what there is not.
    """
    _require(engine, "engine", get_args(EngineName))
    if engine == "torch-cpu":
        return ("f32",)
    if engine == "torch-cuda":
        import torch

        capable = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        import openvino

        capable = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("bf16", "f32") if uses_bf16(capable, engine) else ("f32",)


def open_engine(
    backbone: Backbone, outputs: tuple[str, ...], choice: EngineChoice, *, images: int | None = None
) -> Engine:
    """Make an engine ready; the first time a network is run by OpenVINO this converts it, which takes seconds.

    Args:
        backbone: Whose features.
        outputs: Which of them, see ``Backbone.outputs``; they are concatenated in this order.
        choice: Engine and precision.
        images: How many there will be, where that is known; a single one gets the lowest latency.

    Raises:
        BackboneError: The weights are missing or do not fit, or the engine cannot run the network.
    """
    if not sum(map(backbone.width, outputs)):
        raise BackboneError("no output was named", hint="backbone.outputs('last') names the network's own features")
    if choice.name == "openvino":
        return OpenVINOEngine(backbone, outputs, choice.precision, 1 if images == 1 else BATCH)
    return TorchEngine(backbone, outputs, choice)


class Engines:
    """A caller's engines for one network: one for single images and one for more, each opened when it is needed first.

    Args:
        backbone: Whose features.
        outputs: Which of them.
    """

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...]) -> None:
        self._backbone = backbone
        self._outputs = outputs
        self._open: dict[bool, Engine] = {}  # by whether they are for a single image
        self._lock = threading.Lock()

    def __call__(self, choice: EngineChoice, images: int) -> Engine:
        """The engine for so many images; every call makes the same choice."""
        with self._lock:
            single = images == 1
            if single not in self._open:
                self._open[single] = open_engine(self._backbone, self._outputs, choice, images=images)
            return self._open[single]


class OpenVINOEngine:
    """Runs the converted network with a static shape: one stream a core, each its own batch, so that no core waits."""

    name: EngineName = "openvino"

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...], precision: Precision, batch_size: int) -> None:
        self.precision: Precision = precision
        self.batch_size = batch_size
        self.callers = 1 if batch_size == 1 else available_cores()
        self._size = backbone.preprocessing.size
        network = _compiled.compiled(backbone, precision, batch_size)
        self._wanted = [network.output(name) for name in outputs]
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.callers):
            self._idle.put(network.create_infer_request())

    def __call__(self, images: UInt8Array) -> Float32Array:
        """Features of uint8 (N, size, size, 3) images: float32 (N, D)."""
        return np.concatenate([self._run(batch) for batch in _batches(images, self._size, self.batch_size)])

    def _run(self, images: UInt8Array) -> Float32Array:
        count = len(images)
        if count < self.batch_size:
            filler = np.zeros((self.batch_size - count, *images.shape[1:]), np.uint8)
            images = np.concatenate([images, filler])
        request = self._idle.get()
        try:
            request.infer({0: np.ascontiguousarray(images)}, share_inputs=True)
            parts = [request.get_tensor(output).data[:count] for output in self._wanted]
            return np.concatenate(parts, axis=1, dtype=np.float32)
        finally:
            self._idle.put(request)


def _batches(images: UInt8Array, size: int, count: int) -> Iterator[UInt8Array]:
    """The images, ``count`` at a time.

    Raises:
        BackboneError: They are not what an engine takes.
    """
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3) or len(images) == 0:
        raise BackboneError(
            f"an engine takes images as uint8 (N, {size}, {size}, 3), not {images.dtype} {images.shape}",
            hint="the backbone's preprocessing makes them so",
        )
    yield from (images[start : start + count] for start in range(0, len(images), count))


class TorchEngine:
    """Runs the network in torch: on a GPU with channels-last and bf16, on a CPU in float32 as the reference."""

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...], choice: EngineChoice) -> None:
        import torch

        from topwork.backbones import _network

        self.name: EngineName = choice.name
        self.precision: Precision = choice.precision
        cuda = choice.name == "torch-cuda"
        if cuda and not torch.cuda.is_available():
            raise BackboneError("torch finds no CUDA GPU here", hint="--engine openvino runs on the processor")
        self.batch_size = _CUDA_BATCH if cuda else BATCH
        self.callers = 2 if cuda else 1  # one batch is copied while the other is computed
        self._device = torch.device("cuda" if cuda else "cpu")
        values = backbone.preprocessing
        self._size = values.size
        self._mean = torch.tensor(values.mean, device=self._device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(values.std, device=self._device).view(1, 3, 1, 1) * 255
        network = _network.PooledStages(backbone, outputs).to(self._device)
        self._network = network.to(memory_format=torch.channels_last) if cuda else network
        self._lock = threading.Lock()

    def __call__(self, images: UInt8Array) -> Float32Array:
        """Features of uint8 (N, size, size, 3) images: float32 (N, D)."""
        return np.concatenate([self._run(batch) for batch in _batches(images, self._size, self.batch_size)])

    def _run(self, images: UInt8Array) -> Float32Array:
        import torch

        half = self.precision == "bf16"
        writeable = np.require(images, requirements=["C", "W"])  # torch warns of an array that Pillow has locked
        batch = torch.from_numpy(writeable).to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        with (
            self._lock,
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=half),
        ):
            joined = torch.cat([part.float() for part in self._network((batch - self._mean) / self._std)], dim=1)
        features: Float32Array = joined.cpu().numpy()
        return features
