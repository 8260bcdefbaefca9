"""A pretrained network without any model of ours: its own classes answer, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.backbones import EMBEDDING, Backbone, classifier, imagenet_labels
from topwork.engines import EngineName, Engines
from topwork.features import Source, extract_few
from topwork.heads import network_probabilities

_CHUNK = 512  # images at a time, so that a long list needs no more memory than a short one


@dataclass(frozen=True)
class RankedClass:
    """One class of ImageNet-1k that an image may show.

    Attributes:
        label: ImageNet's name for it, such as ``n02123045``; two classes are called crane.
        name: The usual word.
        probability: 0 to 1.
    """

    label: str
    name: str
    probability: float


@dataclass(frozen=True)
class OwnAnswer:
    """What a network says of one image.

    Attributes:
        source: The file's name, or ``#3`` for the fourth array.
        top: The most probable classes, the first one first; empty where the image could not be used.
        error: Why it could not; empty where it could.
    """

    source: str
    top: tuple[RankedClass, ...]
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        if self.error:
            return {"source": self.source, "error": self.error}
        return {"source": self.source, "top": [asdict(candidate) for candidate in self.top]}


class OwnClasses:
    """A pretrained network's own classifier, ready for images.

    Args:
        backbone: With an ImageNet-1k classifier.
        engine: What runs the network; the best that is here when None.

    Raises:
        BackboneError: The network has no such classifier.

    Example:
        >>> OwnClasses(load("lite0")).top(["cat.jpg"])  # doctest: +SKIP
    """

    def __init__(self, backbone: Backbone, engine: EngineName | None = None) -> None:
        self.backbone = backbone
        self.engine: EngineName | None = engine
        self._classifier = classifier(backbone)
        self._engines = Engines(backbone, (EMBEDDING,))

    def top(self, sources: Sequence[Source], count: int = 5) -> Iterator[OwnAnswer]:
        """The most probable classes of each image, in the order of the images.

        Args:
            sources: Files, encoded images as bytes, or pixels as uint8 (height, width, 3).
            count: How many of the 1,000.
        """
        for start in range(0, len(sources), _CHUNK):
            chunk = sources[start : start + _CHUNK]
            found = extract_few(chunk, self.backbone, (EMBEDDING,), engine=self.engine, open_network=self._engines)
            probabilities = network_probabilities(found.values, self._classifier.weight, self._classifier.bias)
            rows, errors = dict(zip(found.kept.tolist(), probabilities, strict=True)), dict(found.refused)
            for index, source in enumerate(chunk):
                name = os.fspath(source) if isinstance(source, str | os.PathLike) else f"#{start + index}"
                top = _candidates(rows[index], count) if index in rows else ()
                yield OwnAnswer(name, top, errors.get(index, ""))


def _candidates(probabilities: npt.NDArray[np.float32], count: int) -> tuple[RankedClass, ...]:
    labels = imagenet_labels()
    order = np.argsort(-probabilities, kind="stable")[:count]
    return tuple(RankedClass(labels[k].synset, labels[k].name, float(probabilities[k])) for k in order)
