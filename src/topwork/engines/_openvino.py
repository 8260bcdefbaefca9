"""OpenVINO as an engine: a converted network, compiled for one precision and one number of images a call.

Compiling takes a third of a second for a small network and seconds for a large one. So the last one stays ready in the
process, and the one for single images, where somebody waits for one answer, is kept on disk for the next process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork._system import available_cores, write_whole
from topwork.backbones import Backbone
from topwork.engines import _convert
from topwork.engines._engine import BATCH, EngineName, Precision, batches
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor, nn

_DIGEST = hashlib.sha256().digest_size
_FORMAT = 1  # raise when the settings or the network that is compiled change
_lock = threading.Lock()  # two threads that ask for the same network must not both compile it


class OpenVINOEngine:
    """Runs the converted network with a static shape: one stream a core, each its own batch, so that no core waits.

    One image a call gets the lowest latency.

    Raises:
        BackboneError: The weights are not to be had, or OpenVINO cannot run the network.
    """

    name: EngineName = "openvino"

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...], precision: Precision, batch_size: int) -> None:
        self.precision: Precision = precision
        self.batch_size = batch_size
        self.callers = 1 if batch_size == 1 else available_cores()
        self._size = backbone.preprocessing.size
        # All outputs are compiled always: with fewer the compiler fuses layers differently, and in bfloat16 the
        # features that a head is trained on would not be those that it reads when it predicts.
        with _lock:
            network = _compiled(
                _Key(_convert.network_folder(backbone), backbone), precision, batch_size, available_cores()
            )
        self._wanted = [network.output(name) for name in outputs]
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.callers):
            self._idle.put(network.create_infer_request())

    def __call__(self, images: UInt8Array) -> Float32Array:
        """Features of uint8 (N, size, size, 3) images: float32 (N, D)."""
        return np.concatenate([self._run(*batch) for batch in _full_batches(images, self._size, self.batch_size)])

    def _run(self, images: UInt8Array, count: int) -> Float32Array:
        request = self._idle.get()
        try:
            request.infer({0: images}, share_inputs=True)
            parts = [request.get_tensor(output).data[:count] for output in self._wanted]
            return np.concatenate(parts, axis=1, dtype=np.float32)
        finally:
            self._idle.put(request)


def _full_batches(images: UInt8Array, size: int, count: int) -> Iterator[tuple[UInt8Array, int]]:
    """The images ``count`` at a time, the last ones filled up to it, and how many of each batch are images."""
    for batch in batches(images, size, count):
        filler = np.zeros((count - len(batch), *batch.shape[1:]), np.uint8)
        yield np.ascontiguousarray(np.concatenate([batch, filler]) if len(filler) else batch), len(batch)


def openvino_prefix(prefix: nn.Module, backbone: Backbone, precision: Precision) -> Callable[[UInt8Array], Tensor]:
    """The first stages of a network in OpenVINO, for this process alone: nothing is kept on disk. See ``open_prefix``.

    All cores work on one batch.

    Raises:
        BackboneError: OpenVINO cannot run them.
    """
    import torch

    settings = _settings(precision, available_cores(), streams=1)
    network = _made(_core(), _convert.converted(prefix, backbone), backbone, BATCH, settings)
    request = network.create_infer_request()

    def run(images: UInt8Array) -> Tensor:
        parts = []
        for batch, count in _full_batches(images, backbone.preprocessing.size, BATCH):
            request.infer({0: batch}, share_inputs=True)
            parts.append(torch.from_numpy(request.get_output_tensor().data)[:count].clone())
        return torch.cat(parts).float()

    return run


@dataclass(frozen=True)
class _Key:
    """A backbone, equal to those with the same converted network: how an image is cropped does not matter to it."""

    folder: Path
    backbone: Backbone = field(compare=False)


@functools.lru_cache(maxsize=1)
def _compiled(key: _Key, precision: str, batch_size: int, cores: int) -> Any:
    """The network as an ``openvino.CompiledModel`` of a static shape, with all its outputs under their names."""
    core, settings = _core(), _settings(precision, cores, streams=1 if batch_size == 1 else cores)
    network_file = _convert.network_file(key.backbone)
    kept = _kept_file(core, key.folder, settings) if batch_size == 1 else None
    content = _kept(kept) if kept is not None else None
    if content is not None:
        with contextlib.suppress(RuntimeError):  # of another OpenVINO: compile as if there were none
            return core.import_model(content, "CPU", settings)
    network = _read(core, network_file)
    found = _made(core, network, key.backbone, batch_size, settings)
    if kept is not None:
        with contextlib.suppress(OSError):  # no room: the next process compiles again
            _keep(found, kept)
    return found


def _core() -> Any:
    """OpenVINO, ready to be called from several threads.

    It sets up its view of NumPy when it is first shown an array. Two threads that do so at once, which the engine's
    callers are, can block each other for ever: one sets it up and wants the interpreter's lock, the other has that and
    waits for the first. So it is shown one here, in one thread.
    """
    import openvino

    openvino.Tensor(np.zeros(1, np.uint8))
    return openvino.Core()


def _settings(precision: str, cores: int, *, streams: int) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": cores,
        "ENABLE_CPU_PINNING": False,  # the decoders share these cores
    }


def _made(core: Any, network: Any, backbone: Backbone, batch_size: int, settings: dict[str, Any]) -> Any:
    network.reshape([batch_size, *network.input().get_partial_shape()[1:]])
    try:
        return core.compile_model(network, "CPU", settings)
    except RuntimeError as error:
        raise BackboneError(f"OpenVINO cannot run {backbone.name}: {_last_line(error)}") from error


def _kept_file(core: Any, folder: Path, settings: dict[str, Any]) -> Path:
    """Named by all that shapes the compiled network: the program, the processor, the settings."""
    import openvino

    processor = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    facts = [_FORMAT, openvino.__version__, processor, settings]
    return folder / f"single-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}.blob"


def _kept(file: Path) -> bytes | None:
    """What ``_keep`` wrote; None where there is nothing, or not the same any more: OpenVINO would run a damaged one."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, network = content[:_DIGEST], content[_DIGEST:]
    return network if hashlib.sha256(network).digest() == digest else None


def _keep(found: Any, file: Path) -> None:
    """Write it with its digest, whole or not at all: another process may look for it at any moment."""
    exported = io.BytesIO()
    found.export_model(exported)
    network = exported.getvalue()
    write_whole(file, hashlib.sha256(network).digest() + network)


def _read(core: Any, file: Path) -> Any:
    try:
        return core.read_model(file)
    except RuntimeError as error:
        raise BackboneError(
            f"{file}: the converted network is damaged: {_last_line(error)}",
            hint=f"delete {file.parent}; it is made again",
        ) from error


def _last_line(error: Exception) -> str:
    """What OpenVINO says after the places in its own source."""
    return str(error).strip().rpartition("\n")[2]
