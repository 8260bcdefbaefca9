"""Pickles: refused unopened; with ``allow_pickle`` their weights alone are read. No payload ever runs."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from topwork.backbones import Weights, file_sha256, load
from topwork.errors import BackboneError

NAME = "test_resnet"  # timm's own, for tests

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """What no seed of ours gives."""
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(77)
        return dict(timm.create_model(NAME).state_dict())


def loaded(path: Path, **options: Any) -> State:
    return dict(load(NAME, weights=path, allow_pickle=True, **options).module().state_dict())


def require_same(found: State, expected: State) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


# ---- what would run code


class Payload:
    """Unpickling it makes a file: the proof that code ran."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.fixture(params=["pickle", "torch.save", "torch.save beside weights"])
def payload(request: pytest.FixtureRequest, tmp_path: Path, state: State) -> tuple[bytes, Path]:
    marker = tmp_path / "it-ran"
    file = tmp_path / "evil"
    if request.param == "pickle":
        file.write_bytes(pickle.dumps(Payload(marker)))
    else:
        torch.save({**state, "x": Payload(marker)} if "beside" in request.param else Payload(marker), file)
    return file.read_bytes(), marker


def test_the_payload_would_run(payload: tuple[bytes, Path]) -> None:
    """Else the next tests would prove nothing."""
    content, marker = payload
    if content.startswith(b"PK"):
        torch.load(io.BytesIO(content), weights_only=False)
    else:
        pickle.loads(content)
    assert marker.exists()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt", ".pkl", ""])
def test_fault_46_a_pickle_is_refused_unopened(
    payload: tuple[bytes, Path], tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, marker = payload
    for reader in ("torch.load", "safetensors.torch.load_file", "topwork.backbones._weights.file_sha256"):
        monkeypatch.setattr(reader, lambda *_, **__: pytest.fail("the file was opened"))
    path = tmp_path / f"evil{suffix}"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match="may run code") as caught:
        load(NAME, weights=path)
    assert ("--allow-pickle" if suffix in (".pth", ".pt", ".bin") else "save_file") in caught.value.hint
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_fault_46_a_payload_is_refused_though_pickles_are_allowed(
    payload: tuple[bytes, Path], tmp_path: Path, suffix: str, empty_cache: Path
) -> None:
    content, marker = payload
    path = tmp_path / f"evil{suffix}"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match=rf"evil\{suffix}: not a checkpoint with only weights") as caught:
        loaded(path)
    assert "trust" not in caught.value.message + caught.value.hint  # torch's own advice is to turn the guard off
    assert not marker.exists()
    assert not empty_cache.exists()


@pytest.mark.parametrize("suffix", [".ckpt", ".pkl", ".txt", ""])
def test_fault_46_other_kinds_of_file_are_never_read(tmp_path: Path, suffix: str, state: State) -> None:
    torch.save(state, tmp_path / f"net{suffix}")
    with pytest.raises(BackboneError, match="may run code"):
        loaded(tmp_path / f"net{suffix}")


def test_fault_46_a_pickle_called_safetensors_is_refused(payload: tuple[bytes, Path], tmp_path: Path) -> None:
    content, marker = payload
    path = tmp_path / "evil.safetensors"
    path.write_bytes(content)
    with pytest.raises(BackboneError, match=r"not a readable \.safetensors file"):
        loaded(path)
    assert not marker.exists()


def test_fault_46_a_record_that_names_a_pickle_is_refused(payload: tuple[bytes, Path], tmp_path: Path) -> None:
    content, marker = payload
    path = tmp_path / "evil.pth"
    path.write_bytes(content)
    backbone = load(NAME, weights="random").with_weights(Weights("file", file_sha256(path), str(path)))
    with pytest.raises(BackboneError, match=r"not a readable \.safetensors file"):
        backbone.module()
    assert not marker.exists()


