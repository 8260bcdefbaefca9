"""Boxes go from the image to the square and back, whatever the image's size; the pixels say where they are."""

from __future__ import annotations

import numpy as np
import pytest

from topwork.backbones import Preprocessing
from topwork.data import Boxes
from topwork.metrics import Detections
from topwork.tasks.detection.network import in_image, in_square

SIZES = [(1, 1), (1, 700), (37, 1000), (333, 101), (320, 320), (480, 641), (3000, 2000)]


def boxes(*corners: tuple[float, float, float, float]) -> Boxes:
    count = len(corners)
    return Boxes(np.array(corners, np.float32).reshape(-1, 4), np.arange(count, dtype=np.int32), np.zeros(count, bool))


def found(boxes: Boxes) -> Detections:
    scores = np.linspace(1, 0.5, len(boxes), dtype=np.float32)
    return Detections(boxes.corners, scores, boxes.labels)


@pytest.mark.parametrize("mode", ["squash", "pad"])
@pytest.mark.parametrize("rules", ["topwork", "timm"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_there_and_back(mode: str, rules: str, height: int, width: int) -> None:
    crop = 1.0 if rules == "timm" else 0.875  # below 1 timm's rules see the middle of a squashed image alone
    how = Preprocessing(size=320, crop_mode=mode, rules=rules, crop=crop)
    rng = np.random.default_rng(height)
    low = rng.uniform(0, 0.6, (20, 2)) * [width, height]
    high = low + rng.uniform(0.05, 0.4, (20, 2)) * [width, height]
    given = boxes((0, 0, width, height), *np.concatenate([low, high], axis=1).tolist())
    there = in_square(given, how, height, width)
    assert len(there) == len(given)
    assert there.corners.min() >= 0
    assert there.corners.max() <= 320
    back = in_image(found(there), how, height, width)
    np.testing.assert_allclose(back.corners, given.corners, atol=2e-4 * max(height, width))
    np.testing.assert_array_equal(back.labels, given.labels)


@pytest.mark.parametrize("mode", ["squash", "pad", "crop"])
@pytest.mark.parametrize(("height", "width"), [(333, 101), (480, 641), (900, 1200)])
def test_it_is_where_the_pixels_are(mode: str, height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    top, left, bottom, right = (round(part) for part in (0.4 * height, 0.3 * width, 0.7 * height, 0.6 * width))
    image[top:bottom, left:right] = 255
    how = Preprocessing(size=320, crop_mode=mode, mean=(0.0, 0.0, 0.0))
    rows, columns = np.nonzero(how(image)[..., 0] > 127)
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    placed = in_square(boxes((left, top, right, bottom)), how, height, width).corners[0]
    np.testing.assert_allclose(placed, seen, atol=1.0)


def test_what_crop_does_not_show_is_cut_or_left_out() -> None:
    how = Preprocessing(size=100, crop_mode="crop", crop=1.0)
    given = boxes((0, 0, 40, 100), (40, 20, 70, 80), (100, 0, 190, 50))  # of 200 columns, 50 to 150 are seen
    there = in_square(given, how, 100, 200)
    np.testing.assert_allclose(there.corners, [[0, 20, 20, 80], [50, 0, 100, 50]], atol=1e-4)
    np.testing.assert_array_equal(there.labels, [1, 2])
    back = in_image(found(there), how, 100, 200)
    np.testing.assert_allclose(back.corners, [[50, 20, 70, 80], [100, 0, 150, 50]], atol=1e-4)


def test_what_is_found_in_the_margin_is_cut_or_left_out() -> None:
    how = Preprocessing(size=100, crop_mode="pad")  # of 200 x 100, rows 25 to 75 hold the image
    back = in_image(found(boxes((10, 0, 20, 24), (10, 0, 20, 50), (-5, 30, 20, 200))), how, 100, 200)
    np.testing.assert_allclose(back.corners, [[20, 0, 40, 50], [0, 10, 40, 100]], atol=1e-4)
    np.testing.assert_array_equal(back.labels, [1, 2])
    none = in_image(Detections.none(), how, 100, 200)
    assert len(none) == 0
    assert len(in_square(boxes(), how, 100, 200)) == 0
