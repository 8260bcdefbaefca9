"""Long texts: whether what a network does not read at once is worth reading, measured on a sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.advising import Candidate, Trial, compare, stratified_order
from topwork.backbones import TextBackbone, files_of
from topwork.data import TextDataset
from topwork.engines import Tokens
from topwork.features import extract

WINDOWS = 4
"""So many pieces of a long text are read, where that is better than its beginning alone."""

_SAMPLE = 400  # training texts that tell
_LONG = 0.05  # share of them that are cut, from which it is asked
_ERRORS = 1.0  # standard errors by which reading more must be better: it takes up to four times the time


def windowed(
    train: TextDataset, backbone: TextBackbone, *, cache: bool, how: dict[str, Any]
) -> tuple[TextBackbone, tuple[Trial, ...]]:
    """The backbone, reading one window of a text or several, whichever a head on a sample does better with.

    Args:
        train: Training texts.
        backbone: Reading one window.
        cache: Whether features are kept on disk.
        how: Settings of the head, a seed among them.

    Returns:
        The backbone, and what was compared; nothing where hardly a text is too long.
    """
    if backbone.family != "transformer" or not backbone.reading.longest or not len(train):
        return backbone, ()
    sample = train.select(np.sort(stratified_order(train.labels, how["seed"])[:_SAMPLE]))
    if _share_cut(sample, backbone) < _LONG:
        return backbone, ()
    ways = {"1": backbone, f"{WINDOWS}": backbone.replace(windows=WINDOWS)}
    plain, other = (
        Candidate(name, extract(sample, each, outputs=each.outputs("last"), cache=cache)) for name, each in ways.items()
    )
    found = compare("windows", plain, other, errors=_ERRORS, **how)
    return ways[found.winner.name], found.trials


def _share_cut(sample: TextDataset, backbone: TextBackbone) -> float:
    """Share of texts of which the network sees a part alone."""
    longest = backbone.reading.longest
    texts = [text for row in range(len(sample)) if len(text := sample.text(row)) > longest]  # a token has a letter
    if not texts:
        return 0.0
    tokens = Tokens(files_of(backbone)[1], longest, int(backbone.config["vocab_size"]))
    return float((tokens(texts).cut > 0).sum()) / len(sample)
