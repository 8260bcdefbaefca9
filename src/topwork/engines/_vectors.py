"""What runs word vectors: a lookup for each word of a text, and how a text's words become one row of numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from topwork._arrays import Float32Array, IntpArray
from topwork.backbones import EMBEDDING, RELU, TextBackbone, Vectors, word_vectors
from topwork.engines._engine import Precision, RunsOn

WORDS = re.compile(r"n't|'(?:s|re|ve|ll|d|m)\b|\w+?(?=n't)|\w+|[^\w\s]")  # as the Penn Treebank parts words
LONGEST = 20_000  # characters of a text that are looked up
_KNOWN = 100_000  # words whose mean and deviation the random features are taken against, the most frequent
_RARE = 1e-3  # a of smooth inverse frequency, a / (a + p)
_FNV = (2166136261, 16777619)  # of the hash that FastText finds runs of letters by


class VectorsEngine:
    """Word vectors as an engine. ``words/relu`` are random features of each word, rectified, before the mean.

    Source: Wieting & Kiela 2019, "No Training Required: Exploring Random Encoders for Sentence Classification"; for
    ``words/sif`` Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", where how frequent a
    word is comes from its place in the table (Zipf's law).

    Raises:
        BackboneError: The table is missing or damaged.
    """

    name: RunsOn = "numpy"
    precision: Precision = "f32"
    batch_size = 256
    callers = 1

    def __init__(self, backbone: TextBackbone, outputs: tuple[str, ...]) -> None:
        self._vectors = word_vectors(backbone)
        self._places = {word: place for place, word in enumerate(self._vectors.words)}
        self._outputs = outputs
        self._pools: dict[str, Callable[[Float32Array, IntpArray], Float32Array]] = {
            EMBEDDING: lambda values, places: values.mean(axis=0),
            "words/mean": lambda values, places: values.mean(axis=0),
            "words/max": lambda values, places: values.max(axis=0),
            "words/min": lambda values, places: values.min(axis=0),
            "words/sif": self._sif,
            RELU: self._relu,
        }
        if RELU in outputs:
            self._spread, self._start = random_features(self._vectors, backbone.width(RELU))

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """Features of N texts: float32 (N, D); zeros for a text without a word that is known."""
        return np.stack([self._text(text) for text in texts])

    def _text(self, text: str) -> Float32Array:
        found = [(self._place(word), word) for word in WORDS.findall(text[:LONGEST])]
        places = np.array([place for place, _ in found if place >= 0], np.intp)
        values = self._vectors.values[places]
        if self._vectors.most:
            built = [vector for place, word in found if place < 0 and (vector := _subwords(word, self._vectors)).size]
            values = np.concatenate([values, *(each[None] for each in built)])
        if not len(values):
            return np.zeros(self._width, np.float32)
        return np.concatenate([self._pools[name](values, places) for name in self._outputs])

    @property
    def _width(self) -> int:
        narrow = self._vectors.values.shape[1]
        return sum(len(self._start) if name == RELU else narrow for name in self._outputs)

    def _place(self, word: str) -> int:
        """The row of a word as it stands, or in small letters; -1 where it is unknown."""
        place = self._places.get(word, -1)
        return place if place >= 0 else self._places.get(word.lower(), -1)

    def _sif(self, values: Float32Array, places: IntpArray) -> Float32Array:
        built = np.ones(len(values) - len(places), np.float32)
        weights = np.concatenate([rarity(places, len(self._places)), built])
        mean: Float32Array = (weights[:, None] * values).sum(axis=0) / np.float32(len(values))
        return mean

    def _relu(self, values: Float32Array, places: IntpArray) -> Float32Array:
        mean: Float32Array = np.maximum(values @ self._spread + self._start, 0).mean(axis=0)
        return mean


def random_features(vectors: Vectors, width: int) -> tuple[Float32Array, Float32Array]:
    """What ``words/relu`` is made with, max(word @ spread + start, 0): float32 (D, width) and (width,)."""
    known = np.asarray(vectors.values[:_KNOWN], np.float32)
    rng = np.random.default_rng(0)  # part of the recipe: a model reads the same features wherever it runs
    narrow = vectors.values.shape[1]
    spread = (rng.standard_normal((narrow, width)) / np.sqrt(narrow)).astype(np.float32)
    spread /= np.maximum(known.std(axis=0), 1e-6)[:, None]
    return spread, rng.uniform(-1, 1, width).astype(np.float32) - known.mean(axis=0) @ spread


def rarity(places: IntpArray, words: int) -> Float32Array:
    """How much a word counts in ``words/sif``, by its place among so many: float32 (N,)."""
    shares = 1 / ((places + 1) * np.log(words + 1))
    weights: Float32Array = (_RARE / (_RARE + shares)).astype(np.float32)
    return weights


def _subwords(word: str, vectors: Vectors) -> Float32Array:
    """The mean of the vectors of the runs of letters in a word; empty where it has none."""
    whole = f"<{word}>"
    runs = [
        whole[start : start + count]
        for count in range(vectors.least, vectors.most + 1)
        for start in range(len(whole) - count + 1)
        if not (count == 1 and start in (0, len(whole) - 1))
    ]
    if not runs:
        return np.zeros(0, np.float32)
    mean: Float32Array = vectors.runs[[_hash(run) % len(vectors.runs) for run in runs]].mean(axis=0)
    return mean


def _hash(run: str) -> int:
    """FNV-1a over the UTF-8 bytes, which FastText takes with their sign."""
    value, prime = _FNV
    for byte in run.encode("utf-8", "surrogatepass"):
        signed = byte if byte < 128 else byte | 0xFFFFFF00
        value = ((value ^ signed) * prime) & 0xFFFFFFFF
    return value
