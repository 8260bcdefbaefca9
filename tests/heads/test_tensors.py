"""Heads as named tensors and as files, and what every head answers for itself."""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from topwork.errors import ModelError
from topwork.heads import BlendHead, Head, fit_knn, fit_mapped, head_from_tensors, read_tensors, write_tensors

from .test_fit_linear import blobs
from .test_linear import head as linear_head
from .test_text import D, probe_head, text_head


def knn_head() -> Head:
    return fit_knn(*blobs(30, D, 3), 3)


def mapped_head() -> Head:
    rng = np.random.default_rng(0)
    features, labels = blobs(30, D, 3)
    weight, bias = rng.standard_normal((D, 9)).astype(np.float32), rng.standard_normal(9).astype(np.float32)
    return fit_mapped(features, labels, 3, weight, bias)


def blend_head() -> Head:
    return BlendHead(text_head(), probe_head(), 0.3, 1.25)


EVERY: list[Callable[[], Head]] = [lambda: linear_head(D), knn_head, mapped_head, text_head, blend_head]
KINDS = ["linear", "knn", "mapped", "text", "blend"]


@pytest.mark.parametrize("make", EVERY, ids=KINDS)
def test_a_head_tells_its_calibration_and_gives_itself_without(make: Callable[[], Head]) -> None:
    head, features = make(), blobs(5, D, 3, seed=1)[0]
    plain = head.uncalibrated()
    if not head.calibration:
        assert (head.kind, plain) == ("knn", None)
        return
    assert head.calibration == {"temperature": head.temperature}  # type: ignore[attr-defined]
    assert plain is not None
    assert plain.calibration == {"temperature": 1.0}
    raised = plain.probabilities(features).astype(np.float64) ** (1 / head.calibration["temperature"])
    expected = raised / raised.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.probabilities(features), expected, atol=1e-5)


@pytest.mark.parametrize("make", EVERY, ids=KINDS)
def test_a_head_comes_back_from_its_file(make: Callable[[], Head], tmp_path: Path) -> None:
    head, features = make(), blobs(5, D, 3, seed=1)[0]
    path = tmp_path / "head.safetensors"
    write_tensors(head.to_tensors(), path)
    assert path.read_bytes() == save(head.to_tensors())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    again = head_from_tensors(head.kind, read_tensors(path))
    np.testing.assert_array_equal(again.probabilities(features), head.probabilities(features))
    names = [field.name for field in dataclasses.fields(head)]  # type: ignore[arg-type]
    assert [name.split(".")[0] for name in head.to_tensors()] == sorted(
        (name.split(".")[0] for name in head.to_tensors()), key=names.index
    )


def test_probabilities_leave_the_features_as_they_are() -> None:
    features = blobs(5, D, 3)[0]
    before = features.copy()
    for make in EVERY:
        make().probabilities(features)
    np.testing.assert_array_equal(features, before)


def test_rows_that_are_no_contiguous_array_are_written_as_they_read(tmp_path: Path) -> None:
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    write_tensors({"turned": turned}, tmp_path / "file")
    np.testing.assert_array_equal(read_tensors(tmp_path / "file")["turned"], turned)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff" * 40])
def test_a_damaged_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"head\.safetensors: not a readable \.safetensors file"):
        read_tensors(path)


def test_names_with_the_prefix_of_a_part_are_none_of_its_own() -> None:
    tensors = blend_head().to_tensors()
    with pytest.raises(ModelError, match="not expected \\['words'\\]"):
        head_from_tensors("blend", {**tensors, "words": np.zeros(1, np.float32)})
    with pytest.raises(ModelError, match="not expected \\['more'\\]"):
        head_from_tensors("blend", {**tensors, "words.more": np.zeros(1, np.float32)})
