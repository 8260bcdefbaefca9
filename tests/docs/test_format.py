"""docs/format.md is enough: a reader written from it, which imports nothing of topwork, gives the same answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork

FORMATS = Path(__file__).parents[1] / "model" / "formats"


def probabilities(folder: Path, features: Any) -> Any:
    """Rows of features (N, D) to probabilities (N, C), by the specification alone."""
    from safetensors.numpy import load_file

    record = json.loads((folder / "model.json").read_text("utf-8"))
    tensors = load_file(folder / "head.safetensors")
    return _READERS[record["head"]](np.asarray(features, np.float64), tensors)


def typicality(folder: Path, features: Any) -> Any:
    from safetensors.numpy import load_file

    t = load_file(folder / "novelty.safetensors")
    y = (features - t["mean"]) / t["scale"]
    a = y @ t["basis"]
    beside = (y**2).sum(1) - (a**2).sum(1)
    distance = ((a**2 / t["variances"]).sum(1) + beside / t["rest"]) / y.shape[1]
    return (t["reference"] >= distance[:, None]).mean(1)


def _softmax(z: Any) -> Any:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _flag(tensors: Any, name: str) -> bool:
    return bool(tensors.get(name, [False])[0])


def _linear(x: Any, t: Any) -> Any:
    if _flag(t, "rooted"):
        x = np.sign(x) * np.sqrt(np.abs(x))
    if _flag(t, "normalised"):
        length = np.linalg.norm(x, axis=1, keepdims=True)
        x = x / np.where(length > 0, length, 1)
    return _softmax((((x - t["mean"]) / t["scale"]) @ t["weight"] + t["bias"]) / t["temperature"])


def _mlp(x: Any, t: Any) -> Any:
    h = np.maximum(((x - t["mean"]) / t["scale"]) @ t["hidden_weight"] + t["hidden_bias"], 0)
    return _softmax((h @ t["weight"] + t["bias"]) / t["temperature"])


def _knn(x: Any, t: Any) -> Any:
    u = (x - t["mean"]) / t["scale"]
    c = (u / np.linalg.norm(u, axis=1, keepdims=True)) @ t["bank"].T
    votes = np.zeros((len(x), int(t["n_classes"][0])))
    for row, near in enumerate(np.argsort(-c, axis=1)[:, : int(t["k"][0])]):
        np.add.at(votes[row], t["labels"][near], np.exp(c[row, near] / 0.07))
    return votes / votes.sum(1, keepdims=True)


def _mapped(x: Any, t: Any) -> Any:
    q = _softmax((x @ t["weight"] + t["bias"]) / t["softness"]) @ t["shares"]
    p = q ** (1 / t["temperature"])
    return p / p.sum(1, keepdims=True)


def _text(x: Any, t: Any) -> Any:
    return _softmax(_text_logits(x, t) / t["temperature"])


def _text_logits(x: Any, t: Any) -> Any:
    v = x @ t["projection"] + t["offset"]
    return t["scale"] * (v / np.linalg.norm(v, axis=1, keepdims=True)) @ t["texts"].T


def _blend(x: Any, t: Any) -> Any:
    words, probe = (
        {name.partition(".")[2]: value for name, value in t.items() if name.startswith(part)}
        for part in ("words.", "probe.")
    )
    z_words, z_probe = np.log(_text(x, words)), np.log(_linear(x, probe))  # logits but for one number a row
    return _softmax((t["share"] * z_words + (1 - t["share"]) * z_probe) / t["temperature"])


_READERS = {"linear": _linear, "mlp": _mlp, "knn": _knn, "mapped": _mapped, "text": _text, "blend": _blend}


def _head(kind: str, rng: np.random.Generator) -> Any:
    """A head of each kind with 6 features and 3 classes, of random numbers."""
    from topwork import heads

    def numbers(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    scale = np.abs(numbers(6)) + 0.5
    unit = numbers(3, 4)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    bank = numbers(9, 6)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    shares = np.abs(numbers(5, 3))
    shares /= shares.sum(axis=1, keepdims=True)
    linear = heads.LinearHead(numbers(6), scale, numbers(6, 3), numbers(3), 1.7)
    words = heads.TextHead(numbers(6, 4), numbers(4), unit, 3.0, 1.3)
    return {
        "linear": linear,
        "normalised": heads.LinearHead(numbers(6), scale, numbers(6, 3), numbers(3), 0.6, True),
        "rooted": heads.LinearHead(numbers(6), scale, numbers(6, 3), numbers(3), 0.6, True, True),
        "mlp": heads.MLPHead(numbers(6), scale, numbers(6, 8), numbers(8), numbers(8, 3), numbers(3), 2.1),
        "knn": heads.KNNHead(numbers(6), scale, bank, np.arange(9, dtype=np.int64) % 3, 3, 4),
        "mapped": heads.MappedHead(numbers(6, 5), numbers(5), shares, 1.4, 0.8),
        "text": words,
        "blend": heads.BlendHead(words, linear, 0.3, 1.2),
    }[kind]


@pytest.mark.parametrize("kind", ["linear", "normalised", "rooted", "mlp", "knn", "mapped", "text", "blend"])
def test_each_kind_of_head_is_read_by_the_specification(kind: str, tmp_path: Path) -> None:
    from topwork.heads import write_tensors

    rng = np.random.default_rng(0)
    head = _head(kind, rng)
    write_tensors(head.to_tensors(), tmp_path / "head.safetensors")
    (tmp_path / "model.json").write_text(json.dumps({"head": head.kind}))
    features = rng.normal(size=(20, 6)).astype(np.float32)
    found = probabilities(tmp_path, features)
    np.testing.assert_allclose(found, head.probabilities(features), atol=2e-6)
    assert np.ptp(found) > 0.2  # they say something


@pytest.mark.parametrize(
    "folder", sorted(path for path in FORMATS.iterdir() if path.is_dir()), ids=lambda path: path.name
)
def test_models_of_long_ago_are_read_by_it_too(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    width = topwork.load(folder).head.n_features
    features = np.random.default_rng(0).normal(size=(4, width))
    np.testing.assert_allclose(probabilities(folder, features), expected["head"], atol=1e-5)


def test_a_saved_model_answers_as_the_specification_says(
    textiles: list[Path], tmp_path: Path, shared_cache: Path
) -> None:
    """From pictures on: the features are the engine's, all else is the specification's."""
    kinds = {name: [path for path in textiles if path.parent.name == name][:20] for name in ("global", "nominal")}
    files = [path for found in kinds.values() for path in found]
    dataset = topwork.read((files, [name for name, found in kinds.items() for _ in found]))
    model = topwork.fit(dataset, strategy="probe", backbone=topwork.load_backbone("lite0", size=64))
    model.save(tmp_path / "model")
    record = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    table = topwork.extract(dataset, model.backbone, outputs=record["outputs"])
    found = probabilities(tmp_path / "model", table.values)
    predictions = topwork.load(tmp_path / "model").predict(files)
    assert record["format"] == 2
    assert [record["task"]["classes"][place] for place in found.argmax(axis=1)] == [each.label for each in predictions]
    np.testing.assert_allclose(found.max(axis=1), [each.probability for each in predictions], atol=1e-3)
    said = typicality(tmp_path / "model", table.values)
    np.testing.assert_allclose(said, [each.typicality for each in predictions], atol=0.1)