def zip_bomb(path: Path) -> None:
    """A checkpoint whose one tensor of 64 MB is packed into a few kB."""
    plain = path.with_name("plain")
    torch.save({"fc.bias": torch.zeros(2**24)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in source.namelist():
            packed.writestr(entry, source.read(entry))


def expanded(path: Path) -> None:
    """A tensor of 2^40 numbers, all of them the same four bytes."""
    torch.save({"fc.bias": torch.zeros(1).expand(2**40)}, path)


@pytest.mark.parametrize("bomb", [zip_bomb, expanded])
def test_fault_46_what_unpacks_to_more_than_itself_is_refused(tmp_path: Path, bomb: Callable[[Path], None]) -> None:
    bomb(tmp_path / "bomb.pth")
    with pytest.raises(BackboneError, match="not a checkpoint with only weights") as caught:
        loaded(tmp_path / "bomb.pth")
    assert "unpacks to" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"PK\5\6" + bytes(18), b"hello" * 50, b"<!DOCTYPE html>", b"\x80\x02}q\x00.", b"\x80\x02K\x03."],
)
def test_fault_46_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(BackboneError, match=r"net\.pth: "):
        loaded(tmp_path / "net.pth")


def test_fault_46_a_truncated_checkpoint_is_refused(tmp_path: Path, state: State) -> None:
    torch.save(state, tmp_path / "net.pth")
    content = (tmp_path / "net.pth").read_bytes()
    (tmp_path / "net.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(BackboneError, match=r"net\.pth: not a checkpoint with only weights"):
        loaded(tmp_path / "net.pth")


# ---- what holds weights alone


def test_a_state_dict_is_read_and_kept_as_safetensors(tmp_path: Path, empty_cache: Path, state: State) -> None:
    path = tmp_path / "net.pth"
    torch.save(state, path)
    backbone = load(NAME, weights=path, allow_pickle=True)
    kept = Path(backbone.weights.location)
    assert (backbone.weights.source, kept.suffix, backbone.pretrained_on) == ("file", ".safetensors", "unknown")
    assert kept.is_relative_to(empty_cache)
    save_file(state, tmp_path / "net.safetensors")
    assert backbone.weights.sha256 == file_sha256(tmp_path / "net.safetensors")
    path.unlink()
    require_same(dict(backbone.module().state_dict()), state)


def test_an_old_checkpoint_is_read(tmp_path: Path, state: State) -> None:
    torch.save(state, tmp_path / "net.bin", _use_new_zipfile_serialization=False)
    require_same(loaded(tmp_path / "net.bin"), state)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_ema", "state_dict_ema"])
def test_a_training_checkpoint_gives_its_weights(tmp_path: Path, state: State, key: str) -> None:
    wrapped = {f"module.{name}": value for name, value in state.items()}  # as data-parallel training names them
    other = {name: torch.zeros_like(value) for name, value in state.items()}
    torch.save({"epoch": 3, "model": other, "optimizer": {"lr": [0.1]}, key: wrapped}, tmp_path / "net.pt")
    require_same(loaded(tmp_path / "net.pt"), state)


def test_fault_46_a_thousand_names_for_one_tensor_are_refused(tmp_path: Path) -> None:
    """Each by itself is no larger than the file; taken apart they would fill the memory."""
    one = torch.zeros(100_000)
    path = tmp_path / "weights.pth"
    torch.save({f"layer{number}.weight": one for number in range(1000)}, path)
    with pytest.raises(BackboneError, match="not a checkpoint with only weights"):
        load("lite0", weights=path, allow_pickle=True)


def test_tensors_that_share_memory_are_taken_apart(tmp_path: Path, state: State) -> None:
    tied = {**state, "twin": state["fc.bias"], "turned": state["fc.weight"].T}
    torch.save(tied, tmp_path / "net.pth")
    from topwork.backbones._weights import read_state

    with warnings.catch_warnings(action="error"):
        found = read_state(load(NAME, weights=tmp_path / "net.pth", allow_pickle=True).weights)
    require_same(found, tied)


def test_pickles_allowed_change_nothing_else(tmp_path: Path, state: State) -> None:
    save_file(state, tmp_path / "net.safetensors")
    require_same(loaded(tmp_path / "net.safetensors"), state)
    assert load("lite0", allow_pickle=True) == load("lite0")
