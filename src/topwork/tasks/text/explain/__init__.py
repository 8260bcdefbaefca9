"""Why a model says of a text what it says: words, similar training texts, and what would change its answer.

In: a ``TextClassifier`` and texts. Out: frozen values with a headline, lines for a terminal and JSON-ready fields.
"""

from topwork.tasks.text.explain._deletion import Deletion, deletion
from topwork.tasks.text.explain._explain import explain, explain_words, mistakes, weighing
from topwork.tasks.text.explain._fewest import fewest
from topwork.tasks.text.explain._found import Fewest, Neighbour, Neighbours, Words
from topwork.tasks.text.explain._neighbours import neighbours
from topwork.tasks.text.explain._question import Question

__all__ = [
    "Deletion",
    "Fewest",
    "Neighbour",
    "Neighbours",
    "Question",
    "Words",
    "deletion",
    "explain",
    "explain_words",
    "fewest",
    "mistakes",
    "neighbours",
    "weighing",
]
