"""The forecast: on curves whose future is known, and on real pictures."""

from __future__ import annotations

import numpy as np
import pytest

from topwork.advising import BudgetClock, Forecast
from topwork.advising._learning_curve import _needed, fit_laws, forecast

from .conftest import MakeTable

IMAGES = np.array([50.0, 100, 200, 400, 800])


@pytest.mark.parametrize(
    ("name", "errors"),
    [
        ("power", 2.0 * IMAGES**-0.5),
        ("power to a floor", 0.1 + 3.0 * IMAGES**-0.8),
        ("logit", 1 / (1 + np.exp(-2 + 0.6 * np.log(IMAGES)))),
    ],
)
def test_each_law_finds_itself(name: str, errors: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    later = np.array([3200.0])
    law = next(law for law in fit_laws(IMAGES, errors[None]) if law.name == name)
    true = {"power": 2.0 * later**-0.5, "power to a floor": 0.1 + 3.0 * later**-0.8}.get(
        name, 1 / (1 + np.exp(-2 + 0.6 * np.log(later)))
    )
    assert law.predict(later)[0] == pytest.approx(true, abs=0.003)
    assert law.predict(IMAGES)[0] == pytest.approx(errors, abs=0.01)


def test_a_curve_that_is_flat_stays_so_and_the_target_is_never_reached() -> None:
    central = fit_laws(IMAGES, np.full((1, 5), 0.2))
    for law in central[1:]:
        assert law.predict(np.array([8000.0]))[0, 0] == pytest.approx(0.2, abs=0.01)
    least, most = _needed(central, 0.9, 800)
    assert most is None
    assert least is None or least > 100_000


def test_needed_is_where_a_power_law_gets_there() -> None:
    central = fit_laws(IMAGES, (2.0 * IMAGES**-0.5)[None])
    least, _ = _needed(central[:1], 0.95, 800)
    assert least == pytest.approx(1600, rel=0.05)


def test_more_images_are_expected_to_help_where_they_have(make_table: MakeTable) -> None:
    labels = np.arange(240) % 3
    found = forecast(make_table(labels, told=0.6), "none", 0, BudgetClock(60))
    assert found is not None
    assert [point.images for point in found.points] == [12, 24, 48, 96, 192]
    assert found.points[-1].accuracy > found.points[0].accuracy
    for ahead in found.ahead:
        assert ahead.accuracy.low <= ahead.accuracy.value <= ahead.accuracy.high
    assert [ahead.images for ahead in found.ahead] == [480, 960]
    assert found.target > found.points[-1].accuracy


def test_too_few_images_or_no_time_give_no_forecast(make_table: MakeTable) -> None:
    assert forecast(make_table(np.arange(12) % 3), "none", 0, BudgetClock(60)) is None
    clock = BudgetClock(1e-9)
    assert forecast(make_table(np.arange(240) % 3), "none", 0, clock) is None


def test_a_forecast_goes_to_a_dict_and_back(make_table: MakeTable) -> None:
    import dataclasses

    found = forecast(make_table(np.arange(240) % 3, told=0.6), "none", 0, BudgetClock(60))
    assert found is not None
    assert Forecast.from_dict(dataclasses.asdict(found)) == found
