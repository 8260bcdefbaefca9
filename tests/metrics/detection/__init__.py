"""Detections and objects that are drawn from a seed, and what faster-coco-eval says of them."""

from typing import NamedTuple

import numpy as np

from topwork.metrics import Detections


class Objects(NamedTuple):
    """What `topwork.data.Boxes` is, below `data`."""

    corners: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray


def objects(*boxes, labels=None, crowd=None):
    """By hand: boxes, of class 0 where nothing else is said."""
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.zeros(len(corners)) if labels is None else labels
    return Objects(corners, np.array(labels, np.int32), np.zeros(len(corners), bool) if crowd is None else crowd)


def detections(*rows):
    """By hand: (score, label, xmin, ymin, xmax, ymax)."""
    table = np.array(sorted(rows, key=lambda row: -row[0]), np.float32).reshape(-1, 6)
    return Detections(table[:, 2:], table[:, 0], table[:, 1].astype(np.int32))


def simulate(seed, images=40, classes=5, most=8, crowd=0.1, strange=5, digits=None):
    """Objects in four of five images; detections near them, some twice, some of a wrong class, and anywhere.

    Scores of so many digits are often equal.
    """
    rng = np.random.default_rng(seed)
    drawn = [_image(rng, classes, most if row % 5 else 0, crowd, strange, digits) for row in range(images)]
    return [each for each, _ in drawn], [each for _, each in drawn]


def _image(rng, classes, most, crowd, strange, digits):
    count = rng.integers(0, most + 1)
    low, sides = rng.uniform(0, 300, (count, 2)), np.exp(rng.uniform(np.log(8), np.log(200), (count, 2)))
    corners, labels = np.concatenate([low, low + sides], axis=1).astype(np.float32), rng.integers(0, classes, count)
    times = rng.integers(0, 3, count)
    near = np.repeat(corners, times, axis=0) + rng.normal(0, 0.07, (times.sum(), 4)) * np.repeat(
        np.tile(sides, 2), times, axis=0
    )
    said = np.repeat(labels, times)
    said = np.where(rng.random(len(said)) < 0.15, rng.integers(0, classes, len(said)), said)
    corner = rng.uniform(0, 300, (rng.integers(0, strange + 1), 2))
    anywhere = np.concatenate([corner, corner + rng.uniform(5, 150, corner.shape)], axis=1)
    boxes = np.concatenate([near, anywhere])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    said = np.concatenate([said, rng.integers(0, classes, len(anywhere))])
    scores = rng.random(len(said)) if digits is None else rng.random(len(said)).round(digits)
    order = np.argsort(-scores, kind="stable")
    found = Detections(*(each[order].astype(kind) for each, kind in ((boxes, "f4"), (scores, "f4"), (said, "i4"))))
    return Objects(corners, labels.astype(np.int32), rng.random(count) < crowd), found


def coco(truth, found, classes):
    """The evaluation of faster-coco-eval, built here on its own."""
    from faster_coco_eval import COCO, COCOeval_faster

    def box(corners):
        low, high = corners[:2].astype(float), corners[2:].astype(float)
        return [*low.tolist(), *(high - low).tolist()]

    boxes = [(row, *each) for row, of in enumerate(truth) for each in zip(*of, strict=True)]
    annotations = [
        {"id": n, "image_id": row, "category_id": int(label), "bbox": box(each), "iscrowd": int(crowd)}
        for n, (row, each, label, crowd) in enumerate(boxes, 1)
    ]
    for each in annotations:
        each["area"] = each["bbox"][2] * each["bbox"][3]
    results = [
        {"image_id": row, "category_id": int(label), "score": float(score), "bbox": box(each)}
        for row, of in enumerate(found)
        for each, score, label in zip(of.corners, of.scores, of.labels, strict=True)
    ]
    images = [{"id": row, "height": 600, "width": 600} for row in range(len(truth))]
    names = [{"id": place, "name": str(place)} for place in range(classes)]
    there = COCO({"images": images, "annotations": annotations, "categories": names})
    evaluation = COCOeval_faster(there, there.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation
