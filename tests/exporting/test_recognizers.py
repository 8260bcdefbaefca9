"""An exported recogniser gives the embeddings of the model, and nothing of those who are enrolled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import topwork
from topwork.backbones import EMBEDDING
from topwork.errors import TopworkError
from topwork.heads import Projection
from topwork.model import DataRecord, EngineRecord, ModelRecord, versions
from topwork.tasks.recognition import Recognizer
from topwork.tasks.recognition._record import PromiseRecord, RecognitionRecord

from .conftest import ROWS
from .test_export import ALONE

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    """One that was never fitted, on the last features of Lite0."""
    backbone, rng = topwork.load_backbone(size=96), np.random.default_rng(2)
    mean, matrix = (rng.standard_normal(shape).astype(np.float32) for shape in ((1280,), (1280, 32)))
    promise = PromiseRecord(threshold=0.9, false_accept=0.01, pairs=100, identities=20)
    record = ModelRecord[RecognitionRecord](
        task=RecognitionRecord(name="recognition", identities=20, weights="0" * 64, promise=promise),
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
    return Recognizer(record, Projection(mean * np.float32(0.1), matrix), backbone)


@pytest.fixture(scope="module")
def pictures(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for place, photo in enumerate(photos[:4]):
        image = Image.open(photo).convert("RGB")
        image.thumbnail((240, 240))
        image.save(folder / f"{place}.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_it_gives_the_embeddings_of_the_model_and_no_gallery(
    recognizer: Recognizer, pictures: list[Path], tmp_path: Path, to: str
) -> None:
    recognizer.enroll("Anna Example", pictures[:1])
    found = topwork.export(recognizer, to, tmp_path / "out", images=pictures)
    assert found.parity.rows == ROWS + 20
    assert found.parity.exact.farthest["embedding"] < 1e-4
    assert found.parity.exact.same_label is None
    for path in found.folder.iterdir():
        assert b"Anna" not in path.read_bytes()
    script = found.folder / "predict.py"
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, script, *pictures[:2], pictures[0]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    expected = recognizer.embed([*pictures[:2], pictures[0]]).values
    np.testing.assert_allclose([each["embedding"] for each in lines], expected, atol=1e-4)
    checked = recognizer.verify(pictures[0], pictures[1])
    assert lines[1]["similarity"] == pytest.approx(checked.similarity, abs=1e-4)
    assert [each["same"] for each in lines] == [True, checked.same, True]
    told = json.loads((found.folder / "recognition.json").read_text("utf-8"))
    assert (told["threshold"], told["embedding_id"], told["finder"]) == (0.9, recognizer.embedding_id, None)


def test_what_cannot_be_exported_says_why(
    recognizer: Recognizer, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: Any = {"path": tmp_path / "out", "images": pictures}
    with pytest.raises(TopworkError, match="--to web is for models that classify images"):
        topwork.export(recognizer, "web", **how)
    with pytest.raises(TopworkError, match="there is nothing to compare the export with predict on") as raised:
        topwork.export(recognizer, path=tmp_path / "out")
    assert "--images" in raised.value.hint
    monkeypatch.setattr("topwork.tasks.recognition._exported.is_face", lambda backbone: True)
    with pytest.raises(TopworkError, match="is a network of faces, which is not written as nodes"):
        topwork.export(recognizer, **how)
    assert list(tmp_path.iterdir()) == []
