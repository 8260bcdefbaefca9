"""One run for one folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from topwork._system import take
from topwork.train._errors import TrainError

LOCK = "lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other run out of a folder, which is made where there is none.

    The system holds the lock for as long as the process lives: a killed one leaves none behind.

    Raises:
        TrainError: Another run is there, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise TrainError(
            f"{folder}: no checkpoint can be written there: {error.strerror}", hint="choose another folder with -o"
        ) from error
    try:
        if not take(file):
            raise TrainError(
                f"{folder}: another run is writing there", hint="wait for it, or choose another folder with -o"
            )
        yield
    finally:
        os.close(file)
