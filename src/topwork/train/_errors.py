"""What the training room raises on purpose.

::

    TopworkError
    └── TrainError            a training cannot be begun or continued
        └── CheckpointError   a checkpoint cannot be written, read, or belongs to another training
"""

from __future__ import annotations

from topwork.errors import TopworkError


class TrainError(TopworkError):
    """A training cannot be begun or continued."""


class CheckpointError(TrainError):
    """A checkpoint cannot be written, read, or belongs to another training."""
