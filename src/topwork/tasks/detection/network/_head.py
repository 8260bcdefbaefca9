"""The head as it is saved and used: its numbers, checked, run by OpenVINO without torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from topwork._arrays import AnyArray, Float32Array
from topwork._system import Executor
from topwork.engines import Precision
from topwork.errors import ModelError
from topwork.metrics import Detections
from topwork.tasks.detection.network._decode import Decoding, decode
from topwork.tasks.detection.network._raw import Raw
from topwork.tasks.detection.network._spec import HeadSpec

if TYPE_CHECKING:
    from topwork.tasks.detection.network._module import TorchHead
    from topwork.tasks.detection.network._run import HeadNetwork

_NORM = ("weight", "bias", "running_mean", "running_var")
_COUNTER = "num_batches_tracked"  # of torch's batch norms: nothing is computed with it

_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class DetectorHead:
    """A feature pyramid and the towers on it: features in, what is said of each place out.

    Attributes:
        spec: What it is.
        arrays: float32, named and shaped as ``shapes_of(spec)`` says: the parameters' names in torch.

    Raises:
        ModelError: An array is missing, extra, misshapen or not finite, or a variance is negative.
    """

    spec: HeadSpec
    arrays: Mapping[str, Float32Array]
    _networks: dict[tuple[Precision, bool], HeadNetwork] = field(init=False, repr=False, default_factory=dict)
    _lock: Any = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        shapes = shapes_of(self.spec)
        missing, extra = sorted(shapes.keys() - self.arrays.keys()), sorted(self.arrays.keys() - shapes.keys())
        if missing or extra:
            raise ModelError(
                f"a detector's head: missing {', '.join(missing[:3]) or 'none'}, "
                f"not expected {', '.join(extra[:3]) or 'none'}"
            )
        for name, shape in shapes.items():
            array = self.arrays[name]
            if array.shape != shape or array.dtype != np.float32:
                raise ModelError(f"{name}: expected float32 {shape}, got {array.dtype} {array.shape}")
            if not np.isfinite(array).all():
                raise ModelError(f"{name}: {int((~np.isfinite(array)).sum())} of {array.size} numbers are NaN or Inf")
            if name.endswith("running_var") and (array < 0).any():
                raise ModelError(f"{name}: a variance is negative")

    def __reduce__(self) -> tuple[type[DetectorHead], tuple[HeadSpec, dict[str, Float32Array]]]:
        """A copy, in this process or another, compiles its own."""
        return DetectorHead, (self.spec, dict(self.arrays))

    def to_tensors(self) -> dict[str, AnyArray]:
        """Its numbers, fit for safetensors."""
        return dict(self.arrays)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, AnyArray], spec: HeadSpec) -> DetectorHead:
        """The head that ``to_tensors`` wrote.

        Raises:
            ModelError: A tensor is missing, extra, misshapen or not finite.
        """
        return cls(spec, dict(tensors))

    @classmethod
    def from_module(cls, module: TorchHead) -> DetectorHead:
        """The head as torch has it now."""
        named = {name: tensor for name, tensor in module.state_dict().items() if not name.endswith(_COUNTER)}
        return cls(module.spec, {name: tensor.detach().cpu().float().numpy().copy() for name, tensor in named.items()})

    def to_module(self) -> TorchHead:
        """The same in torch, to be trained on; in evaluation mode.

        Raises:
            MissingExtraError: PyTorch is not installed.
        """
        from topwork._system import require_torch

        require_torch("training a detector")
        import torch

        from topwork.tasks.detection.network._module import TorchHead

        module = TorchHead(self.spec)
        counters = {name: value for name, value in module.state_dict().items() if name.endswith(_COUNTER)}
        numbers = {name: torch.from_numpy(np.array(array)) for name, array in self.arrays.items()}
        module.load_state_dict({**counters, **numbers})
        return module.eval()

    def raw(self, features: Float32Array, *, precision: Precision = "f32") -> Raw:
        """What it says of each place; several threads may ask at once.

        Args:
            features: float32 (N, D), N at least 1: the maps of the spec's stages, flattened, one after another.
            precision: What is computed in; in float32 the scores are torch's to 1e-3 and the boxes to half a pixel.

        Raises:
            ModelError: The features are of another width.
        """
        return Raw.joined(list(self._each(features, precision, lambda part: part)))

    def detect(
        self, features: Float32Array, decoding: Decoding | None = None, *, precision: Precision = "f32"
    ) -> list[Detections]:
        """What is found in each of N images, in pixels of the square; decoded by as many threads as there are cores.

        Args:
            features: As ``raw`` takes them.
            decoding: Which of them are given; the defaults when None.
            precision: As ``raw`` takes it.

        Raises:
            ModelError: The features are of another width.
        """
        how = decoding or Decoding()
        if not len(features):
            return []
        return sum(self._each(features, precision, lambda part: decode(part, self.spec, how)), list[Detections]())

    def _each(self, features: Float32Array, precision: Precision, then: Callable[[Raw], _Result]) -> Iterator[_Result]:
        if features.ndim != 2 or features.shape[1] != self.spec.n_features:
            raise ModelError(f"a detector's head reads {self.spec.n_features} features, not {features.shape}")
        network = self._network(precision, alone=len(features) == 1)
        if len(features) == 1:
            yield then(network(features))
            return
        with Executor("head", network.callers) as executor:
            yield from executor.map_ordered(
                lambda rows: then(network(rows)), network.batches(features), in_flight=2 * network.callers
            )

    def _network(self, precision: Precision, *, alone: bool) -> HeadNetwork:
        from topwork.tasks.detection.network._run import HeadNetwork

        with self._lock:  # two threads that ask for the same must not both compile it
            if (precision, alone) not in self._networks:
                self._networks[precision, alone] = HeadNetwork(self.spec, self.arrays, precision, alone=alone)
            return self._networks[precision, alone]


def shapes_of(spec: HeadSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of every array of a head, in order."""
    wide, kernel = spec.channels, 3 if spec.layers == "plain" else 1
    shapes: dict[str, tuple[int, ...]] = {}
    for place, width in enumerate(spec.widths):
        shapes |= _with_norm(f"pyramid.inner_blocks.{place}", (wide, width, 1, 1))
        shapes |= _with_norm(f"pyramid.layer_blocks.{place}", (wide, wide, 3, 3))
    for place in range(spec.extra):
        shapes |= _with_bias(f"pyramid.extra_blocks.convolutions.{place}", (wide, wide, 3, 3))
    for tower in ("classes", "boxes"):
        for depth in range(spec.depth):
            shapes |= _layer(f"{tower}.convolutions.{depth}", spec)
            for place in range(len(spec.levels)):
                shapes |= {f"{tower}.norms.{depth}.{place}.{name}": (wide,) for name in _NORM}
    for name, count in (("logits", spec.n_classes), ("distances", 4), ("centreness", int(spec.centreness))):
        shapes |= _with_bias(name, (count, wide, kernel, kernel)) if count else {}
    return shapes


def _layer(name: str, spec: HeadSpec) -> dict[str, tuple[int, ...]]:
    wide = spec.channels
    if spec.layers == "plain":
        return {f"{name}.weight": (wide, wide, 3, 3)}
    return {f"{name}.0.weight": (wide, 1, 5, 5), f"{name}.1.weight": (wide, wide, 1, 1)}


def _with_norm(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.0.weight": shape, **{f"{name}.1.{each}": shape[:1] for each in _NORM}}


def _with_bias(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
