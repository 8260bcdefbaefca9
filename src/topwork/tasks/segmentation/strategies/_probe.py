"""The pixel probe: a head on the maps of a frozen backbone, learnt from some pixels of each image."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.backbones import Backbone
from topwork.data import MaskDataset, printable
from topwork.errors import DataError
from topwork.features import FeatureTable, extract
from topwork.heads import LinearHead, fit_linear
from topwork.tasks._classes._finetuned import halves_of
from topwork.tasks._task import Announce
from topwork.tasks.segmentation.network import PixelHead, PixelSpec
from topwork.tasks.segmentation.strategies._fitted import Fitted, judged
from topwork.tasks.segmentation.strategies._options import ProbeOptions
from topwork.tasks.segmentation.strategies._sampled import sampled

_MORE = "add masks that show it, or a val split beside test"


def fit_probe(
    dataset: MaskDataset, backbone: Backbone, options: ProbeOptions, *, announce: Announce | None = None
) -> Fitted:
    """Train a head on the split ``train``; the other splits are only looked at, so that their maps are at hand.

    Raises:
        DataError: The training images show fewer than two classes, or are too few to set any aside.
        BackboneError: The network has no maps that serve.
    """
    say = announce or (lambda text: None)
    backbone = backbone.replace(crop_mode=options.crop_mode)
    spec = PixelSpec.of(backbone, len(dataset.classes))
    require_classes(dataset)
    how: Any = {"engine": options.engine, "cache": options.cache}
    table = extract(dataset, backbone, outputs=backbone.maps(spec.stages), progress=say("maps of images"), **how)
    require_classes(table.dataset)
    halves = halves_of(table.dataset, options.validation, options.seed)
    say("training the head on pixels")
    head = _fitted_on(table, spec, halves.learn, options)
    validation = judged(head, table, halves.check)
    return Fitted(head, table, validation)


def _fitted_on(
    table: FeatureTable, spec: PixelSpec, rows: np.ndarray[Any, np.dtype[np.intp]], options: ProbeOptions
) -> PixelHead:
    pixels = sampled(table, spec, rows, options.pixels, options.seed)
    fold_of = (np.argsort(np.argsort(rows))[np.searchsorted(np.sort(rows), pixels.rows)] % 5).astype(np.intp)
    found = fit_linear(
        pixels.features,
        pixels.labels,
        spec.channels,
        seed=options.seed,
        fold_of=fold_of,
        class_weight="none",
        method="logistic",
    )
    return as_pixel_head(found.head, spec)


def as_pixel_head(head: LinearHead, spec: PixelSpec) -> PixelHead:
    """A linear head on the channels of all maps as one convolution for each map."""
    weight, bias = head.folded
    ends = np.cumsum(spec.widths)[:-1]
    parts = np.split((weight / np.float32(head.temperature)).T, ends, axis=1)
    arrays = {f"maps.{place}": np.ascontiguousarray(part, np.float32) for place, part in enumerate(parts)}
    return PixelHead(spec, {**arrays, "bias": np.asarray(bias / np.float32(head.temperature), np.float32)})


def require_classes(dataset: MaskDataset) -> None:
    """Refuse training images that show one class alone: there is nothing to tell apart.

    Raises:
        DataError: They show fewer than two classes.
    """
    train = dataset.split("train")
    seen = np.flatnonzero(train.class_counts())
    if len(seen) > 1:
        return
    lost = [
        f"{len(train.left_out)} images were left out, the first: {printable(x.path)}: {x.reason}"
        for x in train.left_out
    ]
    shown = f"show only {printable(dataset.classes[seen[0]])}" if len(seen) else "have no labelled pixel"
    raise DataError(f"the {len(train)} training images {shown}", hint=lost[0] if lost else _MORE)
