"""What every rung stands on: the training images, and their features, each extracted once."""

from __future__ import annotations

import statistics
import time
from typing import Literal

import numpy as np
import numpy.typing as npt

from topwork.advising import FeatureSpec, fit_head, held_out_losses, stratified_order
from topwork.backbones import Backbone, CropMode
from topwork.data import ImageDataset
from topwork.engines import Engines
from topwork.errors import DataError
from topwork.features import FeatureTable, extract, extract_few
from topwork.metrics import exceeds_zero
from topwork.tasks._task import Announce
from topwork.tasks.classification.ladder._options import AdviceOptions
from topwork.tasks.classification.strategies import crop_modes_to_try

SAMPLE = 256  # images on which much is tried: enough to see a large difference
_CROP_MODE_ERRORS = 2.0  # standard errors by which another way to fit an image must be better, as for the probe
_TIMED = 5  # predictions that are timed
_TIMED_TOGETHER = 64


def sampled(
    images: ImageDataset,
    backbone: Backbone,
    options: AdviceOptions,
    count: int,
    say: Announce,
    stages: Literal["last", "all"] = "last",
) -> FeatureTable:
    """Features of a stratified sample of images, in their order; nested in every larger one."""
    rows = np.sort(stratified_order(images.labels, options.seed)[:count])
    return extracted(images.select(rows), backbone, options, say).keep(backbone.outputs(stages))


def extracted(images: ImageDataset, backbone: Backbone, options: AdviceOptions, say: Announce) -> FeatureTable:
    """All stages of all images: one recipe for the cache, whatever is read of it."""
    return extract(
        images,
        backbone,
        outputs=backbone.outputs("all"),
        engine=options.probe.engine,
        cache=options.probe.cache,
        progress=say(f"features of {backbone.name} at {backbone.preprocessing.size} px"),
    )


class TrainingFeatures:
    """Features of the training split at every size that is asked for; all stages at once, so that all rungs share them.

    Args:
        dataset: With a split ``train``.
        backbone: Frozen.
        options: Engine, cache, seed, class weights.
        say: Announces a step; may give a progress callback for it.

    Raises:
        DataError: Fewer than two classes have a readable training image.
    """

    def __init__(self, dataset: ImageDataset, backbone: Backbone, options: AdviceOptions, say: Announce) -> None:
        self.dataset = dataset
        self.options = options
        self._say = say
        self._tables: dict[int, FeatureTable] = {}
        self._samples: dict[tuple[int, int], FeatureTable] = {}
        self._times: dict[int, float] = {}
        self._rates: dict[int, float] = {}
        self._images = dataset.split("train")
        self.backbone = backbone.replace(crop_mode=self._best_crop_mode(backbone))
        self.size = backbone.preprocessing.size
        self.train = self.table(self.size)
        self._images = self.train.dataset
        present = int((self._images.counts() > 0).sum())
        if present < 2:
            raise DataError(
                f"training images that can be read are there for {present} of {len(dataset.classes)} classes; "
                "two classes are needed",
            )
        self.order = stratified_order(self.labels, options.seed)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) of the training images that can be read."""
        return self._images.labels.astype(np.int64)

    @property
    def own(self) -> FeatureSpec:
        """The network's own pooled features at its own size."""
        return FeatureSpec(self.size, self.fit)

    @property
    def fit(self) -> CropMode:
        """How images become squares."""
        return self.backbone.preprocessing.crop_mode

    def table(self, size: int) -> FeatureTable:
        """All stages of every training image, (N, all)."""
        if size not in self._tables:
            self._tables[size] = self._extracted(self._images, self.backbone.replace(size=size))
        return self._tables[size]

    def sample(self, size: int, images: int) -> FeatureTable:
        """All stages of a stratified sample of the training images, in their order; nested in every larger one."""
        rows = np.sort(self.order[:images])
        if size in self._tables or images >= len(self.order):
            return self.table(size).select(rows)
        if (size, images) not in self._samples:
            found = self._extracted(self._images.select(rows), self.backbone.replace(size=size))
            self._samples[size, images] = found
        return self._samples[size, images]

    def whole(self, spec: FeatureSpec) -> FeatureTable:
        """What a spec takes of every image of the data set, held-out splits included."""
        backbone = self.backbone.replace(size=spec.size)
        return self._extracted(self.dataset, backbone).keep(spec.outputs(backbone))

    def milliseconds(self, size: int) -> float:
        """What one prediction takes: decoding, the square, the network; the median of a few."""
        if size not in self._times:
            backbone = self.backbone.replace(size=size)
            outputs = backbone.outputs("all")
            engines = Engines(backbone, outputs)
            taken = []
            for row in range(_TIMED + 1):
                begin = time.perf_counter()
                source = self._images.source(row % len(self._images))
                extract_few([source], backbone, outputs, choice=self.train.choice, open_network=engines)
                taken.append(1e3 * (time.perf_counter() - begin))
            self._times[size] = statistics.median(taken[1:])  # the first opens the engine
        return self._times[size]

    def seconds_an_image(self, size: int) -> float:
        """What an image costs where there are many: decoding and the network together, on all cores."""
        if size not in self._rates:
            backbone = self.backbone.replace(size=size)
            outputs = backbone.outputs("all")
            engines = Engines(backbone, outputs)
            sources = [self._images.source(row % len(self._images)) for row in range(_TIMED_TOGETHER)]
            for some in (sources[: _TIMED_TOGETHER // 4], sources):  # the first opens the engine
                begin = time.perf_counter()
                extract_few(some, backbone, outputs, choice=self.train.choice, open_network=engines)
            self._rates[size] = (time.perf_counter() - begin) / len(sources)
        return self._rates[size]

    def _best_crop_mode(self, backbone: Backbone) -> CropMode:
        """The plain way to fit an image into the square, unless another proves better on a sample."""
        asked = self.options.probe.crop_mode
        ways = crop_modes_to_try(self._images, backbone) if asked == "auto" else [asked]
        if len(ways) == 1:
            return ways[0]
        tables = [
            sampled(self._images, backbone.replace(crop_mode=mode), self.options, SAMPLE, self._say, "all")
            for mode in ways
        ]
        if tables[0].dataset.paths != tables[1].dataset.paths or (tables[0].dataset.counts() > 0).sum() < 2:
            return ways[0]
        losses = [self._least_losses(table) for table in tables]
        return ways[int(exceeds_zero(losses[0] - losses[1], _CROP_MODE_ERRORS))]

    def _least_losses(self, table: FeatureTable) -> npt.NDArray[np.float64]:
        """Of each held-out image, by a head on the last features or on all stages, whichever is better."""
        probe = self.options.probe
        found = []
        for outputs in (table.backbone.outputs("last"), table.outputs):
            kept = table.keep(outputs)
            found.append(held_out_losses(fit_head(kept, class_weight=probe.class_weight, seed=probe.seed), kept))
        return min(found, key=lambda losses: float(losses.mean()) if losses.size else 0.0)

    def _extracted(self, images: ImageDataset, backbone: Backbone) -> FeatureTable:
        table = extracted(images, backbone, self.options, self._say)
        if self._tables and images is not self.dataset and table.dataset.paths != images.paths:
            raise DataError("an image vanished or changed while it was read", hint="run it again")
        return table
