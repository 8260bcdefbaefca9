"""A smaller input where the time would not be enough for the maps of all images at the usual one."""

from __future__ import annotations

import time

import numpy as np

from topwork.advising import BudgetClock
from topwork.backbones import Backbone
from topwork.data import BoxDataset
from topwork.features import extract
from topwork.tasks.detection._size import SIZE
from topwork.tasks.detection.network import HeadSpec
from topwork.tasks.detection.strategies import HeadOptions

_SMALLER = (224, 160)  # px: half, and a quarter, of what an image takes
_MAPS_SHARE = 0.5  # of the time that is left, for the maps of all images and of one view of those that train
_SLOW = 0.05  # seconds an image at the usual size: where there is time even for that, nothing is priced
_PRICED = 8  # images


def affordable(dataset: BoxDataset, backbone: Backbone, options: HeadOptions, clock: BudgetClock) -> Backbone:
    """The network at a size whose maps fit the time; one whose size somebody chose stays as it is."""
    images = len(dataset) + int((dataset.splits == "train").sum())
    time_for_maps = _MAPS_SHARE * clock.left
    if backbone.preprocessing.size != SIZE or images * _SLOW <= time_for_maps:
        return backbone
    price = _price(dataset, backbone, options)
    sizes = (SIZE, *_SMALLER)
    size = next((each for each in sizes if images * price * (each / SIZE) ** 2 <= time_for_maps), sizes[-1])
    return backbone if size == SIZE else backbone.replace(size=size)


def _price(dataset: BoxDataset, backbone: Backbone, options: HeadOptions) -> float:
    """Seconds that an image takes, from its file to its maps; the network is opened before it is timed."""
    shown = backbone.replace(crop_mode=options.crop_mode)
    few = dataset.select(np.arange(min(_PRICED, len(dataset))))
    outputs = shown.maps(HeadSpec.of(shown, len(dataset.classes)).stages)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        extract(few, shown, outputs=outputs, engine=options.engine, cache=False)
        seconds.append(time.perf_counter() - began)
    return min(seconds) / len(few)
