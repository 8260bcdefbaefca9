"""The page of a model that has just been fitted, in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork.fitting._fit import default_options
from topwork.tasks import task

if TYPE_CHECKING:
    from topwork._texts import Language
    from topwork.checking import Checkup
    from topwork.model import Model

PAGE = "report.html"
"""What it is called."""


def write_report(
    model: Model,
    folder: Path,
    *,
    data: str = "",
    checkup: Checkup | None = None,
    language: Language = "en",
) -> Path:
    """Write the page of a model into its folder.

    Args:
        model: As ``fit`` gave it: what it was measured on is shown row by row.
        folder: Where it was saved.
        data: What it was fitted on, as commands on the page name it; ``DATA`` when empty.
        checkup: What the data doctor said on the way.
        language: Of the page.

    Returns:
        The page's path.

    Raises:
        ReportError: It cannot be written.
    """
    from topwork.report import model_page, write_page

    told: Any = {"checkup": checkup, "language": language, "defaults": default_options(model.record)}
    sections = task(model.record.task.name).sections()
    html = model_page(model, folder.resolve().name, sections, place=str(folder), data=data, **told)
    return write_page(html, folder / PAGE)
