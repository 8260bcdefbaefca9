"""A detector whose numbers are drawn at random, with a record of its own: nothing has to be trained."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from topwork.backbones import Backbone, load
from topwork.model import DataRecord, EngineRecord, ModelRecord, versions
from topwork.tasks.detection import Detector
from topwork.tasks.detection._record import DetectionRecord
from topwork.tasks.detection.network import DetectorHead, HeadSpec, torch_head

SIZE = 128


def made(
    classes: tuple[str, ...] = ("cat", "dog", "eel"), *, seed: int = 4, backbone: Backbone | None = None, **block: Any
) -> Detector:
    """A detector on Lite0 in float32, or another backbone, whose head is surer of some places than of others."""
    import torch

    backbone = backbone or load("lite0", size=SIZE).replace(crop_mode="squash")
    spec = HeadSpec.of(backbone, len(classes), channels=16, depth=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = DetectorHead.from_module(torch_head(spec))
    arrays = dict(head.arrays)
    rng = np.random.default_rng(seed)
    for name in ("logits", "distances", *(["centreness"] if spec.centreness else [])):
        weight = arrays[f"{name}.weight"]
        arrays[f"{name}.weight"] = (rng.standard_normal(weight.shape) * 0.15).astype(np.float32)
    arrays["logits.bias"] = np.full(len(classes), -2.5, np.float32)
    fields: dict[str, Any] = {
        "name": "detection",
        "classes": classes,
        "training": (1,) * len(classes),
        "head": spec.to_dict(),
        "thresholds": (0.3,) * len(classes),
        **block,
    }
    record = ModelRecord[DetectionRecord](
        task=DetectionRecord(**fields),
        strategy="probe",
        backbone=backbone.to_dict(),
        outputs=backbone.maps(spec.stages),
        engine=EngineRecord(name="openvino", precision="f32", deviation=None),
        head="detector",
        cross_validation={},
        trials=(),
        data=DataRecord.none("made for a test"),
        seed=seed,
        versions=versions(),
        created="2026-01-01T00:00:00+00:00",
    )
    return Detector(record, dataclasses.replace(head, arrays=arrays), backbone)
