"""The forecast: on curves whose future is known, against a textbook's regression, and where nothing can be told."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from topwork.advising import BudgetClock, Forecast
from topwork.advising._learning_curve import AHEAD, VAGUE, Curves, Point, _needed, draw_curves, extended, forecast

from .conftest import MakeTable, table_of

SIZES = (50, 100, 200, 400, 800)
AMPLE = BudgetClock(1e6)  # however slow the machine is


def chances(level: float, slope: float, images: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Accuracies whose log odds of an error fall by the slope with each doubling, from the level at 1,000 images."""
    return np.asarray(1 / (1 + np.exp(level - slope * np.log2(np.asarray(images) / 1000))))


def hits_of(accuracies: npt.ArrayLike, count: int, seed: int = 0) -> npt.NDArray[np.bool_]:
    """(P, count) hits with these accuracies; an image that is easy for one size is easy for all of them."""
    easy = np.random.default_rng(seed).random(count)
    return np.asarray(easy[None] < np.asarray(accuracies)[:, None])


@pytest.mark.parametrize(("level", "slope"), [(-1.0, 0.2), (-2.0, 0.4), (-3.0, 0.6), (0.5, 0.1)])
def test_the_truth_lies_inside_the_interval_of_curves_that_are_lines(level: float, slope: float) -> None:
    """Twenty draws of 1,000 images each; a 95 % interval misses three or more of them once in a hundred times."""
    missed, truth = 0, float(chances(level, slope, 10_000))
    for seed in range(20):
        drawn = draw_curves(SIZES, hits_of(chances(level, slope, SIZES), 1000, seed), 1000, np.random.default_rng(0))
        low, high = np.quantile(drawn.accuracy(10_000), [0.025, 0.975])
        missed += not low <= truth <= high
    assert missed <= 3


