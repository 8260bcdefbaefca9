"""Everything topwork raises on purpose. Each error says what is wrong and, in ``hint``, what to do about it.

::

    TopworkError
    ├── DataError        the data set as a whole cannot be used
    │   ├── ImageError   one image cannot be used
    │   └── TextError    one text cannot be used
    ├── BackboneError    a backbone cannot be named, found, verified or run
    ├── ModelError       a model folder cannot be read or written
    ├── ExplainError     a network cannot be looked into in this way, or a picture cannot be written
    ├── ReportError      a page cannot be written
    ├── TrainError       a training cannot be begun or continued
    │   └── CheckpointError  a checkpoint cannot be written, read, or belongs to another training
    ├── WatchError       a folder cannot be watched, or its table not be written
    └── MissingExtraError  an optional package is not installed
"""

from __future__ import annotations


class TopworkError(Exception):
    """Base of every error that topwork raises on purpose.

    Args:
        message: What was passed, what was expected; names the file where there is one.
        hint: What the user can do about it; may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DataError(TopworkError):
    """The data set as a whole cannot be used."""


class ImageError(DataError):
    """One image cannot be used: not an image, damaged, or too large to decode safely."""


class TextError(DataError):
    """One text cannot be used: there is nothing to read in it, or it is none."""


class BackboneError(TopworkError):
    """A backbone cannot be named, found, verified or run."""


class ModelError(TopworkError):
    """A model folder cannot be read or written."""


class ExplainError(TopworkError):
    """A network cannot be looked into in this way, or a picture cannot be written."""


class ReportError(TopworkError):
    """A page cannot be written."""


class TrainError(TopworkError):
    """A training cannot be begun or continued."""


class CheckpointError(TrainError):
    """A checkpoint cannot be written, read, or belongs to another training."""


class WatchError(TopworkError):
    """A folder cannot be watched, or its table not be written."""


class MissingExtraError(TopworkError):
    """An optional package is not installed; ``hint`` holds the pip line."""
