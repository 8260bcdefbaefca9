"""A classifier as one differentiable function from pixels to logits, with its stages in reach."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array, Int64Array, IntegerArray, UInt8Array
from topwork._system import require_torch
from topwork.backbones import EMBEDDING, Backbone, classifier, imagenet_indices, imagenet_labels, imagenet_near
from topwork.data import Source, decode, quoted
from topwork.engines import has_cuda
from topwork.errors import ExplainError
from topwork.heads import Head, LinearHead
from topwork.metrics import Rule, decide

if TYPE_CHECKING:
    import torch

    from topwork.model import Classifier

Label = str | int
"""A class, by its name or its place among the classes; of ImageNet's classes any word for it will do."""

BATCH = 16  # images that go through the network at once


class TorchClassifier:
    """A classifier laid open: pixels in, logits out, with gradients, and its stages in reach.

    Attributes:
        backbone: Facts of the network, preprocessing included.
        outputs: What the head reads of it.
        classes: Names in the order of the logits.
        module: The whole as one torch module: images (N, 3, size, size) on the scale 0 to 1 to logits (N, C). Nothing
            in it asks for a gradient; ask for that of the pixels.
        rule: How its probabilities become answers, as a model has it; None where it is the most probable class.
        normalised: Whether the head divides each row of features by its length, so that its averages are of such rows.
        rooted: Whether it takes the square roots of features before that.
        averages: Of the outputs on whose average the head counts, that average: float32 (width,) each.

    Example:
        >>> TorchClassifier.of_backbone(load("lite0")).classes[340]  # doctest: +SKIP
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
        require_torch("looking into a network")
        import torch

        from topwork.explain._modules import PixelsToLogits

        self.backbone = backbone
        self.outputs = outputs
        self.classes = tuple(classes)
        self.device = torch.device(device or ("cuda" if has_cuda() else "cpu"))
        self.averages = averages_of(backbone, outputs, head)
        self.normalised = bool(getattr(head, "normalised", False))
        self.rooted = bool(getattr(head, "rooted", False))
        self._imagenet = False
        self.rule: Rule | None = None
        module = PixelsToLogits(backbone, outputs, head).eval()
        # Channels last is a third faster on a CPU.
        self.module = module.to(self.device).to(memory_format=torch.channels_last)

    @classmethod
    def of_model(cls, model: Classifier, *, device: str | None = None) -> TorchClassifier:
        """A trained model.

        Args:
            model: With a head of any kind.
            device: As torch names it; a GPU where there is one, when None.

        Raises:
            BackboneError: The backbone's weights are not available on this machine.
        """
        found = cls(model.backbone, model.record.outputs, model.head, model.classes, device=device)
        found.rule = model.rule
        return found

    @classmethod
    def of_backbone(cls, backbone: Backbone, *, device: str | None = None) -> TorchClassifier:
        """A pretrained network with its own ImageNet-1k classifier.

        Raises:
            BackboneError: It has no such classifier.
        """
        layer = classifier(backbone)
        width = len(layer.weight)
        head = LinearHead(np.zeros(width, np.float32), np.ones(width, np.float32), layer.weight, layer.bias, 1.0)
        found = cls(backbone, (EMBEDDING,), head, [label.name for label in imagenet_labels()], device=device)
        found._imagenet = True
        return found

    @classmethod
    def without_head(cls, backbone: Backbone, *, device: str | None = None) -> TorchClassifier:
        """Any network, for what asks of no class: filters, feature maps, channels; all else raises an ExplainError."""
        return cls(backbone, (EMBEDDING,), None, (), device=device)

    @property
    def network(self) -> Any:
        """The backbone's own module."""
        return self.module.stages.network

    @property
    def size(self) -> int:
        """Side of the square that the network sees, in pixels."""
        return self.backbone.preprocessing.size

    def index(self, label: Label) -> int:
        """The place of a class.

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
        if found:
            some = ", ".join(f"{self.classes[place]} ({imagenet_labels()[place].synset})" for place in found[:5])
            raise ExplainError(f"{label!r} means {len(found)} classes: {some}", hint="choose one of them")
        near = imagenet_near(label) if self._imagenet else self.classes
        hint = f"did you mean {quoted(near[:10])}?" if near else "any name of an ImageNet class can be used"
        raise ExplainError(f"no class is called {label!r}", hint=hint)

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
        import torch

        known = images.dtype in (np.uint8, np.float32)
        if not known or images.ndim != 4 or images.shape[1:] != (self.size, self.size, 3):
            raise ExplainError(
                f"images must be uint8 (N, {self.size}, {self.size}, 3), not {images.dtype} {images.shape}",
                hint=_SQUARES,
            )
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
        scale = 255 if images.dtype == np.uint8 else 1
        return (pixels.permute(0, 3, 1, 2).float() / scale).contiguous(memory_format=torch.channels_last)

    def probabilities(self, images: UInt8Array | Float32Array) -> Float32Array:
        """Of every class: float32 (N, C) for images as ``tensor`` takes them."""
        import torch

        rows = [np.zeros((0, len(self.classes)), np.float32)]
        with torch.no_grad():
            for start in range(0, len(images), BATCH):
                logits = self.module(self.tensor(images[start : start + BATCH]))
                rows.append(torch.softmax(logits, dim=1).cpu().numpy())
        return np.concatenate(rows)

    def answers(self, images: UInt8Array | Float32Array) -> Int64Array:
        """The class (N,) that it gives each image."""
        return decide(self.probabilities(images), self.rule)


def averages_of(backbone: Backbone, outputs: tuple[str, ...], head: Head | None) -> dict[str, Float32Array]:
    """A head's mean, where it has one, cut into what it says of each output."""
    mean = getattr(head, "mean", None)
    if mean is None:
        return {}
    ends = np.cumsum([backbone.width(output) for output in outputs])
    return dict(zip(outputs, np.split(mean, ends[:-1]), strict=True))