@pytest.mark.parametrize(("right", "images"), [(160, 200), (190, 200), (199, 200), (25, 30), (300, 1000)])
def test_intervals_are_those_of_the_exact_posterior(right: int, images: int) -> None:
    """One point with binomial hits; the posterior is summed over a grid of level, slope and the subset's luck."""
    from scipy.stats import binom, norm

    level = np.linspace(-12, 8, 401)[:, None, None]
    slope = np.linspace(-0.6, 1.5, 43)[None, :, None]
    luck = np.linspace(-0.6, 0.6, 13)[None, None, :]
    odds = level - slope * np.log2(0.8) + luck
    weight = norm.pdf(level, -2, 2) * norm.pdf(slope, 0.42, 0.2) * norm.pdf(luck, 0, 0.19)
    weight = (weight * binom.pmf(right, images, 1 / (1 + np.exp(odds)))).sum(axis=2).ravel()
    hits = np.arange(images)[None] < right
    drawn = draw_curves([images * 4 // 5], hits, images, np.random.default_rng(0))
    for times in (1, 10):
        exact = (1 / (1 + np.exp(level - np.maximum(slope, 0) * np.log2(times))))[..., 0].ravel()
        order = np.argsort(exact)
        places = np.searchsorted(np.cumsum(weight[order]) / weight.sum(), [0.025, 0.5, 0.975])
        found = np.quantile(drawn.accuracy(times * images), [0.025, 0.5, 0.975])
        assert found == pytest.approx(exact[order][places], abs=0.025 + 0.3 / images)


@pytest.mark.parametrize("right", [0, 1, 40, 79, 80])
def test_no_curve_falls_and_all_are_finite(right: int) -> None:
    """No hit, all hits, and one of either: neither infinite nor certain."""
    hits = np.repeat((np.arange(80) < right)[None], 4, axis=0)
    drawn = draw_curves((8, 16, 32, 64), hits, 80, np.random.default_rng(0))
    curves = np.stack([drawn.accuracy(images) for images in (80, 160, 320, 800)])
    assert np.isfinite(curves).all()
    assert (np.diff(curves, axis=0) >= 0).all()
    assert curves.std() > 1e-3


def test_needed_is_where_the_lines_get_there() -> None:
    drawn = Curves(100, np.full(10, -1.0), np.full(10, 0.5))  # each doubling takes half off the log odds
    assert drawn.needed(1 / (1 + np.exp(-2.0))) == pytest.approx(np.full(10, 400))
    assert _needed(drawn, 1 / (1 + np.exp(-2.0))) == (400, 400)
    assert _needed(drawn, 1 / (1 + np.exp(-4.0))) == (1000, None)  # 6,400 is beyond what can be told
    assert drawn.needed(0.1).tolist() == [100] * 10


def test_a_flat_line_gets_nowhere_and_that_is_no_error() -> None:
    flat = Curves(100, np.full(3, -1.0), np.zeros(3))
    assert np.isinf(flat.needed(0.99)).all()
    assert _needed(flat, 0.99) == (1000, None)
    assert np.isinf(flat.needed(1.0)).all()


@pytest.fixture(scope="module")
def helped() -> Forecast:
    """Of 150 images of three classes that are partly told apart."""
    found = forecast(table_of(np.arange(150) % 3, told=1.2), "none", 0, AMPLE)
    assert found is not None
    return found


def test_more_images_are_expected_to_help_where_they_have(helped: Forecast) -> None:
    assert [point.images for point in helped.points] == [15, 30, 60, 120]
    assert helped.points[-1].accuracy > helped.points[0].accuracy
    assert [ahead.images for ahead in helped.ahead] == [150 * times for times in AHEAD]
    assert helped.target == (1 + helped.points[-1].accuracy) / 2
    never_falls(helped)


def never_falls(found: Forecast, now: float = 0.0) -> None:
    values = [now, found.points[-1].accuracy, *(each.accuracy.value for each in found.ahead)]
    assert sorted(values[1:]) == values[1:]
    assert values[0] <= min(values[2:])
    lows = [each.accuracy.low for each in found.ahead]
    assert sorted(lows) == lows
    for each in found.ahead:
        assert 0 <= each.accuracy.low <= each.accuracy.value <= each.accuracy.high <= 1
        assert each.accuracy.high - each.accuracy.low < VAGUE


@pytest.mark.parametrize("now", [0.9, 1.0])
def test_no_more_images_are_promised_less_than_those_that_there_are(now: float) -> None:
    hits = hits_of(chances(-1.5, 0.4, SIZES), 1000)
    points = tuple(Point(size, float(row.mean())) for size, row in zip(SIZES, hits, strict=True))
    found = extended(points, draw_curves(SIZES, hits, 1000, np.random.default_rng(0)), now)
    assert points[-1].accuracy < 0.9
    assert found.ahead
    never_falls(found, now)


def test_where_no_error_is_left_none_is_to_be_halved() -> None:
    hits = np.ones((5, 1000), bool)
    found = extended((Point(800, 1.0),), draw_curves(SIZES, hits, 1000, np.random.default_rng(0)), now=1.0)
    assert found.ahead
    assert found.needed == (None, None)


def test_of_too_few_images_nothing_is_told(make_table: MakeTable) -> None:
    """Three of a class leave no subset; ten of one leave intervals that tell nothing."""
    few = forecast(make_table(np.arange(9) % 3), "none", 0, AMPLE)
    assert few == Forecast((), (), 0.5, (None, None), ())
    vague = forecast(make_table(np.arange(20) % 2, told=0.5), "none", 0, AMPLE, now=0.9)
    assert vague is not None
    assert vague.points
    assert vague.target == 0.95
    assert (vague.ahead, vague.needed) == ((), (None, None))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_of_few_groups_nothing_is_told(make_table: MakeTable, groups: int) -> None:
    table = make_table(np.arange(60) % 2)
    grouped = dataclasses.replace(table.dataset, groups=tuple(f"group {row // 2 % groups}" for row in range(60)))
    told = forecast(dataclasses.replace(table, dataset=grouped), "none", 0, AMPLE)
    assert told is not None
    assert (told.points, told.ahead, told.needed) == ((), (), (None, None))


def test_a_class_that_no_subset_holds_is_no_error(make_table: MakeTable) -> None:
    labels: npt.NDArray[Any] = np.zeros(60, np.intp)
    labels[7] = 1
    found = forecast(make_table(labels), "none", 0, AMPLE)
    assert found is not None
    assert found.points[-1].accuracy > 0.9


def test_no_time_gives_no_forecast(make_table: MakeTable) -> None:
    assert forecast(make_table(np.arange(240) % 3), "none", 0, BudgetClock(1e-9)) is None


def test_a_forecast_goes_to_a_dict_and_back(helped: Forecast) -> None:
    assert Forecast.from_dict(dataclasses.asdict(helped)) == helped
