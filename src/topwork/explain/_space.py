"""The feature space: where a data set's images lie to each other, at several depths of a network, in the plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from topwork._arrays import Float32Array, Float64Array, IntegerArray, IntpArray, UInt8Array
from topwork._system import optional
from topwork.backbones import EMBEDDING, Backbone
from topwork.data import ImageDataset
from topwork.drawing import Cell, legend, scatter, sheet
from topwork.errors import ExplainError
from topwork.features import FeatureTable, Progress, extract

Projection = Literal["pca", "tsne", "umap"]

_MOST = 2_000  # images on a map; more lie on top of each other
_NEIGHBOURS = 5
_COMPONENTS = 50  # that t-SNE and UMAP begin with, as their authors advise
_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """A map of a data set at each of some depths.

    Attributes:
        outputs: Depths, as ``Backbone.outputs`` names them, nearest the pixels first.
        points: float32 (depths, N, 2).
        agreement: For each depth, how often an image's five nearest neighbours have its class, in all dimensions.
        labels: (N,), the images' classes.
    """

    projection: Projection
    outputs: tuple[str, ...]
    points: Float32Array
    agreement: tuple[float, ...]
    labels: IntegerArray
    classes: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def headline(self) -> str:
        told = ", ".join(f"{share:.0%} at {name}" for name, share in zip(self.outputs, self.agreement, strict=True))
        return f"{_NAMES[self.projection]} of {len(self.labels)} images; neighbours of the same class: {told}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "projection": self.projection,
            "classes": self.classes,
            "labels": self.labels.tolist(),
            "paths": self.paths,
            "depths": [
                {"output": name, "neighbours_of_the_same_class": share, "points": points}
                for name, share, points in zip(self.outputs, self.agreement, self.points.tolist(), strict=True)
            ],
        }

    def picture(self) -> UInt8Array:
        """A map for each depth, and the classes' colours: uint8 (H, W, 3)."""
        cells = [
            Cell(
                scatter(points, self.labels, len(self.classes)),
                f"{name}\n{share:.1%} of the nearest neighbours\nhave the same class",
            )
            for name, points, share in zip(self.outputs, self.points, self.agreement, strict=True)
        ]
        cells.append(Cell(legend(self.classes)))
        across = 3 if len(cells) > 4 else 2
        rows = [cells[start : start + across] for start in range(0, len(cells), across)]
        title = f"{_NAMES[self.projection]} of the features of {len(self.labels)} images, from the pixels to the head"
        return sheet(rows, title=title, side=320)


def feature_space(
    dataset: ImageDataset,
    backbone: Backbone,
    *,
    outputs: Sequence[str] | None = None,
    projection: Projection = "pca",
    seed: int = 0,
    cache: bool = True,
    progress: Progress | None = None,
) -> FeatureSpace:
    """Lay out a data set's images in the plane by what a network makes of them, at several depths.

    Args:
        dataset: The images, of two classes or more; of more than 2,000 so many are drawn.
        backbone: Whose features.
        outputs: Depths; the means of three stages from the first to the last and the embedding when None.
        projection: ``pca`` keeps distances as far as two dimensions can, ``tsne`` and ``umap`` neighbourhoods.
        seed: Of the drawing, and of the projection.
        cache: Whether features are kept on disk.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: There is no such projection, or there are fewer than ten images that can be read.
        BackboneError: There is no such output.
        MissingExtraError: UMAP is not installed.
    """
    _require(projection)
    names = _depths(backbone) if outputs is None else tuple(outputs)
    drawn = dataset.select(_drawn(len(dataset), seed))
    table = extract(drawn, backbone, outputs=names, cache=cache, progress=progress)
    return space_of(table, depths={name: (name,) for name in names}, projection=projection, seed=seed)


