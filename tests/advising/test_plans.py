"""The plans of a fine-tuning, with prices as two machines have shown them; nothing is trained here."""

from __future__ import annotations

import itertools
import math

import pytest

from topwork.advising import BudgetClock, Plan, Prices, Timed, best_that_fits, plans, worthwhile
from topwork.advising._budget import PRICE
from topwork.advising._plans import LEAST_EPOCHS, reach

QUICK = Prices(224, 3e-3, {3: 8e-3, 5: 20e-3})
SLOW = Prices(224, 6e-3, {3: 16e-3, 5: 40e-3})


def cloth(prices: Prices, gain: float = 0.033) -> list[Plan]:
    """Of 1,000 training images and as many that are held out."""
    return plans("last", prices, [224, 256, 320], epochs=8, images=850, in_all=2000, gain=gain)


def test_every_plan_is_priced_and_the_largest_gains_what_is_expected() -> None:
    found = cloth(QUICK)
    assert len(found) == 2 * 3 * 6
    largest = max(found, key=lambda plan: plan.gain)
    assert (largest.stages, largest.size, largest.epochs) == (5, 320, 8)
    assert largest.gain == pytest.approx(0.033)
    passes = 850 * 8 * 23e-3 + (2 * 850 + 2000) * 3e-3
    assert largest.seconds == pytest.approx((15 + passes * (320 / 224) ** 2) / 0.9)
    assert min(plan.epochs for plan in found) == LEAST_EPOCHS


def test_a_larger_input_for_few_epochs_is_worth_more_than_a_smaller_one_for_many() -> None:
    """Cloth: three epochs at 320 pixels 100 %, eight at 224 pixels 97.6 %."""
    assert reach(1, 1, 3, 8) > reach(1, 224 / 320, 8, 8) > reach(1, 224 / 320, 3, 8)
    assert reach(1, 1, 1, 1) == 1


@pytest.mark.parametrize("share", [1.0, 0.6, 0.15])
@pytest.mark.parametrize("prices", [QUICK, SLOW], ids=["quick", "slow"])
def test_more_time_never_gives_a_plan_of_less_expected_gain(prices: Prices, share: float) -> None:
    worth = worthwhile(cloth(prices))
    found = [best_that_fits(worth, left, share) for left in range(0, 20000, 7)]
    gains = [0.0 if plan is None else plan.gain for plan in found]
    assert gains == sorted(gains)
    assert gains[0] == 0
    assert gains[-1] == max(plan.gain for plan in worth)
    assert len(set(gains)) > 5  # no cliff: there are many steps on the way


def test_where_the_full_plan_does_not_fit_a_smaller_one_is_begun() -> None:
    """The cliff: on a slow machine the one plan took 318 seconds, 263 were left, and nothing was tried."""
    largest = max(cloth(SLOW), key=lambda plan: plan.gain)
    found = best_that_fits(worthwhile(cloth(SLOW)), 263)
    assert largest.seconds > 263
    assert found is not None
    assert found.seconds <= 263
    assert 0 < found.gain < largest.gain


def test_where_others_have_most_cores_the_shortest_is_begun_if_half_of_them_would_do() -> None:
    worth = worthwhile(cloth(QUICK))
    shortest = worth[0]
    assert best_that_fits(worth, 2 * shortest.seconds + 1, 0.2) == shortest
    assert best_that_fits(worth, 2 * shortest.seconds - 1, 0.2) is None  # at a fifth it would end in the first epoch
    assert best_that_fits(worth, shortest.seconds - 1, 1.0) is None
    assert best_that_fits([], 1000) is None


def test_few_stages_are_not_trained_where_all_fit_without_the_others() -> None:
    """As it was on cloth with four minutes: 198 seconds were left, and a third of the cores was ours for a moment."""
    worth = worthwhile(cloth(Prices(224, 2.6e-3, {3: 0.8e-3, 5: 11.5e-3})))
    sure, found = best_that_fits(worth, 198 / 3), best_that_fits(worth, 198, 1 / 3)
    assert sure is not None
    assert found is not None
    assert sure.stages == 3
    assert (found.stages, found.size, found.epochs) == (5, 224, 3)


def test_what_was_reached_is_not_done_again_for_less_than_it_costs() -> None:
    every = cloth(QUICK)
    largest = max(plan.gain for plan in every)
    assert worthwhile(every, largest) == []
    for plan in worthwhile(every, largest / 2):
        assert plan.gain - largest / 2 > PRICE * plan.seconds / 60
    assert worthwhile(cloth(QUICK, gain=0.0)) == []
    for one, other in itertools.pairwise(worthwhile(every)):
        assert one.seconds < other.seconds
        assert one.gain < other.gain


def test_time_that_others_had_the_cores_is_not_ours() -> None:
    assert Timed.of(8.0, 4.0, 2) == (8.0, 2.0)
    assert Timed.of(2.0, 4.4, 2).own == 2.0  # no more than the clock says
    assert Timed.of(2.0, 0.1, 0).own == 2.0  # a GPU computes; the processor waits


def test_what_a_larger_budget_would_buy_is_a_command() -> None:
    plan = Plan("last", 5, 320, 3, 0.025, 180.4, 301.0)
    assert plan.words.endswith("topwork fit DATA -o MODEL --budget 6m")
    assert "5 stages, 320 px, 3 epochs" in plan.words
    assert "2.5 points for 180 seconds" in plan.words


def test_a_clock_that_is_over_leaves_nothing() -> None:
    clock = BudgetClock(10.0, began=-math.inf)
    assert clock.left == 0
