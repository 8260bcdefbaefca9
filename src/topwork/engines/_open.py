"""The way to an engine: opened for a choice, kept for a caller, or for the first stages of a network alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from topwork._arrays import Float32Array, UInt8Array
from topwork.backbones import AnyBackbone, Backbone, TextBackbone
from topwork.engines._engine import BATCH, Engine, EngineChoice
from topwork.engines._openvino import OpenVINOEngine, openvino_maps, openvino_prefix
from topwork.engines._pairs import open_for_many
from topwork.engines._texts import open_text_engine
from topwork.engines._torch import TorchEngine, torch_prefix
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import Tensor


def open_engine(
    backbone: AnyBackbone,
    outputs: tuple[str, ...],
    choice: EngineChoice,
    *,
    images: int | None = None,
    many: bool = False,
    at_once: int = BATCH,
) -> Engine:
    """Make an engine ready; the first time a network is run by OpenVINO this converts it, which takes seconds.

    Args:
        backbone: The network that is run.
        outputs: Names of the outputs that are wanted, see ``Backbone.outputs``; they are concatenated in this order.
        choice: The engine and its precision.
        images: How many there will be, where that is known; a single one gets the lowest latency.
        many: Whether single images are asked for from several threads at once, as a server does: an answer must not
            depend on what else was asked, so each is run by itself, or two where their bits are the same, as many
            calls at once as there are cores.
        at_once: Images a call of OpenVINO: fewer where whole maps are wanted, which take much memory.

    Raises:
        BackboneError: The weights are missing or do not fit, or the engine cannot run the network.
    """
    if not sum(map(backbone.width, outputs)):
        raise BackboneError("no output was given", hint="backbone.outputs('last') names the network's own features")
    if isinstance(backbone, TextBackbone):
        return open_text_engine(backbone, outputs, choice)
    if choice.name == "openvino":
        by_itself = backbone.by_itself
        if many and not by_itself:
            return open_for_many(backbone, outputs, choice.precision)
        single = images == 1 or by_itself
        return OpenVINOEngine(backbone, outputs, choice.precision, 1 if single else at_once, alone=single)
    return TorchEngine(backbone, outputs, choice)


class Engines:
    """A caller's engines for one network, one for single images and one for more, each opened when needed first."""

    def __init__(self, backbone: AnyBackbone, outputs: tuple[str, ...], at_once: int = BATCH) -> None:
        self._backbone = backbone
        self._outputs = outputs
        self._at_once = at_once
        self._open: dict[bool, Engine] = {}  # by whether they are for a single image
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Engines], tuple[AnyBackbone, tuple[str, ...], int]]:
        """A copy, in this process or another, opens its own."""
        return Engines, (self._backbone, self._outputs, self._at_once)

    def __call__(self, choice: EngineChoice, images: int) -> Engine:
        """The engine for so many images; every call makes the same choice."""
        with self._lock:
            single = images == 1
            if single not in self._open:
                wanted = self._backbone, self._outputs, choice
                self._open[single] = open_engine(*wanted, images=images, at_once=self._at_once)
            return self._open[single]


def open_maps(backbone: Backbone, stages: Sequence[str]) -> Callable[[UInt8Array], tuple[Float32Array, ...]]:
    """What stages give before they are pooled, by OpenVINO, in float32; imports no torch where ``predict`` does not.

    Args:
        backbone: The network.
        stages: Names of them.

    Returns:
        A function from one image, uint8 (size, size, 3), to a map for each stage, float32 (channels, height, width);
        of a network of tokens (channels, tokens). It may be called from several threads.

    Raises:
        BackboneError: The weights are missing, or OpenVINO cannot run the network.
    """
    return openvino_maps(backbone, stages)


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
