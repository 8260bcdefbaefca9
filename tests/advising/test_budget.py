"""The rule that ends a climb, on the cases that it was made for."""

from __future__ import annotations

import pytest

from topwork.advising._budget import PRICE, enough_images, of_finetuning, of_specs


def test_errors_that_earlier_stages_mend_and_many_images_make_fine_tuning_worth_it() -> None:
    textile = of_finetuning(0.23, 0.08, 850, 150, 240, again=False)
    assert textile.worth
    assert 0.02 < textile.gain < 0.06


@pytest.mark.parametrize(
    ("last", "error", "images", "judges", "said"),
    [
        (0.04, 0.04, 208, 37, "corrected 0%"),  # ants and bees: the last features are as good as any
        (0.012, 0.010, 850, 150, "can be measured on 150 images"),  # cats and dogs: hardly an error is left
        (0.40, 0.25, 51, 9, "can be measured on 9 images"),  # 20 a class: nobody could see whether it helped
        (0.0, 0.0, 1000, 150, "0.0 points"),
    ],
)
def test_otherwise_it_is_not(last: float, error: float, images: int, judges: int, said: str) -> None:
    expected_gain = of_finetuning(last, error, images, judges, 200, again=False)
    assert not expected_gain.worth
    assert said in expected_gain.words


def test_a_second_one_is_expected_to_gain_half_as_much() -> None:
    once, twice = (of_finetuning(0.2, 0.1, 1000, 150, 60, again=again) for again in (False, True))
    assert twice.gain == pytest.approx(once.gain / 2)


def test_minutes_have_a_price() -> None:
    assert of_specs(0.01, 30).worth
    assert not of_specs(0.01, 30 * 60).worth
    assert of_specs(0.01, 600).least == pytest.approx(10 * PRICE)
    assert "that 10 minutes of computing should bring" in of_specs(0.01, 600).words


def test_enough_images_are_where_it_begins_to_pay() -> None:
    enough = enough_images(0.23, 0.08, 0.18, 1)
    assert enough is not None
    assert 100 < enough < 1000
    assert of_finetuning(0.23, 0.08, enough, round(0.18 * enough), 0, again=False).worth
    assert not of_finetuning(0.23, 0.08, enough // 2, round(0.18 * enough / 2), 0, again=False).worth
    assert enough_images(0.04, 0.04, 0.18, 1.18) is None  # earlier stages mend nothing, however many images there are


def test_those_that_judge_are_counted_where_they_are_set_aside_of_the_training_images() -> None:
    apart, together = enough_images(0.23, 0.08, 0.18, 1), enough_images(0.23, 0.08, 0.18, 1.18)
    assert apart is not None
    assert together == pytest.approx(1.18 * apart, rel=0.1)
