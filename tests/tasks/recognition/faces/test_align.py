"""Alignment beside plain least squares, and a picture that is turned and brought back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from topwork.tasks.recognition.faces._align import ARCFACE_POINTS, ARCFACE_SIDE, aligned, similarity
from topwork.tasks.recognition.faces._flaws import flaws, outside, sharpness, turned


def least_squares(points, places):
    """a, b, x, y of x' = ax - by + x, y' = bx + ay + y."""
    rows, wanted = [], []
    for (x, y), place in zip(points, places, strict=True):
        rows += [(x, -y, 1, 0), (y, x, 0, 1)]
        wanted += list(place)
    a, b, across, down = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0]
    return np.array([(a, -b, across), (b, a, down)])


@pytest.mark.parametrize("seed", range(20))
def test_the_transform_is_that_of_plain_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = ARCFACE_POINTS @ rng.normal(size=(2, 2)) * 10 ** rng.uniform(-2, 2) + rng.normal(size=2) * 100
    points += rng.normal(size=points.shape)
    np.testing.assert_allclose(similarity(points, ARCFACE_POINTS), least_squares(points, ARCFACE_POINTS), rtol=1e-7)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_points_that_tell_nothing_are_refused(points) -> None:
    with pytest.raises((ValueError, RuntimeWarning), match=r"no transform|invalid value"):
        similarity(points, ARCFACE_POINTS)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.7, 6.0])
@pytest.mark.parametrize("degrees", [0, 25, -140])
def test_a_turned_picture_comes_back_upright(scale: float, degrees: float) -> None:
    """Five dots are drawn where a turned face has its points; after alignment each is brightest at its place."""
    turn = scale * np.exp(1j * np.radians(degrees))
    places = ((ARCFACE_POINTS @ (1, 1j)) - (56 + 56j)) * turn + (400 + 380j)
    rows, columns = np.mgrid[:760, :800]
    picture = np.zeros((760, 800))
    for place in places:
        distance = (columns - place.real) ** 2 + (rows - place.imag) ** 2
        picture = np.maximum(picture, 255 * np.exp(-distance / (2 * (1.5 * max(scale, 1)) ** 2)))
    pixels = np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)
    points = np.column_stack([places.real, places.imag])
    crop = aligned(pixels, points, ARCFACE_POINTS, ARCFACE_SIDE)
    assert crop.shape == (ARCFACE_SIDE, ARCFACE_SIDE, 3)
    for x, y in ARCFACE_POINTS:
        left, top = round(x) - 6, round(y) - 6
        part = crop[top : top + 13, left : left + 13, 0].astype(float)
        down, across = np.mgrid[top : top + 13, left : left + 13]
        centre = (across * part).sum() / part.sum(), (down * part).sum() / part.sum()
        assert np.hypot(centre[0] - x, centre[1] - y) < 0.35


def test_flaws_are_told_together_and_a_good_face_has_none(photos) -> None:
    sharp = np.asarray(Image.open(photos[0]).convert("RGB").resize((150, 150), Image.Resampling.BOX))
    soft = np.asarray(Image.fromarray(sharp).resize((12, 12), Image.Resampling.BOX).resize((150, 150)))
    assert flaws(sharp, (10, 10, 90, 90), (100, 100), 0.05) == ""
    assert flaws(soft, (-30.4, 10, -6, 34), (100, 100), -0.6) == "24 pixels wide, blurred, turned away, cut off"
    assert sharpness(np.full((150, 150, 3), 7, np.uint8)) == 0
    assert outside((0, 0, 10, 10), (10, 5)) == pytest.approx(0.5)
    eyes = np.array([0.0, 0.0]), np.array([30.0, 40.0])
    assert turned(*eyes, np.array([15.0, 20.0]) + np.array([-40.0, 30.0])) == pytest.approx(0)
    assert turned(*eyes, np.array([30.0, 40.0])) == pytest.approx(0.5)
