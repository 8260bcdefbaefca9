"""Findings on single texts: next to nothing in them, broken encoding, markup, characters that cannot be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from topwork.checking import Case, Examined, Finding, Severity, number, ranked, share, worst
from topwork.data import printable
from topwork.tasks.text.checks._characters import SCRIPTS
from topwork.tasks.text.checks._duplicates import MOST_ALIKE, forms
from topwork.tasks.text.checks._patterns import MARKUP, PERSONAL, find_personal, first_broken, masked
from topwork.tasks.text.checks._survey import LOOKED

Rows = npt.NDArray[np.intp]
Counts = npt.NDArray[np.int64]

FEW = 2  # letters and digits below which hardly anything is said; one sign of Chinese or Korean may be a word
MANY = 0.01  # share of texts above which a fault is a warning


def check_empty(examined: Examined) -> Iterator[Finding]:
    """Texts without a word; what is empty is left out before, see ``check_left_out``."""
    facts, usable = examined.survey.facts, np.flatnonzero(examined.usable)
    letters, digits = _letters(examined)[usable], facts["digit"][usable].astype(np.int64)
    short = letters.sum(axis=1) + digits
    signs = letters[:, [SCRIPTS.index("Han"), SCRIPTS.index("Hangul")]].sum(axis=1)
    pictures = facts["symbol"][usable].astype(np.int64)  # an emoji says something
    rows = usable[nothing := (short < FEW) & (signs == 0) & (pictures == 0)]
    yield from _found(
        examined,
        "near-empty-texts",
        rows,
        (FEW - short[nothing]).astype(np.float64),
        "have no word: a single letter or digit at most",
        "look at them, and remove those that a person could not classify",
        lambda row: f"'{printable(examined.dataset.text(row)[:40])}'",
    )


def check_forms(examined: Examined) -> Iterator[Finding]:
    """Texts that differ in what is filled into one form, many of them."""
    dataset = examined.dataset
    if found := forms(examined.survey, examined.duplicates):
        count = sum(map(len, found))
        yield Finding(
            "filled-in-forms",
            "note",
            count,
            f"{number(count, examined.thing)} fill in {number(len(found), 'form')}, more than {MOST_ALIKE} each.",
            "fine if the texts to predict fill it in too; figures hold for this form alone, and may be better than on "
            "free texts",
            ranked(
                Case(
                    tuple(dataset.paths[row] for row in rows[:20]), f"{len(rows):,} texts of one form", float(len(rows))
                )
                for rows in found
            ),
        )


def check_encoding(examined: Examined) -> Iterator[Finding]:
    """Texts whose bytes were read with the wrong encoding, and characters that no text should hold."""
    facts, usable = examined.survey.facts, np.flatnonzero(examined.usable)
    broken = facts["broken"].astype(np.float64)
    rows = usable[broken[usable] > 0]
    yield from _found(
        examined,
        "broken-encoding",
        rows,
        broken[rows],
        "have characters that come of a wrong encoding",
        "read the source again in its own encoding, UTF-8 or one such as cp949 or cp1252, and save it as UTF-8",
        lambda row: f"near '{printable(first_broken(examined.dataset.text(row)))}'",
    )
    control = facts["control"].astype(np.float64)
    rows = usable[control[usable] > 0]
    yield from _found(
        examined,
        "control-characters",
        rows,
        control[rows],
        "have control characters or halves of characters",
        "remove them; a tokenizer drops them or makes unknown tokens of them",
        lambda row: f"{int(control[row]):,} of {int(facts['looked'][row]):,} characters",
    )


def check_markup(examined: Examined) -> Iterator[Finding]:
    """HTML, entities, web addresses and Markdown that were left in the texts."""
    facts, usable = examined.survey.facts, np.flatnonzero(examined.usable)
    counts = np.stack([facts[name].astype(np.int64) for name in MARKUP], axis=1)
    total = counts.sum(axis=1).astype(np.float64)
    rows = usable[total[usable] > 0]
    kinds = [name for place, name in enumerate(MARKUP.values()) if counts[usable, place].any()]

    def describe(row: int) -> str:
        return ", ".join(f"{name}: {count}" for name, count in zip(MARKUP.values(), counts[row], strict=True) if count)

    yield from _found(
        examined,
        "markup",
        rows,
        total[rows],
        f"have markup left in them: {', '.join(kinds)}",
        "remove it, or make sure that the texts to predict will have it too",
        describe,
        severity="note",
    )


def check_personal(examined: Examined) -> Iterator[Finding]:
    """What may name a person: a caution, and never shown whole."""
    facts, usable = examined.survey.facts, np.flatnonzero(examined.usable)
    counts = np.stack([facts[name].astype(np.int64) for name in PERSONAL], axis=1)
    total = counts.sum(axis=1).astype(np.float64)
    rows = usable[total[usable] > 0]
    sums = counts[usable].sum(axis=0)

    def describe(row: int) -> str:
        text = examined.dataset.text(row)[:LOOKED]
        first = find_personal(text)[0]
        return f"{PERSONAL[first.kind]}: {masked(text, first)}"

    yield from _found(
        examined,
        "personal-data",
        rows,
        total[rows],
        "may hold personal data: "
        + ", ".join(f"{name}: {n:,}" for name, n in zip(PERSONAL.values(), sums, strict=True) if n),
        "check whether you may use and store them; a model's explanations and its report can show texts",
        describe,
        severity="warning",
    )


def _letters(examined: Examined) -> Counts:
    letters: Counts = examined.survey.letters()
    return letters


def _found(
    examined: Examined,
    name: str,
    rows: Rows,
    scores: npt.NDArray[np.float64],
    what: str,
    advice: str,
    describe: Callable[[int], str],
    *,
    severity: Severity | None = None,
) -> Iterator[Finding]:
    """A finding on these rows, where there are any; unless it is said otherwise, a warning where they are many."""
    usable = int(examined.usable.sum())
    if len(rows):
        yield Finding(
            name,
            severity or ("warning" if len(rows) > MANY * usable else "note"),
            len(rows),
            f"{share(len(rows), usable, examined.thing)} {what}.",
            advice,
            worst(examined.dataset, rows, scores, describe),
        )
