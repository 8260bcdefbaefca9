"""What every training of a decoder begins with: who learns and who judges, images and masks in squares."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from topwork._arrays import IntpArray, UInt8Array
from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.features import Squares, scratch, squares
from topwork.tasks._classes._finetuned import Halves, halves_of
from topwork.tasks._maps._settings import Orient
from topwork.tasks._maps._training import MapsReady, Reads
from topwork.tasks._task import Announce
from topwork.tasks.segmentation._load import SIZE
from topwork.tasks.segmentation._seen import Seen, look
from topwork.tasks.segmentation.decoder import DecoderHead
from topwork.tasks.segmentation.decoder._augment import Augmentation
from topwork.tasks.segmentation.decoder._options import DecodingOptions
from topwork.tasks.segmentation.decoder._samples import MaskSamples
from topwork.tasks.segmentation.decoder._spec import DecoderSpec
from topwork.tasks.segmentation.decoder._targets import targets_of
from topwork.tasks.segmentation.strategies._probe import require_classes
from topwork.train import first_alone

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._module import TorchDecoder

_LEAST, _MOST, _STEP = 256, 1024, 32  # pixels: the sides that are chosen, and what they are a multiple of
_OBJECT, _LARGER = 32, 2.0  # pixels across, up to which objects are seen larger; by how much at most
_PART, _HOLDS = 256, 4  # pixels of the side of a part of an image, and objects across that it holds at least


@dataclass(frozen=True, eq=False)
class Ready(MapsReady):
    """A data set that can be trained on.

    Attributes:
        seen: Every image that can be read, and the way to its maps by the pretrained network.
        spec: Of the decoder that reads them.
        learner: The network as it is trained: it sees parts of the square, or the whole.
        halves: Rows to learn from, and to validate with.
        images: Those rows in the square, in the order of the data set.
        masks: uint8 (n, planes, size, size), of each its ``targets_of``.
        options: How they are shown.
        notes: What the user should know.
    """

    seen: Seen
    spec: DecoderSpec
    learner: Backbone
    halves: Halves
    images: Squares
    masks: UInt8Array
    options: DecodingOptions
    notes: tuple[str, ...] = ()
    what: ClassVar[str] = "a decoder"

    @property
    def backbone(self) -> Backbone:
        """The pretrained network, with its preprocessing."""
        return self.seen.backbone

    @property
    def learnt(self) -> DecoderSpec:
        """Of the decoder on what ``learner`` sees."""
        return replace(self.spec, size=self.learner.preprocessing.size)

    def head(self, decoder: TorchDecoder) -> DecoderHead:
        """A trained decoder, as it reads the whole square."""
        return DecoderHead(self.spec, DecoderHead.from_module(decoder.cpu()).arrays)

    @property
    def reads(self) -> Reads:
        """How maps of samples are made."""
        return Reads(self.learner, self.seen.outputs, self.seen.choice, self.learnt.n_features)

    @property
    def used(self) -> IntpArray:
        """Rows of the data set that are in the square."""
        return np.sort(np.concatenate(self.halves))

    def augmentation(self, orient: Orient = "mirror") -> Augmentation:
        """Of the images that are learnt from; ``orient`` where the options leave it open."""
        return Augmentation(self.options.augment, orient if self.options.orient == "auto" else self.options.orient)

    def samples(self, rows: IntpArray, augmentation: Augmentation | None = None) -> MaskSamples:
        """Images at some rows of the data set, or parts of them, as ``learner`` sees them."""
        used = self.used
        return MaskSamples(
            self.images,
            self.masks,
            self.seen.dataset.select(used),
            self.backbone.preprocessing,
            np.searchsorted(used, rows),
            shown=self.learner.preprocessing.size,
            augmentation=augmentation,
            seed=self.options.seed,
        )


@contextlib.contextmanager
def ready(dataset: MaskDataset, backbone: Backbone, options: DecodingOptions, say: Announce) -> Iterator[Ready]:
    """Look, set aside, resize; the squares are on disk for as long as the context lasts.

    Raises:
        DataError: The training images show fewer than two classes, too few to set any aside, or there is no room.
        BackboneError: The network has no maps that serve.
    """
    require_classes(dataset)
    backbone, notes = _sized(dataset, backbone.replace(crop_mode=options.crop_mode), options)
    how: Any = {"width": options.width, "refine": options.refine, "border": tells_borders(dataset)}
    spec = DecoderSpec.of(backbone, len(dataset.classes), options.design, **how)
    outputs = backbone.maps(spec.stages)
    with first_alone():
        none: Any = {"wanted": lambda row: False, "engine": options.engine, "progress": say("reading images")}
        seen, _ = look(dataset, backbone, outputs, lambda row, maps: None, **none)
    require_classes(seen.dataset)
    halves = halves_of(seen.dataset, options.validation, options.seed)
    require_classes(seen.dataset.select(halves.learn), "once some are set aside for validation")
    used = seen.dataset.select(np.sort(np.concatenate(halves)))
    with (
        squares(used, backbone.preprocessing, say("resizing images")) as images,
        scratch((len(used), 1 + spec.border, *images.pixels.shape[1:3]), np.uint8) as masks,
    ):
        for row in range(len(used)):
            masks[row] = targets_of(used.mask(row), backbone.preprocessing, depths=spec.border)
        learner = backbone.replace(size=_part(seen.dataset, backbone, options))
        yield Ready(seen, spec, learner, halves, images, masks, options, notes)


def tells_borders(dataset: MaskDataset) -> bool:
    """Whether a decoder is to tell objects apart."""
    return dataset.tells_objects and dataset.has_background and bool((dataset.objects > 0).any())


def _sized(dataset: MaskDataset, backbone: Backbone, options: DecodingOptions) -> tuple[Backbone, tuple[str, ...]]:
    """A backbone that sees images at about their own size, small objects larger, where nobody asked for a size."""
    train = dataset.split("train")
    if not options.fit_size or backbone.preprocessing.size != SIZE or backbone.fixed_size or not len(train):
        return backbone, ()
    own, across = float(np.median(train.sizes.max(axis=1))), across_of(train)
    if across < _OBJECT:
        size = _stepped(own * min(_LARGER, _OBJECT / across), _MOST)
        note = f"images are about {own:.0f} px wide and their objects {across:.0f} px, so they are seen at {size} px"
    else:
        size = _stepped(own, SIZE)
        note = f"most images are {own:.0f} px wide or less, so they are seen at {size} px"
    return backbone.replace(size=size), () if size == SIZE else (f"{note} instead of {SIZE} px",)


def _stepped(wanted: float, most: int) -> int:
    return min(most, max(_LEAST, math.ceil(wanted / _STEP) * _STEP))


def across_of(dataset: MaskDataset) -> float:
    """Pixels across an object: of a disc of an image's mean area, the median over images; infinite without objects."""
    there = dataset.objects > 0
    if not tells_borders(dataset):
        return math.inf
    areas = dataset.pixels[there, 1 : len(dataset.classes)].sum(axis=1) / dataset.objects[there]
    return float(np.sqrt(4 / np.pi * np.median(areas)))


def _part(dataset: MaskDataset, backbone: Backbone, options: DecodingOptions) -> int:
    """Side of what a step learns from: a part where it shows several objects whole, else the square."""
    train, size = dataset.split("train"), backbone.preprocessing.size
    if backbone.fixed_size or options.part is not None:
        return size if backbone.fixed_size else min(size, options.part or size)
    seen = across_of(train) * size / float(np.median(train.sizes.max(axis=1)))
    return min(size, _PART) if _HOLDS * seen <= _PART else size
