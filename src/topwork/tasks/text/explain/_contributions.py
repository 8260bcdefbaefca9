"""What each word gives to a linear model of n-grams: exact, since each n-gram adds its own part to the scores."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from topwork._arrays import Float64Array
from topwork.backbones import NGRAMS, own_file
from topwork.engines import Grams, NgramScorer
from topwork.heads import LinearHead
from topwork.tasks.text.explain._question import Question

Run = tuple[str, list[int]]
"""An n-gram with its kind before it, and the places in the text of the characters that it is made of."""


def counts_of(model: Any) -> NgramScorer | None:
    """The table of n-grams of a model whose head adds up what they say; None of another model."""
    if NGRAMS not in model.record.outputs or not isinstance(model.head, LinearHead) or model.head.normalised:
        return None
    return NgramScorer.from_file(own_file(model.backbone.ngrams or model.backbone.weights))


def contributions(question: Question, scorer: NgramScorer) -> Float64Array | None:
    """What each word gives to the class against the others: float64 (words,); None where letters change places.

    The logit of the class less those of the others, each weighed by its share of their probability: their slope is that
    of the log-odds. An n-gram's part is shared by the characters that it is made of, spaces left out.

    Args:
        question: Of a model whose head adds n-grams up, alone or beside a network: ``counts_of`` gives their table.
        scorer: That table.
    """
    runs = _runs(question.text, scorer)
    if runs is None:
        return None
    places, values = scorer.row(question.text)
    parts = values * (scorer.weight[places].astype(np.float64) @ _slope(question))
    part_of = dict(zip(places.tolist(), parts.tolist(), strict=True))
    counts = Counter(name for name, _ in runs)
    signs = np.zeros(len(question.text))
    for name, where in runs:
        part = part_of.get(scorer.places.get(name, -1))
        if part is not None and where:
            np.add.at(signs, where, part / counts[name] / len(where))
    return np.array([signs[start:stop].sum() for start, stop in question.words])


def _slope(question: Question) -> Float64Array:
    """How the log-odds of the class grow with each score of the n-grams, which are the last columns: float64 (C,)."""
    head, scores = question.model.head, question.model.backbone.scores
    others = question.probabilities.astype(np.float64)
    others[question.place] = 0
    direction = -others / max(others.sum(), np.finfo(np.float64).tiny)
    direction[question.place] = 1
    weight = head.weight[-scores:].astype(np.float64) / head.scale[-scores:, None]
    found: Float64Array = weight @ direction / head.temperature
    return found


def _runs(text: str, scorer: NgramScorer) -> list[Run] | None:
    """Every n-gram where it stands; None where they are not those that the scorer counts."""
    read = text[: scorer.grams.longest]
    lowered = read.lower()
    composed = unicodedata.normalize("NFC", lowered)
    if len(composed) != len(read):
        return None
    found = [*_word_runs(composed, scorer.grams), *_letter_runs(lowered, scorer.grams)]
    words, letters = scorer.grams(text)
    expected = Counter({f"w{name}": n for name, n in words.items()} | {f"c{name}": n for name, n in letters.items()})
    return found if Counter(name for name, _ in found) == expected else None


def _word_runs(text: str, grams: Grams) -> Iterator[Run]:
    tokens = [(each.group(), range(*each.span())) for each in grams.token.finditer(text)]
    for count in range(1, grams.words + 1):
        for start in range(len(tokens) - count + 1):
            run = tokens[start : start + count]
            yield "w" + " ".join(token for token, _ in run), [place for _, where in run for place in where]


def _letter_runs(text: str, grams: Grams) -> Iterator[Run]:
    pairs = [(sign, place) for place, whole in enumerate(text) for sign in unicodedata.normalize("NFD", whole)]
    signs: list[tuple[str, int]] = []
    for sign, place in pairs:  # of several spaces one stays
        if not sign.isspace():
            signs.append((sign, place))
        elif signs and signs[-1][0] != " ":
            signs.append((" ", place))
    if signs and signs[-1][0] == " ":
        signs.pop()
    for count in range(1, grams.letters + 1):
        for start in range(len(signs) - count + 1):
            run = signs[start : start + count]
            yield "c" + "".join(sign for sign, _ in run), [place for sign, place in run if sign != " "]
