"""Whether images have an upright: does a decoder that never saw one upside down tell as much there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topwork.advising import Trial
from topwork.tasks._maps._training import upright_trials

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._ready import Ready
    from topwork.tasks.segmentation.network import SegmentationHead

_AS_WELL = 0.97  # of the overlap in upright images, from which images have no upright


def orient_trials(given: Ready, head: SegmentationHead) -> tuple[Trial, ...]:
    """How a decoder does in the validation images as they are, and upside down; what suits training is marked."""
    if given.options.orient != "auto":
        return ()
    before, after = _overlap(given, head, turned=False), _overlap(given, head, turned=True)
    alike = after >= _AS_WELL * before > 0
    return upright_trials(len(given.halves.check), (before, after), alike=alike)


def _overlap(given: Ready, head: SegmentationHead, *, turned: bool) -> float:
    """Mean over the validation images of their IoU, in pixels of the square."""
    import torch

    from topwork.tasks.segmentation.decoder._frozen import loss_of

    samples, loss, found = given.samples(given.halves.check), loss_of(given), []
    engine = given.engine(len(samples.labels))
    for rows in np.array_split(np.arange(len(samples.labels)), -(-len(samples.labels) // 16)):
        images, targets = (each.flip(-2) if turned else each for each in samples.batch(0, rows))
        maps = engine(images.permute(0, 2, 3, 1).contiguous().numpy())
        logits = torch.from_numpy(head.logits(maps.numpy()))
        found.append(loss.measured(logits, targets)[1])
    return float(torch.cat(found).mean())
