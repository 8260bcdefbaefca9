"""A recogniser of faces with a record of its own: nothing has to be trained, and its people are drawn."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from tests.tasks.recognition.faces.drawn import drawn_face
from topwork.backbones import EMBEDDING, load
from topwork.heads import fit_projection
from topwork.metrics import identification, pairs_of, verification
from topwork.model import DataRecord, EngineRecord, ModelRecord, versions
from topwork.tasks.recognition import Recognizer
from topwork.tasks.recognition._finder import open_finder
from topwork.tasks.recognition._measured import Measured
from topwork.tasks.recognition._record import PromiseRecord, RecognitionRecord

SIZE = 128
THRESHOLD = 0.9


def made() -> Recognizer:
    """On Lite0 in float32, with the cosine of its features and figures of made-up embeddings."""
    backbone = load("lite0", size=SIZE).replace(crop_mode="squash")
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(12), 4)
    features = rng.standard_normal((len(labels), backbone.width(EMBEDDING))).astype(np.float32) * 1e-3
    projection = fit_projection(features, labels, "cosine", widths=(features.shape[1],))
    rows = rng.standard_normal((12, 16))[labels] + 0.8 * rng.standard_normal((len(labels), 16))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    figures = Measured(
        verification(pairs_of(rows, labels), threshold=THRESHOLD),
        identification(rows, labels, [], threshold=THRESHOLD),
        groups=(),
        of_identities=False,
        untrained=None,
        images=len(labels),
    )
    block = RecognitionRecord(
        name="recognition",
        identities=12,
        weights=backbone.weights.sha256,
        finder=open_finder({"name": "faces"}).facts(),
        promise=PromiseRecord(threshold=THRESHOLD, false_accept=0.01, pairs=1000, identities=12),
        metrics=figures.to_dict(),
    )
    record = ModelRecord[RecognitionRecord](
        task=block,
        strategy="probe",
        backbone=backbone.to_dict(),
        outputs=(EMBEDDING,),
        engine=EngineRecord(name="openvino", precision="f32", deviation=None),
        head="projection",
        cross_validation={},
        trials=(),
        data=DataRecord.none("made for a test"),
        seed=0,
        versions=versions(),
        created="2026-01-01T00:00:00+00:00",
    )
    return Recognizer(record, projection, backbone)


def drawn(*faces: int, size: int = 300) -> bytes:
    """A PNG of drawn faces of some brightness beside each other, each in a square of that many pixels."""
    picture: Any = Image.new("RGB", (300 * len(faces), 300))
    for place, light in enumerate(faces):
        face = np.clip(np.asarray(Image.fromarray(drawn_face()).resize((300, 300))).astype(int) + light, 0, 255)
        picture.paste(Image.fromarray(face.astype(np.uint8)), (300 * place, 0))
    with io.BytesIO() as file:
        picture.resize((size * len(faces), size)).save(file, "PNG")
        return file.getvalue()
