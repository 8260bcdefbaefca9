"""What every rung stands on: the training images, and their features, each extracted once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from topwork._options import Option
from topwork._system import available_cores
from topwork.advising import FeatureSpec, Timed, fit_head, held_out_losses, stratified_order
from topwork.backbones import Backbone, CropMode
from topwork.data import ImageDataset
from topwork.engines import Engines
from topwork.errors import DataError
from topwork.features import FeatureTable, extract, extract_few
from topwork.metrics import exceeds_zero
from topwork.tasks._classes._budgeted import Budgeted
from topwork.tasks._task import Announce
from topwork.tasks.classification.strategies import (
    CROP_MODE_ERRORS,
    FinetuneOptions,
    ProbeOptions,
    crop_modes_to_try,
    require_two_classes,
    sample_rows,
)

SAMPLE = 256  # images on which much is tried: enough to see a large difference
_TIMED = 5  # predictions that are timed
_TIMED_TOGETHER = 64


@dataclass(frozen=True)
class AdviceOptions(Budgeted):
    """How far to climb, and how.

    A rung that has begun is finished, so a small budget may be overdrawn by the first rung, without which nothing could
    be said. ``unfreeze``, where it is a number or ``all``, leaves one rung of fine-tuning; what all rungs share
    (engine, cache, seed, class weights) stands in ``finetune.probe``. The description and the learning curve
    (``describe``) are good to know, and not needed for the choice.
    """

    describe: Annotated[
        bool,
        Option(
            "Whether to compare the data with the network's pretraining data and to forecast the "
            "effect of more images.",
            None,
        ),
    ] = True
    finetune: Annotated[FinetuneOptions, Option("Settings of fine-tuning.")] = field(default_factory=FinetuneOptions)

    @property
    def probe(self) -> ProbeOptions:
        """What all rungs share."""
        return self.finetune.probe

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.probe.seed


def sampled(
    images: ImageDataset,
    backbone: Backbone,
    options: AdviceOptions,
    count: int,
    say: Announce,
    stages: Literal["last", "all"] = "last",
) -> FeatureTable:
    """Features of a stratified sample of images, in their order; nested in every larger one."""
    some = images.select(sample_rows(images, options.seed, count))
    return extracted(some, backbone, options, say).keep(backbone.outputs(stages))


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
        self._rates: dict[int, Timed] = {}
        self._images = dataset.split("train")
        self.backbone = backbone.replace(crop_mode=self._best_crop_mode(backbone))
        self.size = backbone.preprocessing.size
        self.train = self.table(self.size)
        self._images = self.train.dataset
        require_two_classes(self._images)
        self.order = stratified_order(self.labels, options.seed)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) of the training images that can be read."""
        return self._images.labels.astype(np.int64)

    @property
    def own(self) -> FeatureSpec:
        """The network's own pooled features at its own size."""
        return FeatureSpec(self.size, self.backbone.preprocessing.crop_mode)

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
            taken = self._timed(size, [[row] for row in range(_TIMED + 1)])
            self._times[size] = 1e3 * statistics.median(wall for wall, _ in taken[1:])  # the first opens the engine
        return self._times[size]

    def seconds_an_image(self, size: int) -> float:
        """What an image costs where there are many: decoding and the network together, on all cores."""
        return self.timed_image(size).wall

    def timed_image(self, size: int) -> Timed:
        """The same, and what of it is our own."""
        if size not in self._rates:
            together = range(_TIMED_TOGETHER)
            taken = self._timed(size, [together[: _TIMED_TOGETHER // 4], together])  # the first opens the engine
            cores = 0 if self.on_gpu else available_cores()
            wall, processor = (each / _TIMED_TOGETHER for each in taken[1])
            self._rates[size] = Timed.of(wall, processor, cores)
        return self._rates[size]

    @property
    def on_gpu(self) -> bool:
        """Whether the network runs on one."""
        return self.train.choice.name == "torch-cuda"

    def _timed(self, size: int, batches: Sequence[Sequence[int]]) -> list[tuple[float, float]]:
        """Seconds by the clock and of the processor that each batch of training images takes; the rows go round."""
        backbone = self.backbone.replace(size=size)
        outputs = backbone.outputs("all")
        engines = Engines(backbone, outputs)
        taken = []
        for rows in batches:
            wall, processor = time.perf_counter(), time.process_time()
            sources = [self._images.source(row % len(self._images)) for row in rows]
            extract_few(sources, backbone, outputs, choice=self.train.choice, open_network=engines)
            taken.append((time.perf_counter() - wall, time.process_time() - processor))
        return taken

    def _best_crop_mode(self, backbone: Backbone) -> CropMode:
        """The plain crop mode, unless another proves better on a sample."""
        wanted = self.options.probe.crop_mode
        modes = crop_modes_to_try(self._images, backbone) if wanted == "auto" else [wanted]
        if len(modes) == 1:
            return modes[0]
        tables = [
            sampled(self._images, backbone.replace(crop_mode=mode), self.options, SAMPLE, self._say, "all")
            for mode in modes
        ]
        if tables[0].dataset.paths != tables[1].dataset.paths or (tables[0].dataset.counts() > 0).sum() < 2:
            return modes[0]
        plain, other = map(self._least_losses, tables)
        return modes[int(exceeds_zero(plain - other, CROP_MODE_ERRORS))]

    def _least_losses(self, table: FeatureTable) -> npt.NDArray[np.float64]:
        """Of each held-out image, by a head on the last features or on all stages, whichever is better."""
        probe = self.options.probe
        found = []
        for outputs in (table.backbone.outputs("last"), table.outputs):
            kept = table.keep(outputs)
            fitted = fit_head(kept, class_weight=probe.class_weight, seed=probe.seed, method=probe.method)
            found.append(held_out_losses(fitted, kept))
        return min(found, key=lambda losses: float(losses.mean()) if losses.size else 0.0)

    def _extracted(self, images: ImageDataset, backbone: Backbone) -> FeatureTable:
        table = extracted(images, backbone, self.options, self._say)
        if self._tables and images is not self.dataset and table.dataset.paths != images.paths:
            raise DataError("an image was deleted or changed during the run", hint="run it again")
        return table
