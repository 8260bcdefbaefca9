"""SAM behind the server: an image's embedding is computed once and kept in memory; prompts on it become masks.

Nothing that is sent is written to disk, so the embeddings are not those of the cache.
"""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from topwork.server._batcher import Batcher
from topwork.server._decoder import Decoded

if TYPE_CHECKING:
    from topwork.tasks.segmentation.promptable import PromptableImage, PromptedMask

    Asked = tuple[PromptableImage, tuple[PromptedMask, ...]]

Prompt = Sequence[float]
IMAGES = 32
"""Whose embeddings are kept, 4 MB each for SAM and 17 MB for SAM 2; of more, those asked about last."""

_PICTURES = 4  # that are decoded before their turn comes, up to 50 MB each; the others wait as they were sent


class Prompting:
    """A network that takes prompts, and the images that it has seen. It works on a thread of its own, one at a time.

    Attributes:
        pictures: Is held by whoever has a decoded image that has no embedding yet.

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
        self.pictures = asyncio.Semaphore(_PICTURES)
        self._images: OrderedDict[str, PromptableImage] = OrderedDict()
        self._lock = threading.Lock()  # of the images alone: nobody waits for it while the network works
        self._batcher: Batcher[Callable[[], Asked], Asked] = Batcher(lambda works: [works[0]()], size=1, callers=1)

    def warm(self) -> None:
        """Compile the encoder, open the decoder, and run both once."""
        self._network.image(np.zeros((64, 64, 3), np.uint8)).mask([(32, 32)])
        self.ready = True

    def close(self) -> None:
        """End its thread."""
        self._batcher.close()

    def known(self, key: str) -> PromptableImage | None:
        """An image that was seen, and is still kept."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
            return self._images.get(key)

    async def masks(
        self, key: str, image: PromptableImage | Decoded, points: Sequence[Prompt], boxes: Sequence[Prompt]
    ) -> Asked:
        """The image, with its embedding from now on, and the masks of prompts on it (``PromptableImage.masks``).

        A request that is given up while it waits is dropped; while it is worked on, the embedding is kept for the next.

        Raises:
            DataError: The prompts mean nothing on this image.
            BackboneError: The encoder cannot be run.
        """

        def work() -> Asked:
            seen = self._seen(key, image) if isinstance(image, Decoded) else image
            return seen, seen.masks(points, boxes)

        return await self._batcher(work)

    def _seen(self, key: str, picture: Decoded) -> PromptableImage:
        """An image's embedding, and its size; its pixels are not kept."""
        if (known := self.known(key)) is not None:  # another request was faster
            return known
        nothing = np.broadcast_to(np.uint8(0), (picture.height, picture.width, 3))
        seen = dataclasses.replace(self._network.image(picture.pixels), pixels=nothing)
        with self._lock:
            self._images[key] = seen
            while len(self._images) > IMAGES:
                self._images.popitem(last=False)
        return seen
