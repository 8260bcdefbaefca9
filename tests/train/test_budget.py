import pytest
from hypothesis import given
from hypothesis import strategies as st

from topwork.train._budget import StepTime, affordable_steps


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
    times = StepTime()
    times.saw(60.0)
    assert times.seconds is None
    times.saw(1.0)
    assert times.seconds == 1.0
    times.saw(2.0)
    assert times.seconds == pytest.approx(1.2)
