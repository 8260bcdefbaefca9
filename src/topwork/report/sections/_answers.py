"""Images as the model answered them: the confusion matrix with what is behind it, the worst and the least sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.metrics import Evaluation
from topwork.report._excerpts import Excerpts, Shown, album_of
from topwork.report._model import Missing, PageContext
from topwork.report._pictures import Album, MapPicture

MOST_PICTURES = 12  # of the worst mistakes, and of the least sure answers
MOST_MISTAKES = 120  # kinds that have pictures behind their number, the most frequent first
MOST_IN_CELL = 6  # pictures of a kind, fewer where all kinds together would have more than
MOST_IN_CELLS = 150
OPEN_KINDS = 12  # kinds of mistakes in the first list; the others are folded away
MOST_IN_MATRIX = 20  # classes up to which the matrix is drawn
MOST_PAIRS = 40  # kinds of mistakes in a list instead of a matrix
_ROOM = 1_400_000  # characters of the pictures behind the matrix


@dataclass(frozen=True)
class Answered:
    """A row with its class, the model's answer, and if that is wanted where it saw them and the row most like it."""

    picture: Shown
    true: str
    said: str
    probability: float
    maps: tuple[MapPicture, ...] = ()
    nearest: Shown | None = None


def confusion(page: PageContext) -> dict[str, Any] | None:
    """The matrix, where it fits on a page, or its largest cells; and the pictures behind the numbers."""
    found = page.metrics
    if found is None:
        return None
    matrix = len(found.classes) <= MOST_IN_MATRIX
    mistakes = kinds_of_mistakes(found)
    wrong = mistakes[: MOST_MISTAKES if matrix else MOST_PAIRS]
    hits = [(place, place) for place in found.confusion.diagonal().nonzero()[0].tolist()] if matrix else []
    most = _most_in_cell([int(found.confusion[cell]) for cell in wrong + hits]) if page.evaluated else 0
    album = album_of(page.evaluated.dataset, room=_ROOM) if page.evaluated else None
    cells = [_cell(page, found, album, cell, most) for cell in wrong + hits]
    cells = [cell for cell in cells if cell["pictures"] or not matrix]
    linked = {cell["key"] for cell in cells if cell["pictures"]}
    folded = [cell for cell in cells if not cell["right"]]
    return {
        "classes": found.classes,
        "rows": [_row(found, place, linked) for place in range(len(found.classes))] if matrix else [],
        "frequent": folded[:OPEN_KINDS],
        "rare": folded[OPEN_KINDS:],
        "right": [cell for cell in cells if cell["right"]],
        "rights": int(found.confusion.trace()),
        "most": most,  # pictures of a cell
        "more": len(mistakes) - len(wrong) if page.evaluated or not matrix else 0,  # kinds that are left out
    }


def kinds_of_mistakes(found: Evaluation) -> list[tuple[int, int]]:
    """(true class, said class) of every kind of mistake, the most frequent first."""
    wrong = found.confusion.copy()
    np.fill_diagonal(wrong, 0)
    cells = [(int(true), int(said)) for true, said in zip(*wrong.nonzero(), strict=True)]
    return sorted(cells, key=lambda cell: (-int(wrong[cell]), cell))


def _most_in_cell(counts: Sequence[int]) -> int:
    """How many pictures each kind of answer may have, so that every one has some and all together are not too many."""
    fitting = [most for most in range(2, MOST_IN_CELL + 1) if sum(min(most, n) for n in counts) <= MOST_IN_CELLS]
    return max(fitting, default=1)


def _row(found: Evaluation, true: int, linked: set[str]) -> list[tuple[int, float, str]]:
    """Of each cell the count, its share of the row, and its key where it is linked."""
    counts = found.confusion[true]
    total = max(int(counts.sum()), 1)
    keys = [_key(true, said) for said in range(len(counts))]
    return [(int(n), int(n) / total, key if key in linked else "") for n, key in zip(counts, keys, strict=True)]


def _key(true: int, said: int) -> str:
    return f"cell-{true}-{said}"


def _cell(
    page: PageContext, found: Evaluation, album: Album | Excerpts | None, place: tuple[int, int], most: int
) -> dict[str, Any]:
    """One kind of answer: counts, and some pictures where there are any, the surest first."""
    true, said = place
    pictures: tuple[Answered, ...] = ()
    if page.evaluated is not None:
        labels, answers = page.evaluated.dataset.labels, page.evaluated.probabilities
        rows = np.flatnonzero((labels == true) & (page.evaluated.answers == said))
        surest = rows[np.argsort(-answers[rows, said], kind="stable")]
        pictures = answered(page, surest[:most], album)
    return {
        "key": _key(true, said),
        "right": true == said,
        "true": found.classes[true],
        "said": found.classes[said],
        "count": int(found.confusion[true, said]),
        "total": int(found.confusion[true].sum()),
        "pictures": pictures,
    }


def worst(page: PageContext) -> tuple[Answered, ...] | Missing | None:
    """Wrong answers, the surest first."""
    if page.evaluated is None:
        return page.without_images
    answers, labels = page.evaluated.answers, page.evaluated.dataset.labels
    wrong = np.flatnonzero(answers != labels)
    order = np.argsort(-page.evaluated.probabilities[wrong, answers[wrong]], kind="stable")
    rows = wrong[order][:MOST_PICTURES]
    return _mapped(page, rows, [(int(answers[row]), int(labels[row])) for row in rows]) or None


def unsure(page: PageContext) -> tuple[Answered, ...] | Missing:
    """Answers, the least sure first, right or wrong."""
    if page.evaluated is None:
        return page.without_images
    answers = page.evaluated.probabilities
    rows = np.argsort(answers.max(axis=1), kind="stable")[:MOST_PICTURES]
    likeliest = np.argsort(-answers[rows], axis=1, kind="stable")[:, :2]
    return _mapped(page, rows, [(first, second) for first, second in likeliest.tolist()])


def _mapped(page: PageContext, rows: npt.NDArray[np.intp], of: Sequence[tuple[int, int]]) -> tuple[Answered, ...]:
    """Images as they were answered, each with the evidence for two classes where that is wanted."""
    shown, album = answered(page, rows, page.album), page.maps
    if album is None or page.evaluated is None:
        return shown
    sources = [page.evaluated.dataset.source(row) for row in rows.tolist()]
    maps = [album.pictures(source, pair) for source, pair in zip(sources, of, strict=True)]
    return tuple(replace(one, maps=found) for one, found in zip(shown, maps, strict=True))


def answered(page: PageContext, rows: npt.NDArray[np.intp], album: Album | Excerpts | None) -> tuple[Answered, ...]:
    """Images as they were answered, from the album that has room for them."""
    assert page.evaluated is not None
    assert album is not None
    dataset, answers = page.evaluated.dataset, page.evaluated.probabilities
    pictures: tuple[Shown, ...] = album.pictures(rows.tolist())
    found = []
    for row, picture in zip(rows.tolist(), pictures, strict=True):
        said = int(page.evaluated.answers[row])
        found.append(Answered(picture, picture.label, dataset.classes[said], float(answers[row, said])))
    return tuple(found)
