"""The pixel head: the same as a head on enlarged maps, and what is refused; where pixels of the square lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from topwork.backbones import Preprocessing, load
from topwork.errors import ModelError
from topwork.tasks.segmentation.network import Grid, PixelHead, PixelSpec, Placed, head_from, nearest
from topwork.tasks.segmentation.network._pixel import shapes_of
from topwork.tasks.segmentation.strategies._sampled import at_places

SPEC = PixelSpec(("a", "b", "c"), (3, 5, 4), (2, 4, 16), 32, 3, hidden=6)


def head(spec: PixelSpec = SPEC) -> PixelHead:
    rng = np.random.default_rng(1)
    return PixelHead(spec, {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes_of(spec).items()})


def test_maps_brought_together_say_what_enlarged_maps_say() -> None:
    """The plain way: every map enlarged by torch, all channels put together, one matrix, and the layer behind it."""
    one, features = head(), np.random.default_rng(2).normal(size=(2, SPEC.n_features)).astype(np.float32)
    maps, start = [], 0
    for width, side in zip(SPEC.widths, SPEC.sides, strict=True):
        part = torch.from_numpy(features[:, start : start + width * side**2]).reshape(2, width, side, side)
        maps.append(torch.nn.functional.interpolate(part, SPEC.side, mode="bilinear", align_corners=False))
        start += width * side**2
    together = torch.cat(maps, dim=1)
    weight = torch.from_numpy(np.concatenate([one.arrays[f"maps.{place}"] for place in range(3)], axis=1))
    hidden = torch.einsum("hw,nwyx->nhyx", weight, together) + torch.from_numpy(one.arrays["bias"])[:, None, None]
    out = torch.einsum("kh,nhyx->nkyx", torch.from_numpy(one.arrays["out"]), hidden.relu())
    expected = out + torch.from_numpy(one.arrays["out_bias"])[:, None, None]
    np.testing.assert_allclose(one.logits(features), expected.numpy(), atol=1e-4)


def test_sampled_pixels_are_those_of_the_enlarged_maps() -> None:
    features = np.random.default_rng(3).normal(size=SPEC.n_features).astype(np.float32)
    places = np.arange(SPEC.side**2)
    linear = PixelSpec(SPEC.stages, SPEC.widths, SPEC.strides, SPEC.size, 3)
    one = head(linear)
    weight = np.concatenate([one.arrays[f"maps.{place}"] for place in range(3)], axis=1)
    expected = at_places(linear, features, places) @ weight.T + one.arrays["bias"]
    np.testing.assert_allclose(one.logits(features[None])[0].reshape(3, -1).T, expected, atol=1e-4)


def test_a_saved_head_is_the_same() -> None:
    one = head()
    again = head_from(one.to_tensors(), one.spec.to_dict())
    assert again.spec == SPEC
    features = np.ones((1, SPEC.n_features), np.float32)
    np.testing.assert_array_equal(one.logits(features), again.logits(features))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "tree"}, "called 'tree'"),
        ({"n_classes": 1}, "n_classes of a pixel head"),
        ({"strides": [4, 2, 16]}, "never fall"),
        ({"widths": [3, 5]}, "with a width and a stride each"),
        ({"border": 1}, "border of a pixel head"),
        ({"other": 1}, "not as expected"),
        ({"hidden": 7}, "expected float32"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        head_from(head().to_tensors(), {**SPEC.to_dict(), **fields})


def test_numbers_that_are_none_are_refused() -> None:
    arrays = dict(head().arrays)
    arrays["bias"] = np.full(6, np.nan, np.float32)
    with pytest.raises(ModelError, match="bias: 6 of 6 numbers are NaN"):
        PixelHead(SPEC, arrays)


@pytest.mark.parametrize("crop_mode", ["squash", "pad", "crop"])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 90)])
def test_a_mask_goes_to_the_grid_and_back(crop_mode: str, height: int, width: int) -> None:
    """Halves of an image, seen on the grid, and told of the image's pixels again."""
    preprocessing, grid = Preprocessing(size=64, crop_mode=crop_mode), Grid(32, 2.0)  # type: ignore[arg-type]
    mask = (np.mgrid[:height, :width][1] >= width // 2).astype(np.float32)
    rows, columns = nearest(grid, preprocessing, height, width)
    seen = mask[np.maximum(rows, 0)[:, None], np.maximum(columns, 0)]
    back = Placed.of(grid, preprocessing, height, width)(seen[None])[0] > 0.5
    middle = abs(np.arange(width) + 0.5 - width / 2) > 3
    np.testing.assert_array_equal(back[:, middle], mask[:, middle] > 0.5)
    assert (rows >= 0).all() == (crop_mode != "pad" or height >= width)


def test_a_default_network_is_read_up_to_a_stride_of_16() -> None:
    spec = PixelSpec.of(load("lite0", size=64), 2)
    assert spec.strides[0] == 2
    assert spec.strides[-1] == 16
    assert spec.n_features == sum(w * s**2 for w, s in zip(spec.widths, spec.sides, strict=True))
