"""The fewest words without which a text gets another class.

Source: Wachter, Mittelstadt & Russell 2017, "Counterfactual Explanations without Opening the Black Box"; leaving words
out greedily is from Martens & Provost 2014, "Explaining Data-Driven Document Classifications".
"""

from __future__ import annotations

import numpy as np

from topwork._arrays import Float64Array
from topwork.metrics import decide
from topwork.tasks.text.explain._found import Fewest
from topwork.tasks.text.explain._question import Question

MOST = 20  # words that are left out together
_CANDIDATES = 64  # words that are tried at each step


def fewest(question: Question, weights: Float64Array) -> Fewest:
    """Leave out the word that costs the answer the most, then the next, until the answer is another; then put back.

    None of the words found can be put back alone without the old answer coming back. There may be a smaller set that
    greed does not find.

    Args:
        question: Of the class that the model answers.
        weights: What each word adds to it; of a long text the 64 weightiest are tried.
    """
    left = np.argsort(-weights, kind="stable")[:_CANDIDATES].tolist()
    out: list[int] = []
    changed = False
    while left and not changed and len(out) < MOST:
        probabilities = question.without([[*out, place] for place in left])
        margins = question.margins(probabilities)
        answers = decide(probabilities, question.model.rule)
        changed = bool((answers != question.answer).any())
        margins[(answers == question.answer) & changed] = np.inf
        out.append(left.pop(int(margins.argmin())))
    if not changed:
        return Fewest(question, (), None, len(out))
    out = _put_back(question, out)
    return Fewest(question, tuple(sorted(out)), question.without([out])[0], len(out))


def _put_back(question: Question, out: list[int]) -> list[int]:
    """The words that are left when each that is not needed is put back, the first that was found first."""
    while len(out) > 1:
        fewer = [[each for each in out if each != place] for place in out]
        answers = decide(question.without(fewer), question.model.rule)
        spare = (answers != question.answer).nonzero()[0]
        if not len(spare):
            return out
        out = fewer[int(spare[0])]
    return out
