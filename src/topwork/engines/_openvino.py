"""OpenVINO as an engine: a converted network, compiled for one precision and one number of images a call.

The default networks are built from their weights in a tenth of a second, without torch (``_graph``). Any other is
converted from torch once and kept on disk, so that later runs import no torch. Compiling takes a third of a second for
a small network and seconds for a large one. So the last one stays ready in the process, and the one for single images,
where somebody waits for one answer, is kept on disk for the next process.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import queue
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork._system import available_cores, cache_dir, cached, delete_file, make_room, quiet, use, write_whole
from topwork.backbones import MAP, Backbone, SegmenterNetwork, blocks_of, has_blocks, is_face, is_onnx
from topwork.engines._engine import BATCH, EngineName, Precision, batches, last_line, openvino_core
from topwork.engines._faces import face_graph
from topwork.engines._graph import graph, graph_of_norms
from topwork.engines._package import openvino
from topwork.engines._segmenters import segmenter_graph
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor, nn

_DIGEST = hashlib.sha256().digest_size
_CONVERTED_FORMAT = 1  # raise when the converted network's inputs or outputs change
_COMPILED_FORMAT = 2  # raise when the settings or the network that is compiled change
_NETWORK = "openvino/network.xml"  # in a folder of its own, published whole; parity records lie beside that
_SINGLE = "single-*.blob"  # networks that were compiled for single images
_lock = threading.Lock()  # two threads that ask for the same network must not both compile it


def network_folder(backbone: Backbone) -> Path:
    """Where the converted network and its parity record lie; named by all that shapes them."""
    values = backbone.preprocessing
    facts = [_CONVERTED_FORMAT, backbone.identity, backbone.weights.sha256, values.size, values.mean, values.std]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    return cache_dir() / "networks" / f"{backbone.name}-{values.size}-{key}"


def network_file(backbone: Backbone) -> Path:
    """The converted network's file; converts it first where it is not there yet.

    Raises:
        BackboneError: The weights are not available, OpenVINO cannot read the network, or the cache cannot be written.
    """

    def make() -> Callable[[Path], object]:
        network = _converted(backbone)
        return lambda file: openvino().save_model(network, file, compress_to_fp16=False)

    return cached(network_folder(backbone), _NETWORK, make)


def _all_outputs(backbone: Backbone) -> tuple[str, ...]:
    """One a stage and pooling, and the embedding; or the one that there is."""
    if backbone.by_itself:
        return backbone.outputs()
    pooled = [f"{stage.name}/{pool}" for stage in backbone.stages for pool in ("mean", "max")]
    return (*pooled, *backbone.outputs("last"))


def is_built(backbone: Backbone) -> bool:
    """Whether the network's graph is made, or read, without torch."""
    return has_blocks(backbone) or is_face(backbone) or is_onnx(backbone)


def _built(backbone: Backbone) -> Any | None:
    """The network with all its outputs, where it needs no torch."""
    if is_face(backbone):
        return _taking_pixels(face_graph(backbone), backbone)
    if is_onnx(backbone):
        assert isinstance(backbone, SegmenterNetwork)
        return _taking_pixels(segmenter_graph(backbone), backbone)
    blocks = blocks_of(backbone)
    if blocks is None:
        return None
    return _taking_pixels(graph(blocks, backbone.preprocessing.size, _all_outputs(backbone)), backbone)


def _converted(backbone: Backbone) -> Any:
    """The network with all its outputs, from torch."""
    from topwork.backbones.layers import giving

    outputs = _all_outputs(backbone)
    network = converted(giving(backbone, outputs), backbone)
    for output, name in zip(network.outputs, outputs, strict=True):
        output.set_names({name})
    return network


def converted(module: nn.Module, backbone: Backbone) -> Any:
    """Trace a network and read the trace.

    OpenVINO's frontend is called itself: ``openvino.convert_model`` does the same in twice the time, and sends
    usage statistics to a third party.

    Args:
        module: Normalised images (N, 3, size, size) to a tensor or several; the backbone's network or a part of it.
        backbone: Of whose preprocessing the ``openvino.Model`` takes images: uint8 (1, size, size, 3).

    Raises:
        BackboneError: OpenVINO cannot read the network.
    """
    import torch

    openvino()  # before its parts are imported
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    size = backbone.preprocessing.size
    example = torch.zeros(1, 3, size, size)
    frontend = FrontEndManager().load_by_framework("pytorch")
    transformers = sys.modules.get("transformers")  # where it has built the network
    try:
        silence = quiet(transformers) if transformers else contextlib.nullcontext()
        with torch.no_grad(), warnings.catch_warnings(), silence:
            warnings.simplefilter("ignore")  # the tracer's notes on shapes that are constant here
            traced = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
            decoder = TorchScriptPythonDecoder(traced, example_input=(example,))
            network = frontend.convert(frontend.load(decoder))
    except RuntimeError as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        complaint = f"{backbone.name} cannot be converted for OpenVINO: {reason}"
        raise BackboneError(complaint, hint="`topwork fit --engine torch-cpu` runs it in torch") from error
    return _taking_pixels(network, backbone)


