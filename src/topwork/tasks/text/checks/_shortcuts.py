"""Shortcuts: what gives a class away without what the text says: its form, or a mark that stands in one class alone.

A word is no shortcut: "refund" tells the requests for refunds. So a mark is judged by where it stands and what it looks
like. People do not begin or end nearly all texts of one class with the same words; who exports, copies or collects them
does. And tags, identifiers and addresses are hardly ever what a text is about.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork.checking import Case, Examined, Finding, ranked, telling
from topwork.data import TextDataset, printable
from topwork.tasks.text.checks._characters import SCRIPTS
from topwork.tasks.text.checks._patterns import find_personal, masked

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

LEAST = 20
"""Texts of a class that hold a mark, for it to be judged."""

COVERED = {"words": 0.8, "inside": 0.5, "edge": 0.2}
"""Share of a class from which a mark tells it: words at an edge, a tag or identifier anywhere, or one at an edge."""

ELSEWHERE, _TIMES = 0.02, 20
"""Share of all other texts that may hold it too, and how often more of the class must."""

_ROWS = 10_000  # texts that are read for it, drawn by the seed
_EDGE, _INSIDE = 200, 2_000  # characters from the end, and from the start, in which marks are looked for
_WORDS = 5  # at an edge that are one mark at most

_CAPITALS = 0.8  # share of letters from which a text is in capitals

_NUMBER = re.compile(r"\d+")
_HEAD = re.compile(r"\S{1,30}?[:|\]>}]")
_ADDRESS = re.compile(r"((?:https?://|www\.)[^/\s?#]+)\S*", re.IGNORECASE)
_SIGN = re.compile(  # of a token whose numbers are replaced by #
    r"[\[<{(][^\s\[\]<>(){}]{1,40}[\])}>]\S?"  # a tag
    r"|</?[a-z][a-z0-9]{0,10}\b.{0,40}>?"
    r"|\S*[^\W\d_]\S{0,3}[#_]\S*|\S*[#_]\S{0,3}[^\W\d_]\S*"  # an identifier: letters with numbers or underscores
    r"|(?:https?://|www\.)\S+|@\w+|\S+@\S+",
    re.IGNORECASE,
)


_SAID = {"start": "begin with '{}'", "end": "end with '{}'", "inside": "hold '{}'"}
"""Where a mark stands, and how that is said."""


class _Mark(NamedTuple):
    """What some texts share: a string, its numbers replaced, and where it stands."""

    place: str  # a key of ``_SAID``
    text: str

    @property
    def least(self) -> float:
        """Share of a class that must have it."""
        sign = all(_SIGN.fullmatch(each) for each in self.text.split())
        return COVERED["inside"] if self.place == "inside" else COVERED["edge" if sign else "words"]


def check_shortcuts(examined: Examined) -> Iterator[Finding]:
    """Facts of form, and marks, that give a class away.

    They warn and do not block: the figures are true for texts that were made in the same way, and for no others;
    whether that is what the user has, the texts cannot tell.
    """
    rows = np.flatnonzero(examined.usable & examined.distinct)  # copies would count a chance twice
    yield from _form(examined, rows)
    yield from _marks(examined, rows)


def _form(examined: Examined, rows: Rows) -> Iterator[Finding]:
    dataset: TextDataset = examined.dataset
    labels = dataset.labels[rows].astype(np.intp)
    cases = [
        Case((), f"{name} alone separates class '{printable(dataset.classes[label])}' from the others: {found}", j)
        for name, values in _facts(examined, rows).items()
        for label, j, found in telling(values, labels, len(dataset.classes), examined.seed)
    ]
    if cases:
        best = max(cases, key=lambda case: case.score)
        yield Finding(
            "shortcut",
            "warning",
            len(cases),
            f"{best.detail[0].upper()}{best.detail[1:]}; a network may learn this instead of the content.",
            "find out why it differs, and collect and clean the texts of all classes in the same way",
            ranked(cases),
        )


def _facts(examined: Examined, rows: Rows) -> dict[str, Doubles]:
    """What is known of a text without a word of it: (M,) each.

    Shares of capitals, digits and single spaces are not among them: "my PIN", "in 1970" and short words are what a text
    is about. Capitals alone, or none at all, are a way of writing.
    """
    facts = examined.survey.facts[rows]
    looked = np.maximum(facts["looked"].astype(np.float64), 1)
    letters = np.sum([facts[name].astype(np.float64) for name in SCRIPTS], axis=0)
    return {
        "length": facts["characters"].astype(np.float64),
        "letter case": np.select([facts["upper"] == 0, facts["upper"] > _CAPITALS * letters], [0.0, 2.0], 1.0),
        "case of the first letter": facts["first"].astype(np.float64),
        "mark at the end": facts["last"].astype(np.float64),
        "share of punctuation": facts["punctuation"] / looked,
        "extra white space": facts["spare"].astype(np.float64),
        "number of line breaks": facts["line"].astype(np.float64),
        "number of HTML tags": facts["tags"].astype(np.float64),
        "number of web addresses": facts["urls"].astype(np.float64),
        "number of invisible characters": facts["invisible"].astype(np.float64),
    }


def _marks(examined: Examined, rows: Rows) -> Iterator[Finding]:
    """Marks that were found in one half of the training texts and hold in the other."""
    dataset: TextDataset = examined.dataset
    held = dataset.held_out_split
    drawn = np.random.default_rng(examined.seed).permutation(rows)[:_ROWS]
    kind = np.where(dataset.splits[drawn] == held, 2, np.arange(len(drawn)) % 2) if held else np.arange(len(drawn)) % 2
    labels = dataset.labels[drawn].astype(np.intp)
    sizes = np.zeros((3, len(dataset.classes)))
    np.add.at(sizes, (kind, labels), 1)
    hits: defaultdict[_Mark, Counter[tuple[int, int]]] = defaultdict(Counter)
    for row, part, label in zip(drawn.tolist(), kind.tolist(), labels.tolist(), strict=True):
        for mark in _marks_of(dataset.text(row)):
            hits[mark][part, label] += 1
    marks: dict[tuple[int, str], _Mark] = {}
    often = [mark for mark, counted in hits.items() if counted.total() >= LEAST]
    for mark in sorted(often, key=lambda each: (-hits[each].total(), each.place == "inside", -len(each.text), each)):
        label = _class_of(mark, hits[mark], sizes)
        if label is not None and not any(
            mark.text in marks[label, place].text for place in _SAID if (label, place) in marks
        ):
            marks.setdefault((label, mark.place), mark)
    cases = [_case(dataset, mark, label, hits[mark], sizes) for (label, _), mark in marks.items()]
    if cases:
        found = ranked(cases)
        yield Finding(
            "telling-marks",
            "warning",
            len(cases),
            f"A mark tells the class: {found[0].detail}; a network may learn this instead of the content.",
            "remove the marks from all texts, or give them to the texts of all classes alike",
            found,
        )


def _marks_of(text: str) -> set[_Mark]:
    words, last = _shapes(text[:_INSIDE]), _shapes(text[-_EDGE:])[-_WORDS:]
    found = {_Mark("start", " ".join(words[:count])) for count in range(1, min(_WORDS, len(words)) + 1)}
    found |= {_Mark("end", " ".join(last[-count:])) for count in range(1, len(last) + 1)}
    if head := _HEAD.match(next(iter(words), "")):
        found.add(_Mark("start", head.group()))
    return found | {_Mark("inside", each) for each in set(words) if not each.isalpha() and _SIGN.fullmatch(each)}


def _shapes(text: str) -> list[str]:
    """The words with each number as #, and of an address its host alone."""
    words = _ADDRESS.sub(r"\1", text) if "://" in text or "www." in text else text
    return _NUMBER.sub("#", words).split()


