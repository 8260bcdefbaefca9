"""The feature space: where a data set's images lie to each other, at several depths of a network, in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from topwork._optional import optional
from topwork.backbones import EMBEDDING, Backbone
from topwork.data import ImageDataset
from topwork.drawing import Cell, legend, scatter, sheet
from topwork.errors import ExplainError
from topwork.features import Progress, extract

Projection = Literal["pca", "tsne", "umap"]
Float32Array = npt.NDArray[np.float32]

_MOST = 2_000  # images on a map; more lie on top of each other
_NEIGHBOURS = 5
_COMPONENTS = 50  # that t-SNE and UMAP begin with, as their authors advise
_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """A map of a data set at each of some depths.

    Attributes:
        projection: What brought the features into the plane.
        outputs: Depths, as ``Backbone.outputs`` names them, nearest the pixels first.
        points: float32 (depths, N, 2).
        agreement: For each depth, how often an image's five nearest neighbours have its class, in all dimensions.
        labels: (N,), the images' classes.
        classes: Their names.
        paths: The images' names.
    """

    projection: Projection
    outputs: tuple[str, ...]
    points: Float32Array
    agreement: tuple[float, ...]
    labels: npt.NDArray[np.integer]
    classes: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        told = ", ".join(f"{share:.0%} at {name}" for name, share in zip(self.outputs, self.agreement, strict=True))
        return f"{_NAMES[self.projection]} of {len(self.labels)} images; neighbours of the same class: {told}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields: every image's place at every depth."""
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

    def picture(self) -> npt.NDArray[np.uint8]:
        """A map for each depth, and the classes' colours: uint8 (H, W, 3)."""
        cells = [
            Cell(
                scatter(points, self.labels, len(self.classes)),
                f"{name}\n{share:.1%} of the nearest neighbours\nare of the same class",
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
    if projection not in get_args(Projection):
        raise ExplainError(
            f"no projection is called {projection!r}", hint=f"there are {', '.join(get_args(Projection))}"
        )
    if projection == "umap":
        optional("umap", extra="umap", what="a UMAP projection")
    names = _depths(backbone) if outputs is None else tuple(outputs)
    rows = np.sort(np.random.default_rng(seed).permutation(len(dataset))[:_MOST])
    table = extract(dataset.select(rows), backbone, outputs=names, cache=cache, progress=progress)
    if len(table) < 2 * _NEIGHBOURS:
        raise ExplainError(f"a map needs {2 * _NEIGHBOURS} images that can be read, not {len(table)}")
    columns = [_standardised(table.columns((name,))) for name in names]
    return FeatureSpace(
        projection,
        names,
        np.stack([_projected(each, projection, seed) for each in columns]),
        tuple(_agreement(each, table.dataset.labels) for each in columns),
        table.dataset.labels,
        table.dataset.classes,
        table.dataset.paths,
    )


def _depths(backbone: Backbone) -> tuple[str, ...]:
    stages = backbone.stages
    places = sorted({round(share * (len(stages) - 1)) for share in (0, 1 / 3, 2 / 3)})
    return (*(f"{stages[place].name}/mean" for place in places), EMBEDDING)


def _standardised(values: Float32Array) -> Float32Array:
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0).clip(1e-6), np.float32)


def _projected(values: Float32Array, projection: Projection, seed: int) -> Float32Array:
    from sklearn.decomposition import PCA

    count = 2 if projection == "pca" else min(_COMPONENTS, *values.shape)
    small = PCA(count, random_state=seed).fit_transform(values)
    if projection == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(values) - 1) / 3)
        small = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(small)
    if projection == "umap":
        umap = optional("umap", extra="umap", what="a UMAP projection")
        small = umap.UMAP(n_components=2, n_jobs=1, random_state=seed).fit_transform(small)
    return np.asarray(small, np.float32)


def _agreement(values: Float32Array, labels: npt.NDArray[np.integer]) -> float:
    """By cosine, as the nearest-neighbour head: in so many dimensions a tight class lies near to all others."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=_NEIGHBOURS, metric="cosine").fit(values).kneighbors(return_distance=False)
    return float((labels[found] == labels[:, None]).mean())
