"""What a training of the backbone takes on this machine: a few steps of the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topwork._system import available_cores
from topwork.advising import Prices
from topwork.tasks._maps._training import IMAGES, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from topwork.tasks.detection.strategies._probe import Probed
    from topwork.tasks.detection.strategies._ready import Ready


def prices(given: Ready, probe: Probed, stages: Sequence[int], share: float) -> Prices:
    """Seconds an image: its maps, and once forward and back through the last stages and the head.

    Args:
        given: What would be trained on.
        probe: From which it would start; stays as it is.
        stages: Numbers of them that might be trained.
        share: Of the cores, what this process has had so far, 0 to 1; the share in these steps may be larger.
    """
    size = given.backbone.preprocessing.size
    pixels, engine = given.few_pixels(), given.engine(IMAGES)
    cores = 0 if given.device == "cuda" else available_cores()
    image = timed(lambda: engine(pixels), cores)
    steps = {each: timed(_step(given, probe, each), cores) for each in stages}
    both = [image, *steps.values()]
    ours = sum(each.own for each in both) / max(sum(each.wall for each in both), 1e-9)
    return Prices(
        size,
        image.own,
        {number: each.own for number, each in steps.items()},
        max(share, ours),
    )


def _step(given: Ready, probe: Probed, stages: int) -> Callable[[], object]:
    """One step forward and back; nothing is changed by it."""
    import copy

    from topwork.tasks.detection.strategies._detector import Detector
    from topwork.tasks.detection.strategies._loss import DetectionLoss

    detector = Detector(given.backbone, copy.deepcopy(probe.head)).to(given.device)
    for _, layer in detector.layers(given.backbone, stages):
        layer.requires_grad_(True)
    rows = np.resize(given.halves.learn, IMAGES)
    images, targets = (each.to(given.device) for each in given.samples(rows).batch(0, np.arange(IMAGES)))
    loss = DetectionLoss(given.spec)

    def step() -> None:
        loss(detector(images), targets).backward()  # type: ignore[no-untyped-call]

    return step
