"""The pixel probe: a head on the maps of a frozen backbone, learnt from some pixels of each image, without PyTorch."""

from __future__ import annotations

import importlib.util
from collections import Counter

import numpy as np

from topwork._arrays import IntpArray
from topwork.backbones import Backbone
from topwork.data import MaskDataset, printable
from topwork.errors import DataError
from topwork.metrics import mask_threshold
from topwork.tasks._classes._finetuned import halves_of
from topwork.tasks._task import Announce
from topwork.tasks.segmentation._decide import Deciding
from topwork.tasks.segmentation._evaluated import probabilities_of
from topwork.tasks.segmentation._seen import Seen, look
from topwork.tasks.segmentation.instances import Splitting, fit_splitting
from topwork.tasks.segmentation.network import PixelHead, PixelSpec, SegmentationHead
from topwork.tasks.segmentation.strategies._fitted import Fitted, Judged, judged
from topwork.tasks.segmentation.strategies._options import ProbeOptions
from topwork.tasks.segmentation.strategies._pixels import HIDDEN, fit_pixels
from topwork.tasks.segmentation.strategies._sampled import sampler, together

_MOST_PIXELS = 120_000  # in all: 150 MB of Lite0's features
_SPLIT_ON = 24  # images on which it is chosen how objects are told apart
_MORE = "add masks that show another, or a val split beside test"


def fit_probe(
    dataset: MaskDataset, backbone: Backbone, options: ProbeOptions, *, announce: Announce | None = None
) -> Fitted:
    """Train a head on the split ``train``.

    Some of its images are set aside to choose how probabilities become labels and objects; in the end the head is
    trained on all of them. Of one image alone nothing can be set aside.

    Raises:
        DataError: The training images show fewer than two classes.
        BackboneError: The network has no maps.
    """
    say = announce or (lambda text: None)
    backbone = backbone.replace(crop_mode=options.crop_mode)
    border, notes = _tells_borders(dataset)
    spec = PixelSpec.of(backbone, len(dataset.classes), border=border, hidden=HIDDEN)
    require_classes(dataset)
    rows = dataset.splits == "train"
    if dataset.held_out_split == "test":
        rows = rows | (dataset.splits == "val")
    most = _MOST_PIXELS // max(1, int(rows.sum()))
    count = max(16, min(options.pixels or most, most))
    draw = sampler(dataset, spec, backbone.preprocessing, count, options.seed)
    seen, drawn = look(
        dataset,
        backbone,
        backbone.maps(spec.stages),
        draw,
        wanted=lambda row: bool(rows[row]),
        engine=options.engine,
        progress=say("pixels of images"),
    )
    require_classes(seen.dataset)

    def fitted(of: IntpArray) -> PixelHead:
        return fit_pixels(together(part for row in of.tolist() if (part := drawn[row])), spec, options.seed)

    train = np.flatnonzero(seen.dataset.splits == "train")
    say("training the head on pixels")
    halves = halves_of(seen.dataset, options.validation, options.seed) if len(train) > 1 else None
    if halves is None or not _shows_two(seen, halves.learn):
        return Fitted(fitted(train), seen, notes=notes)
    trial = fitted(halves.learn)
    validation = judged(trial, seen, halves.check)
    deciding = decide_by(trial, seen, validation, options.seed)
    return Fitted(fitted(np.union1d(*halves)), seen, validation, deciding, notes=notes)


def _shows_two(seen: Seen, rows: IntpArray) -> bool:
    part: MaskDataset = seen.dataset.select(rows)
    return int((part.class_counts() > 0).sum()) > 1


def decide_by(head: SegmentationHead, seen: Seen, validation: Judged, seed: int) -> Deciding:
    """How probabilities become labels and objects, by images that the head has not learnt from."""
    threshold, splitting, data = None, None, validation.dataset
    if len(data.classes) == 2 and data.has_background and data.pixels[:, 1].any():
        chosen = mask_threshold(validation.counts, seed=seed)
        threshold = chosen.threshold if chosen.helps else None
    if head.spec.border and (data.objects > 0).any():
        splitting = _splitting(head, seen.select(spread(seen.dataset, validation.rows, _SPLIT_ON, seed)))
    return Deciding(threshold, splitting or (Splitting(border=True) if head.spec.border else None))


def spread(dataset: MaskDataset, rows: IntpArray, count: int, seed: int) -> IntpArray:
    """So many of the rows, drawn by the seed, of as many groups as there are; in their order."""
    drawn = np.random.default_rng(seed).permutation(rows)
    if not dataset.groups:
        return np.sort(drawn[:count])
    met: Counter[str] = Counter()
    turns = []
    for row in drawn.tolist():
        group = dataset.groups[row]
        turns.append(met[group])
        met[group] += bool(group)  # without a name it is none
    return np.sort(drawn[np.argsort(turns, kind="stable")[:count]])


def _splitting(head: SegmentationHead, seen: Seen) -> Splitting | None:
    """How objects are told apart best; None where these images show none."""
    if not (seen.dataset.objects > 0).any():
        return None
    said = seen.each(probabilities_of(seen, head))
    pairs = ((each, seen.dataset.mask(row)) for row, each in enumerate(said))
    return fit_splitting(pairs, border=True, has_background=seen.dataset.has_background)


def _tells_borders(dataset: MaskDataset) -> tuple[bool, tuple[str, ...]]:
    """Whether the head is to tell objects apart, and a note where it could and cannot."""
    wanted = dataset.tells_objects and dataset.has_background and bool((dataset.objects > 0).any())
    if not wanted or importlib.util.find_spec("skimage") is not None:
        return wanted, ()
    return False, (
        "objects are not told apart, since scikit-image is not installed: pip install 'topwork[segmentation]'",
    )


def require_classes(dataset: MaskDataset, when: str = "") -> None:
    """Refuse training images that show one class alone: there is nothing to tell apart.

    Args:
        dataset: Its split ``train`` is looked at.
        when: After what they do, such as ``once some are set aside for validation``.

    Raises:
        DataError: They show fewer than two classes.
    """
    train: MaskDataset = dataset.split("train")
    seen = np.flatnonzero(train.class_counts())
    if len(seen) > 1:
        return
    lost = [
        f"{len(train.left_out)} images were left out, the first: {printable(x.path)}: {x.reason}"
        for x in train.left_out
    ]
    shown = f"show only {printable(dataset.classes[seen[0]])}" if len(seen) else "have no labelled pixel"
    raise DataError(
        f"the {len(train)} training images {shown}{f' {when}' if when else ''}", hint=lost[0] if lost else _MORE
    )
