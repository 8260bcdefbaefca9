"""Reports: a result as one HTML page that needs nothing else, neither a network nor scripts.

In: a result and the data set that it speaks of. Out: a page as text, and a file that holds it. A page asks nothing of
the outside, shows names and class names as text whatever they hold, and stays small enough to be sent by mail.

A model's page is the kit of it: the frame, and in ``topwork.report.sections`` what can be said of any model with
classes. Which sections there are, and in what order, its task says; one may bring others with templates and texts of
its own (``Section``). A page of another room that looks the same takes the kit's parts: ``render``, ``STYLE``,
``shown_findings``.
"""

from topwork.report import figures, sections
from topwork.report._charts import SQUARE, reliability_points
from topwork.report._checkup import checkup_page, checkup_values, shown_findings
from topwork.report._excerpts import Excerpts, Shown
from topwork.report._explained import explained_page
from topwork.report._figures import PrintFigure, letters, require_matplotlib, write_figures
from topwork.report._model import Missing, PageContext, Section, in_order, model_page
from topwork.report._page import STYLE, brief, isolated, percent, render, require_free, write_page
from topwork.report._pictures import Picture, picture_of, row_file, webp
from topwork.report._texts import Language, Texts

__all__ = [
    "Excerpts",
    "Language",
    "Missing",
    "PageContext",
    "Picture",
    "PrintFigure",
    "SQUARE",
    "STYLE",
    "Section",
    "Shown",
    "Texts",
    "brief",
    "checkup_page",
    "checkup_values",
    "explained_page",
    "figures",
    "in_order",
    "isolated",
    "letters",
    "model_page",
    "percent",
    "picture_of",
    "reliability_points",
    "render",
    "require_free",
    "require_matplotlib",
    "row_file",
    "sections",
    "shown_findings",
    "webp",
    "write_figures",
    "write_page",
]
