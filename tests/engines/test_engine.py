from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from tests.model.samples import photos
from topwork.backbones import Backbone, load
from topwork.backbones.layers import Prefix
from topwork.data import decode
from topwork.engines import EngineChoice, EngineName, default_engine, open_engine, open_prefix, precisions
from topwork.engines._parity import TOLERANCE, worst_deviation
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


@pytest.mark.skipif("not has_bf16()", reason="this processor does not support in bfloat16")
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
        ((), "no output was given"),
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


@pytest.mark.parametrize(("engine", "precision", "near"), [("openvino", "f32", 1e-3), ("torch-cpu", "f32", 1e-6)])
@pytest.mark.parametrize("name", ["lite0", "vit_tiny_patch16_224"])
def test_a_prefix_in_an_engine_gives_torchs_map(name: str, engine: Any, precision: Any, near: float) -> None:
    """On 18 photographs, which are more than one call of a compiled network takes."""
    backbone = load(name, weights="pretrained" if name == "lite0" else "random:1")
    stage, fit = backbone.stages[len(backbone.stages) // 2].name, backbone.preprocessing
    pixels = np.stack([fit(decode(path, min_side=fit.min_side)) for path in photos()[:18]])
    found = open_prefix(backbone, stage, EngineChoice(engine, precision))(pixels)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) * 255 for each in (fit.mean, fit.std))
    with torch.no_grad():
        expected = Prefix(backbone.module(), stage)((torch.from_numpy(pixels).permute(0, 3, 1, 2) - mean) / std)
    assert found.shape == expected.shape
    assert float((found - expected).norm() / expected.norm()) < near
