"""Reports: a result as one HTML page that needs nothing else, neither a network nor scripts.

In: a result and the data set that it speaks of. Out: a page as text, and a file that holds it. A page asks nothing of
the outside, shows names and class names as text whatever they hold, and stays small enough to be sent by mail.
"""

from topwork.report._checkup import checkup_page
from topwork.report._explained import explained_page
from topwork.report._model import SECTIONS, Section, model_page
from topwork.report._texts import Language
from topwork.report._write import require_free, write_page

__all__ = [
    "Language",
    "SECTIONS",
    "Section",
    "checkup_page",
    "explained_page",
    "model_page",
    "require_free",
    "write_page",
]
