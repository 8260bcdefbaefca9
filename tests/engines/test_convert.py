from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.backbones import Backbone, load
from topwork.engines import EngineChoice, open_engine
from topwork.engines._openvino import network_file, network_folder
from topwork.engines._parity import _record
from topwork.errors import BackboneError

F32 = EngineChoice("openvino", "f32")


@pytest.fixture
def small() -> Backbone:
    """Converts in a second."""
    return load("resnet18", weights="random:3", size=32)


def square(backbone: Backbone, count: int = 2) -> Any:
    side = backbone.preprocessing.size
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_a_network_is_converted_once(small: Backbone, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = network_file(small)
    assert file.is_relative_to(empty_cache)
    monkeypatch.setattr("topwork.engines._openvino._converted", lambda backbone: pytest.fail("converted again"))
    assert network_file(small) == file
    assert open_engine(small, ("embedding",), F32)(square(small)).shape == (2, 512)


def test_what_shapes_a_network_names_its_folder(lite0: Backbone) -> None:
    others = [
        lite0.replace(size=256),
        lite0.replace(mean=(0.4, 0.5, 0.5)),
        lite0.replace(std=(0.4, 0.5, 0.5)),
        lite0.with_weights(load("lite0", weights="random").weights),
        load("lite1").replace(size=224),
    ]
    assert len({network_folder(backbone) for backbone in (lite0, *others)}) == 1 + len(others)
    assert network_folder(lite0.replace(crop_mode="pad", crop=0.5)) == network_folder(lite0)  # the decoder's business


def test_a_decision_made_first_does_not_keep_the_network_out(small: Backbone, empty_cache: Path) -> None:
    """A GPU's parity record makes the network's folder before OpenVINO has anything to put into it."""
    _record(small, EngineChoice("torch-cuda", "f32", 0.0))
    assert open_engine(small, ("embedding",), F32)(square(small)).shape == (2, 512)


@pytest.mark.parametrize("name", ["network.xml", "network.bin"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_network_is_a_named_error(small: Backbone, empty_cache: Path, name: str, share: float) -> None:
    file = network_file(small).with_name(name)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BackboneError, match=r"network\.xml: the converted network is damaged: .") as caught:
        open_engine(small, ("embedding",), F32)
    assert caught.value.hint == f"delete {file.parent}; it will be created again"


def test_fault_32_a_cache_that_cannot_be_written_is_a_named_error(
    small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match=r"the cache .*cache cannot be written: Not a directory; .* this run alone"):
        network = network_file(small)
    assert network.exists()
    assert network_file(small) == network  # and once
    assert open_engine(small, ("embedding",), F32)(np.zeros((1, 32, 32, 3), np.uint8)).shape == (1, 512)
    with pytest.raises(BackboneError, match="cannot be written") as caught:
        _record(small, F32)
    assert "TOPWORK_CACHE" in caught.value.hint


def test_fault_32_a_conversion_that_breaks_off_leaves_nothing(
    small: Backbone, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    def full(network: object, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(openvino, "save_model", full)
        with pytest.warns(UserWarning, match="No space left"), pytest.raises(BackboneError, match="No space left"):
            network_file(small)
    assert [path for path in empty_cache.rglob("*") if path.is_file()] == []
    assert network_file(small).exists()
