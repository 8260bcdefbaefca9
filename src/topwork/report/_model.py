"""A model as a page: how good it is, where it fails, how to use it, and how to make it again.

``SECTIONS`` is the page's list of sections, in order. Each has a function that gives what its template
``templates/model/NAME.html`` shows, or None where there is nothing to show; its heading is the text NAME. A new section
is a line there, a function, a template and its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from topwork.checking import Checkup
from topwork.explain import Explanation
from topwork.metrics import Evaluation
from topwork.model import Classifier, ClassifierRecord, Evaluated
from topwork.report import _advice_sections as advice_sections
from topwork.report import _model_sections as sections
from topwork.report import _seen_sections as seen_sections
from topwork.report._page import brief, render
from topwork.report._pictures import Album
from topwork.report._subject import Subject
from topwork.report._texts import Language, Texts

if TYPE_CHECKING:
    from topwork.report._evidence_maps import MapAlbum


_ROOM = 600_000  # characters of the worst and least sure answers' pictures; other sections have room of their own
_ROOM_OF_CELLS = 1_400_000  # of those behind the confusion matrix


@dataclass(frozen=True)
class Section:
    """One section of the page: its name, and what gives its values."""

    name: str
    values: Callable[[Subject], Any]


SECTIONS = (
    Section("answer", sections.answer),
    Section("data", sections.data),
    Section("findings", seen_sections.findings),
    Section("metrics", sections.metrics),
    Section("confusion", sections.confusion),
    Section("worst", sections.worst),
    Section("unsure", sections.unsure),
    Section("per_class", sections.per_class),
    Section("calibration", sections.calibration),
    Section("promises", sections.promises),
    Section("shift", sections.shift),
    Section("ladder", advice_sections.ladder),
    Section("forecast", advice_sections.forecast),
    Section("space", seen_sections.space),
    Section("robustness", seen_sections.robustness),
    Section("ideal", seen_sections.ideal),
    Section("explained", seen_sections.explained),
    Section("trials", sections.trials),
    Section("use", sections.use),
    Section("repeat", sections.repeat),
)


def model_page(
    model: Classifier,
    name: str,
    evaluated: Evaluated | None = None,
    *,
    checkup: Checkup | None = None,
    explained: Sequence[Explanation] = (),
    language: Language = "en",
    evidence: bool = False,
) -> str:
    """Show a model as one HTML page that needs nothing else.

    It stays below 5 MB however many images and classes there are: of each kind of picture the first ones are shown. The
    same model and images give the same page.

    Args:
        model: What it is about.
        name: What it is called: its folder.
        evaluated: What labelled images said of it, image by image; what it was measured on at its fit when None, and
            where that is not known either, the figures of its record without pictures.
        checkup: What the data doctor found in the data, which is shown with its images.
        explained: What ``topwork.explain`` found out about the model before (``topwork.explain.stored``).
        language: ``en`` or ``ko``.
        evidence: Whether to show beside the worst mistakes where the model saw its answer and where the right class,
            and beside the least sure answers where it saw the two likeliest ones (``topwork.explain.grad_cam``); the
            model is opened in torch for that.

    Returns:
        The page; ``write_page`` writes it.

    Raises:
        ReportError: There is no such language.
        BackboneError: The backbone's weights are not to be had, and there is to be evidence.

    Example:
        >>> model = load("model")  # doctest: +SKIP
        >>> page = model_page(model, "model", model.evaluate("photos"))  # doctest: +SKIP
    """
    t = Texts(language)
    found = evaluated or model.held_out
    subject = Subject(
        record=model.record,
        name=brief(name),
        metrics=found.evaluation if found else _recorded(model.record),
        evaluated=found,
        album=Album(found.dataset, room=_ROOM) if found else None,
        cells=Album(found.dataset, room=_ROOM_OF_CELLS) if found else None,
        t=t,
        again=found is not model.held_out,
        maps=_map_album(model) if evidence and found else None,
        checkup=checkup,
        explained=tuple(explained),
    )
    shown = [(section.name, section.values(subject)) for section in SECTIONS]
    return render(
        "model.html",
        language=language,
        t=t,
        name=subject.name,
        record=model.record,
        sections=[(name, values) for name, values in shown if values is not None],
    )


def _map_album(model: Classifier) -> MapAlbum:
    from topwork.report._evidence_maps import MapAlbum  # it loads torch

    return MapAlbum(model)


def _recorded(record: ClassifierRecord) -> Evaluation | None:
    return Evaluation.from_dict(record.task.metrics) if record.task.metrics is not None else None
