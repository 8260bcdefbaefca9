"""Some training images with the model: what they look like, small, and their features, so that the nearest are found.

In: a table of features. Out: ``neighbours.safetensors``, and the training images that are most like a new one. Kept on
request alone: whoever gets the model gets these pictures. Of texts it is their beginnings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, Float32Array, IntpArray
from topwork._system import Executor
from topwork.advising import training_rows
from topwork.backbones import NGRAMS
from topwork.data import Source, TextDataset, decode, name_bytes
from topwork.errors import DataError, ImageError, ModelError
from topwork.features import FeatureTable, scattered_rows

MOST = 2_000  # images
SIDE = 96  # pixels of a thumbnail's longer side
_QUALITY = 80  # JPEG: 3 kB of a photograph
_CHARACTERS = 300  # of a text
_FEATURE_BYTES = 32 * 2**20  # of all features: of wide ones, fewer images are kept
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Neighbour:
    """A training image that is like another one.

    Attributes:
        label: Its class.
        name: Its file, as the data had it; of a text its row.
        similarity: Cosine of both images' features, -1 to 1, counted from the training images' average.
        thumbnail: A small JPEG; of a text its beginning, in UTF-8.
    """

    label: str
    name: str
    similarity: float
    thumbnail: bytes


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Training images (N of them) as the model's folder keeps them.

    Attributes:
        units: float32 (N, D), rows of length one: standardised features.
        mean: float32 (D,), what standardising takes away; ``scale`` what it divides by.
        labels: int32 (N,), places in the model's classes.
        names: Of their files.
        thumbnails: As ``Neighbour`` has them.
    """

    units: Float32Array
    mean: Float32Array
    scale: Float32Array
    labels: npt.NDArray[np.int32]
    names: tuple[str, ...]
    thumbnails: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> int:
        """Bytes on disk, about."""
        return 2 * self.units.size + sum(map(len, self.thumbnails)) + sum(map(len, self.names))

    def nearest(self, features: Float32Array, classes: Sequence[str], k: int = 3) -> list[list[Neighbour]]:
        """The most similar images of each row, the most similar first; fewer than k where there are not so many.

        Args:
            features: float32 (M, at least D) as the head reads them, of a model of texts scores of n-grams last.
            classes: The model's.
            k: How many.

        Raises:
            DataError: k is below 1.
        """
        if k < 1:
            raise DataError(f"k must be at least 1, not {k}")
        rows = _units(features[:, : len(self.mean)], self.mean, self.scale)
        cosines = np.clip(rows @ self.units.T, -1, 1)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return [
            [
                Neighbour(classes[self.labels[place]], self.names[place], float(row[place]), self.thumbnails[place])
                for place in places
            ]
            for row, places in zip(cosines, order, strict=True)
        ]

    def to_tensors(self) -> dict[str, AnyArray]:
        """What is written; features with half the digits, and texts and pictures as bytes and where each one ends."""
        names, name_ends = _joined([name_bytes(name) for name in self.names])
        pictures, picture_ends = _joined(self.thumbnails)
        return {
            "units": self.units.astype(np.float16),
            "mean": self.mean,
            "scale": self.scale,
            "labels": self.labels,
            "names": names,
            "name_ends": name_ends,
            "thumbnails": pictures,
            "thumbnail_ends": picture_ends,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, AnyArray], n_classes: int, *, pictures: bool) -> Neighbours:
        """What ``to_tensors`` wrote.

        Args:
            tensors: Of the file.
            n_classes: Of the model.
            pictures: Whether each thumbnail has to be a JPEG.

        Raises:
            ModelError: A tensor is missing, extra, misshapen, not finite or out of range.
        """
        if tensors.keys() != _SHAPES.keys():
            raise ModelError(f"expected the tensors {', '.join(sorted(_SHAPES))}, got {', '.join(sorted(tensors))}")
        for name, (dtype, dimensions) in _SHAPES.items():
            if tensors[name].dtype != dtype or tensors[name].ndim != dimensions:
                raise ModelError(f"{name}: expected {dtype} of {dimensions} dimensions")
        units = tensors["units"].astype(np.float32)
        mean, scale, labels = (tensors[name] for name in ("mean", "scale", "labels"))
        if not all(np.isfinite(each).all() for each in (units, mean, scale)) or not (scale > 0).all():
            raise ModelError("units, mean, scale: expected finite numbers, and scales above zero")
        names = _parted(tensors["names"], tensors["name_ends"])
        thumbnails = _parted(tensors["thumbnails"], tensors["thumbnail_ends"])
        if not len(units) == len(labels) == len(names) == len(thumbnails) or mean.shape != scale.shape:
            raise ModelError("its tensors are not of the same number of rows")
        if units.shape[1] != len(mean) or not ((labels >= 0) & (labels < n_classes)).all():
            raise ModelError("labels or columns are not the model's")
        if pictures and not all(each.startswith(_JPEG) for each in thumbnails):
            raise ModelError("a thumbnail is no JPEG")
        told = tuple(each.decode("utf-8", "replace") for each in names)
        return cls(units, mean, scale, labels, told, thumbnails)