def _taking_pixels(network: Any, backbone: Backbone) -> Any:
    """Put the normalisation in front, so that the network takes the pixels as the decoder leaves them."""
    values = backbone.preprocessing
    network.reshape([1, 3, values.size, values.size])
    ov = openvino()
    steps = ov.preprocess.PrePostProcessor(network)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    mean, std = ([each * 255 for each in numbers] for numbers in (values.mean, values.std))
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean(mean).scale(std)
    return steps.build()


class OpenVINOEngine:
    """Runs the converted network with a static shape: one stream a core, each its own batch, so that no core waits.

    One image a call gets the lowest latency, where all cores work on it, ``alone``; or one call a core.

    Raises:
        BackboneError: The weights are not available, or OpenVINO cannot run the network.
    """

    name: EngineName = "openvino"

    def __init__(
        self, backbone: Backbone, outputs: tuple[str, ...], precision: Precision, batch_size: int, *, alone: bool
    ) -> None:
        self.precision: Precision = precision
        self.batch_size = batch_size
        self.callers = 1 if alone else available_cores()
        self._size = backbone.preprocessing.size
        # All outputs are compiled always: with fewer the compiler fuses layers differently, and in bfloat16 the
        # features that a head is trained on would not be those that it reads when it predicts. Where whole maps are
        # wanted the same outputs are, each time, and no others: maps are large.
        with _lock:
            key, settings = _Key(network_folder(backbone), backbone), (available_cores(), self.callers)
            maps = not backbone.by_itself and any(name.endswith(f"/{MAP}") for name in outputs)
            alone_wanted = outputs if maps else ()
            network = _compiled(key, alone_wanted, precision, batch_size, *settings)
        self._idle: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        for _ in range(self.callers):
            self._idle.put(_Request(network, outputs))

    def __call__(self, images: UInt8Array) -> Float32Array:
        """Features of uint8 (N, size, size, 3) images: float32 (N, D)."""
        return np.concatenate([self._run(batch) for batch in batches(images, self._size, self.batch_size)])

    def _run(self, images: UInt8Array) -> Float32Array:
        request = self._idle.get()
        try:
            return request(images)
        finally:
            self._idle.put(request)


class _Request:
    """A place to run a network of a static shape: its own arrays are filled and read, which OpenVINO never moves.

    Handing arrays over with each call instead takes 0.2 ms of a core (bench/serve.py asks for 200 a second).
    """

    def __init__(self, network: Any, outputs: tuple[str, ...]) -> None:
        self._request = network.create_infer_request()
        self._images = self._request.get_input_tensor().data
        self._features = [self._request.get_tensor(network.output(name)).data for name in outputs]

    def __call__(self, images: UInt8Array) -> Float32Array:
        """Features of as many images as the network takes, or fewer; a copy."""
        self._images[: len(images)] = images
        self._images[len(images) :] = 0
        self._request.start_async()  # ``infer`` would copy every output for us to see
        self._request.wait()
        return np.concatenate([each[: len(images)] for each in self._features], axis=1, dtype=np.float32)


def _full_batches(images: UInt8Array, size: int, count: int) -> Iterator[tuple[UInt8Array, int]]:
    """The images ``count`` at a time, the last ones filled up to it, and how many of each batch are images."""
    for batch in batches(images, size, count):
        filler = np.zeros((count - len(batch), *batch.shape[1:]), np.uint8)
        yield np.ascontiguousarray(np.concatenate([batch, filler]) if len(filler) else batch), len(batch)


def openvino_prefix(prefix: nn.Module, backbone: Backbone, precision: Precision) -> Callable[[UInt8Array], Tensor]:
    """The first stages of a network, see ``open_prefix``, for this process alone; all cores work on one batch."""
    import torch

    settings = _settings(precision, available_cores(), streams=1)
    network = _made(openvino_core(), converted(prefix, backbone), backbone, BATCH, settings)
    request = network.create_infer_request()

    def run(images: UInt8Array) -> Tensor:
        parts = []
        for batch, count in _full_batches(images, backbone.preprocessing.size, BATCH):
            request.infer({0: batch}, share_inputs=True)
            parts.append(torch.from_numpy(request.get_output_tensor().data)[:count].clone())
        return torch.cat(parts).float()

    return run


def openvino_maps(backbone: Backbone, stages: Sequence[str]) -> Callable[[UInt8Array], tuple[Float32Array, ...]]:
    """The network up to the maps of some stages, in float32, for one image at a time; see ``open_maps``."""
    network: Any = _built(backbone) if is_built(backbone) else read_network(openvino_core(), network_file(backbone))
    network = openvino().Model([_map_of(network, backbone, stage) for stage in stages], network.get_parameters())
    compiled = _made(openvino_core(), network, backbone, 1, _settings("f32", available_cores(), streams=1))

    def run(image: UInt8Array) -> tuple[Float32Array, ...]:
        request = compiled.create_infer_request()  # each caller its own
        request.infer({0: image[None]})
        return tuple(request.get_output_tensor(place).data[0].copy() for place in range(len(stages)))

    return run


