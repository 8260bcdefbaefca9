"""Texts as sets of shingles, and their MinHash: what finds copies of texts without comparing each with each."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Bands = npt.NDArray[np.uint32]

SHINGLE = 5  # characters; shorter ones are shared by unrelated texts, longer ones by none that differ in a few words
BANDS, _ROWS = 16, 4
"""Texts whose sets overlap by J share a band of four minima with probability 1 - (1 - J^4)^16: 0.9998 at J = 0.8, 0.64
at 0.5 (Leskovec, Rajaraman & Ullman 2020, "Mining of Massive Datasets", 3.4)."""

_MULTIPLIERS = np.random.default_rng(0).integers(1, 2**63, (BANDS * _ROWS, 2), np.uint64) | np.uint64(1)
_MIX = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)  # of splitmix64
_NONE = np.uint64(2**64 - 1)


def normalised(text: str) -> str:
    """The text without what makes no difference between copies: case, white space, the form of composed letters."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def codes_of(text: str) -> npt.NDArray[np.uint32]:
    """Code points, lone surrogates too."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def shingles_of(text: str) -> frozenset[str]:
    """Of a normalised text, one from each character on; the last run over the end, so that short texts have some."""
    padded = text + "\0" * (SHINGLE - 1)
    return frozenset(padded[place : place + SHINGLE] for place in range(len(text)))


def bands_of(texts: Sequence[str]) -> Bands:
    """Of normalised texts, none of them empty, the bands of their MinHash: (T, BANDS); equal where four minima are.

    Source: Broder 1997, "On the resemblance and containment of documents"; the permutations are multiply-add-shift.
    """
    codes = codes_of("".join(text + "\0" * (SHINGLE - 1) for text in texts)).astype(np.uint64)
    lengths = np.array([len(text) + SHINGLE - 1 for text in texts])
    starts = np.cumsum(lengths) - lengths
    hashes = np.zeros(len(codes), np.uint64)
    for place in range(SHINGLE):
        hashes[: len(codes) - place] = hashes[: len(codes) - place] * np.uint64(0x100000001B3) + codes[place:]
    for multiplier, shift in zip(_MIX, (30, 27), strict=True):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * multiplier
    padding = codes == 0
    minima = np.empty((len(_MULTIPLIERS), len(texts)), np.uint64)
    for place, (multiplier, offset) in enumerate(_MULTIPLIERS):
        permuted = hashes * multiplier
        permuted += offset
        permuted[padding] = _NONE
        minima[place] = np.minimum.reduceat(permuted, starts)
    mixed = np.zeros((BANDS, len(texts)), np.uint64)
    for row in minima.reshape(BANDS, _ROWS, -1).swapaxes(0, 1):
        mixed = (mixed ^ (row >> np.uint64(32))) * _MIX[0]
    return np.ascontiguousarray((mixed >> np.uint64(32)).astype(np.uint32).T)
