"""The way to an engine: opened for a choice, kept for a caller, or for the first stages of a network alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from topwork._arrays import UInt8Array
from topwork.backbones import Backbone
from topwork.engines._engine import BATCH, Engine, EngineChoice
from topwork.engines._openvino import OpenVINOEngine, openvino_prefix
from topwork.engines._torch import TorchEngine, torch_prefix
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor


def open_engine(
    backbone: Backbone, outputs: tuple[str, ...], choice: EngineChoice, *, images: int | None = None
) -> Engine:
    """Make an engine ready; the first time a network is run by OpenVINO this converts it, which takes seconds.

    Args:
        backbone: The network that is run.
        outputs: Names of the outputs that are wanted, see ``Backbone.outputs``; they are concatenated in this order.
        choice: The engine and its precision.
        images: How many there will be, where that is known; a single one gets the lowest latency.

    Raises:
        BackboneError: The weights are missing or do not fit, or the engine cannot run the network.
    """
    if not sum(map(backbone.width, outputs)):
        raise BackboneError("no output was given", hint="backbone.outputs('last') names the network's own features")
    if choice.name == "openvino":
        return OpenVINOEngine(backbone, outputs, choice.precision, 1 if images == 1 else BATCH)
    return TorchEngine(backbone, outputs, choice)


class Engines:
    """A caller's engines for one network, one for single images and one for more, each opened when needed first."""

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...]) -> None:
        self._backbone = backbone
        self._outputs = outputs
        self._open: dict[bool, Engine] = {}  # by whether they are for a single image
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Engines], tuple[Backbone, tuple[str, ...]]]:
        """A copy, in this process or another, opens its own."""
        return Engines, (self._backbone, self._outputs)

    def __call__(self, choice: EngineChoice, images: int) -> Engine:
        """The engine for so many images; every call makes the same choice."""
        with self._lock:
            single = images == 1
            if single not in self._open:
                self._open[single] = open_engine(self._backbone, self._outputs, choice, images=images)
            return self._open[single]


def open_prefix(backbone: Backbone, stage: str, choice: EngineChoice) -> Callable[[UInt8Array], Tensor]:
    """An engine for the first stages alone; imports torch.

    Args:
        backbone: The network, with the weights that its first stages keep as long as they are frozen.
        stage: The name of the last stage that runs.
        choice: The engine and its precision.

    Returns:
        A function from uint8 (n, size, size, 3) to the stage's raw output (n, ...), float32, on the CPU.

    Raises:
        BackboneError: The engine cannot run the network.
    """
    from topwork.backbones.layers import Prefix

    prefix = Prefix(backbone.module(), stage).eval()
    if choice.name == "openvino":
        return openvino_prefix(prefix, backbone, choice.precision)
    return torch_prefix(prefix, backbone, choice)
