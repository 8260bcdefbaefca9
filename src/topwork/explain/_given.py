"""What a call is given, looked at before anything is computed from it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork.errors import ExplainError
from topwork.explain._subject import Subject, UInt8Array


def require_whole(images: UInt8Array) -> None:
    """Refuse images that a result could not show beside its own.

    Raises:
        ExplainError: They are no uint8.
    """
    if images.dtype != np.uint8:
        raise ExplainError(f"images must be uint8, not {images.dtype}", hint="subject.squares(files) makes them")


def require_labels(subject: Subject, images: npt.NDArray[np.generic], labels: npt.NDArray[np.integer]) -> None:
    """Refuse labels that are not one class for each image.

    Raises:
        ExplainError: There are not as many, or one is no place of a class.
    """
    if len(labels) != len(images):
        raise ExplainError(f"{len(images)} images and {len(labels)} labels")
    beyond = [int(label) for label in labels if not 0 <= label < len(subject.classes)]
    if beyond:
        raise ExplainError(f"no class has the number {beyond[0]}", hint=f"there are {len(subject.classes)}, from 0")
