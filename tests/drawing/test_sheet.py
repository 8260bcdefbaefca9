from __future__ import annotations

import numpy as np
import pytest

from topwork.drawing import Cell, class_colours, heat, overlay, sheet, signed, stretched


def plain(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_a_sheet_holds_every_picture() -> None:
    drawn = sheet([[Cell(plain(10, 10, 200)), Cell(plain(30, 10, 100))], [Cell(plain(500, 500, 50))]], side=60)
    for value, most in ((200, 60 * 60), (100, 60 * 20), (50, 60 * 60)):
        assert (drawn == value).all(axis=2).sum() == most


def test_rows_may_be_of_unequal_length_and_have_holes() -> None:
    drawn = sheet([[Cell(None, "nothing"), Cell(plain(4, 4, 9))], [Cell(plain(4, 4, 8))]], side=40)
    assert (drawn == 9).all(axis=2).sum() == (drawn == 8).all(axis=2).sum() == 1600


def test_words_stay_beneath_their_picture() -> None:
    long = sheet([[Cell(plain(50, 50, 255), "a word and another " * 9)]], side=100)
    ink = np.flatnonzero((long < 128).all(axis=2).any(axis=0))
    assert 14 <= ink.min() < ink.max() <= 14 + 100
    twice = sheet([[Cell(plain(50, 50, 255), "one\ntwo")]], side=100)
    assert twice.shape[0] > sheet([[Cell(plain(50, 50, 255), "one")]], side=100).shape[0]


@pytest.mark.parametrize("caption", ["ascii", "naïve", "кошка", "猫", "a\x1b[2Jb", "\udce9", "", "\u202eabc"])
def test_any_name_can_be_drawn(caption: str) -> None:
    drawn = sheet([[Cell(plain(50, 50, 255), caption)]], title=caption, side=200)
    assert (drawn < 128).any() == bool(caption)


def test_heat_rises_in_brightness() -> None:
    brightness = heat(np.linspace(0, 1, 33)).astype(int).sum(axis=1)
    assert (np.diff(brightness) > 0).all()


def test_heat_takes_what_is_no_number_and_what_is_beyond() -> None:
    np.testing.assert_array_equal(heat(np.array([np.nan, -1.0, 2.0])), heat(np.array([0.0, 0.0, 1.0])))


def test_signed_colours_are_blue_white_red() -> None:
    low, middle, high = signed(np.array([-1.0, 0.0, 1.0])).astype(int)
    assert low[2] > low[0] + 100
    assert high[0] > high[2] + 100
    assert middle.min() > 240


def test_an_overlay_is_grey_where_nothing_speaks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    values = np.zeros((8, 8))
    values[0, 0] = 1
    drawn = overlay(image, values).astype(int)
    assert np.ptp(drawn[1:], axis=2).max() == 0
    assert np.ptp(drawn[0, 0]) > 40


def test_stretching_takes_equal_numbers() -> None:
    np.testing.assert_array_equal(stretched(np.full((2, 2), 7)), np.zeros((2, 2)))
    np.testing.assert_allclose(stretched(np.array([2, 4, 6])), [0, 0.5, 1])


def test_class_colours_differ() -> None:
    assert len(np.unique(class_colours(20), axis=0)) == 20
