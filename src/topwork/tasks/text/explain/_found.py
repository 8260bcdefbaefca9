"""What explanations of texts give: each has a headline, lines for a terminal, JSON-ready fields, and marked words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from topwork._arrays import Float32Array, Float64Array
from topwork._text import table
from topwork.data import printable
from topwork.metrics import decide
from topwork.tasks.text.explain._deletion import Deletion
from topwork.tasks.text.explain._question import Question

_LISTED = 8  # words in the lines
_WEAK = 0.15  # of the weightiest word: what weighs less is not marked
_AROUND = 60  # characters that are shown on both sides of a marked word
_MARKED = 24  # words of a text

Piece = tuple[str, float]
"""A part of a text and how much it speaks for the class, from -1 to 1; 0 where it is not marked."""


@dataclass(frozen=True, eq=False)
class Words:
    """Which words speak for a class.

    Attributes:
        question: The text and the class.
        method: ``occlusion``, ``contributions`` or ``integrated-gradients``.
        weights: float64 (words,): what each word adds to the log-odds of the class.
        deletion: How the answer goes when the words go; None of a single word.
    """

    question: Question
    method: str
    weights: Float64Array
    deletion: Deletion | None

    @property
    def source(self) -> str:
        """Where the text comes from; empty where it was typed."""
        return self.question.source

    @property
    def headline(self) -> str:
        best = int(self.weights.argmax())
        word = printable(self.question.word(best))
        if self.weights[best] <= 0:
            return f"{_said(self.question)}; no word speaks for {printable(self.question.label)}"
        return f"{_said(self.question)}; '{word}' speaks for {printable(self.question.label)} the most"

    @property
    def lines(self) -> tuple[str, ...]:
        """The text with its words marked, the weightiest words, and whether the check holds."""
        words = [f"  {self.weights[place]:+.1f}  {printable(self.question.word(place))}" for place in self._weighty()]
        return (self.headline, f"  {_shown(self.marked)}", *words[:_LISTED], *(f"  {each}" for each in self._checked()))

    @property
    def marked(self) -> tuple[Piece, ...]:
        """The text in pieces; those between marked words are cut where they are long."""
        most = float(abs(self.weights).max()) or 1.0
        return _pieces(self.question, {place: float(self.weights[place]) / most for place in self._weighty()})

    @property
    def notes(self) -> tuple[str, ...]:
        """How words are marked and what the check says, in sentences."""
        return ("A solid line marks words for the class, a dashed line words against it.", *self._checked())

    def to_dict(self) -> dict[str, Any]:
        told = [
            {"word": self.question.word(place), "start": start, "stop": stop, "weight": round(float(weight), 4)}
            for place, ((start, stop), weight) in enumerate(zip(self.question.words, self.weights, strict=True))
        ]
        curve = None if self.deletion is None else {**vars(self.deletion), "holds": self.deletion.holds}
        return {**_fields(self.question), "method": self.method, "words": told, "deletion": curve}

    def _weighty(self) -> list[int]:
        """The words worth a mark, the weightiest first."""
        sizes = abs(self.weights)
        order = (-sizes).argsort(kind="stable")
        return [int(place) for place in order if sizes[place] >= _WEAK * sizes[order[0]] > 0][:_MARKED]

    def _checked(self) -> list[str]:
        found = self.deletion
        if found is None:
            return ["It is the only word, so there is nothing to compare it with."]
        areas = f"area under the curve {found.area:.2f}, in random order {found.random_area:.2f}"
        if found.holds:
            return [f"Checked: the probability falls faster without these words than without random ones: {areas}."]
        return [f"Not confirmed: the probability does not fall faster without these words: {areas}."]


@dataclass(frozen=True, eq=False)
class Fewest:
    """The fewest words without which the answer is another.

    Attributes:
        question: The text.
        words: Places of those words; none where nothing was found.
        probabilities: float32 (C,), of the text without them; None where nothing was found.
        tried: How many words were left out together.
    """

    question: Question
    words: tuple[int, ...]
    probabilities: Float32Array | None
    tried: int

    @property
    def answer(self) -> str:
        """The class without these words; empty where nothing was found."""
        if self.probabilities is None:
            return ""
        return str(self.question.model.classes[decide(self.probabilities[None], self.question.model.rule)[0]])

    @property
    def source(self) -> str:
        """Where the text comes from; empty where it was typed."""
        return self.question.source

    @property
    def headline(self) -> str:
        if self.probabilities is None:
            counted = "1 word" if self.tried == 1 else f"{self.tried} words"
            return f"{_said(self.question)}; no other answer was found by leaving out up to {counted}"
        named = ", ".join(f"'{printable(self.question.word(place))}'" for place in self.words)
        share = float(self.probabilities[self.question.model.classes.index(self.answer)])
        return f"{_said(self.question)}; without {named} it is {printable(self.answer)} ({share:.1%})"

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found, and the text with these words marked."""
        return (self.headline, f"  {_shown(self.marked)}")

    @property
    def marked(self) -> tuple[Piece, ...]:
        """The text in pieces; the words that are left out are marked."""
        return _pieces(self.question, dict.fromkeys(self.words, 1.0))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was checked, in a sentence."""
        if len(self.words) < 2:
            return ()
        return ("If any one of these words is put back alone, the old answer is back too.",)

    def to_dict(self) -> dict[str, Any]:
        words = [self.question.word(place) for place in self.words]
        return {**_fields(self.question), "words": words, "places": list(self.words), "answer_without": self.answer}


@dataclass(frozen=True)
class Neighbour:
    """A training text, where it stands, its class, and the cosine with the text that is asked about."""

    source: str
    text: str
    label: str
    cosine: float


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The training texts that are most similar to a text.

    Attributes:
        question: The text.
        kind: What is compared: ``features`` or ``n-grams``.
        found: The most similar first.
    """

    question: Question
    kind: str
    found: tuple[Neighbour, ...]

    @property
    def source(self) -> str:
        """Where the text comes from; empty where it was typed."""
        return self.question.source

    @property
    def headline(self) -> str:
        same = sum(each.label == self.question.answer_label for each in self.found)
        of = f"{same} of the {len(self.found)} most similar training texts have this class"
        return f"{_said(self.question)}; {of} ({self.kind})"

    @property
    def lines(self) -> tuple[str, ...]:
        """The text and its neighbours, each with its class and cosine."""
        head, *rows = self.rows
        shown = [[_brief(cell) for cell in row] for row in rows]
        return (self.headline, f"  {_brief(self.question.text)}", table(head, shown))

    @property
    def marked(self) -> tuple[Piece, ...]:
        """The text; no word is marked."""
        return _pieces(self.question, {})

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """A table, its head first."""
        told = [(each.label, f"{each.cosine:.3f}", each.source, each.text) for each in self.found]
        return ("class", "cosine", "row", "text"), *told

    @property
    def notes(self) -> tuple[str, ...]:
        """Nothing is checked."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        return {**_fields(self.question), "compared": self.kind, "neighbours": [vars(each) for each in self.found]}


def _brief(text: str) -> str:
    line = printable(" ".join(text[: 4 * _AROUND].split()))
    return line if len(line) <= 2 * _AROUND else f"{line[: 2 * _AROUND]} …"


def _said(question: Question) -> str:
    """What is answered, and what is true where that is known and another."""
    name, share = printable(question.answer_label), float(question.probabilities[question.answer])
    other = "" if question.truth in ("", question.answer_label) else f", true class {printable(question.truth)}"
    asked = (
        ""
        if question.place == question.answer
        else (f", {printable(question.label)} {float(question.probabilities[question.place]):.1%}")
    )
    return f"{name} {share:.1%}{asked}{other}"


def _fields(question: Question) -> dict[str, Any]:
    known = {"source": question.source, "truth": question.truth}
    return {
        **{name: value for name, value in known.items() if value},
        "text": question.text,
        "label": question.label,
        "probability": float(question.probabilities[question.place]),
        "answer": question.answer_label,
        "answer_probability": float(question.probabilities[question.answer]),
    }


def _pieces(question: Question, marks: dict[int, float]) -> tuple[Piece, ...]:
    """The text in order, in marked words and what stands between them."""
    found: list[Piece] = []
    end = 0
    for place in sorted(marks):
        start, stop = question.words[place]
        found += [(_cut(question.text[end:start], first=not found), 0.0), (question.text[start:stop], marks[place])]
        end = stop
    rest = question.text[end:]
    found.append((rest if len(rest) <= 2 * _AROUND else f"{rest[:_AROUND]} …", 0.0))
    return tuple(piece for piece in found if piece[0])


def _cut(text: str, *, first: bool) -> str:
    """What stands between two marked words, without its middle where that is long."""
    if len(text) <= 2 * _AROUND:
        return text
    return f"… {text[-_AROUND:]}" if first else f"{text[:_AROUND]} … {text[-_AROUND:]}"


def _shown(pieces: Sequence[Piece]) -> str:
    """The text on a line; what speaks for the class in square brackets, what speaks against it in round ones."""
    told = (text if not weight else f"[{text}]" if weight > 0 else f"({text})" for text, weight in pieces)
    return printable(" ".join("".join(told).split()))
