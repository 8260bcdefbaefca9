import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from topwork.train import TrainConfig
from topwork.train._state import Clock, Pace, Plateau, affordable_steps, multiplier_at


def rates(build, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = build(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def ours(steps, **settings):
    config = TrainConfig(**settings)
    return [multiplier_at(step / steps, config) for step in range(steps)]


def warm(optimizer, steps):
    return lr_scheduler.LinearLR(optimizer, start_factor=1 / 25, total_iters=steps)


@pytest.mark.filterwarnings("ignore:.*epoch parameter.*:UserWarning")  # torch's own SequentialLR
def test_cosine_after_a_warm_up_is_torchs():
    def build(optimizer):
        after = lr_scheduler.CosineAnnealingLR(optimizer, T_max=180)
        return lr_scheduler.SequentialLR(optimizer, [warm(optimizer, 20), after], milestones=[20])

    assert ours(200, schedule="cosine", warmup=0.1) == pytest.approx(rates(build, 200), abs=1e-9)


def test_constant_after_a_warm_up_is_torchs():
    assert ours(100, schedule="constant", warmup=0.2) == pytest.approx(rates(lambda o: warm(o, 20), 100), abs=1e-9)


def test_one_cycle_is_torchs_whose_ends_come_one_step_sooner():
    def build(optimizer):
        return lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=5000, pct_start=0.3, cycle_momentum=False)

    assert ours(5000, schedule="one-cycle", warmup=0.3) == pytest.approx(rates(build, 5000), abs=2e-3)


@pytest.mark.parametrize("schedule", ["cosine", "constant", "one-cycle", "plateau"])
@given(share=st.floats(0, 1), warmup=st.floats(0, 0.99))
def test_no_rate_is_negative_or_above_the_peak(schedule, share, warmup):
    assert 0 <= multiplier_at(share, TrainConfig(schedule=schedule, warmup=warmup)) <= 1


@pytest.mark.parametrize(("factor", "patience"), [(0.3, 2), (0.2, 5), (0.5, 0)])
def test_plateau_is_torchs(factor, patience):
    config = TrainConfig(schedule="plateau", plateau_factor=factor, plateau_patience=patience)
    losses = [1.0, 0.9, 0.95, 0.9, 0.91, 0.92, 0.8, 0.81, 0.82, 0.83, 0.79999, 0.79998, 0.7, 0.9, 0.9, 0.9, 0.9]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience, eps=0)
    plateau = Plateau()
    for loss in losses * 2:
        oracle.step(loss)
        plateau = Plateau.model_validate_json(plateau.after(loss, config).model_dump_json())
        assert plateau.factor == pytest.approx(optimizer.param_groups[0]["lr"])
    assert plateau.factor < 0.1


def test_a_pace_that_nothing_changed_is_the_plain_share():
    assert [Pace(total=7).share_at(step) for step in range(8)] == [step / 7 for step in range(8)]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=40))
def test_a_changed_pace_rises_without_a_jump_and_ends_at_one(totals):
    pace, before = Pace(total=200), 0.0
    for step, left in enumerate(totals, start=1):
        share = pace.share_at(step)
        assert before <= share <= 1
        pace = pace.refitted(step, step + left)
        assert pace.share_at(step) == pytest.approx(share)
        before = share
    assert pace.share_at(pace.total) == 1


def by_hand(seconds, step, epoch_end, to_epoch_end, per_epoch):
    """Take one step after the other as long as it and the epoch's end after it fit."""
    done, spent, left = 0, 0.0, to_epoch_end
    while left == 0 or spent + step + epoch_end <= seconds:
        if left == 0:
            spent, left = spent + epoch_end, per_epoch
            continue
        done, spent, left = done + 1, spent + step, left - 1
    return done


@given(st.integers(0, 300), st.integers(1, 7), st.integers(0, 30), st.integers(1, 9), st.integers(1, 9))
def test_it_is_what_counting_by_hand_gives(seconds, step, epoch_end, to_epoch_end, per_epoch):
    assert affordable_steps(seconds, step, epoch_end, to_epoch_end, per_epoch) == by_hand(
        seconds, step, epoch_end, to_epoch_end, per_epoch
    )


def test_the_first_measurement_is_left_out():
    times = Clock()
    times.saw_step(60.0)
    assert times.step_seconds is None
    times.saw_step(1.0)
    assert times.step_seconds == 1.0
    times.saw_step(2.0)
    assert times.step_seconds == pytest.approx(1.2)
