from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from topwork.backbones import Backbone, EngineChoice, EngineName, default_engine, load, open_engine, precisions
from topwork.backbones._convert import network_file, network_folder
from topwork.backbones._parity import TOLERANCE, _record, worst_deviation
from topwork.errors import BackboneError

Pixels = Callable[..., Any]
F32 = EngineChoice("openvino", "f32")
TORCH = EngineChoice("torch-cpu", "f32")
has_cuda = torch.cuda.is_available()


def has_bf16() -> bool:
    return "bf16" in precisions("openvino")


def apart(backbone: Backbone, choice: EngineChoice, images: Any) -> float:
    """The worst output's distance from torch's float32."""
    outputs = backbone.outputs("all")
    found = open_engine(backbone, outputs, choice)(images)
    assert found.dtype == np.float32
    assert found.shape == (len(images), sum(map(backbone.width, outputs)))
    return worst_deviation(backbone, outputs, found, open_engine(backbone, outputs, TORCH)(images))


def test_openvino_in_float32_gives_torchs_features(backbone: Backbone, pixels: Pixels) -> None:
    assert apart(backbone, F32, pixels(backbone)) <= 1e-4


@pytest.mark.skipif("not has_bf16()", reason="this processor does not compute in bfloat16")
def test_openvino_in_bfloat16_stays_within_the_tolerance(backbone: Backbone, pixels: Pixels) -> None:
    distance = apart(backbone, EngineChoice("openvino", "bf16"), pixels(backbone))
    assert 1e-4 < distance <= TOLERANCE["bf16"]  # above float32's, or it was not bfloat16


@pytest.mark.skipif("not has_cuda", reason="no CUDA GPU")
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_gpu_gives_the_reference_features(backbone: Backbone, pixels: Pixels, precision: Any) -> None:
    if precision not in precisions("torch-cuda"):
        pytest.skip("this GPU does not compute in bfloat16")
    assert apart(backbone, EngineChoice("torch-cuda", precision), pixels(backbone)) <= TOLERANCE[precision]


@pytest.mark.skipif("not has_cuda", reason="no CUDA GPU")
def test_a_gpu_is_the_default_where_there_is_one() -> None:
    assert default_engine() == "torch-cuda"


@pytest.mark.skipif("has_cuda", reason="there is a CUDA GPU")
def test_without_a_gpu_openvino_is_the_default_and_cuda_a_named_error(lite0: Backbone) -> None:
    assert default_engine() == "openvino"
    with pytest.raises(BackboneError, match="torch finds no CUDA GPU") as caught:
        open_engine(lite0, ("embedding",), EngineChoice("torch-cuda", "f32"))
    assert "--engine openvino" in caught.value.hint


@pytest.mark.parametrize("choice", [F32, TORCH], ids=lambda choice: choice.name)
def test_batches_of_any_size_agree(lite0: Backbone, pixels: Pixels, choice: EngineChoice) -> None:
    images = pixels(lite0, 17)
    engine = open_engine(lite0, ("embedding",), choice)
    whole = engine(images)
    for count in (1, 3, 16):
        np.testing.assert_allclose(engine(images[:count]), whole[:count], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(engine(images[16:]), whole[16:], rtol=1e-4, atol=1e-5)
    alone = open_engine(lite0, ("embedding",), choice, images=1)
    np.testing.assert_allclose(alone(images[:3]), whole[:3], rtol=1e-4, atol=1e-5)
    assert np.abs(whole[0] - whole[16]).max() > 0.1  # the pictures are not alike


@pytest.mark.parametrize("choice", [F32, TORCH], ids=lambda choice: choice.name)
def test_four_threads_at_once_get_the_same(lite0: Backbone, pixels: Pixels, choice: EngineChoice) -> None:
    images = pixels(lite0, 8)
    outputs = lite0.outputs("all", "mean")
    engine = open_engine(lite0, outputs, choice)
    expected = engine(images)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: engine(images[[index]]), range(8)))
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-4, atol=1e-5)


def test_outputs_stand_side_by_side_in_the_order_asked_for(lite0: Backbone, pixels: Pixels) -> None:
    images = pixels(lite0, 2)
    for choice in (F32, TORCH):
        parts = [open_engine(lite0, (name,), choice)(images) for name in ("embedding", "bn1/max", "blocks.2/mean")]
        joined = open_engine(lite0, ("embedding", "bn1/max", "blocks.2/mean"), choice)(images)
        np.testing.assert_allclose(joined, np.concatenate(parts, axis=1), rtol=1e-4, atol=1e-5)


