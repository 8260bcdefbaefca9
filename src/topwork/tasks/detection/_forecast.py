"""What more images would bring a detector: the probe's head on nested parts of the images, whose maps are kept already.

Level and slope are those of ``advising.curves_through``, whose prior is of classes: so fast errors of heads on frozen
features fell on sixteen data sets. The points are AP50 on the images that judge, their covariance a bootstrap's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from topwork._arrays import Int64Array, IntpArray
from topwork.advising import BudgetClock, Forecast, Point, curves_through, extended
from topwork.metrics import average_precision50, average_precision50_resampled
from topwork.tasks._task import Announce
from topwork.tasks.detection.network import DetectorHead
from topwork.tasks.detection.strategies import Judged, judged
from topwork.tasks.detection.strategies._options import with_enough_steps
from topwork.tasks.detection.strategies._probe import Probed, trained_head
from topwork.tasks.detection.strategies._ready import Ready

if TYPE_CHECKING:
    from topwork.train import Batch, Samples, TrainConfig

_PARTS = (4, 2)  # the images that are learnt from, divided by each
_FEWEST = 8  # images, and as many objects, that a point learns from


def forecast(given: Ready, probe: Probed, config: TrainConfig, clock: BudgetClock, say: Announce) -> Forecast | None:
    """Train the head on a quarter and on half of the images, and extend the curve.

    Args:
        given: What the probe was trained on.
        probe: Whose maps still are there; the last point of the curve.
        config: Of its training, before a budget shortened it.
        clock: Nothing is begun for which no time is left.
        say: Hears of it.

    Returns:
        None where there is no time; without points where there are too few images or objects.
    """
    now, learn, in_all = probe.fitted.validation.ap50, given.halves.learn, len(given.table.split("train"))
    order = np.random.default_rng(given.options.seed).permutation(len(learn))
    parts = [np.sort(order[: len(learn) // each]) for each in _PARTS]
    boxes = [int(given.table.dataset.select(learn[part]).class_counts().sum()) for part in parts]
    parts = [part for part, count in zip(parts, boxes, strict=True) if min(len(part), count) >= _FEWEST]
    judges = [boxes for boxes in probe.fitted.validation.dataset.all_boxes() if not boxes.crowd.all()]
    if not parts or len(judges) < _FEWEST:
        return Forecast((), (), (1 + now) / 2, (None, None), ())
    passes = [with_enough_steps(config, len(part)).epochs * len(part) for part in parts]
    price = probe.seconds / max(1, len(probe.fitted.history) * len(learn))
    if price * sum(passes) > clock.left:
        return None
    found = [*(_judged_part(given, probe, part, config, clock, say) for part in parts), probe.fitted.validation]
    sizes = [round(len(part) / len(learn) * in_all) for part in parts] + [in_all]
    return _extended(found, sizes, given.options.seed)


def _judged_part(
    given: Ready, probe: Probed, part: IntpArray, config: TrainConfig, clock: BudgetClock, say: Announce
) -> Judged:
    learn, check = probe.maps
    how = with_enough_steps(config, len(part)).model_copy(update={"budget_seconds": max(1.0, clock.left)})
    progress = say(f"the head on {len(part)} of {len(learn.labels)} images")
    head, _ = trained_head(given, (_Part(learn, part), check), given.config(how), progress)
    return judged(DetectorHead.from_module(head.cpu()), given.table, given.halves.check)


def _extended(found: Sequence[Judged], sizes: Sequence[int], seed: int) -> Forecast:
    """The curve through AP50 of each size; half an image without errors and half one with nothing else join each."""
    truth, classes = found[0].dataset.all_boxes(), len(found[0].dataset.classes)
    values = np.array([average_precision50(truth, each.found, classes) for each in found])
    drawn = np.stack([average_precision50_resampled(truth, each.found, classes, seed=seed) for each in found])
    judges = len(truth)
    share = ((1 - values) * judges + 0.5) / (judges + 1)
    apart = np.sqrt(0.5) * np.column_stack([1 - share, share])
    scale = judges / (judges + 1)
    covariance = scale**2 * np.cov(drawn[:, np.isfinite(drawn).all(axis=0)]) + apart @ apart.T / (judges + 1) ** 2
    curves = curves_through(sizes, share, covariance, sizes[-1], np.random.default_rng(seed))
    points = tuple(Point(size, float(value)) for size, value in zip(sizes, values, strict=True))
    return extended(points, curves, points[-1].accuracy)


class _Part:
    """Some of the samples."""

    def __init__(self, samples: Samples, rows: IntpArray) -> None:
        self.labels = np.asarray(samples.labels)[rows]
        self.fingerprint = f"{samples.fingerprint} {len(rows)}"
        self._samples, self._rows = samples, np.asarray(rows, np.int64)

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """One batch for each entry of ``rows``."""
        return iter(self._samples.batches(epoch, [self._rows[each] for each in rows]))
