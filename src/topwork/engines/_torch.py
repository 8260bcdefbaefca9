"""torch as an engine: on a GPU with channels-last and bfloat16, on a CPU in float32 as the reference."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork._system import require_torch
from topwork.backbones import Backbone
from topwork.engines._engine import BATCH, EngineChoice, Precision, RunsOn, batches
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor, nn

_CUDA_BATCH = 128


class TorchEngine:
    """Runs the network in torch; a TopworkError where there is no GPU or PyTorch, or the weights do not fit."""

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...], choice: EngineChoice) -> None:
        require_torch(f"the engine {choice.name}")
        import torch

        from topwork.backbones.layers import giving

        self.name: RunsOn = choice.name
        self.precision: Precision = choice.precision
        cuda = choice.name == "torch-cuda"
        if cuda and not torch.cuda.is_available():
            raise BackboneError(
                "torch finds no CUDA GPU here", hint="`topwork fit --engine openvino` runs on the processor"
            )
        self.batch_size = 1 if backbone.by_itself else _CUDA_BATCH if cuda else BATCH
        self.callers = 2 if cuda else 1  # one batch is copied while the other is computed
        self._size = backbone.preprocessing.size
        self._device = _Device(backbone, choice)
        network = giving(backbone, outputs).to(self._device.place)
        self._network = network.to(memory_format=torch.channels_last) if cuda else network
        self._lock = threading.Lock()

    def __call__(self, images: UInt8Array) -> Float32Array:
        """Features of uint8 (N, size, size, 3) images: float32 (N, D)."""
        return np.concatenate([self._run(batch) for batch in batches(images, self._size, self.batch_size)])

    def _run(self, images: UInt8Array) -> Float32Array:
        import torch

        batch = self._device.moved(images)
        with self._lock:
            joined = torch.cat([part.float() for part in self._device.run(self._network, batch)], dim=1)
        features: Float32Array = joined.cpu().numpy()
        return features


class _Device:
    """Where torch computes and in which precision; normalises a backbone's images there."""

    def __init__(self, backbone: Backbone, choice: EngineChoice) -> None:
        import torch

        self.place = torch.device("cuda" if choice.name == "torch-cuda" else "cpu")
        self._half = choice.precision == "bf16"
        values = backbone.preprocessing
        self._mean, self._std = (
            torch.tensor(each, device=self.place).view(1, 3, 1, 1) * 255 for each in (values.mean, values.std)
        )

    def moved(self, images: UInt8Array) -> Tensor:
        """The images there: uint8 (N, 3, size, size)."""
        import torch

        writeable = np.require(images, requirements=["C", "W"])  # torch warns of an array that Pillow has locked
        return torch.from_numpy(writeable).to(self.place, non_blocking=True).permute(0, 3, 1, 2)

    def run(self, network: nn.Module, batch: Tensor) -> Any:
        """What the network makes of moved images."""
        import torch

        with torch.inference_mode(), torch.autocast(self.place.type, torch.bfloat16, enabled=self._half):
            return network((batch - self._mean) / self._std)


def torch_prefix(prefix: nn.Module, backbone: Backbone, choice: EngineChoice) -> Callable[[UInt8Array], Tensor]:
    """The first stages of a network in torch; see ``open_prefix``."""
    device = _Device(backbone, choice)
    prefix.to(device.place)

    def run(images: UInt8Array) -> Tensor:
        maps: Tensor = device.run(prefix, device.moved(images))
        return maps.float().cpu()

    return run
