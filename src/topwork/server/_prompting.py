"""SAM behind the server: an image's embedding is computed once and kept in memory; prompts on it become masks.

Nothing that is sent is written to disk, so the embeddings are not those of the cache.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from topwork.server._decoder import Decoded

if TYPE_CHECKING:
    from topwork.tasks.segmentation.promptable import PromptableImage, PromptedMask

IMAGES = 32
"""Whose embeddings are kept, 4 MB each for SAM; of more, those asked about last."""


class Prompting:
    """A network that takes prompts, and the images that it has seen. Its methods are called on any thread.

    Args:
        name: As ``Promptable.load`` takes it.
        weights: See there.

    Raises:
        TopworkError: There is no such network, it takes no prompts, or its weights are not available.
    """

    def __init__(self, name: str, weights: str = "pretrained") -> None:
        from topwork.tasks.segmentation.promptable import Promptable

        self._network = Promptable.load(name, weights=weights, cache=False)
        self.name = self._network.backbone.name
        self.ready = False
        self._images: OrderedDict[str, PromptableImage] = OrderedDict()
        self._lock = threading.Lock()  # encoder and decoder answer one at a time

    def warm(self) -> None:
        """Compile the encoder, open the decoder, and run both once."""
        self._network.image(np.zeros((64, 64, 3), np.uint8)).mask([(32, 32)])
        self.ready = True

    def known(self, key: str) -> PromptableImage | None:
        """An image that was seen, and is still kept."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
            return self._images.get(key)

    def see(self, key: str, picture: Decoded) -> PromptableImage:
        """An image's embedding, and its size; its pixels are not kept.

        Raises:
            BackboneError: The encoder cannot be run.
        """
        with self._lock:
            if key not in self._images:
                seen = self._network.image(picture.pixels)
                nothing = np.broadcast_to(np.uint8(0), (picture.height, picture.width, 3))
                self._images[key] = dataclasses.replace(seen, pixels=nothing)
                while len(self._images) > IMAGES:
                    self._images.popitem(last=False)
            return self._images[key]

    def masks(
        self, image: PromptableImage, points: Sequence[Sequence[float]], boxes: Sequence[Sequence[float]]
    ) -> tuple[PromptedMask, ...]:
        """See ``PromptableImage.masks``.

        Raises:
            DataError: The prompts mean nothing on this image.
        """
        with self._lock:
            return image.masks(points, boxes)
