"""Evidence: where in an image a classifier sees a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork._system import freed_memory_kept
from topwork.drawing import Cell, overlay, sheet, signed, stretched
from topwork.errors import ExplainError
from topwork.explain._classifier import BATCH, Label, TorchClassifier, require_uint8
from topwork.features import Progress
from topwork.metrics import decide

if TYPE_CHECKING:
    import torch

    MapsAndLogits = tuple[torch.Tensor, torch.Tensor]
    """Maps (n, size, size) and logits (n, C): most methods have the logits anyway."""

    Maps = Callable[[torch.Tensor, int | None], MapsAndLogits]
    """Of pixels (n, 3, size, size) on the scale 0 to 1 and a class; of each image the one that is named, when None."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """A map over one image: what speaks for a class, and where.

    Attributes:
        image: uint8 (size, size, 3), as the network saw it.
        map: float32 (size, size); the larger, the more speaks for the class there. Below 0 something speaks against
            it, where the method tells that.
        place: The class, by its place: two may have one name.
        probability: What the classifier gives it.
        answer: The class that it names.
        grain: Pixels a side that its picture averages over, where single ones cannot be read.
        of_class: Whether it is a map of that class; else it is the same whatever the class, and has no zero.
    """

    method: str
    image: UInt8Array
    map: Float32Array
    place: int
    label: str
    probability: float
    answer: str
    answer_probability: float
    grain: int = 1
    of_class: bool = True

    @property
    def peak(self) -> tuple[int, int]:
        """Row and column where the most speaks for the class."""
        row, column = np.unravel_index(int(self.map.argmax()), self.map.shape)
        return int(row), int(column)

    @property
    def headline(self) -> str:
        if not self.of_class:
            return f"{self.method}, independent of the class; predicted: {self.answer} ({self.answer_probability:.1%})"
        return f"{self.method} for {self.label} ({self.probability:.1%}); predicted: {self.answer}"

    def to_dict(self) -> dict[str, Any]:
        names = ("method", "of_class", "place", "label", "probability", "answer", "answer_probability", "peak")
        return {name: getattr(self, name) for name in names}

    def picture(self) -> UInt8Array:
        """The image and the map upon it: uint8 (H, W, 3)."""
        return evidence_sheet([self])


@freed_memory_kept()
def collected(
    method: str,
    classifier: TorchClassifier,
    images: UInt8Array,
    label: Label | None,
    maps: Maps,
    progress: Progress | None,
    *,
    batch: int = BATCH,
    grain: int = 1,
    of_class: bool = True,
) -> list[Evidence]:
    """What a method finds in all images, ``batch`` at a time, given what makes the maps of some.

    Raises:
        ExplainError: There is no such class, or the images are of another type or shape.
    """
    require_uint8(images)
    place = None if label is None else classifier.index(label)
    found: list[Evidence] = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        values, logits = maps(classifier.tensor(part), place)
        probabilities = logits.detach().softmax(dim=1).cpu().numpy()
        places = chosen(logits, place).tolist()
        drawn = values.detach().float().cpu().numpy()
        for image, row, index, each in zip(part, probabilities, places, drawn, strict=True):
            asked_for = index, classifier.classes[index], float(row[index])
            answer = int(decide(row[None], classifier.rule)[0])
            answered = classifier.classes[answer], float(row[answer])
            found.append(Evidence(method, image, each, *asked_for, *answered, grain, of_class))
        if progress is not None:
            progress(len(found), len(images))
    return found


def chosen(logits: torch.Tensor, place: int | None) -> torch.Tensor:
    """The class that is asked for of each image, (n,)."""
    import torch

    return logits.argmax(dim=1) if place is None else torch.full_like(logits[:, 0], place, dtype=torch.long)


def asked(logits: torch.Tensor, place: int | None) -> torch.Tensor:
    """The sum of one logit an image: its gradient holds every image's own."""
    return logits.gather(1, chosen(logits, place)[:, None]).sum()


def enlarged(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Maps (n, h, w) over the whole square: (n, size, size)."""
    from torch.nn import functional

    return functional.interpolate(maps[:, None], size=(size, size), mode="bilinear")[:, 0]


def evidence_sheet(found: Sequence[Evidence]) -> UInt8Array:
    """Several maps, a row each: uint8 (H, W, 3).

    Raises:
        ExplainError: There is none.
    """
    if not found:
        raise ExplainError("a sheet needs a map at least")
    return sheet([_row(each) for each in found], side=288)


def _row(found: Evidence) -> list[Cell]:
    said = f"answer: {found.answer} {found.answer_probability:.1%}"
    values = _averaged(found.map, found.grain)
    if not found.of_class:
        looked = f"{found.method}: attention,\nindependent of the class"
        return [Cell(found.image, said), Cell(overlay(found.image, stretched(values)), looked)]
    asked = f"{found.method}: evidence for\n{found.label} ({found.probability:.1%})"
    values = values / (float(np.abs(values).max()) or 1.0)
    cells = [Cell(found.image, said), Cell(overlay(found.image, values.clip(0)), asked)]
    if (values < 0).any():
        cells.append(Cell(signed(values), "red: evidence for it,\nblue: against it"))
    return cells


def _averaged(values: Float32Array, side: int) -> Float32Array:
    """Each number as the mean of a square around it; beyond the edge there is nothing."""
    if side == 1:
        return values
    square = np.pad(values, side // 2)
    for axis in (0, 1):
        square = np.lib.stride_tricks.sliding_window_view(square, side, axis).mean(-1)
    return np.asarray(square, np.float32)