def _map_of(network: Any, backbone: Backbone, stage: str) -> Any:
    """What a stage gives before it is pooled: (1, channels, rows, columns), or flattened to three axes."""
    mean = network.output(f"{stage}/mean").get_node().input_value(0).get_node()
    if mean.get_type_name() != "ReduceMean":
        raise BackboneError(f"{backbone.name}: the maps of its stages are not to be had from the converted network")
    return mean.input_value(0)


def _with_maps(network: Any, backbone: Backbone, outputs: tuple[str, ...]) -> Any:
    """The network with these outputs alone: pooled as they are, maps flattened to one row an image."""
    operators, results = openvino().opset13, []
    for name in outputs:
        stage, _, pooling = name.rpartition("/")
        if pooling == MAP:
            row = operators.constant(np.array([0, -1], np.int64))
            found = operators.reshape(_map_of(network, backbone, stage), row, special_zero=True)
            found.output(0).add_names({name})
            if found.output(0).get_partial_shape()[1] != backbone.width(name):
                raise BackboneError(f"{backbone.name}: the map of {stage} is not {backbone.side(stage)} pixels wide")
        else:
            found = network.output(name).get_node().input_value(0).get_node()
        results.append(operators.result(found.output(0)))
    return openvino().Model(results, network.get_parameters())


def norm_shifts(backbone: Backbone, images: UInt8Array) -> tuple[Float32Array, ...] | None:
    """How far what each batch norm takes lies from what it took on the images that the network was trained on.

    Args:
        backbone: The network that is run, in float32.
        images: uint8 (N, size, size, 3).

    Returns:
        For each batch norm (channels,): the mean over the images, less the mean of then, in the standard deviations of
        then; None where only torch knows the network.
    """
    blocks = blocks_of(backbone)
    if blocks is None:
        return None
    network = _taking_pixels(graph_of_norms(blocks, backbone.preprocessing.size), backbone)
    compiled = _made(openvino_core(), network, backbone, 1, _settings("f32", available_cores(), streams=1))
    request = compiled.create_infer_request()
    sums: list[Any] = [0.0] * len(compiled.outputs)
    for image in images:
        request.infer({0: image[None]})
        sums = [total + request.get_output_tensor(place).data for place, total in enumerate(sums)]
    norms = [each for block in blocks for each in block.convolutions]
    return tuple((total / len(images) - norm.mean) / norm.deviation for total, norm in zip(sums, norms, strict=True))


@dataclass(frozen=True)
class _Key:
    """A backbone, equal to those with the same converted network: how an image is cropped does not matter to it."""

    folder: Path
    backbone: Backbone = field(compare=False)


@functools.lru_cache(maxsize=1)
def _compiled(key: _Key, outputs: tuple[str, ...], precision: str, batch_size: int, cores: int, streams: int) -> Any:
    """The network as an ``openvino.CompiledModel`` of a static shape, with these outputs or all, under their names."""
    core, settings = openvino_core(), _settings(precision, cores, streams=streams)
    converted_file = None if is_built(key.backbone) else network_file(key.backbone)
    kept = _kept_file(core, key.folder, settings, outputs) if batch_size == 1 else None
    content = _kept(kept) if kept is not None else None
    if content is not None:
        with contextlib.suppress(RuntimeError):  # of another OpenVINO: compile as if there were none
            return core.import_model(content, "CPU", settings)
    network: Any = _built(key.backbone) if converted_file is None else read_network(core, converted_file)
    network = _with_maps(network, key.backbone, outputs) if outputs else network
    found = _made(core, network, key.backbone, batch_size, settings)
    if kept is not None:
        with contextlib.suppress(OSError):  # no room: the next process compiles again
            _keep(found, kept)
    return found


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
        raise BackboneError(f"OpenVINO cannot run {backbone.name}: {last_line(error)}") from error


def _kept_file(core: Any, folder: Path, settings: dict[str, Any], outputs: tuple[str, ...]) -> Path:
    """Named by all that shapes the compiled network: the program, the processor, the settings."""
    processor = [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    facts = [_COMPILED_FORMAT, openvino().__version__, processor, settings, *outputs]
    return folder / _SINGLE.replace("*", hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16])


def _kept(file: Path) -> bytes | None:
    """What ``_keep`` wrote; None where there is nothing, or not the same any more: OpenVINO would run a damaged one."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    use(file)
    digest, network = content[:_DIGEST], content[_DIGEST:]
    return network if hashlib.sha256(network).digest() == digest else None


def _keep(found: Any, file: Path) -> None:
    """Write it with its digest, whole or not at all: another process may look for it at any moment."""
    exported = io.BytesIO()
    found.export_model(exported)
    network = exported.getvalue()
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, hashlib.sha256(network).digest() + network)
    use(file)
    make_room(file.parents[1], f"*/{_SINGLE}", delete_file)


def read_network(core: Any, file: Path) -> Any:
    """A converted network out of the cache, as an ``openvino.Model``; a BackboneError where it is damaged."""
    try:
        return core.read_model(file)
    except RuntimeError as error:
        raise BackboneError(
            f"{file}: the converted network is damaged: {last_line(error)}",
            hint=f"delete {file.parent}; it will be created again",
        ) from error
