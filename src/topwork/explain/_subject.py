"""The subject: a classifier laid open, as one differentiable function from pixels to logits."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from topwork.backbones import EMBEDDING, Backbone, classifier, imagenet_indices, imagenet_labels, imagenet_near
from topwork.backbones.layers import PooledStages
from topwork.data import decode, quoted
from topwork.engines import has_cuda
from topwork.errors import ExplainError
from topwork.explain._heads import torch_head
from topwork.features import Source
from topwork.heads import Head, LinearHead

if TYPE_CHECKING:
    from topwork.model import Classifier

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]

BATCH = 16  # images that go through the network at once


class PixelsToLogits(nn.Module):
    """Images (N, 3, size, size) on the scale 0 to 1 to logits (N, C); the normalisation is inside."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...], head: Head | None) -> None:
        super().__init__()
        self.stages = PooledStages(backbone, outputs)
        self.head = None if head is None else torch_head(head)
        self.register_buffer("mean", torch.tensor(backbone.preprocessing.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(backbone.preprocessing.std)[:, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits whose softmax is what the model answers."""
        return self.answer(self.pooled(images))

    def pooled(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the head reads, one (N, width) tensor for each output."""
        found: tuple[torch.Tensor, ...] = self.stages((images - self.mean) / self.std)
        return found

    def answer(self, pooled: Sequence[torch.Tensor]) -> torch.Tensor:
        """The head's logits for what it reads.

        Raises:
            ExplainError: There is no head.
        """
        if self.head is None:
            raise ExplainError("this network was opened without a head, so no class can be asked for")
        logits: torch.Tensor = self.head(torch.cat(tuple(pooled), dim=1))
        return logits


class Subject:
    """A classifier laid open: pixels in, logits out, with gradients, and its stages in reach.

    Attributes:
        backbone: Facts of the network, preprocessing included.
        outputs: What the head reads of it.
        classes: Names in the order of the logits.
        module: The whole as one torch module: images (N, 3, size, size) on the scale 0 to 1 to logits (N, C). Nothing
            in it asks for a gradient; ask for that of the pixels.
        averages: Of the outputs on whose average the head counts, that average: float32 (width,) each.
        device: Where it is.

    Example:
        >>> Subject.of_backbone(load("lite0")).classes[340]  # doctest: +SKIP
        'zebra'
    """

    def __init__(
        self,
        backbone: Backbone,
        outputs: tuple[str, ...],
        head: Head | None,
        classes: Sequence[str],
        *,
        device: str | None = None,
    ) -> None:
        self.backbone = backbone
        self.outputs = outputs
        self.classes = tuple(classes)
        self.device = torch.device(device or ("cuda" if has_cuda() else "cpu"))
        self.averages = _averages(backbone, outputs, head)
        self._imagenet = False
        module = PixelsToLogits(backbone, outputs, head).eval()
        # Channels last is a third faster on a CPU.
        self.module = module.to(self.device).to(memory_format=torch.channels_last)

    @classmethod
    def of_model(cls, model: Classifier, *, device: str | None = None) -> Subject:
        """A trained model.

        Args:
            model: With a head of any kind.
            device: As torch names it; a GPU where there is one, when None.

        Raises:
            BackboneError: The backbone's weights are not to be had on this machine.
        """
        return cls(model.backbone, model.record.outputs, model.head, model.classes, device=device)

    @classmethod
    def of_backbone(cls, backbone: Backbone, *, device: str | None = None) -> Subject:
        """A pretrained network with its own ImageNet-1k classifier.

        Raises:
            BackboneError: It has no such classifier.
        """
        layer = classifier(backbone)
        width = len(layer.weight)
        head = LinearHead(np.zeros(width, np.float32), np.ones(width, np.float32), layer.weight, layer.bias, 1.0)
        subject = cls(backbone, (EMBEDDING,), head, [label.name for label in imagenet_labels()], device=device)
        subject._imagenet = True
        return subject

    @classmethod
    def without_head(cls, backbone: Backbone, *, device: str | None = None) -> Subject:
        """Any network, for what asks of no class: filters, feature maps, channels; all else raises an ExplainError."""
        return cls(backbone, (EMBEDDING,), None, (), device=device)

    def with_head(self, head: Head) -> Subject:
        """The same network, shared, under another head that reads the same and answers with the same classes."""
        other = copy.copy(self)
        other.module = copy.copy(self.module)
        other.module._modules = {**self.module._modules, "head": torch_head(head).to(self.device)}
        other.averages = _averages(self.backbone, self.outputs, head)
        return other

    @property
    def network(self) -> Any:
        """The backbone's own module."""
        return self.module.stages.network

    @property
    def size(self) -> int:
        """Side of the square that the network sees, in pixels."""
        return self.backbone.preprocessing.size

    def index(self, label: str | int) -> int:
        """The place of a class.

        Args:
            label: Its name or place; of ImageNet's classes any word for it.

        Raises:
            ExplainError: There is no such class, or the word means several.
        """
        if isinstance(label, int | np.integer):
            if not 0 <= label < len(self.classes):
                raise ExplainError(f"no class has the number {label}", hint=f"there are {len(self.classes)}, from 0")
            return int(label)
        if self.classes.count(label) == 1:
            return self.classes.index(label)
        found = sorted(imagenet_indices(label)) if self._imagenet else []
        if len(found) == 1:
            return found[0]
        raise self._unknown(label, found)

    def _unknown(self, label: str, found: list[int]) -> ExplainError:
        if found:
            some = ", ".join(f"{self.classes[place]} ({imagenet_labels()[place].synset})" for place in found[:5])
            return ExplainError(f"{label!r} means {len(found)} classes: {some}", hint="name one of them")
        near = imagenet_near(label) if self._imagenet else self.classes
        hint = f"did you mean {quoted(near[:10])}?" if near else "any word of ImageNet's classes will do"
        return ExplainError(f"no class is called {label!r}", hint=hint)

    def squares(self, sources: Sequence[Source]) -> UInt8Array:
        """Images as the network sees them: uint8 (N, size, size, 3).

        Args:
            sources: Files, encoded images as bytes, or pixels as uint8 (height, width, 3).

        Raises:
            ImageError: One cannot be used; the message names it.
        """
        preprocessing = self.backbone.preprocessing
        found = [preprocessing(decode(source, min_side=preprocessing.min_side)) for source in sources]
        return np.stack(found) if found else np.zeros((0, self.size, self.size, 3), np.uint8)

    def tensor(self, images: UInt8Array | Float32Array) -> torch.Tensor:
        """Images as the module takes them: uint8 (N, size, size, 3), or float32 from 0 to 1.

        Raises:
            ExplainError: They are of another type or shape.
        """
        known = images.dtype in (np.uint8, np.float32)
        if not known or images.ndim != 4 or images.shape[1:] != (self.size, self.size, 3):
            raise ExplainError(
                f"images must be uint8 (N, {self.size}, {self.size}, 3), not {images.dtype} {images.shape}",
                hint="subject.squares(files) makes them",
            )
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        scale = 255 if images.dtype == np.uint8 else 1
        return (pixels.permute(0, 3, 1, 2).float() / scale).contiguous(memory_format=torch.channels_last)

    def probabilities(self, images: UInt8Array | Float32Array) -> Float32Array:
        """What the classifier answers: float32 (N, C) for images as ``tensor`` takes them."""
        rows = [np.zeros((0, len(self.classes)), np.float32)]
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                logits = self.module(self.tensor(images[start : start + BATCH]))
                rows.append(torch.softmax(logits, dim=1).cpu().numpy())
        return np.concatenate(rows)


def _averages(backbone: Backbone, outputs: tuple[str, ...], head: Head | None) -> dict[str, Float32Array]:
    """A head's mean, where it has one, cut into what it says of each output."""
    mean = getattr(head, "mean", None)
    if mean is None:
        return {}
    ends = np.cumsum([backbone.width(output) for output in outputs])
    return dict(zip(outputs, np.split(mean, ends[:-1]), strict=True))
