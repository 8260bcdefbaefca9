import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load, save

from topwork.errors import DataError, ModelError
from topwork.heads import LinearHead, head_from_tensors


def head(width=4, n_classes=3, temperature=1.5):
    rng = np.random.default_rng(0)
    return LinearHead(
        mean=rng.standard_normal(width).astype(np.float32),
        scale=rng.uniform(0.5, 2, width).astype(np.float32),
        weight=rng.standard_normal((width, n_classes)).astype(np.float32),
        bias=rng.standard_normal(n_classes).astype(np.float32),
        temperature=temperature,
    )


def test_logits_and_probabilities_follow_the_definition(monkeypatch):
    monkeypatch.setattr("topwork.heads._rows.CHUNK_ELEMENTS", 12)  # three rows at a time
    model, features = head(), np.random.default_rng(1).standard_normal((10, 4)).astype(np.float32)
    logits = ((features - model.mean) / model.scale) @ model.weight + model.bias
    np.testing.assert_allclose(model.logits(features), logits, atol=1e-5)
    shares = np.exp(logits / 1.5)
    np.testing.assert_allclose(model.probabilities(features), shares / shares.sum(axis=1, keepdims=True), atol=1e-5)


def test_no_features_give_no_probabilities():
    assert head().probabilities(np.empty((0, 4), np.float32)).shape == (0, 3)


def test_huge_logits_do_not_overflow():
    probabilities = head().probabilities(np.full((2, 4), 1e30, np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_round_trip_through_safetensors():
    model = head()
    again = head_from_tensors("linear", load(save(model.to_tensors())))
    features = np.ones((2, 4), np.float32)
    assert again.probabilities(features).tobytes() == model.probabilities(features).tobytes()


@pytest.mark.parametrize("name", ["mean", "scale", "weight", "bias", "temperature"])
@pytest.mark.parametrize("fault", ["missing", "nan", "inf", "shape", "type"])
def test_damaged_tensors_are_refused(name, fault):  # FAULTS 47
    tensors = head().to_tensors()
    if fault == "missing":
        del tensors[name]
    elif fault == "shape":
        tensors[name] = tensors[name][..., None]
    elif fault == "type":
        tensors[name] = tensors[name].astype(np.float64)
    else:
        tensors[name] = tensors[name].copy()
        tensors[name].flat[0] = {"nan": np.nan, "inf": np.inf}[fault]
    with pytest.raises(ModelError, match=name):
        LinearHead.from_tensors(tensors)


def test_extra_tensors_and_unknown_kinds_are_refused():
    with pytest.raises(ModelError, match="not expected \\['more'\\]"):
        LinearHead.from_tensors({**head().to_tensors(), "more": np.zeros(1)})
    with pytest.raises(ModelError, match="expected one of blend, knn, linear, mapped, mlp, text"):
        head_from_tensors("forest", {})


@pytest.mark.parametrize(
    "change",
    [
        {"weight": np.zeros((4, 1), np.float32), "bias": np.zeros(1, np.float32)},
        {"scale": np.zeros(4, np.float32)},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"bias": np.zeros(2, np.float32)},
    ],
)
def test_heads_check_themselves(change):
    with pytest.raises(ModelError):
        dataclasses.replace(head(), **change)


def test_features_of_another_width_are_refused():
    with pytest.raises(DataError, match=r"\(N, 4\)"):
        head().logits(np.ones((2, 5), np.float32))


def test_importing_the_room_imports_nothing_heavy():
    heavy = "{'torch', 'sklearn', 'scipy', 'threadpoolctl'}"
    code = f"import sys, topwork.heads, topwork.metrics; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