_SQUARES = "classifier.squares(files) makes them"


def require_maps(backbone: Backbone) -> None:
    """Refuse a network of which no stage is known.

    Raises:
        ExplainError: It is one.
    """
    if not backbone.stages:
        raise ExplainError(
            f"{backbone.name} gives no maps on which evidence could be drawn",
            hint="--method occlusion needs none",
        )


def require_uint8(images: UInt8Array) -> None:
    """Refuse, by an ExplainError, images that a result could not show beside its own."""
    if images.dtype != np.uint8:
        raise ExplainError(f"images must be uint8, not {images.dtype}", hint=_SQUARES)


def require_labels(classifier: TorchClassifier, images: UInt8Array, labels: IntegerArray) -> None:
    """Refuse, by an ExplainError, labels that are not the place of a class for each image."""
    if len(labels) != len(images):
        raise ExplainError(f"{len(images)} images and {len(labels)} labels")
    for label in labels:
        classifier.index(int(label))


@contextlib.contextmanager
def watched(classifier: TorchClassifier, stages: Iterable[str]) -> Iterator[dict[str, torch.Tensor]]:
    """The maps (n, channels, h, w) of some stages, each put into the dictionary when the network comes by it."""
    from topwork.backbones import layers

    maps: dict[str, torch.Tensor] = {}

    def see(stage: str, output: torch.Tensor) -> None:
        maps[stage] = grid(output.detach()).clone()  # a later layer may overwrite it

    with layers.watched(classifier.network, stages, see):
        yield maps


def grid(maps: torch.Tensor) -> torch.Tensor:
    """Tokens (n, c, t) as the square (n, c, h, w) that they came from, else an ExplainError; maps as they are."""
    if maps.ndim == 4:
        return maps
    side = round(maps.shape[2] ** 0.5)
    if side * side != maps.shape[2]:
        raise ExplainError(f"a stage of {maps.shape[2]} tokens is not a square map")
    return maps.reshape(*maps.shape[:2], side, side)
