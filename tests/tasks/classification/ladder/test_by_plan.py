"""Which plans of a fine-tuning are tried, one after the other, while there is time; nothing is trained here."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from topwork.advising import Plan, Prices, plans
from topwork.tasks.classification.ladder import _by_plan
from topwork.tasks.classification.ladder._by_plan import by_plan, share_of
from topwork.tasks.classification.ladder._candidates import sizes_to_train

QUICK = Prices(224, 3e-3, {3: 8e-3, 5: 20e-3})


class Climb:
    """A ladder whose trainings take so many times their price."""

    def __init__(self, budget: float, share: float, slower: float) -> None:
        self.clock = SimpleNamespace(left=budget, spent=0.0, budget=budget)
        self.prices = QUICK._replace(share=share)
        self.every = plans("last", QUICK, [224, 256, 320], epochs=8, images=850, in_all=2000, gain=0.033)
        self.slower = slower
        head = SimpleNamespace(trained=SimpleNamespace(fitted=SimpleNamespace(head=None)))
        self.contenders, self.best_spec, self.losses = [head], SimpleNamespace(size=320), {224: 0.4, 320: 0.2}
        self.features: Any = type("Features", (), {"size": 224, "dataset": range(2000), "backbone": None})()
        self.plans: list[Plan] = []
        self.tried: list[Plan] = []
        self.ended: list[str] = []
        self.cut_short = False

    def start(self, size: int) -> None:
        return None

    def end(self, name: str, why: str) -> None:
        self.ended.append(why)

    def expected_gain(self, seconds: float, *, again: bool) -> Any:
        return SimpleNamespace(words="too dear")

    def tune(self, ladder: Any, plan: Plan, start: Any, every: Any, seconds: float, free: Any) -> Plan:
        taken = plan.seconds * self.slower
        self.clock.left, self.clock.spent = max(0.0, self.clock.left - taken), self.clock.spent + taken
        self.tried.append(plan)
        return replace(plan, tried=True)


def climbed(monkeypatch: pytest.MonkeyPatch, budget: float, *, share: float = 1.0, slower: float = 1.0) -> Climb:
    found = Climb(budget, share, slower)
    monkeypatch.setattr(_by_plan, "prices", lambda *given: found.prices)
    monkeypatch.setattr(_by_plan, "planned", lambda *given: found.every)
    monkeypatch.setattr(_by_plan, "set_apart", lambda features: (850, 150))
    monkeypatch.setattr(_by_plan, "_tune", found.tune)
    by_plan(found, "last", "auto", None, SimpleNamespace(gain=0.033, words="gain"), again=False)  # type: ignore[arg-type]
    return found


def test_a_plan_that_came_to_nothing_is_followed_by_a_better_one_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others had most cores while it was priced, so a small plan was begun; then they ended, and time was left."""
    found = climbed(monkeypatch, 400, share=0.2)
    assert len(found.tried) >= 2
    gains = [plan.gain for plan in found.tried]
    assert gains == sorted(set(gains))
    assert sum(plan.seconds for plan in found.tried) <= 400


def test_what_a_training_took_tells_what_fits_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine four times slower than its prices begins no second plan that could not be finished."""
    for budget in (150, 500):
        found = climbed(monkeypatch, budget, share=0.2 if budget == 500 else 1.0, slower=4.0)
        assert len(found.tried) == 1
        assert found.cut_short
    done = replace(found.tried[0], seconds=90.0)
    assert share_of(done, 81 * 4) == pytest.approx(0.25)
    assert share_of(done, 40) == 1  # a quicker machine than was measured has no more than all its cores


def test_with_ample_time_the_largest_is_tried_and_nothing_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = climbed(monkeypatch, 1e6)
    assert [plan.gain for plan in found.tried] == [pytest.approx(0.033)]
    assert not found.cut_short
    assert found.plans == []


def test_where_nothing_fits_it_says_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    found = climbed(monkeypatch, 5)
    assert found.tried == []
    assert found.cut_short
    assert "it takes at least" in found.ended[0]
    assert 1 <= len(found.plans) <= 3


@pytest.mark.parametrize(
    ("losses", "best", "sizes"),
    [
        ({224: 0.37, 256: 0.47, 320: 0.18}, 320, [224, 320]),  # as cloth of 250 pixels is served
        ({224: 0.37, 256: 0.27, 320: 0.18}, 320, [224, 256, 320]),
        ({224: 0.37, 256: 0.27, 320: 0.30}, 256, [224, 256]),
        ({224: 0.37, 256: 0.27, 320: 0.30}, 224, [224]),
        ({224: 0.18, 256: 0.27, 320: 0.20}, 320, [224, 320]),  # on all images it was best, though not on the sample
        ({}, 224, [224]),  # no other size was tried
    ],
)
def test_a_larger_input_is_trained_at_only_where_it_serves_heads(
    losses: dict[int, float], best: int, sizes: list[int]
) -> None:
    assert sizes_to_train(losses, 224, best) == sizes
