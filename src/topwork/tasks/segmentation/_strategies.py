"""The ways to a segmenter, each as the task offers it: a name, its options, and data to a head."""

from __future__ import annotations

from collections.abc import Sequence

from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.tasks._task import Run, Strategy, only
from topwork.tasks.segmentation.strategies import Fitted, ProbeOptions, fit_probe


def _probe(dataset: MaskDataset, backbones: Sequence[Backbone], options: ProbeOptions, run: Run) -> Fitted:
    return fit_probe(dataset, only("probe", backbones), options, announce=run.announce)


STRATEGIES = (
    Strategy(
        "probe", "Train a new head on pixels of the frozen backbone's maps; needs no PyTorch.", ProbeOptions, _probe
    ),
)
