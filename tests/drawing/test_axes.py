"""Where numbers lie on a chart."""

from __future__ import annotations

import math

import numpy as np
import pytest

from topwork.drawing import Axes, accuracy_axis, logarithmic_axis, named_axis, share_axis, spread


def axes(x: object, y: object, **more: int) -> Axes:
    return Axes(width=200, height=100, left=20, right=180, top=10, bottom=90, x=x, y=y, **more)  # type: ignore[arg-type]


def test_shares_lie_between_the_corners() -> None:
    square = axes(share_axis(2), share_axis(2))
    assert square.at(0, 0) == (20, 90)
    assert square.at(1, 1) == (180, 10)
    assert square.at(0.25, 0.25) == (60, 70)
    assert square.across == ((20, "0%"), (100, "50%"), (180, "100%"))
    assert square.up == ((90, "0%"), (50, "50%"), (10, "100%"))


def test_names_are_equally_far_apart() -> None:
    assert axes(named_axis(["a", "b", "c"]), share_axis(1)).across == ((20, "a"), (100, "b"), (180, "c"))
    assert axes(named_axis(["alone"]), share_axis(1)).across == ((20, "alone"),)


def test_places_are_rounded_where_that_is_wanted() -> None:
    assert axes(share_axis(3), share_axis(3)).at(1 / 3, 1 / 3) == pytest.approx((220 / 3, 190 / 3))
    assert axes(share_axis(3), share_axis(3), digits=1).at(1 / 3, 1 / 3) == (73.3, 63.3)


def test_an_axis_of_accuracy_has_round_ends_around_its_values() -> None:
    axis = accuracy_axis([0.82, 0.913])
    assert [text for _, text in axis.marks] == ["82%", "84%", "86%", "88%", "90%", "92%"]
    assert axis.share(0.82) == pytest.approx(0)
    assert axis.share(0.87) == pytest.approx(0.5)
    assert axis.share(0.92) == pytest.approx(1)
    assert [text for _, text in accuracy_axis([0.0]).marks] == ["0%", "1%"]
    assert [text for _, text in accuracy_axis([1.0]).marks] == ["99%", "100%"]


def test_a_logarithmic_axis_has_room_at_its_ends_and_round_marks() -> None:
    axis = logarithmic_axis([1, 100])
    first, middle, last = (axis.share(value) for value in (1, 10, 100))
    assert first == pytest.approx(0.16 / 2.32)
    assert middle == pytest.approx(0.5)
    assert last == pytest.approx(1 - first)
    assert [text for _, text in axis.marks] == ["1", "2", "5", "10", "20", "50", "100"]
    assert [text for _, text in logarithmic_axis([1, 100_000]).marks] == [
        "1",
        "10",
        "100",
        "1,000",
        "10,000",
        "100,000",
    ]
    one = logarithmic_axis([50])
    assert math.log10(one.high / one.low) == pytest.approx(0.3)


def test_points_fill_a_square_in_both_directions() -> None:
    points = np.array([[0, 5], [10, 5], [5, 5]])
    np.testing.assert_allclose(spread(points), [[0.03, 0.03], [0.97, 0.03], [0.5, 0.03]])
    np.testing.assert_allclose(spread(points, 100), [[3, 3], [97, 3], [50, 3]])