def test_a_single_image_gets_a_batch_of_one(lite0: Backbone) -> None:
    single, many = (open_engine(lite0, ("embedding",), F32, images=count) for count in (1, 2))
    assert (single.batch_size, single.callers) == (1, 1)
    assert (many.batch_size, many.precision, many.name) == (16, "f32", "openvino")


def test_the_callers_images_are_left_alone(lite0: Backbone, pixels: Pixels) -> None:
    images = pixels(lite0, 3)
    before = images.copy()
    engine = open_engine(lite0, ("embedding",), F32)
    first = engine(images)
    second = engine(images[::-1])  # not contiguous
    np.testing.assert_array_equal(images, before)
    np.testing.assert_allclose(second, first[::-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("choice", [F32, TORCH], ids=lambda choice: choice.name)
@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 3, 224, 224), np.uint8),
        np.zeros((2, 200, 224, 3), np.uint8),
        np.zeros((224, 224, 3), np.uint8),
        np.zeros((0, 224, 224, 3), np.uint8),
        np.zeros((2, 224, 224, 3), np.float32),
    ],
    ids=["channels first", "another size", "one image", "none", "floats"],
)
def test_wrong_images_are_refused_with_what_was_expected(lite0: Backbone, choice: EngineChoice, images: Any) -> None:
    said = re.escape(f"uint8 (N, 224, 224, 3), not {images.dtype} {images.shape}")
    with pytest.raises(BackboneError, match=said):
        open_engine(lite0, ("embedding",), choice)(images)


def test_wrong_outputs_are_refused_before_anything_is_opened(lite0: Backbone, empty_cache: Path) -> None:
    for outputs, said in (
        ((), "no output was named"),
        (("embedding", "blocks.9/mean"), "has no output 'blocks.9/mean'"),
    ):
        with pytest.raises(BackboneError, match=said):
            open_engine(lite0, outputs, F32)
    assert not empty_cache.exists()


def test_engines_and_precisions_that_do_not_exist_are_refused() -> None:
    with pytest.raises(BackboneError, match="no engine is called 'cuda'") as caught:
        EngineChoice("cuda", "f32")  # type: ignore[arg-type]
    assert caught.value.hint == "there are openvino, torch-cpu, torch-cuda"
    with pytest.raises(BackboneError, match="no precision is called 'fp16'"):
        EngineChoice("openvino", "fp16")  # type: ignore[arg-type]
    with pytest.raises(BackboneError, match="no engine is called 'cuda'"):
        precisions("cuda")  # type: ignore[arg-type]


def test_float32_is_everywhere_and_comes_last() -> None:
    for name in get_args(EngineName):
        assert precisions(name)[-1] == "f32"
    assert precisions("torch-cpu") == ("f32",)


# ---- the converted network on disk


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
    monkeypatch.setattr("topwork.backbones._convert._converted", lambda backbone: pytest.fail("converted again"))
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
    assert caught.value.hint == f"delete {file.parent}; it is made again"


def test_fault_32_a_cache_that_cannot_be_written_is_a_named_error(
    small: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(BackboneError, match=r"the cache .*cache cannot be written: Not a directory") as caught:
        open_engine(small, ("embedding",), F32)
    assert "TOPWORK_CACHE" in caught.value.hint
    with pytest.raises(BackboneError, match="cannot be written"):
        _record(small, F32)


def test_fault_32_a_conversion_that_breaks_off_leaves_nothing(
    small: Backbone, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    def full(network: object, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(openvino, "save_model", full)
        with pytest.raises(BackboneError, match="cannot be written: No space left on device"):
            network_file(small)
    assert [path for path in empty_cache.rglob("*") if path.is_file()] == []
    assert network_file(small).exists()


@pytest.mark.parametrize("precision", precisions("openvino"))
def test_an_output_is_the_same_whatever_is_extracted_beside_it(
    backbone: Backbone, pixels: Pixels, precision: Any
) -> None:
    """A head is fitted on the columns of a wide extraction and predicts from a narrow one, perhaps of one image."""
    images, choice = pixels(backbone), EngineChoice("openvino", precision)
    wide = open_engine(backbone, backbone.outputs("all"), choice)(images)
    narrow = open_engine(backbone, backbone.outputs("last"), choice)(images)
    single = open_engine(backbone, backbone.outputs("last"), choice, images=1)(images)
    assert (wide[:, -backbone.embedding :] == narrow).all()
    np.testing.assert_allclose(single, narrow, rtol=0, atol=1e-4 if precision == "f32" else 0.2)
