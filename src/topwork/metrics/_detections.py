"""What a detector says of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects that were found in one image, K of them, the surest first.

    Attributes:
        corners: float32 (K, 4), each ``xmin, ymin, xmax, ymax`` in pixels of the image as it is shown: edges, not
            pixels.
        scores: float32 (K,), how sure each is, from 0 to 1, falling.
        labels: int32 (K,), places among the classes.
    """

    corners: Float32Array
    scores: Float32Array
    labels: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.corners.shape != (count, 4) or self.labels.shape != (count,) or self.scores.shape != (count,):
            raise ValueError(
                f"{count} detections with corners {self.corners.shape}, scores {self.scores.shape} and labels "
                f"{self.labels.shape}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, kept: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Detections:
        """Some of them, by mask or place."""
        return Detections(self.corners[kept], self.scores[kept], self.labels[kept])

    @classmethod
    def none(cls) -> Detections:
        """Nothing was found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
