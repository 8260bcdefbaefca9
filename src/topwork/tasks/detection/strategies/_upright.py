"""Whether images have an upright: does a detector that never saw one upside down find as much there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topwork.advising import Trial
from topwork.data import Boxes
from topwork.metrics import detection_report
from topwork.tasks._maps._training import upright_trials

if TYPE_CHECKING:
    from topwork.metrics import DetectionReport
    from topwork.tasks.detection.strategies._probe import Probed
    from topwork.tasks.detection.strategies._ready import Ready

_AS_WELL = 0.9  # of the average precision in upright images, from which images have no upright


def orient_trials(given: Ready, probe: Probed) -> tuple[Trial, ...]:
    """How the probe does in the validation images as they are, and upside down; what suits training is marked."""
    if given.options.orient != "auto":
        return ()
    upright, upturned = _report(given, probe, turned=False), _report(given, probe, turned=True)
    before, after = (0.0 if each.ap is None else each.ap.value for each in (upright, upturned))
    shown = [0.0 if each.ap50 is None else each.ap50.value for each in (upright, upturned)]  # as all trials are
    alike = after >= _AS_WELL * before > 0
    return upright_trials(len(given.halves.check), (shown[0], shown[1]), alike=alike)


def _report(given: Ready, probe: Probed, *, turned: bool) -> DetectionReport:
    """Figures on the validation images, in pixels of the square."""
    samples, size = given.samples(given.halves.check), given.spec.size
    rows = np.arange(len(samples.labels))
    pixels = np.ascontiguousarray(samples.batch(0, rows)[0].permute(0, 2, 3, 1).numpy())
    maps = given.engine(len(rows))(np.ascontiguousarray(pixels[:, ::-1]) if turned else pixels).numpy()
    boxes = [_upturned(each, size) if turned else each for each in samples.boxes]
    return detection_report(boxes, probe.fitted.head.detect(maps), given.table.dataset.classes, resamples=1)


def _upturned(boxes: Boxes, size: int) -> Boxes:
    """Boxes in a square that is turned upside down: top and bottom change places."""
    left, top, right, bottom = boxes.corners.T
    return Boxes(np.stack([left, size - bottom, right, size - top], axis=1), boxes.labels, boxes.crowd)
