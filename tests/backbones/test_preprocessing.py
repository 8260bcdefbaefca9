from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from bench._faithful import square_box, square_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from topwork.backbones import Preprocessing, load
from topwork.data import decode
from topwork.errors import BackboneError

FITS = ("crop", "squash", "pad")


@pytest.fixture
def image() -> npt.NDArray[np.uint8]:
    """480 wide, 256 high, unlike itself everywhere."""
    return np.random.default_rng(3).integers(0, 256, (256, 480, 3), dtype=np.uint8)


def test_crop_takes_the_middle_of_the_shorter_side(image: npt.NDArray[np.uint8]) -> None:
    found = Preprocessing(size=224, crop=0.875)(image)  # 0.875 of 256 are 224: nothing is resized
    np.testing.assert_array_equal(found, image[16:240, 128:352])
    upright = Preprocessing(size=224, crop=0.875)(image.transpose(1, 0, 2))
    np.testing.assert_array_equal(upright, image[16:240, 128:352].transpose(1, 0, 2))


def test_crop_of_everything_keeps_the_whole_shorter_side(image: npt.NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(Preprocessing(size=256, crop=1.0)(image), image[:, 112:368])


def test_area_is_the_mean_of_the_pixels_that_fall_into_one(image: npt.NDArray[np.uint8]) -> None:
    found = Preprocessing(size=112, crop=0.875)(image)
    blocks = image[16:240, 128:352].reshape(112, 2, 112, 2, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_allclose(found, blocks, atol=1.01)  # Pillow rounds after each of its two passes


def test_squash_takes_everything(image: npt.NDArray[np.uint8]) -> None:
    found = Preprocessing(size=32, crop_mode="squash")(image)
    blocks = image.reshape(32, 8, 32, 15, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_allclose(found, blocks, atol=1.01)


def test_pad_lays_the_whole_image_on_the_mean_colour(image: npt.NDArray[np.uint8]) -> None:
    fit = Preprocessing(size=240, crop_mode="pad", mean=(0.485, 0.456, 0.406))
    found = fit(image)
    blocks = image.reshape(128, 2, 240, 2, 3).astype(float).mean(axis=(1, 3))
    np.testing.assert_allclose(found[56:184], blocks, atol=1.01)
    for edge in (found[:56], found[184:]):
        assert {tuple(colour) for colour in edge.reshape(-1, 3).tolist()} == {(124, 116, 104)}
    np.testing.assert_allclose(fit(image.transpose(1, 0, 2)), found.transpose(1, 0, 2), atol=1)


@pytest.mark.parametrize(("name", "filter_"), [("bilinear", "BILINEAR"), ("bicubic", "BICUBIC"), ("area", "BOX")])
def test_the_resampling_is_pillows(image: npt.NDArray[np.uint8], name: Any, filter_: str) -> None:
    found = Preprocessing(size=100, crop_mode="squash", interpolation=name)(image)
    expected = Image.fromarray(image).resize((100, 100), Image.Resampling[filter_])
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_area_enlarges_smoothly() -> None:
    steps = np.array([[0, 255]], np.uint8)[:, :, None].repeat(3, axis=2)
    row = Preprocessing(size=64, crop_mode="squash")(steps)[0, :, 0].astype(int)
    assert (row[0], row[-1]) == (0, 255)
    assert np.diff(row).min() >= 0
    assert len(set(row.tolist())) > 20  # boxes would give two


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (2, 3)], ids=str)
def test_fault_29_images_of_any_shape_are_taken(fit: Any, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), (200, 100, 50), np.uint8)
    found = Preprocessing(size=48, crop_mode=fit)(pixels)
    assert (found.shape, found.dtype) == ((48, 48, 3), np.uint8)
    assert found[23, 23].tolist() == [200, 100, 50]  # a line of one pixel, where the rest is padding


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    fit=st.sampled_from(FITS),
    size=st.integers(16, 70),
    crop=st.floats(0.05, 1.0),
)
def test_one_colour_stays_one_colour(height: int, width: int, fit: Any, size: int, crop: float) -> None:
    grey = Preprocessing(size=size, crop_mode=fit, crop=crop, mean=(0.2, 0.2, 0.2))  # 51, the image's own colour
    found = grey(np.full((height, width, 3), 51, np.uint8))
    assert found.shape == (size, size, 3)
    assert (found == 51).all()


