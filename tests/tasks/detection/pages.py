"""A detector without a network behind it, and what it might have found: for pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from topwork.backbones import load
from topwork.data import BoxDataset
from topwork.engines import EngineChoice
from topwork.metrics import Detections, at_thresholds, detection_report
from topwork.model import DataRecord, EngineRecord
from topwork.tasks.detection import Detector
from topwork.tasks.detection._evaluated import DetectionEvaluated
from topwork.tasks.detection._record import DetectionRecord, DetectorRecord

NAMES = ("cat", "개", "<b>bird</b>")
HEIGHT, WIDTH = 120, 160
THRESHOLD = 0.4


def scenes(folder: Path, images: int = 24, classes: Sequence[str] = NAMES) -> BoxDataset:
    """Images of coarse noise with up to three boxes each, the last with none; pixels are all that matters not here."""
    rng = np.random.default_rng(0)
    corners: list[list[float]] = []
    counts = [*rng.integers(1, 4, images - 1).tolist(), 0]
    paths = [f"{place:03}.png" for place in range(images)]
    for name, count in zip(paths, counts, strict=True):
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((WIDTH, HEIGHT)).save(folder / name)
        for start in rng.permutation([0, 55, 110])[:count].tolist():
            left, top = start + rng.uniform(0, 10), rng.uniform(0, 50)
            corners.append([left, top, left + rng.uniform(8, 40), top + rng.uniform(8, 65)])
    return BoxDataset(
        folder,
        tuple(paths),
        np.array(["test"] * images),
        corners=np.array(corners, np.float32),
        labels=np.arange(len(corners)) % len(classes),
        crowd=np.arange(len(corners)) == 5,
        counts=counts,  # type: ignore[arg-type]
        sizes=[(HEIGHT, WIDTH)] * images,  # type: ignore[arg-type]
        classes=tuple(classes),
    )


def found_in(dataset: BoxDataset, seed: int = 0) -> tuple[Detections, ...]:
    """Most boxes, about where they are, some of another class, twice or too far off, and some of nothing."""
    rng, classes = np.random.default_rng(seed), len(dataset.classes)
    return tuple(_found(boxes, rng, classes) for boxes in dataset.all_boxes())


def _found(boxes: Any, rng: np.random.Generator, classes: int) -> Detections:
    said: list[tuple[np.ndarray, float, int]] = []
    for corners, label in zip(boxes.corners, boxes.labels.tolist(), strict=True):
        side = np.tile(corners[2:] - corners[:2], 2)
        if rng.random() < 0.8:
            said.append((corners + rng.normal(0, 0.05, 4) * side, rng.beta(6, 2), label))
        if rng.random() < 0.2:
            said.append((corners + side * 0.03, rng.beta(4, 3), int(rng.integers(classes))))
        if rng.random() < 0.2:
            said.append((corners + side * 0.45, rng.beta(4, 3), label))
    if rng.random() < 0.4:
        said.append((np.array([2, 80, 30, 115]), rng.beta(4, 3), int(rng.integers(classes))))
    said.sort(key=lambda one: -one[1])
    corners, scores, labels = zip(*said, strict=True) if said else ((), (), ())
    boxed = np.array(corners, np.float32).reshape(-1, 4)
    return Detections(boxed, np.array(scores, np.float32), np.array(labels, np.int32))


def evaluated(dataset: BoxDataset, found: Sequence[Detections] | None = None) -> DetectionEvaluated:
    given = tuple(found_in(dataset) if found is None else found)
    boxes, thresholds = dataset.all_boxes(), (THRESHOLD,) * len(dataset.classes)
    report = detection_report(boxes, given, dataset.classes, resamples=50)
    operating = at_thresholds(boxes, given, dataset.classes, thresholds, resamples=50)
    return DetectionEvaluated(report, operating, "test", False, dataset, given)


def detector(found: DetectionEvaluated | None, classes: Sequence[str] = NAMES, **changes: Any) -> Detector:
    """Its head is nobody's: a page asks it for nothing."""
    backbone = load("lite0").replace(size=320, crop_mode="squash")
    task = DetectionRecord(
        name="detection",
        classes=tuple(classes),
        training=(40,) * len(classes),
        empty=3,
        head={"stages": ["blocks.4"]},
        thresholds=(THRESHOLD,) * len(classes),
        metrics=found.report.to_dict() if found else None,
        operating=found.operating.to_dict() if found else None,
    ).model_copy(update={name: changes.pop(name) for name in [*changes] if name in DetectionRecord.model_fields})
    record = DetectorRecord(
        task=task,
        strategy="probe",
        backbone=backbone.to_dict(),
        outputs=("blocks.4/map",),
        engine=EngineRecord(**dataclasses.asdict(EngineChoice("openvino", "f32"))),
        head="fcos",
        cross_validation={},
        trials=(),
        data=DataRecord(
            fingerprint="f" * 64,
            training=60,
            held_out=found.report.images if found else 0,
            held_out_split="test" if found else "",
            left_out=0,
            notes=(),
        ),
        seed=0,
        versions={"topwork": "0.1"},
        created="2026-11-29T12:00:00+00:00",
    ).model_copy(update=changes)
    return Detector(record, None, backbone)  # type: ignore[arg-type]
