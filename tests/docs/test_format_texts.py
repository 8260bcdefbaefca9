"""Texts become features as docs/format-tasks.md says: the same as topwork's."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.docs.format_readers import texts
from tests.docs.test_format import probabilities

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("float32")]

NEW = ["w1 w5 w9", "Don't W1 w5! 한국어 텍스트 w7", " ".join(f"w{number % 120}" for number in range(60))]


def same_features(folder: Path, model: Any) -> None:
    dataset = topwork.read_texts((NEW, ["a", "b", "a"]))
    found = texts.features(folder, NEW)
    expected = topwork.extract(dataset, model.backbone, outputs=model.record.outputs, cache=False).values
    np.testing.assert_allclose(found, expected, atol=1e-4)
    said = model.predict(NEW)
    np.testing.assert_allclose(probabilities(folder, found).max(axis=1), [each.probability for each in said], atol=1e-4)


def test_texts_become_the_same_features(tmp_path: Path) -> None:
    from tests.tasks.text.conftest import marked, tiny
    from topwork.backbones import load_text
    from topwork.tasks.text.strategies import ProbeOptions

    (tmp_path / "tiny").mkdir()
    network, data = tiny(tmp_path / "tiny").replace(longest=8), topwork.read_texts(marked(40))
    rng = np.random.default_rng(0)
    lines = [f"w{n} " + " ".join(f"{each:.4f}" for each in rng.normal(size=6)) for n in range(120)]
    (tmp_path / "own.vec").write_text("\n".join(lines))
    vectors = load_text("own", weights=tmp_path / "own.vec")
    of_layers = ProbeOptions(("layers.1", "embedding"), "mean+max+cls+last", windows=2, ngrams=False)
    of_words = ProbeOptions(("words", "embedding"), "mean+max+min+sif+relu", ngrams=False)
    counted = topwork.fit(data, strategy="ngrams")
    same_features(counted.save(tmp_path / "ngrams", self_contained=True), counted)
    for name, backbone, options in (("layers", network, of_layers), ("words", vectors, of_words)):
        model = topwork.fit(data, strategy="probe", backbone=backbone, options=options)
        folder = model.save(tmp_path / name, self_contained=True)
        same_features(folder, model)
        if name == "layers":
            beside_ngrams(folder, model, counted, tmp_path / "ngrams" / "backbone.safetensors")


def beside_ngrams(folder: Path, model: Any, counted: Any, table: Path) -> None:
    """A network's features, and behind them the scores of n-grams."""
    outputs = ("embedding", "ngrams")
    backbone = dataclasses.replace(model.backbone, ngrams=counted.backbone.weights, scores=2)
    record = json.loads((folder / "model.json").read_text("utf-8")) | {"outputs": outputs}
    (folder / "model.json").write_text(json.dumps(record))
    shutil.copy(table, folder / "ngrams.safetensors")
    dataset = topwork.read_texts((NEW, ["a", "b", "a"]))
    expected = topwork.extract(dataset, backbone, outputs=outputs, cache=False).values
    np.testing.assert_allclose(texts.features(folder, NEW), expected, atol=1e-4)


def test_words_that_are_built_of_runs_of_letters_are_read(tmp_path: Path) -> None:
    """The table is written as the page says, and topwork reads it."""
    from safetensors.numpy import save

    from topwork.backbones import TextBackbone, Weights, file_sha256

    rng, file = np.random.default_rng(0), tmp_path / "backbone.safetensors"
    words = [f"w{number}" for number in range(9)]
    table = {
        "words": np.frombuffer("\n".join(words).encode(), np.uint8),
        "values": rng.normal(size=(9, 6)).astype(np.float32),
        "subwords": np.frombuffer(b'{"least": 1, "most": 4}', np.uint8),
        "runs": rng.normal(size=(50, 6)).astype(np.float32),
    }
    file.write_bytes(save(table))
    backbone = TextBackbone("own", Weights("file", file_sha256(file), str(file)), "vectors", 0, 6, 6)
    outputs = backbone.outputs(("words", "embedding"), "mean+max+min+sif+relu")
    (tmp_path / "model.json").write_text(json.dumps({"backbone": backbone.to_dict(), "outputs": outputs}))
    dataset = topwork.read_texts((NEW, ["a", "b", "a"]))
    expected = topwork.extract(dataset, backbone, outputs=outputs, cache=False).values
    np.testing.assert_allclose(texts.features(tmp_path, NEW), expected, atol=1e-4)


def test_entailment_is_read(tmp_path: Path) -> None:
    from tests.tasks.text.strategies.test_entailment import CLASSES, TEXTS, saved
    from topwork.backbones import load_text
    from topwork.tasks.text.strategies import ZeroShotOptions, from_words

    saved(tmp_path, "bert")
    model = from_words(CLASSES, load_text("tiny", weights=tmp_path), ZeroShotOptions())
    folder = model.save(tmp_path / "model", self_contained=True)
    said = [each.probability for each in model.predict(TEXTS)]
    found = probabilities(folder, texts.features(folder, TEXTS)).max(axis=1)
    np.testing.assert_allclose(found, said, atol=1e-3)
