from __future__ import annotations

import numpy as np
import pytest

from topwork.drawing import Outline, class_colours, framed

BLUE, ORANGE = class_colours(2).tolist()


def at(picture: np.ndarray, x: float, y: float) -> list[int]:
    return picture[round(y), round(x)].tolist()  # type: ignore[no-any-return]


def test_a_box_lies_where_it_was_found_and_the_first_is_on_top() -> None:
    image = np.full((600, 800, 3), 255, np.uint8)
    picture = framed(image, [Outline((100, 200, 300, 400), 0), Outline((100, 200, 700, 500), 1)])
    assert picture.shape == image.shape
    assert [at(picture, *place) for place in ((300, 300), (200, 400), (100, 300))] == [BLUE] * 3
    assert [at(picture, *place) for place in ((700, 300), (500, 500), (100, 450))] == [ORANGE] * 3
    assert at(picture, 200, 300) == at(picture, 750, 550) == [255, 255, 255]
    assert (image == 255).all()


def test_a_dashed_line_is_broken_and_keeps_its_corners() -> None:
    picture = framed(np.full((480, 480, 3), 255, np.uint8), [Outline((40, 40, 440, 440), 0, stroke="dashed")])
    above = (picture[40, 40:441] == BLUE).all(axis=1)
    assert above[0] & above[-1]
    assert 0.4 < above.mean() < 0.7


@pytest.mark.parametrize("corners", [(0, 0, 100, 60), (300, 0, 320, 20), (0, 200, 20, 240), (-50, -50, 900, 900)])
def test_a_caption_stays_within_the_picture_and_is_legible(corners: tuple[float, float, float, float]) -> None:
    image = np.full((240, 320, 3), 200, np.uint8)
    bare = framed(image, [Outline(corners, 0)], side=960)
    told = framed(image, [Outline(corners, 0, "raccoon 0.93")], side=960)
    assert told.shape == (720, 960, 3)
    changed = (told != bare).any(axis=2)
    ink = changed & (told == 255).all(axis=2)
    assert 100 < ink.sum() < changed.sum()
    rows, columns = np.nonzero(ink)
    assert columns.max() - columns.min() > 80
    assert rows.max() - rows.min() > 10


@pytest.mark.parametrize(("shape", "drawn"), [((1, 1), (480, 480)), ((1, 10_000), (1, 2048)), ((9000, 30), (2048, 7))])
def test_images_of_any_shape_are_drawn_upon(shape: tuple[int, int], drawn: tuple[int, int]) -> None:
    frames = [
        Outline((0, 0, shape[1], shape[0]), 0, "한 줄 \x1b[2J"),
        Outline((5, np.nan, np.inf, -3), 1, stroke="dashed"),
    ]
    assert framed(np.zeros((*shape, 3), np.uint8), frames).shape[:2] == drawn


def test_no_boxes_leave_the_image_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (500, 700, 3), np.uint8)
    np.testing.assert_array_equal(framed(image, []), image)
