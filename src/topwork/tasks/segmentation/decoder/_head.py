"""A decoder as it is saved and used: its numbers, checked, run by OpenVINO without torch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import AnyArray, Float32Array
from topwork._system import Executor, available_cores
from topwork.engines import Precision
from topwork.engines._engine import last_line, openvino_core
from topwork.errors import ModelError
from topwork.tasks.segmentation.decoder._graph import decoder_graph
from topwork.tasks.segmentation.decoder._spec import DecoderSpec

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._module import TorchDecoder

_COUNTER = "num_batches_tracked"  # of torch's batch norms: nothing is computed with it


@dataclass(frozen=True, eq=False)
class DecoderHead:
    """Maps of a backbone in, logits of each place of a grid out.

    Attributes:
        spec: What it is.
        arrays: float32, named as ``TorchDecoder``'s parameters.

    Raises:
        ModelError: An array is missing, extra, misshapen or not finite.
    """

    spec: DecoderSpec
    arrays: Mapping[str, Float32Array]
    _networks: dict[tuple[Precision, bool], _Compiled] = field(init=False, repr=False, default_factory=dict)
    _lock: Any = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if not isinstance(array, np.ndarray) or array.dtype != np.float32:
                raise ModelError(f"{name}: expected float32 numbers")
            if not np.isfinite(array).all():
                raise ModelError(f"{name}: {int((~np.isfinite(array)).sum())} of {array.size} numbers are NaN or Inf")
        decoder_graph(self.spec, self.arrays, 1)  # which knows the names and shapes that there are

    def __reduce__(self) -> tuple[type[DecoderHead], tuple[DecoderSpec, dict[str, Float32Array]]]:
        """A copy, in this process or another, compiles its own."""
        return DecoderHead, (self.spec, dict(self.arrays))

    def to_tensors(self) -> dict[str, AnyArray]:
        """Its numbers, fit for safetensors."""
        return dict(self.arrays)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, AnyArray], spec: DecoderSpec) -> DecoderHead:
        """The decoder that ``to_tensors`` wrote.

        Raises:
            ModelError: A tensor is missing, extra, misshapen or not finite.
        """
        return cls(spec, dict(tensors))

    @classmethod
    def from_module(cls, module: TorchDecoder) -> DecoderHead:
        """The decoder as torch has it now."""
        named = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith(_COUNTER)}
        return cls(module.spec, {name: tensor.detach().cpu().float().numpy().copy() for name, tensor in named.items()})

    def to_module(self) -> TorchDecoder:
        """The same in torch, to be trained on; in evaluation mode.

        Raises:
            MissingExtraError: PyTorch or segmentation-models-pytorch is not installed.
            ModelError: The numbers are not this decoder's.
        """
        import torch

        from topwork.tasks.segmentation.decoder import torch_decoder

        module = torch_decoder(self.spec)
        counters = {name: value for name, value in module.state_dict().items() if name.endswith(_COUNTER)}
        numbers = {name: torch.from_numpy(np.array(array)) for name, array in self.arrays.items()}
        try:
            module.load_state_dict({**counters, **numbers})
        except RuntimeError as error:
            raise ModelError(f"a decoder's numbers do not fit {self.spec.design}: {error}") from error
        return module.eval()

    def logits(self, features: Float32Array, *, precision: Precision = "f32") -> Float32Array:
        """What it says of each place of the grid, float32 (N, K, side, side); several threads may ask at once.

        Args:
            features: float32 (N, D): the maps of the spec's stages, flattened, one after another.
            precision: What is computed in.

        Raises:
            ModelError: The features are of another width, or OpenVINO cannot run it.
        """
        spec = self.spec
        if features.ndim != 2 or features.shape[1] != spec.n_features:
            raise ModelError(f"a decoder reads {spec.n_features} features, not {features.shape}")
        found = np.empty((len(features), spec.channels, spec.side, spec.side), np.float32)
        network = self._network(precision, alone=len(features) == 1)
        for place, logits in enumerate(network(features)):
            found[place] = logits
        return found

    def _network(self, precision: Precision, *, alone: bool) -> _Compiled:
        with self._lock:  # two threads that ask for the same must not both compile it
            if (precision, alone) not in self._networks:
                self._networks[precision, alone] = _Compiled(self.spec, self.arrays, precision, alone=alone)
            return self._networks[precision, alone]


class _Compiled:
    """A decoder in OpenVINO: one stream a core, an image a call; or, ``alone``, all cores at work on one image.

    Maps of one image are megabytes, so more of them a call are no faster.
    """

    def __init__(
        self, spec: DecoderSpec, arrays: Mapping[str, Float32Array], precision: Precision, *, alone: bool
    ) -> None:
        self._callers = 1 if alone else available_cores()
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": self._callers,
            "INFERENCE_NUM_THREADS": available_cores(),
            "ENABLE_CPU_PINNING": False,  # the decoders of images share these cores
        }
        try:
            network = openvino_core().compile_model(decoder_graph(spec, arrays, 1), "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot run the decoder: {last_line(error)}") from error
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self._callers):
            self._idle.put(network.create_infer_request())

    def __call__(self, features: Float32Array) -> Iterator[Float32Array]:
        """(K, side, side) of each row."""
        if len(features) == 1:
            yield self._run(features)
            return
        rows = (features[place : place + 1] for place in range(len(features)))
        with Executor("decoder", self._callers) as executor:
            yield from executor.map_ordered(self._run, rows, in_flight=2 * self._callers)

    def _run(self, row: Float32Array) -> Float32Array:
        request = self._idle.get()
        try:
            request.start_async({0: np.ascontiguousarray(row, np.float32)}, share_inputs=True)
            request.wait()
            found: Float32Array = request.get_output_tensor().data[0].copy()
            return found
        finally:
            self._idle.put(request)