def space_of(
    table: FeatureTable,
    *,
    depths: Mapping[str, Sequence[str]] | None = None,
    projection: Projection = "pca",
    seed: int = 0,
) -> FeatureSpace:
    """Lay out images in the plane by features that are there already.

    Args:
        table: The features.
        depths: Each depth's name and the outputs that it is of; where None, the first, the middle and the last of the
            stages that the table holds, each with all that is there of it.
        projection: As ``feature_space`` takes it.
        seed: Of the drawing, and of the projection.

    Raises:
        ExplainError: There is no such projection, or there are fewer than ten images.
        BackboneError: An output is not in the table.
        MissingExtraError: UMAP is not installed.
    """
    _require(projection)
    if len(table) < 2 * _NEIGHBOURS:
        raise ExplainError(f"a map needs {2 * _NEIGHBOURS} images that can be read, not {len(table)}")
    table = table.select(_drawn(len(table), seed))
    chosen = _stages(table.outputs) if depths is None else depths
    columns = [_standardised(table.columns(tuple(outputs))) for outputs in chosen.values()]
    return FeatureSpace(
        projection,
        tuple(chosen),
        np.stack([_projected(each, projection, seed) for each in columns]),
        tuple(_agreement(each, table.dataset.labels) for each in columns),
        table.dataset.labels,
        table.dataset.classes,
        table.dataset.paths,
    )


def _require(projection: str) -> None:
    """Refuse, before anything is computed, a projection that there is not."""
    if projection not in get_args(Projection):
        known = ", ".join(get_args(Projection))
        raise ExplainError(f"no projection is called {projection!r}", hint=f"there are {known}")
    if projection == "umap":
        optional("umap", extra="umap", what="a UMAP projection")


def _drawn(count: int, seed: int) -> IntpArray:
    """Rows in their order, of very many some."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:_MOST])


def _depths(backbone: Backbone) -> tuple[str, ...]:
    stages = backbone.stages
    places = sorted({round(share * (len(stages) - 1)) for share in (0, 1 / 3, 2 / 3)})
    return (*(f"{stages[place].name}/mean" for place in places), EMBEDDING)


def _stages(outputs: Sequence[str]) -> dict[str, list[str]]:
    """The first, the middle and the last stage of some outputs, each with its own."""
    stages: dict[str, list[str]] = {}
    for output in outputs:
        stages.setdefault(output.partition("/")[0], []).append(output)
    names = list(stages)
    return {name: stages[name] for name in dict.fromkeys((names[0], names[len(names) // 2], names[-1]))}


def _standardised(values: Float32Array) -> Float32Array:
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0).clip(1e-6), np.float32)


def _projected(values: Float32Array, projection: Projection, seed: int) -> Float32Array:
    small = _principal(values, 2 if projection == "pca" else min(_COMPONENTS, *values.shape))
    if projection == "tsne":
        manifold = optional("sklearn.manifold", extra="sklearn", what="a t-SNE projection")
        perplexity = min(30.0, (len(values) - 1) / 3)
        small = manifold.TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(small)
    if projection == "umap":
        umap = optional("umap", extra="umap", what="a UMAP projection")
        small = umap.UMAP(n_components=2, n_jobs=1, random_state=seed).fit_transform(small)
    return np.asarray(small, np.float32)


def _principal(values: Float32Array, count: int) -> Float64Array:
    """The first principal components (N, count); of each the number farthest from 0 is above it."""
    centred = (values - values.mean(axis=0)).astype(np.float64)
    tall = len(centred) > centred.shape[1]
    sizes, vectors = np.linalg.eigh(centred.T @ centred if tall else centred @ centred.T)
    vectors = vectors[:, : -count - 1 : -1]
    found = centred @ vectors if tall else vectors * np.sqrt(sizes[: -count - 1 : -1].clip(0))
    farthest = np.take_along_axis(found, np.abs(found).argmax(axis=0)[None], axis=0)
    return np.asarray(found * np.where(farthest < 0, -1, 1))


def _agreement(values: Float32Array, labels: IntegerArray) -> float:
    """By cosine, as the nearest-neighbour head: in so many dimensions a tight class lies near to all others."""
    rows = values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-6)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    found = np.argpartition(-cosines, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS]
    return float((labels[found] == labels[:, None]).mean())
