"""What every training of a detector begins with: maps of all images, who learns and who judges, images in squares."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from topwork._arrays import IntpArray
from topwork.backbones import Backbone
from topwork.data import BoxDataset, printable
from topwork.errors import DataError
from topwork.features import FeatureTable, Squares, extract, squares
from topwork.tasks._classes._finetuned import Halves, halves_of
from topwork.tasks._maps._settings import Orient
from topwork.tasks._maps._training import MapsReady, Reads
from topwork.tasks._task import Announce
from topwork.tasks.detection._size import LARGER, SIZE, any_small
from topwork.tasks.detection.network import HeadSpec
from topwork.tasks.detection.strategies._augment import Augmentation
from topwork.tasks.detection.strategies._options import HeadOptions
from topwork.tasks.detection.strategies._samples import BoxSamples
from topwork.train import first_alone


@dataclass(frozen=True, eq=False)
class Ready(MapsReady):
    """A data set that can be trained on.

    Attributes:
        table: Maps of every image that could be read, by the pretrained network.
        spec: Of the head that reads them.
        halves: Rows of the table to learn from, and to validate with.
        images: Those rows in the square, in the order of the table.
        options: How they are shown.
        notes: What the user should know.
    """

    table: FeatureTable
    spec: HeadSpec
    halves: Halves
    images: Squares
    options: HeadOptions
    notes: tuple[str, ...] = ()
    what: ClassVar[str] = "a detector"
    precision = "f32"

    @property
    def backbone(self) -> Backbone:
        """The pretrained network, with its preprocessing."""
        backbone: Backbone = self.table.backbone
        return backbone

    @property
    def reads(self) -> Reads:
        """How maps of samples are made."""
        return Reads(self.backbone, self.table.outputs, self.table.choice, self.spec.n_features)

    def augmentation(self, orient: Orient = "mirror") -> Augmentation:
        """Of the images that are learnt from; ``orient`` where the options leave it open."""
        return Augmentation(self.options.augment, orient if self.options.orient == "auto" else self.options.orient)

    def samples(self, rows: IntpArray, augmentation: Augmentation | None = None) -> BoxSamples:
        """Images at some rows of the table."""
        used = np.sort(np.concatenate(self.halves))
        return BoxSamples(
            self.images,
            self.table.dataset.select(used),
            self.backbone.preprocessing,
            np.searchsorted(used, rows),
            augmentation=augmentation,
            seed=self.options.seed,
        )


@contextlib.contextmanager
def ready(dataset: BoxDataset, backbone: Backbone, options: HeadOptions, say: Announce) -> Iterator[Ready]:
    """Extract, set aside, resize; the squares are on disk for as long as the context lasts.

    Raises:
        DataError: No training image has an object, too few to set any aside, or there is no room for them.
        BackboneError: The network has no maps that serve.
    """
    backbone = backbone.replace(crop_mode=options.crop_mode)
    notes: tuple[str, ...] = ()
    if options.enlarge and backbone.preprocessing.size == SIZE and any_small(dataset.split("train"), SIZE):
        backbone, notes = backbone.replace(size=LARGER), (_ENLARGED,)
    head: Any = {name: getattr(options, name) for name in ("channels", "depth", "layers")}
    spec = HeadSpec.of(backbone, len(dataset.classes), **head, centreness=False)
    require_objects(dataset)
    with first_alone():
        table = extract(
            dataset,
            backbone,
            outputs=backbone.maps(spec.stages),
            engine=options.engine,
            cache=options.cache,
            progress=say("maps of images"),
        )
    require_objects(table.dataset)
    halves = halves_of(table.dataset, options.validation, options.seed)
    if not table.dataset.select(halves.learn).class_counts().sum():
        raise DataError("no object is left to learn from once some images are set aside for validation", hint=_MORE)
    used = table.dataset.select(np.sort(np.concatenate(halves)))
    with squares(used, backbone.preprocessing, say("resizing images")) as images:
        yield Ready(table, spec, halves, images, options, notes)


_ENLARGED = (
    f"the boxes of a class are mostly under 32 x 32 px at {SIZE} px, so images are seen at {LARGER} px: slower, and "
    "better for small objects"
)
_MORE = "add images with boxes, or a val split beside test"


def require_objects(dataset: BoxDataset) -> None:
    """Refuse training images without any object: there is nothing to learn.

    Raises:
        DataError: None of them has a box, crowds left out.
    """
    train = dataset.split("train")
    if train.class_counts().sum():
        return
    lost = [
        f"{len(train.left_out)} images were left out, the first: {printable(x.path)}: {x.reason}"
        for x in train.left_out
    ]
    crowds = int(train.crowd.sum())
    of = f", but for {crowds} marked as a crowd" if crowds else ""
    raise DataError(f"none of the {len(train)} training images has a box{of}", hint=lost[0] if lost else _MORE)
