"""N-grams: words and runs of letters counted, weighed by how rare they are, and a linear score for each class.

A text's row is TF-IDF (Salton & Buckley 1988, "Term-weighting approaches in automatic text retrieval"): one plus the
logarithm of a count, times the logarithm of how rare the n-gram is among the training texts; words and letters have
length one each.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, Float32Array
from topwork.backbones import read_safetensors
from topwork.engines._engine import Precision, RunsOn
from topwork.errors import BackboneError

_SETTINGS, _NAMES = "settings", "ngrams"
_BLOCKS = 2  # words, and runs of letters


@dataclass(frozen=True)
class Grams:
    """Which n-grams are counted.

    Attributes:
        words: The longest run of words.
        letters: The longest run of letters; Hangul is taken apart into its letters, up to three a syllable.
    """

    words: int = 2
    letters: int = 5

    token: ClassVar[re.Pattern[str]] = re.compile(r"\w+|[^\w\s]")
    longest: ClassVar[int] = 4000
    """Characters of a text that are counted; few texts are longer, and their beginning says what they are."""

    def __call__(self, text: str) -> tuple[Counter[str], Counter[str]]:
        """How often each run of words, and each run of letters, stands in a text."""
        lowered = text[: self.longest].lower()
        tokens = self.token.findall(unicodedata.normalize("NFC", lowered))
        words = Counter(tokens)
        for count in range(2, self.words + 1):
            words.update(" ".join(run) for run in zip(*(tokens[start:] for start in range(count)), strict=False))
        signs = " ".join(unicodedata.normalize("NFD", lowered).split())
        runs: Counter[str] = Counter()
        for count in range(1, self.letters + 1):
            runs.update(signs[start : start + count] for start in range(len(signs) - count + 1))
        return words, runs


@dataclass(frozen=True, eq=False)
class NgramScorer:
    """Texts to one score a class.

    Attributes:
        grams: Which n-grams are counted.
        places: Place of each n-gram that is known; words begin with ``w``, runs of letters with ``c``.
        rarity: float32 (V,), the inverse document frequency of each.
        weight: float16 (V, C).
        bias: float32 (C,).
    """

    grams: Grams
    places: Mapping[str, int]
    rarity: Float32Array
    weight: npt.NDArray[np.float16]
    bias: Float32Array

    @property
    def names(self) -> list[str]:
        """The n-grams that are known, by their places."""
        return sorted(self.places, key=self.places.__getitem__)

    def row(self, text: str) -> tuple[npt.NDArray[np.intp], Float32Array]:
        """The places (K,) of a text's n-grams that are known, and their values (K,)."""
        places: list[npt.NDArray[np.intp]] = []
        values: list[Float32Array] = []
        for mark, counts in zip("wc", self.grams(text), strict=True):
            known = [(place, n) for name, n in counts.items() if (place := self.places.get(mark + name)) is not None]
            found = np.array(known, np.intp).reshape(-1, 2)
            value = (1 + np.log(found[:, 1])).astype(np.float32) * self.rarity[found[:, 0]]
            length = float(np.linalg.norm(value)) * np.sqrt(_BLOCKS)
            places.append(found[:, 0])
            values.append(value / np.float32(length) if length else value)
        return np.concatenate(places), np.concatenate(values)

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """Scores of N texts: float32 (N, C)."""
        scores = np.empty((len(texts), len(self.bias)), np.float32)
        for index, text in enumerate(texts):
            places, values = self.row(text)
            scores[index] = values @ self.weight[places].astype(np.float32) + self.bias
        return scores

    def to_tensors(self) -> dict[str, AnyArray]:
        """Named tensors fit for safetensors."""
        return {
            _SETTINGS: np.frombuffer(json.dumps(asdict(self.grams)).encode(), np.uint8),
            _NAMES: np.frombuffer("\n".join(self.names).encode("utf-8", "surrogatepass"), np.uint8),
            "rarity": self.rarity,
            "weight": self.weight,
            "bias": self.bias,
        }

    @classmethod
    def from_file(cls, path: Path) -> NgramScorer:
        """What ``to_tensors`` gave, from a ``.safetensors`` file.

        Raises:
            BackboneError: It is damaged, or no such file.
        """
        tensors = read_safetensors(path)
        try:
            names = tensors[_NAMES].tobytes().decode("utf-8", "surrogatepass").split("\n")
            grams = Grams(**json.loads(tensors[_SETTINGS].tobytes()))
            rarity, weight, bias = tensors["rarity"], tensors["weight"], tensors["bias"]
        except (KeyError, ValueError, TypeError) as error:
            raise BackboneError(f"{path}: not a table of n-grams: {error}") from error
        if not len(names) == len(rarity) == len(weight) or weight.ndim != 2 or bias.shape != weight.shape[1:]:
            raise BackboneError(f"{path}: the table of n-grams does not fit together")
        return cls(grams, {name: place for place, name in enumerate(names)}, rarity, weight, bias)


class NgramEngine:
    """A table of n-grams as an engine; it needs no network.

    Raises:
        BackboneError: The file is missing or damaged.
    """

    name: RunsOn = "numpy"
    precision: Precision = "f32"
    batch_size = 1024
    callers = 1

    def __init__(self, path: Path) -> None:
        self._scorer = NgramScorer.from_file(path)

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """Scores of N texts: float32 (N, C)."""
        return self._scorer(texts)
