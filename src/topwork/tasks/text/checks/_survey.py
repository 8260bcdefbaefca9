"""One pass over the texts of a data set: each is read once, and only its facts are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork.data import TextDataset, content_key
from topwork.tasks.text.checks._characters import KINDS, SCRIPTS, in_table, kinds_table, upper_table
from topwork.tasks.text.checks._patterns import MARKUP, PERSONAL, count_broken, count_markup, find_personal
from topwork.tasks.text.checks._shingles import BANDS, Bands, bands_of, codes_of, normalised

LOOKED = 10_000
"""Characters of a text, from its first on, whose kinds, patterns and shingles are looked at. Its length and its content
are those of the whole."""

EMPTY = "the text is empty"
"""Why a text of white space and what cannot be seen is refused."""

_EDGE = 100  # characters from the end among which the last visible one is
_BATCH_ROWS, _BATCH_CHARACTERS = 256, 100_000  # looked at together: as many numbers as a core's cache holds

_COUNTS = ("first", "last", "looked", "upper", *KINDS, "broken", *MARKUP, *PERSONAL)
_OF_ALL = ("characters", "words", "spare")
FACTS = np.dtype([*((name, np.int32) for name in _OF_ALL), *((name, np.uint16) for name in _COUNTS)])
"""What is counted in each text: of the whole its characters, words and white space to spare; the rest in its first
``LOOKED`` characters. ``first`` says whether it begins with a small letter (0), a capital one (1) or none (2), and
``last`` is the code of the mark that it ends with, 0 for none."""


@dataclass(frozen=True, eq=False)
class TextSurvey:
    """Facts of every text, row by row of the data set. A text takes 130 bytes, whatever its length.

    Attributes:
        dataset: What was looked at, N rows.
        refused: Row and reason of every text in which nothing can be seen.
        keys: uint64 (N, 2), equal for texts that differ in case and white space at most.
        facts: A record array (N,) of ``FACTS``.
        bands: uint32 (N, BANDS), of the MinHash of each text's shingles.
    """

    dataset: TextDataset
    refused: dict[int, str]
    keys: npt.NDArray[np.uint64]
    facts: npt.NDArray[np.void]
    bands: Bands

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,), which texts can be seen."""
        usable = np.ones(len(self.dataset), dtype=bool)
        usable[list(self.refused)] = False
        return usable

    def letters(self) -> npt.NDArray[np.int64]:
        """(N, S), letters of each of ``SCRIPTS``."""
        return np.stack([self.facts[name].astype(np.int64) for name in SCRIPTS], axis=1)


def survey(dataset: TextDataset, progress: Callable[[int], None], *, cache: bool = False) -> TextSurvey:
    """Look at every text once; nothing of that is kept, since it is soon done again."""
    rows = len(dataset)
    keys, facts, bands = np.zeros((rows, 2), np.uint64), np.zeros(rows, FACTS), np.zeros((rows, BANDS), np.uint32)
    refused: dict[int, str] = {}
    for batch in _batches(dataset, keys, facts):
        start, stop = batch[0].row, batch[-1].row + 1
        _count_characters(facts[start:stop], [each.head for each in batch])
        for row in (start + np.flatnonzero(_unseen(facts[start:stop]))).tolist():
            refused[row] = EMPTY
        seen = [each for each in batch if each.row not in refused]
        if seen:
            bands[[each.row for each in seen]] = bands_of([each.plain for each in seen])
        progress(stop)
    return TextSurvey(dataset, refused, keys, facts, bands)


@dataclass(frozen=True, slots=True)
class _Head:
    """The beginning of a text, as it is and normalised."""

    row: int
    head: str
    plain: str


def _batches(dataset: TextDataset, keys: npt.NDArray[np.uint64], facts: npt.NDArray[np.void]) -> Iterator[list[_Head]]:
    """The beginnings of all texts, some at a time; what is of a whole text, or of one alone, is written down here."""
    batch: list[_Head] = []
    held = 0
    for row in range(len(dataset)):
        text = dataset.text(row)
        plain = normalised(text)
        keys[row] = np.frombuffer(content_key(plain.encode("utf-8", "surrogatepass")), np.uint64)
        head = text[:LOOKED]
        personal = [each.kind for each in find_personal(head)]
        facts[row]["characters"], facts[row]["words"] = len(text), plain.count(" ") + bool(plain)
        facts[row]["spare"] = max(len(text) - len(plain), 0)
        facts[row]["first"], facts[row]["last"] = _first(head), _last(text)
        facts[row]["broken"] = count_broken(head)
        for name, count in zip(MARKUP, count_markup(head), strict=True):
            facts[row][name] = count
        for name in set(personal):
            facts[row][name] = personal.count(name)
        batch.append(_Head(row, head, plain[:LOOKED]))
        held += len(head)
        if len(batch) == _BATCH_ROWS or held >= _BATCH_CHARACTERS:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _first(head: str) -> int:
    letter = head.lstrip()[:1]
    return int(letter.isupper()) if letter.isalpha() else 2


def _last(text: str) -> int:
    mark = text[-_EDGE:].rstrip()[-1:]
    return 0 if mark.isalnum() or not mark else min(ord(mark), 2**16 - 1)


def _count_characters(facts: npt.NDArray[np.void], heads: list[str]) -> None:
    """Write down how many characters of each kind there are."""
    codes = in_table(codes_of("".join(heads)))
    lengths = np.array([len(head) for head in heads])
    rows = np.repeat(np.arange(len(heads)), lengths)
    places = rows * len(KINDS) + kinds_table()[codes]
    counts = np.bincount(places, minlength=len(heads) * len(KINDS)).reshape(len(heads), len(KINDS))
    facts["looked"] = lengths
    facts["upper"] = np.bincount(rows[upper_table()[codes]], minlength=len(heads))
    for place, name in enumerate(KINDS):
        facts[name] = counts[:, place]


def _unseen(facts: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """(B,), texts of nothing but white space and what cannot be seen."""
    blank = sum(facts[name].astype(np.int64) for name in ("space", "line", "control", "invisible"))
    return np.asarray((blank == facts["looked"]) & (facts["looked"] == facts["characters"]))
