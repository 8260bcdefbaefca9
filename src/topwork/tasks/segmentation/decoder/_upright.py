"""Whether images have an upright: does a decoder that never saw one upside down tell as much there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topwork.advising import Trial
from topwork.engines import open_engine
from topwork.features import on_all_cores

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._augment import Orient
    from topwork.tasks.segmentation.decoder._ready import Ready
    from topwork.tasks.segmentation.network import SegmentationHead

_AS_WELL = 0.97  # of the overlap in upright images, from which images have no upright


def orient_trials(given: Ready, head: SegmentationHead) -> tuple[Trial, ...]:
    """How a decoder does in the validation images as they are, and upside down; what suits training is marked.

    It learnt from mirrored images, never from upturned ones. Where those are no harder for it, as under a microscope
    or from the air, there is more to learn from when both are shown.
    """
    if given.options.orient != "auto":
        return ()
    before, after = _overlap(given, head, turned=False), _overlap(given, head, turned=True)
    alike = after >= _AS_WELL * before > 0
    images = len(given.halves.check)
    return (
        Trial("orient", "mirror", images, before, None, chosen=not alike),
        Trial("orient", "any", images, after, None, chosen=alike),
    )


def chosen_orient(trials: tuple[Trial, ...]) -> Orient:
    """What the trials say; ``mirror`` where there are none."""
    return "any" if any(trial.chosen and trial.answer == "any" for trial in trials) else "mirror"


def _overlap(given: Ready, head: SegmentationHead, *, turned: bool) -> float:
    """Mean over the validation images of their IoU, in pixels of the square."""
    import torch

    from topwork.tasks.segmentation.decoder._frozen import loss_of

    samples, loss, found = given.samples(given.halves.check), loss_of(given), []
    seen = given.seen
    engine = on_all_cores(open_engine(given.learner, seen.outputs, seen.choice, images=len(samples.labels)))
    for rows in np.array_split(np.arange(len(samples.labels)), -(-len(samples.labels) // 16)):
        images, targets = (each.flip(-2) if turned else each for each in samples.batch(0, rows))
        maps = engine(images.permute(0, 2, 3, 1).contiguous().numpy())
        logits = torch.from_numpy(head.logits(maps.numpy()))
        found.append(loss.measured(logits, targets)[1])
    return float(torch.cat(found).mean())
