"""The figures of faster-coco-eval, which is kept well, where the extra ``detection`` is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork._arrays import Float64Array
from topwork._system import has_module, optional

from ._boxes import Found, Truth

NAME = "faster-coco-eval"
_MODULE = "faster_coco_eval"
_FIGURES = 9  # of its twelve: average recall by size is left out


def has_evaluator() -> bool:
    """Whether it is installed; it is not imported."""
    return has_module(_MODULE)


def evaluated(truth: Truth, found: Found, n_classes: int, n_images: int) -> Float64Array:
    """AP, AP50, AP75, AP of small, medium and large, AR at 1, 10 and 100; then AP of each class, and AP50; NaN: none.

    Returns:
        (9 + 2C,)

    Raises:
        MissingExtraError: It is not installed.
    """
    coco = optional(_MODULE, extra="detection", what="COCO's evaluator")
    images = [{"id": row, "height": 1, "width": 1} for row in range(n_images)]  # their sizes are for masks
    objects: list[dict[str, Any]] = [
        {**box, "id": place, "area": box["bbox"][2] * box["bbox"][3], "iscrowd": int(crowd)}
        for place, (box, crowd) in enumerate(zip(_boxes(truth), truth.crowd.tolist(), strict=True), 1)
    ]
    categories = [{"id": place, "name": str(place)} for place in range(n_classes)]
    there = coco.COCO({"images": images, "annotations": objects, "categories": categories})
    said = there.loadRes([{**box, "score": score} for box, score in zip(_boxes(found), found.scores, strict=True)])
    evaluation = coco.COCOeval_faster(there, said, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    by_class = evaluation.eval["precision"][..., 0, -1].mean(axis=1)  # (T, C): over the recalls
    values = np.concatenate([evaluation.stats[:_FIGURES], by_class.mean(axis=0), by_class[0]])
    figures: Float64Array = np.where(values < 0, np.nan, values)  # -1: there is no such object
    return figures


def _boxes(of: Truth | Found) -> list[dict[str, Any]]:
    """In COCO's form, each with row, class, and xmin, ymin, width, height."""
    boxes = np.concatenate([of.corners[:, :2], of.corners[:, 2:] - of.corners[:, :2]], axis=1).tolist()
    rows = zip(of.rows.tolist(), of.labels.tolist(), boxes, strict=True)
    return [{"image_id": row, "category_id": label, "bbox": box} for row, label, box in rows]
