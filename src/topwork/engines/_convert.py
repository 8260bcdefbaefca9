"""From torch to OpenVINO, once: the converted network is kept on disk, so that later runs import no torch."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork._system import cache_dir, cached
from topwork.backbones import Backbone
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

_FORMAT = 1  # raise when the converted network's inputs or outputs change
_NETWORK = "openvino/network.xml"  # in a folder of its own, published whole; parity records lie beside that


def network_folder(backbone: Backbone) -> Path:
    """Where the converted network and its parity record lie; named by all that shapes them."""
    values = backbone.preprocessing
    facts = [_FORMAT, backbone.name, backbone.weights.sha256, values.size, values.mean, values.std]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    return cache_dir() / "networks" / f"{backbone.name}-{values.size}-{key}"


def network_file(backbone: Backbone) -> Path:
    """The converted network's file; converts it first where it is not there yet.

    Raises:
        BackboneError: The weights are not to be had, OpenVINO cannot read the network, or the cache cannot be written.
    """

    def make() -> Callable[[Path], object]:
        import openvino

        network = _converted(backbone)
        return lambda file: openvino.save_model(network, file, compress_to_fp16=False)

    return cached(network_folder(backbone), _NETWORK, make)


def _converted(backbone: Backbone) -> Any:
    """The network with one named output a stage and pooling, and its embedding."""
    from topwork.backbones.layers import PooledStages

    pooled = [f"{stage.name}/{pool}" for stage in backbone.stages for pool in ("mean", "max")]
    outputs = (*pooled, *backbone.outputs("last"))
    network = converted(PooledStages(backbone, outputs), backbone)
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
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    size = backbone.preprocessing.size
    example = torch.zeros(1, 3, size, size)
    frontend = FrontEndManager().load_by_framework("pytorch")
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's notes on shapes that are constant here
            traced = torch.jit.trace(module.eval(), example, check_trace=False)  # type: ignore[no-untyped-call]
            decoder = TorchScriptPythonDecoder(traced, example_input=(example,))
            network = frontend.convert(frontend.load(decoder))
    except RuntimeError as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        complaint = f"{backbone.name} cannot be converted for OpenVINO: {reason}"
        raise BackboneError(complaint, hint="--engine torch-cpu runs it in torch") from error
    return _taking_pixels(network, backbone)


def _taking_pixels(network: Any, backbone: Backbone) -> Any:
    """Put the normalisation in front, so that the network takes the pixels as the decoder leaves them."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    values = backbone.preprocessing
    network.reshape([1, 3, values.size, values.size])
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    mean, std = ([each * 255 for each in numbers] for numbers in (values.mean, values.std))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(mean).scale(std)
    return steps.build()
