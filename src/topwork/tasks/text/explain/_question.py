"""One text, the class that is asked about, and what the model says of the text without some of its words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, Float64Array
from topwork.errors import ExplainError
from topwork.metrics import decide
from topwork.tasks.text.explain._words import without, words_of

_BATCH = 256  # texts that are made at a time: each is as long as the whole
_LEAST = 1e-12  # probability: the head of nearest neighbours gives zero


@dataclass(frozen=True, eq=False)
class Question:
    """Why a model says of a text what it says.

    Attributes:
        model: A ``TextClassifier``.
        words: Where each word of the text begins and ends.
        place: The class that is asked about.
        answer: The class that the model names.
        probabilities: float32 (C,), of the whole text.
        truth: The class that the data give; empty where nobody knows.
        source: Where the text comes from; empty where it was typed.
    """

    model: Any
    text: str
    words: list[tuple[int, int]]
    place: int
    answer: int
    probabilities: Float32Array
    truth: str = ""
    source: str = ""

    @classmethod
    def of(cls, model: Any, text: str, label: str | None = None, **told: str) -> Question:
        """Ask a model.

        Args:
            model: A ``TextClassifier``.
            text: One text.
            label: The class that is asked about; the one that the model names when None.
            told: ``truth`` and ``source``, as far as they are known.

        Raises:
            ExplainError: The text has no word, or there is no such class.
        """
        words = words_of(text)
        if not words:
            raise ExplainError("the text is empty", hint="give a text with at least one word")
        probabilities = model.predict_proba([text])[0]
        answer = int(decide(probabilities[None], model.rule)[0])
        return cls(model, text, words, _place(model, label, answer), answer, probabilities, **told)

    @property
    def label(self) -> str:
        """The name of the class that is asked about."""
        return str(self.model.classes[self.place])

    @property
    def answer_label(self) -> str:
        """The name of the class that the model names."""
        return str(self.model.classes[self.answer])

    @property
    def margin(self) -> float:
        """The log-odds of the class, given the whole text."""
        return float(self.margins(self.probabilities[None])[0])

    def margins(self, probabilities: Float32Array) -> Float64Array:
        """The log-odds of the class of probabilities (N, C): float64 (N,), which no probability near 1 blurs."""
        others = np.delete(probabilities.astype(np.float64), self.place, axis=1).sum(axis=1)
        own = probabilities[:, self.place].astype(np.float64)
        found: Float64Array = np.log(own.clip(_LEAST)) - np.log(others.clip(_LEAST))
        return found

    def without(self, choices: Sequence[Collection[int]]) -> Float32Array:
        """Probabilities (N, C) of the text without each of N choices of words."""
        parts = [
            self.model.predict_proba([without(self.text, self.words, each) for each in choices[start : start + _BATCH]])
            for start in range(0, len(choices), _BATCH)
        ]
        return np.concatenate(parts)

    def word(self, place: int) -> str:
        """A word as it stands in the text."""
        start, stop = self.words[place]
        return self.text[start:stop]


def _place(model: Any, label: str | None, answer: int) -> int:
    if label is None:
        return answer
    if label not in model.classes:
        raise ExplainError(f"no class is called {label!r}", hint=f"the classes are {', '.join(model.classes[:20])}")
    return int(model.classes.index(label))
