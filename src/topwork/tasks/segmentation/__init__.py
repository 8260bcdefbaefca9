"""Segmentation: which class each pixel of an image is of. In: images with masks. Out: a ``Segmenter``.

``TASK`` is what the rest of the house knows of this room.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topwork.data import Source, looks_like_masks, read_masks
from topwork.tasks._task import Sample, Task, later
from topwork.tasks.segmentation._blocking import BLOCKING
from topwork.tasks.segmentation._found import FoundMask
from topwork.tasks.segmentation._load import load
from topwork.tasks.segmentation._model import Segmenter
from topwork.tasks.segmentation._words import WORDS

__all__ = ["TASK", "FoundMask", "Segmenter"]


def _model_of(*args: Any) -> Segmenter:
    from topwork.tasks.segmentation._model_of import model_of

    return model_of(*args)


def _folds_of(*args: Any) -> dict[str, Any]:
    from topwork.tasks.segmentation._model_of import folds_of

    return folds_of(*args)


def _drawn(found: FoundMask, source: Source) -> Any:
    from topwork.tasks.segmentation._drawn import drawn

    return drawn(found, source)


def _masks(found: FoundMask) -> Any:
    from topwork.tasks.segmentation._drawn import masks

    return masks(found)


def _write_outlines(found: FoundMask, path: Path) -> int:
    from topwork.tasks.segmentation.outlines import write_outlines

    return write_outlines(found.features(), path)


def _compare(*args: Any, **how: Any) -> Any:
    from topwork.tasks.segmentation._compared import compare

    return compare(*args, **how)


def _sample() -> Sample:
    from topwork.tasks.segmentation._sample import sample

    return sample()


def _evidence(model: Segmenter, **how: Any) -> Any:
    from topwork.tasks.segmentation.explain import Explain

    return Explain(model, **how)


TASK = Task(
    name="segmentation",
    read=read_masks,
    checks=later("topwork.tasks.segmentation.checks:CHECKS"),
    quick_checks=later("topwork.tasks.segmentation.checks:QUICK_CHECKS"),
    strategies=later("topwork.tasks.segmentation._strategies:STRATEGIES"),
    model=Segmenter,
    load=load,
    model_of=_model_of,
    sections=later("topwork.tasks.segmentation._page:SECTIONS"),
    words=WORDS,
    folds_of=_folds_of,
    figures=later("topwork.tasks.segmentation._figures:FIGURES"),
    blocking=BLOCKING,
    examination=later("topwork.tasks.segmentation.checks:MASKS"),
    told_by=looks_like_masks,
    sample=_sample,
    compare=_compare,
    tiled=True,
    drawn=_drawn,
    masks=_masks,
    write_outlines=_write_outlines,
    tells_certainty=True,
    exported=later("topwork.tasks.segmentation._exported:EXPORTED"),
    served=later("topwork.tasks.segmentation._served:SegmenterServing"),
    evidence=_evidence,
    explains_points=True,
)
"""What the rest of the house knows of segmentation."""
