"""Compiled networks: what OpenVINO makes of a converted network for one precision and one number of images a call.

Compiling takes a third of a second for a small network and seconds for a large one. So the last one stays ready in the
process, and the one for single images, where somebody waits for one answer, is kept on disk for the next process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._system import available_cores, write_whole
from topwork.backbones import _convert
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

    from topwork.backbones._backbone import Backbone

_DIGEST = hashlib.sha256().digest_size
_FORMAT = 1  # raise when the settings or the network that is compiled change
_lock = threading.Lock()  # two threads that ask for the same network must not both compile it


def compiled(backbone: Backbone, precision: str, batch_size: int) -> Any:
    """The network, compiled for a static shape, with all its outputs under their names.

    All of them always: with fewer the compiler fuses layers differently, and in bfloat16 the features that a head is
    trained on would not be those that it reads when it predicts.

    Args:
        backbone: Which network.
        precision: What it computes in.
        batch_size: Images a call; 1 gets the lowest latency, others one stream a core.

    Returns:
        An ``openvino.CompiledModel``.

    Raises:
        BackboneError: The weights are not to be had, or OpenVINO cannot run the network.
    """
    with _lock:
        return _compiled(_Key(backbone), precision, batch_size, available_cores())


class _Key:
    """A backbone, equal to those with the same converted network: how an image is fitted does not matter to it."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.folder = _convert.network_folder(backbone)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)


@functools.lru_cache(maxsize=1)
def _compiled(key: _Key, precision: str, batch_size: int, cores: int) -> Any:
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


def compiled_part(module: nn.Module, backbone: Backbone, precision: str, batch_size: int) -> Any:
    """A part of the network, from the pixels on, for this process alone: nothing is kept on disk.

    Args:
        module: As for ``_convert.converted``.
        backbone: Whose part.
        precision: What it computes in.
        batch_size: Images a call; all cores work on one batch.

    Raises:
        BackboneError: OpenVINO cannot run it.
    """
    settings = _settings(precision, available_cores(), streams=1)
    return _made(_core(), _convert.converted(module, backbone), backbone, batch_size, settings)


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
