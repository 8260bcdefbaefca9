"""Findings on scripts and languages: the few that are in another than most, and most in another than the network's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from topwork.checking import Examined, Finding, share, worst
from topwork.tasks.text.checks._characters import SCRIPTS
from topwork.tasks.text.checks._languages import language_of

LETTERS = 3
"""Letters from which a text is in a script; "ok" is written everywhere."""

_READ, _LOOKED = 10_000, 1_000  # texts, and characters of each, whose language is asked
_JUDGED = 20  # texts whose language is known, from which anything is said

_LATIN, _HAN, _KANA, _NONE = SCRIPTS.index("Latin"), SCRIPTS.index("Han"), SCRIPTS.index("Kana"), -1


def check_scripts(examined: Examined) -> Iterator[Finding]:
    """Texts in another script, or another language, than most; and most in another one than the network's."""
    usable = np.flatnonzero(examined.usable)
    script = _scripts(examined.survey.letters())
    counts = np.bincount(script[usable][script[usable] != _NONE], minlength=len(SCRIPTS))
    if not counts.any():
        return
    most = int(counts.argmax())
    rows = usable[(script[usable] != most) & (script[usable] != _NONE)]
    names = [SCRIPTS[place] for place in script[rows].tolist()]
    yield from _minority(examined, "mixed-scripts", "script", SCRIPTS[most], rows, names, len(usable))
    if most != _LATIN and 2 * counts[most] > len(usable):
        yield from _foreign_to_the_network(examined, SCRIPTS[most], int(counts[most]), len(usable))
    yield from _languages(examined, usable[script[usable] == _LATIN])


def _languages(examined: Examined, latin: npt.NDArray[np.intp]) -> Iterator[Finding]:
    """The same of the languages of texts of Latin letters, as far as they can be told."""
    drawn = np.sort(np.random.default_rng(examined.seed).permutation(latin)[:_READ])
    told = [language_of(examined.dataset.text(row)[:_LOOKED]) for row in drawn.tolist()]
    rows, names = drawn[[bool(name) for name in told]], [name for name in told if name]
    if len(rows) < _JUDGED:
        return
    ((most, count),) = Counter(names).most_common(1)
    others = [place for place, name in enumerate(names) if name != most]
    yield from _minority(
        examined, "mixed-languages", "language", most, rows[others], [names[place] for place in others], len(drawn)
    )
    if most != "English" and 2 * count > len(rows):
        yield from _foreign_to_the_network(examined, most, count, len(drawn))


def _scripts(letters: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """(N,): the script of most letters of each text, a place in ``SCRIPTS``; -1 where it has few.

    Kana beside Han is Japanese; where the data have much of it, Han alone is taken for that too.
    """
    letters = letters.copy()
    japanese = letters[:, _KANA] > 0
    japanese |= bool(japanese.sum() > (~japanese & (letters[:, _HAN] > 0)).sum())
    letters[japanese, _KANA] += letters[japanese, _HAN]
    letters[japanese, _HAN] = 0
    return np.where(letters.sum(axis=1) >= LETTERS, letters.argmax(axis=1), _NONE)


def _minority(
    examined: Examined, finding: str, what: str, most: str, rows: npt.NDArray[np.intp], names: list[str], of: int
) -> Iterator[Finding]:
    """Rows that are in another script or language than most, and which each is in."""
    if len(rows):
        by_row = dict(zip(rows.tolist(), names, strict=True))
        listed = ", ".join(f"{name}: {count:,}" for name, count in Counter(names).most_common())
        yield Finding(
            finding,
            "note",
            len(rows),
            f"{share(len(rows), of, examined.thing)} are in another {what} than most, which are in {most}: {listed}.",
            "fine if the texts to predict are mixed in the same way; otherwise leave them out",
            worst(examined.dataset, rows, examined.survey.facts["looked"][rows].astype(np.float64), by_row.__getitem__),
        )


def _foreign_to_the_network(examined: Examined, script: str, count: int, of: int) -> Iterator[Finding]:
    """An English network sees other scripts sign by sign; whether that is of any use is not for the doctor to say."""
    backbone = examined.backbone
    languages = "English" if backbone is None else getattr(backbone, "languages", "unknown")
    if languages == "English":
        network = "the default network" if backbone is None else f"the network {backbone.name}"
        yield Finding(
            "network-of-another-language",
            "warning",
            count,
            f"{share(count, of, examined.thing)} are in {script}, and {network} was trained on English.",
            "let `topwork advise` measure whether it beats counts of words and characters, or name a network of this "
            "language",
        )
