"""Images as the model answered them, for the sections that show some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from topwork.report._pictures import Album, Picture
from topwork.report._subject import Subject

if TYPE_CHECKING:
    from topwork.report._evidence_maps import MapPicture


@dataclass(frozen=True)
class Answered:
    """An image with its class, the model's answer, and where it saw them if that is wanted."""

    picture: Picture
    true: str
    said: str
    probability: float
    maps: tuple[MapPicture, ...] = ()


def mapped(subject: Subject, rows: npt.NDArray[np.intp], of: Sequence[tuple[int, int]]) -> tuple[Answered, ...]:
    """Images as they were answered, each with the evidence for two classes where that is wanted."""
    assert subject.evaluated is not None
    shown = answered(subject, rows, subject.album)
    if subject.maps is None:
        return shown
    sources = [subject.evaluated.dataset.source(row) for row in rows.tolist()]
    maps = [subject.maps.pictures(source, pair) for source, pair in zip(sources, of, strict=True)]
    return tuple(replace(one, maps=found) for one, found in zip(shown, maps, strict=True))


def answered(subject: Subject, rows: npt.NDArray[np.intp], album: Album | None) -> tuple[Answered, ...]:
    """Images as they were answered, from the album that has room for them."""
    assert subject.evaluated is not None
    assert album is not None
    dataset, answers = subject.evaluated.dataset, subject.evaluated.probabilities
    found = []
    for row, picture in zip(rows.tolist(), album.pictures(rows.tolist()), strict=True):
        said = int(answers[row].argmax())
        found.append(Answered(picture, picture.label, dataset.classes[said], float(answers[row, said])))
    return tuple(found)
