"""The forecast in the words of the command line."""

from __future__ import annotations

import pytest

from topwork.advising import Forecast
from topwork.advising._learning_curve import Ahead, ClassGain, Point
from topwork.metrics import Estimate
from topwork.tasks._classes._advised import _forecast

FORECAST = Forecast(
    (Point(63, 0.75),), (Ahead(1580, Estimate(0.9, 0.85, 0.94)),), 0.875, (316, 1580), (ClassGain("ants\x1b[2J", 0.1),)
)


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        ((316, 1580), " Images needed for 87.5%: probably 316 to 1,580."),
        ((1580, None), " Images needed for 87.5%: more than 1,580; how many more cannot be told yet."),
        ((None, None), ""),
    ],
)
def test_what_is_needed(needed: tuple[int | None, int | None], said: str) -> None:
    line, classes = _forecast(Forecast(FORECAST.points, FORECAST.ahead, 0.875, needed, FORECAST.classes), "image")
    assert line == f"Expected accuracy with more images: 90.0% (85.0 to 94.0) with 1,580 images.{said}"
    assert "+10.0 points" in classes
    assert "\x1b" not in classes


def test_too_few_images_are_said_to_be_too_few() -> None:
    told = Forecast((), (), 0.5, (None, None), ())
    assert _forecast(told, "image") == ["From so few images, it cannot be told how much more of them would help."]
    assert _forecast(None, "image") == []
