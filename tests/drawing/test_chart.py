from __future__ import annotations

import numpy as np
import pytest

from topwork.drawing import Curve, class_colours, legend, line_chart, scatter


def places_of(drawn: np.ndarray, colour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels of this colour, about: a chart is drawn large and reduced."""
    return np.nonzero((np.abs(drawn.astype(int) - colour) <= 20).all(axis=2))


def chart(*curves: Curve, places: tuple[str, ...] = ("0", "1", "2")) -> np.ndarray:
    return line_chart(places, curves, title="title", across="across", up="up")


def test_a_curve_lies_at_its_heights() -> None:
    colours = class_colours(2)
    drawn = chart(Curve("high", (0.8, 0.8, 0.8)), Curve("falls", (1.0, 0.5, 0.0)))
    assert drawn.shape == (420, 760, 3)
    left, right = 64, 760 - 240
    top, bottom = 66, 420 - 62
    height = bottom - top
    rows, columns = places_of(drawn[:, :right], colours[0])
    assert abs(np.median(rows) - (bottom - 0.8 * height)) <= 1
    assert columns.min() <= left + 2
    assert columns.max() >= right - 3
    rows, columns = places_of(drawn[:, : right + 5], colours[1])
    for share, at in ((1.0, left), (0.5, (left + right) / 2), (0.0, right)):
        there = rows[np.abs(columns - at) <= 3]
        assert abs(np.median(there) - (bottom - share * height)) <= 3
    grid = round(bottom - 0.6 * height)
    assert (drawn[grid - 1 : grid + 2] < 245).all(axis=2).any(axis=0).sum() > 400


def test_a_broken_line_has_gaps() -> None:
    whole, broken = (
        len(places_of(chart(Curve("one", (0.5, 0.5), dashed=dashed), places=("0", "1")), class_colours(1)[0])[0])
        for dashed in (False, True)
    )
    assert 0.35 * whole < broken < 0.75 * whole


def test_every_curve_stands_in_the_legend() -> None:
    curves = [Curve(f"curve {number}", (0.0, 0.0)) for number in range(4)]
    drawn = chart(*curves, places=("0", "1"))[:, 760 - 240 + 15 :]
    rows = [places_of(drawn, colour)[0].mean() for colour in class_colours(4)]
    assert (np.diff(rows) > 10).all()
    assert all((drawn[round(row) - 4 : round(row) + 5, 60:] < 128).any() for row in rows)  # a name beside each


def test_a_curve_has_a_height_for_each_place() -> None:
    with pytest.raises(ValueError, match="shorter"):
        chart(Curve("short", (0.5, 0.5)))


def test_each_point_is_a_dot_of_its_class() -> None:
    points = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]])
    labels = np.array([0, 1, 1, 1, 2])
    drawn = scatter(points, labels, 3)
    assert drawn.shape == (320, 320, 3)
    sizes = [len(places_of(drawn, colour)[0]) for colour in class_colours(3)]
    assert sizes[1] == pytest.approx(3 * sizes[0], rel=0.2)
    assert sizes[2] == pytest.approx(sizes[0], rel=0.2)
    rows, columns = places_of(drawn, class_colours(3)[0])
    assert rows.mean() > 300  # the plane's origin is below, at the left
    assert columns.mean() < 20
    rows, columns = places_of(drawn, class_colours(3)[2])
    assert (rows.mean(), columns.mean()) == pytest.approx((159.5, 159.5), abs=1.5)


def test_points_that_are_all_one_are_drawn() -> None:
    drawn = scatter(np.ones((3, 2)), np.zeros(3, int), 1)
    assert len(places_of(drawn, class_colours(1)[0])[0]) > 10


def test_the_legend_has_a_row_for_each_class() -> None:
    drawn = legend(["one", "two", "three"])
    rows = [places_of(drawn, colour)[0].mean() for colour in class_colours(3)]
    assert (np.diff(rows) > 10).all()
    many = legend([f"class {number}" for number in range(40)])
    dots = [len(places_of(many[:, :16], colour)[0]) > 0 for colour in class_colours(40)]
    assert 5 < sum(dots) < 40
    assert dots == sorted(dots, reverse=True)  # the first ones
    assert (many[-25:, 20:] < 128).any()  # and how many more there are
