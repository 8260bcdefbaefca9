"""How many steps a budget of seconds still allows."""

from __future__ import annotations

_NEWEST = 0.2  # weight of the newest measurement in the mean step time


def affordable_steps(seconds: float, step: float, epoch_end: float, to_epoch_end: int, per_epoch: int) -> int:
    """Steps that fit, each epoch's end included; a last epoch may be cut short, and has its end too.

    Args:
        seconds: Left.
        step: Seconds a step takes.
        epoch_end: Seconds that validation and checkpoint take.
        to_epoch_end: Steps left in this epoch.
        per_epoch: Steps of a whole one.
    """
    this_epoch = to_epoch_end * step + epoch_end
    if seconds < this_epoch:
        return _begun(seconds, step, epoch_end)
    epochs, rest = divmod(seconds - this_epoch, per_epoch * step + epoch_end)
    return to_epoch_end + int(epochs) * per_epoch + _begun(rest, step, epoch_end)


def _begun(seconds: float, step: float, epoch_end: float) -> int:
    """Steps of an epoch that cannot be finished."""
    return max(0, int((seconds - epoch_end) / step))


class StepTime:
    """Running mean of a step's seconds; the first measurement is left out, as it holds what is done only once."""

    def __init__(self) -> None:
        self._measured = 0
        self.seconds: float | None = None

    def saw(self, seconds: float) -> None:
        """Take in one measurement."""
        self._measured += 1
        if self._measured > 1:
            seconds = max(seconds, 1e-9)
            self.seconds = seconds if self.seconds is None else self.seconds + _NEWEST * (seconds - self.seconds)
