"""What a model's page is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from topwork.checking import Checkup
from topwork.explain import Explanation
from topwork.metrics import Evaluation
from topwork.model import ClassifierRecord, Evaluated
from topwork.report._pictures import Album, Sheets
from topwork.report._texts import Texts

if TYPE_CHECKING:
    from topwork.report._evidence_maps import MapAlbum

ROOM_OF_SHEETS = 700_000  # characters


@dataclass(frozen=True)
class Computed:
    """What was computed before, and the command for what was not.

    Attributes:
        shown: The results.
        command: Lines to copy; empty where nothing is missing.
    """

    shown: tuple[Any, ...]
    command: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """What a page is about.

    Attributes:
        record: Of the model.
        name: Of the model, brief.
        metrics: Of the images that measured it; None where none did.
        evaluated: The same image by image, where that is known.
        album: Makes their pictures.
        cells: Likewise, of those behind the confusion matrix.
        t: The texts.
        again: Whether these are images that were given afterwards, and not those that the fit held out.
        maps: Makes maps of where the model saw a class; None where none are wanted.
        checkup: What the data doctor found; None where it was not asked.
        explained: What was found out about the model before.
        sheets: Reads its pictures.
    """

    record: ClassifierRecord
    name: str
    metrics: Evaluation | None
    evaluated: Evaluated | None
    album: Album | None
    cells: Album | None
    t: Texts
    again: bool = False
    maps: MapAlbum | None = None
    checkup: Checkup | None = None
    explained: tuple[Explanation, ...] = ()
    sheets: Sheets = field(default_factory=lambda: Sheets(ROOM_OF_SHEETS))