@pytest.mark.parametrize(("size", "crop"), [(224, 0.875), (240, 0.882), (260, 0.89), (224, 1.0), (17, 0.3)])
def test_a_scaled_jpeg_has_four_pixels_for_each_of_the_networks(size: int, crop: float) -> None:
    fit = Preprocessing(size=size, crop=crop)
    assert fit.min_side is not None
    assert fit.min_side * crop >= 4 * size - 1e-9
    assert (fit.min_side - 4) * crop < 4 * size
    assert fit.replace(crop_mode="squash").min_side == fit.replace(crop_mode="pad").min_side == 4 * size
    assert fit.replace(rules="timm").min_side is None


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("lite0", {}),
        ("lite1", {}),
        ("lite2", {"crop_mode": "squash"}),
        ("efficientnet-b5", {}),
        ("inception-v3", {}),
        ("dinov2-s", {}),
        ("convnext-tiny", {"interpolation": "bilinear"}),
        ("vit-l16", {"crop_mode": "border", "crop_pct": 1.0}),
    ],
)
def test_by_timms_rules_the_pixels_are_timms_own(photos: list[Path], name: str, changes: dict[str, Any]) -> None:
    from timm.data import create_transform, resolve_data_config
    from timm.models import get_pretrained_cfg

    backbone = load(name, weights="random", preprocessing="timm")
    settings = get_pretrained_cfg(backbone.name)
    assert settings is not None
    steps: Any = create_transform(
        **resolve_data_config(changes, pretrained_cfg=settings.to_dict()), use_prefetcher=True
    )
    ours = {name: value for name, value in changes.items() if name != "crop_pct"}
    ours |= {"crop_mode": "pad", "crop": 1.0} if changes.get("crop_mode") == "border" else {}
    fit = backbone.preprocessing.replace(**ours)
    for photo in photos:
        with Image.open(photo) as picture:
            expected = np.asarray(steps(picture.convert("RGB"))).transpose(1, 2, 0)
        np.testing.assert_array_equal(fit(decode(photo, min_side=fit.min_side)), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9_000), (9_000, 1), (2, 3)], ids=str)
@pytest.mark.parametrize("fit", FITS)
def test_fault_29_by_timms_rules_too(fit: Any, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 3), (200, 100, 50), np.uint8)
    found = Preprocessing(size=256, crop_mode=fit, rules="timm", interpolation="bicubic")(pixels)
    assert (found.shape, found.dtype) == ((256, 256, 3), np.uint8)
    assert found[127, 127].tolist() == [200, 100, 50]


def test_values_survive_json_exactly() -> None:
    fit = Preprocessing(300, "pad", 0.882, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "timm")
    again = Preprocessing.from_dict(json.loads(json.dumps(fit.to_dict())))
    assert again == fit
    assert hash(again) == hash(fit)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 15}, "between 16 and 4096 pixels, not 15"),
        ({"size": 4097}, "not 4097"),
        ({"size": 224.5}, "a whole number"),
        ({"crop_mode": "stretch"}, "crop, squash, pad or corner, not 'stretch'"),
        ({"crop": 0.0}, "above 0 and at most 1"),
        ({"crop": 1.01}, "not 1.01"),
        ({"crop": math.nan}, "not nan"),
        ({"interpolation": "nearest"}, "not 'nearest'"),
        ({"rules": "torch"}, "topwork or timm, not 'torch'"),
        ({"mean": (0.5, 0.5)}, "three numbers"),
        ({"mean": (0.5, 0.5, 127.5)}, "mean must be between 0 and 1"),
        ({"mean": (0.5, 0.5, math.nan)}, "mean must be between 0 and 1"),
        ({"std": (0.5, 0.5, 0.5, 0.5)}, "three numbers"),
        ({"std": (0.5, 0.0, 0.5)}, "std must be positive"),
        ({"std": (0.5, math.inf, 0.5)}, "std must be positive"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BackboneError, match=said):
        Preprocessing(**change)
    with pytest.raises(BackboneError, match=said):
        Preprocessing().replace(**change)
    with pytest.raises(BackboneError, match=said):
        Preprocessing.from_dict({**Preprocessing().to_dict(), **change})


def test_a_record_from_before_there_were_rules_is_by_topworks() -> None:
    fields = Preprocessing(crop_mode="squash").to_dict()
    del fields["rules"]
    assert Preprocessing.from_dict(fields) == Preprocessing(crop_mode="squash")


@pytest.mark.parametrize("change", [{"colour": "RGB"}, {"size": "224"}, {"mean": None}, {"std": ("a", "b", "c")}])
def test_a_bent_record_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BackboneError, match="preprocessing: "):
        Preprocessing.from_dict({**Preprocessing().to_dict(), **change})


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
@pytest.mark.parametrize(("height", "width"), [(60, 100), (100, 60)])
@pytest.mark.parametrize("box", [(20, 18, 44, 50), (0, 0, 30, 20), (58, 58, 60, 60)])
def test_a_region_is_where_the_square_shows_it(fit: str, height: int, width: int, box: tuple[int, ...]) -> None:
    """The image itself, with the region in white, is the oracle."""
    preprocessing = Preprocessing(size=50, crop_mode=fit, crop=0.8, mean=(0.0, 0.0, 0.0))  # type: ignore[arg-type]
    left, top, right, bottom = box
    mask = np.zeros((height, width), np.bool_)
    mask[top:bottom, left:right] = True
    shown = preprocessing(np.repeat(mask[..., None], 3, axis=2) * np.uint8(255))[..., 0]
    found = square_box(preprocessing, box, height, width)  # type: ignore[arg-type]
    rows, columns = np.nonzero(shown)
    if len(rows) == 0:
        assert found[0] >= found[2] or found[1] >= found[3]
    else:
        expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        np.testing.assert_allclose(found, expected, atol=1)  # resampling spreads, and rounds what is faint to none
    np.testing.assert_array_equal(square_mask(preprocessing, mask)[shown == 255], True)
    np.testing.assert_array_equal(square_mask(preprocessing, mask)[shown == 0], False)