def _class_of(mark: _Mark, counted: Counter[tuple[int, int]], sizes: Doubles) -> int | None:
    """The class that the mark tells in both halves; None where there is none.

    By chance that does not happen: twenty texts of one class share it, and at most a twentieth of that share of the
    others, so that even of a million marks none passes.
    """
    totals = Counter[int]()
    for (part, label), count in counted.items():
        totals[label] += count if part < 2 else 0
    label, most = max(totals.items(), key=lambda each: each[1], default=(0, 0))
    if most < LEAST:
        return None
    for part in (0, 1):
        inside, outside = _shares(counted, sizes, part, label)
        if inside < mark.least or outside > ELSEWHERE or inside < _TIMES * outside:
            return None
    return label


def _shares(counted: Counter[tuple[int, int]], sizes: Doubles, part: int, label: int) -> tuple[float, float]:
    """Of a half, or of the held-out split, the share of the class and of all others that hold a mark."""
    own = counted[part, label]
    others = sum(count for (where, _), count in counted.items() if where == part) - own
    size = sizes[part, label]
    return own / max(size, 1), others / max(sizes[part].sum() - size, 1)


def _case(dataset: TextDataset, mark: _Mark, label: int, counted: Counter[tuple[int, int]], sizes: Doubles) -> Case:
    halves = [_shares(counted, sizes, part, label) for part in (0, 1)]
    inside, outside = (sum(each) / 2 for each in zip(*halves, strict=True))
    name = printable(dataset.classes[label])
    said = _SAID[mark.place].format(_shown(mark.text))
    detail = f"{inside:.0%} of class '{name}' {said}, {outside:.1%} of the others"
    if sizes[2].sum():
        inside_held, outside_held = _shares(counted, sizes, 2, label)
        detail += f"; in {dataset.held_out_split} {inside_held:.0%} and {outside_held:.1%}"
    return Case((), detail, float(inside - outside))


def _shown(text: str) -> str:
    """The mark as it may be printed: nothing personal whole."""
    for found in reversed(find_personal(text)):
        text = text[: found.start] + masked(text, found) + text[found.end :]
    return printable(text)
