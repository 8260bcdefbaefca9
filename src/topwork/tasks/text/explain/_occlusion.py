"""Occlusion: what a model says of the text without each word; of a long text without each group of words first.

Source: Li, Monroe & Jurafsky 2016, "Understanding Neural Networks through Representation Erasure": a word weighs what
its class loses in log-odds where it is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from topwork._arrays import Float64Array
from topwork.tasks.text.explain._question import Question

_RUNS = 512  # texts that the model reads at most
_SINGLE = 256  # words up to which each is left out alone from the start
_GROUPS, _PIECES, _OPENED = 64, 8, 8  # groups of a longer text; pieces of a group; groups taken apart together


def occlusion(question: Question) -> Float64Array:
    """What each word adds to the log-odds of the class: float64 (words,).

    Of more than 256 words, groups that lose the most are taken apart until the model has read 512 texts; words of a
    group that is still whole share what it weighs.
    """
    count = len(question.words)
    groups = _parts(range(count), count if count <= _SINGLE else _GROUPS)
    lost = _lost(question, groups)
    runs = len(groups)
    while runs < _RUNS and (several := [place for place, group in enumerate(groups) if len(group) > 1]):
        opened = sorted(several, key=lambda place: -abs(lost[place]))[:_OPENED]
        pieces = [piece for place in opened for piece in _parts(groups[place], _PIECES)]
        kept = [place for place in range(len(groups)) if place not in opened]
        lost = np.concatenate([lost[kept], _lost(question, pieces)])
        groups = [*(groups[place] for place in kept), *pieces]
        runs += len(pieces)
    weights = np.zeros(count)
    for group, each in zip(groups, lost, strict=True):
        weights[list(group)] = each / len(group)
    return weights


def _lost(question: Question, groups: Sequence[range]) -> Float64Array:
    found: Float64Array = question.margin - question.margins(question.without(groups))
    return found


def _parts(words: range, most: int) -> list[range]:
    """Up to so many runs of words of nearly the same length."""
    ends = np.linspace(0, len(words), min(most, len(words)) + 1).astype(int).tolist()
    return [words[start:stop] for start, stop in itertools.pairwise(ends)]
