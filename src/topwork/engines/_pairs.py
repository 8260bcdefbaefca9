"""Single images that many ask for at once: two a call where a network gives the bits of one a call, else one a call.

Two images a call take a tenth less of a core than one. Whether their features are those of single images is a matter
of the network, the processor and the precision, so it is looked at each time before it is relied on.
"""

from __future__ import annotations

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork.backbones import Backbone
from topwork.engines._engine import EngineName, Precision
from topwork.engines._openvino import OpenVINOEngine

_PAIR = 2
_IMAGES = 6  # that are looked at, each beside two others; a sum in another order shows in one of thousands of features


def open_for_many(backbone: Backbone, outputs: tuple[str, ...], precision: Precision) -> OpenVINOEngine | Pairs:
    """An engine whose answer to an image depends on nothing that was asked beside it, for one call a core.

    Raises:
        BackboneError: The weights are not available, or OpenVINO cannot run the network.
    """
    pairs, single = (OpenVINOEngine(backbone, outputs, precision, size, alone=False) for size in (_PAIR, 1))
    images = _examples(backbone.preprocessing.size)
    expected = single(images)
    alike = all(
        np.array_equal(pairs(np.roll(images, places, axis=0)), np.roll(expected, places, axis=0)) for places in (0, 1)
    )
    return Pairs(single, pairs) if alike else single


def _examples(size: int) -> UInt8Array:
    """Pictures of soft patches with some noise, uint8 (N, size, size, 3): flat ones would not tell sums apart."""
    random = np.random.default_rng(0)
    coarse = random.uniform(0, 255, (_IMAGES, -(-size // 16), -(-size // 16), 3))
    patches = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :size, :size]
    return np.clip(patches + random.normal(0, 16, patches.shape), 0, 255).astype(np.uint8)


class Pairs:
    """Two images a call, and one where one is left.

    Args:
        single: Takes one image a call.
        pairs: Takes two, and gives each the bits that ``single`` gives it.
    """

    name: EngineName = "openvino"
    batch_size = _PAIR

    def __init__(self, single: OpenVINOEngine, pairs: OpenVINOEngine) -> None:
        self.precision: Precision = single.precision
        self.callers = single.callers
        self._single, self._pairs = single, pairs

    def __call__(self, images: UInt8Array) -> Float32Array:
        """Features of uint8 (N, size, size, 3) images: float32 (N, D)."""
        even = len(images) // _PAIR * _PAIR
        if not even:
            return self._single(images)
        found = self._pairs(images[:even])
        return found if even == len(images) else np.concatenate([found, self._single(images[even:])])