_SHAPES = {
    "units": ("float16", 2),
    "mean": ("float32", 1),
    "scale": ("float32", 1),
    "labels": ("int32", 1),
    "names": ("uint8", 1),
    "name_ends": ("int64", 1),
    "thumbnails": ("uint8", 1),
    "thumbnail_ends": ("int64", 1),
}


def neighbours_of(table: FeatureTable, seed: int = 0) -> Neighbours:
    """Training images of a table, an even share of each class, as the model's folder is to keep them.

    Args:
        table: In the columns that the head reads.
        seed: Which ones, where there are more than 2,000, or than 32 MB of features.

    Raises:
        DataError: There are no training images, none of them can be read, or there are no features but scores of
            n-grams, which say of a text only what the model answers.
    """
    outputs = tuple(name for name in table.outputs if name != NGRAMS)
    if not outputs:
        raise DataError("thumbnails need features of a network: n-grams alone do not tell which texts are alike")
    width = sum(map(table.backbone.width, outputs))
    rows = training_rows(table)
    most = min(MOST, max(1, _FEATURE_BYTES // (2 * width)))
    rows = _even_share(np.asarray(table.dataset.labels)[rows], rows, most, seed)
    pictures = _thumbnails(table.dataset, rows)
    rows = np.array([row for row, picture in zip(rows.tolist(), pictures, strict=True) if picture], np.intp)
    if not len(rows):
        raise DataError(f"no training {table.dataset.thing} can be read, so there are no thumbnails")
    values = scattered_rows(table.values, rows)[:, :width]
    mean, scale = _moments(values)
    return Neighbours(
        _units(values, mean, scale),
        mean,
        scale,
        np.asarray(table.dataset.labels[rows], np.int32),
        tuple(table.dataset.paths[row] for row in rows.tolist()),
        tuple(filter(None, pictures)),
    )


def _moments(values: AnyArray) -> tuple[Float32Array, Float32Array]:
    """What standardising takes away, and what it divides by; 1 where a column is the same in all rows.

    A unit that is dead in all of them says nothing of likeness; divided by next to nothing it would say everything.
    """
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    return mean, np.where(deviation > 1e-6 * np.maximum(np.abs(mean), 1), deviation, np.float32(1))


def _units(values: AnyArray, mean: Float32Array, scale: Float32Array) -> Float32Array:
    """Standardised rows of length one: else what all images share would make all of them alike."""
    rows = (values - mean) / scale
    found: Float32Array = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
    return found


def _even_share(labels: npt.NDArray[np.int32], rows: IntpArray, most: int, seed: int) -> IntpArray:
    """At most so many rows, as many of each class as there are of it or as its share allows, in their order."""
    order = np.random.default_rng(seed).permutation(len(rows))
    turn = np.empty(len(rows), np.intp)  # the how manieth of its class each one is
    for label in np.unique(labels):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    return np.sort(rows[np.lexsort((order.argsort(), turn))[:most]])


def _thumbnails(dataset: Any, rows: IntpArray) -> list[bytes]:
    """A small JPEG of each row, or the beginning of its text; empty where it cannot be read any more."""
    if isinstance(dataset, TextDataset):
        return [name_bytes(dataset.text(row)[:_CHARACTERS]) for row in rows.tolist()]

    def thumbnail(row: int) -> bytes:
        try:
            return jpeg_thumbnail(dataset.source(row))
        except ImageError:
            return b""

    with Executor("thumbnails") as pool:
        return list(pool.map_ordered(thumbnail, rows.tolist(), in_flight=2 * pool.workers))


def jpeg_thumbnail(source: Source, side: int = SIDE) -> bytes:
    """A small JPEG of an image, ``side`` pixels at its longer side at most.

    Raises:
        ImageError: It cannot be decoded.
    """
    from PIL import Image
    from simplejpeg import encode_jpeg

    small = Image.fromarray(decode(source, min_side=side, rough=True))
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    found: bytes = encode_jpeg(np.ascontiguousarray(small), quality=_QUALITY)
    return found


def _joined(parts: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), ends


def _parted(whole: AnyArray, ends: AnyArray) -> tuple[bytes, ...]:
    """The parts that were joined; raises a ModelError where their ends do not fit."""
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    if (np.diff(ends) < 0).any() or (len(ends) and (ends[0] < 0 or ends[-1] != len(whole))):
        raise ModelError("the ends of names or thumbnails do not fit")
    content = whole.tobytes()
    return tuple(content[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
