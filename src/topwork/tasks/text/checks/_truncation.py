"""Findings on length: what of long texts the network never sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork.backbones import TextBackbone, files_of
from topwork.checking import Examined, Finding, share, worst
from topwork.engines import Tokens
from topwork.tasks.text.checks._characters import SCRIPTS

Doubles = npt.NDArray[np.float64]

USUAL = 256
"""Tokens that the default network reads."""

MUCH = 0.05  # share of all tokens, cut off, above which it is a warning
# By the default network's tokenizer: 1.13 to 1.19 tokens a word on the training splits of banking77, TREC and SST-2,
# 1.21 on the GNU General Public License, 1.8 on prose about code; 1.7 a letter on Korean reviews.
_TOKENS_A_WORD, _TOKENS_A_FOREIGN_LETTER = 1.3, 1.7
_BATCH = 64


class _Lengths(NamedTuple):
    """Tokens of each of N texts, and how many of them the network never sees."""

    whole: Doubles
    cut: Doubles


def check_truncation(examined: Examined) -> Iterator[Finding]:
    """Texts that are longer than the network reads at once: counted by its own tokenizer, or estimated without one."""
    usable = np.flatnonzero(examined.usable)
    backbone = examined.backbone
    if backbone is None:
        whole = _estimated(examined)
        lengths = _Lengths(whole, np.maximum(whole - USUAL, 0))
        read, told = f"the default network reads (about {USUAL} tokens)", "it would not see about"
    elif isinstance(backbone, TextBackbone) and backbone.family == "transformer" and backbone.reading.longest:
        lengths = _counted(examined, backbone)
        read = f"the network reads ({backbone.reading.longest * backbone.reading.windows:,} tokens)"
        told = "it never sees"
    else:
        return
    rows = usable[lengths.cut[usable] >= 1]
    if not len(rows):
        return
    lost = float(lengths.cut[usable].sum() / lengths.whole[usable].sum())
    yield Finding(
        "cut-texts",
        "warning" if lost > MUCH else "note",
        len(rows),
        f"{share(len(rows), len(usable), examined.thing)} are longer than {read}: {told} {lost:.1%} of all tokens.",
        "keep what tells the class near the beginning, or let the network read long texts in several windows",
        worst(
            examined.dataset,
            rows,
            lengths.cut[rows],
            lambda row: f"{lengths.whole[row]:,.0f} tokens, the last {lengths.cut[row]:,.0f} not seen",
        ),
    )


def _estimated(examined: Examined) -> Doubles:
    """Tokens by words, or by letters that are not Latin, which an English network knows one by one."""
    facts = examined.survey.facts
    letters = examined.survey.letters()
    foreign = letters.sum(axis=1) - letters[:, SCRIPTS.index("Latin")]
    whole = _TOKENS_A_FOREIGN_LETTER * foreign * facts["characters"] / np.maximum(facts["looked"], 1)
    return np.asarray(np.maximum(_TOKENS_A_WORD * facts["words"].astype(np.float64), whole))


def _counted(examined: Examined, backbone: TextBackbone) -> _Lengths:
    """Tokens by the backbone's own tokenizer, of texts that may be too long; of the others by estimate."""
    reading = backbone.reading
    tokens = Tokens(files_of(backbone)[1], reading.longest, int(backbone.config["vocab_size"]), windows=reading.windows)
    whole = _estimated(examined)
    cut = np.zeros(len(whole))
    long = np.flatnonzero(examined.usable & (examined.survey.facts["characters"] > reading.longest - 2))
    for start in range(0, len(long), _BATCH):
        rows = long[start : start + _BATCH]
        found = tokens([examined.dataset.text(row) for row in rows.tolist()])
        cut[rows] = found.cut
        whole[rows] = found.cut + np.add.reduceat([len(each) for each in found.ids], found.starts)
    return _Lengths(whole, cut)
