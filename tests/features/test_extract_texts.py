"""What is kept of texts' features is known again by all that they depend on."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from topwork.backbones import NGRAMS, TextBackbone, Weights, load_text
from topwork.data import read_texts
from topwork.engines import Grams, NgramScorer
from topwork.features import extract
from topwork.features._extract import recipe_of

from .conftest import F32

TEXTS = ["good one", "bad one", "good two", "bad two"]
OUTPUTS = ("embedding", NGRAMS)


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TextBackbone:
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "mine.txt"
    file.write_text("good 1 2 3\nbad 4 5 6\n", "utf-8")
    return load_text("mine", weights=file)


def counted(vectors: TextBackbone, folder: Path, *weights: float) -> TextBackbone:
    """The same vectors beside a table that gives the word "good" these scores."""
    weight, places = np.array([weights], np.float16), {"wgood": 0}
    table = NgramScorer(Grams(), places, np.ones(1, np.float32), weight, np.zeros(len(weights), np.float32))
    file = folder / f"{'-'.join(map(str, weights))}.safetensors"
    save_file(table.to_tensors(), file)
    told = Weights("file", hashlib.sha256(file.read_bytes()).hexdigest(), str(file))
    return dataclasses.replace(vectors, ngrams=told, scores=len(weights))


def test_scores_of_one_models_ngrams_are_never_anothers(vectors: TextBackbone, tmp_path: Path) -> None:
    dataset = read_texts((TEXTS, ["a", "b", "a", "b"]))
    for scores in (1.0, -1.0), (-1.0, 1.0):
        backbone = counted(vectors, tmp_path, *scores)
        kept = [extract(dataset, backbone, outputs=OUTPUTS).values for _ in range(2)]
        anew = extract(dataset, backbone, outputs=OUTPUTS, cache=False).values
        assert np.sign(anew[0, 3:]).tolist() == list(scores)
        for values in kept:
            np.testing.assert_array_equal(values, anew)


@pytest.mark.parametrize(
    "change",
    [{"pooling": "cls"}, {"config": {"hidden_act": "relu"}}, {"scores": 2}],
    ids=lambda change: next(iter(change)),
)
def test_another_network_of_the_same_weights_has_features_of_its_own(
    vectors: TextBackbone, tmp_path: Path, change: dict[str, Any]
) -> None:
    other = counted(vectors, tmp_path, 1.0, 0.0) if "scores" in change else dataclasses.replace(vectors, **change)
    assert recipe_of(other, ("embedding",), F32) != recipe_of(vectors, ("embedding",), F32)
