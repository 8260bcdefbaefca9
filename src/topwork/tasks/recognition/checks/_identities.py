"""Findings on identities: seen at training and at test, of one image, of one session, two of one name, one of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array, IntpArray
from topwork.backbones import EMBEDDING, is_face
from topwork.checking import BLOCKING as OF_ALL
from topwork.checking import Case, Examined, Finding, number, ranked
from topwork.data import ImageDataset, printable
from topwork.heads import fit_projection
from topwork.metrics import identities_of_groups

BLOCKING = (*OF_ALL, "identity-in-two-splits")
"""Names of findings that stop a fit unless they are allowed."""

_LEAST_IDENTITIES = 4  # before anything is said of how alike they are
_APART = 0.05  # of the way from strangers' similarity to that of one's own images: less is two people
_ALIKE = 0.25  # share of the identities whose own halves are less alike than two that are suspect
_SOUND = 0.8  # of one identity's similarity that each of two kinds of images must have
_TOO_EASY = 0.5  # share of the images whose most similar one of the same identity is a near copy


def check_identities(examined: Examined) -> Iterator[Finding]:
    """Identities that are in several splits, and those of one image."""
    dataset: ImageDataset = examined.dataset
    named = [name for name in ("train", "val", "test") if (dataset.splits == name).any()]
    if len(named) > 1:
        at = {name: set(dataset.labels[dataset.splits == name].tolist()) for name in named}
        torn = sorted(label for label in at.get("train", set()) if any(label in at[name] for name in named[1:]))
        if torn:
            yield Finding(
                "identity-in-two-splits",
                "blocks",
                len(torn),
                f"{number(len(torn), 'identity', 'identities')} in the training split and in a held-out one: the "
                "figures would be of people that the model has seen.",
                "put all images of an identity in one split, or leave the split to `topwork fit`",
                ranked(Case((), f"'{printable(dataset.classes[label])}'") for label in torn),
            )
    counts = dataset.counts()
    single = np.flatnonzero(counts == 1)
    if len(single):
        yield Finding(
            "single-image-identities",
            "warning" if len(single) > 0.5 * int((counts > 0).sum()) else "note",
            len(single),
            f"{number(len(single), 'identity', 'identities')} of a single image: they show who is who to nobody, and "
            "count as strangers alone.",
            "add a second image, best from another day",
            ranked(_of(dataset, label) for label in single.tolist()),
        )


def check_sessions(examined: Examined) -> Iterator[Finding]:
    """Identities whose images are all of one session or all nearly the same, which makes them too easy to tell."""
    dataset: ImageDataset = examined.dataset
    groups, labels = np.asarray(dataset.groups), dataset.labels
    several: list[int] = np.flatnonzero(dataset.counts() > 1).tolist()
    if len(groups) and not identities_of_groups(labels, dataset.groups):
        one = [label for label in several if len(set(groups[labels == label])) == 1 and groups[labels == label][0]]
        if one:
            yield Finding(
                "one-session-identities",
                "warning",
                len(one),
                f"{number(len(one), 'identity', 'identities')} with all images from one session: nothing tells how "
                "they look on another day, and they make no pair to be judged.",
                "add images of another session",
                ranked(_of(dataset, label) for label in one),
            )
    near = {row for cluster in examined.duplicates.clusters for row in cluster}
    judged = np.flatnonzero(np.isin(labels, several))
    easy = [row for row in judged.tolist() if row in near]
    if easy and len(easy) > _TOO_EASY * len(judged):
        yield Finding(
            "near-copies-of-identities",
            "warning",
            len(easy),
            f"{len(easy):,} of {number(len(judged), 'image')} are nearly a copy of another one: images of one series "
            "are easy to match, and the figures say little about another day.",
            "keep one image of a series, or name the series in a column `group`, so that they are not compared",
        )


class _Identities(NamedTuple):
    rows: IntpArray  # of the features, those of identities with two images
    embeddings: Float32Array
    labels: IntpArray
    own: float  # typical similarity of one identity's images
    others: float  # of strangers


def check_lookalikes(examined: Examined) -> Iterator[Finding]:
    """Two identities that look like one, and identities whose images look like two; a network is asked."""
    found = _identities(examined)
    if found is None:
        return
    dataset, present = examined.dataset, np.unique(found.labels)
    middle = found.others + _APART * (found.own - found.others)
    means = np.stack([found.embeddings[found.labels == label].mean(axis=0) for label in present])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    between = (means / np.maximum(lengths, 1e-6)) @ (means / np.maximum(lengths, 1e-6)).T
    alike = np.argwhere(np.triu(between > _typical_of_halves(found), 1))
    if len(alike):
        yield Finding(
            "lookalike-identities",
            "warning",
            len(alike),
            f"{number(len(alike), 'pair')} of identities whose images are as alike as those of one: perhaps one "
            "identity under two names.",
            "look at them, and put them under one name if they are the same",
            ranked(_pair(dataset, present[a], present[b], float(between[a, b])) for a, b in alike.tolist()),
        )
    mixed = [(label, gap) for label in present.tolist() if (gap := _split_in_two(found, label)) < middle]
    if mixed:
        yield Finding(
            "mixed-identities",
            "warning",
            len(mixed),
            f"{number(len(mixed), 'identity', 'identities')} whose images fall into two that are no more alike than "
            "strangers: perhaps two identities under one name.",
            "look at them, and give each its own name",
            ranked(_of(dataset, label, "two kinds of images", 1 - gap) for label, gap in mixed),
        )


def _identities(examined: Examined) -> _Identities | None:
    """Embeddings of the images of identities that have two distinct ones; None for too few."""
    table = examined.features
    if table is None or EMBEDDING not in table.outputs or is_face(examined.backbone):
        return None  # of whole pictures a network of faces tells nothing
    labels = table.dataset.labels
    counts = np.bincount(labels)
    rows = np.flatnonzero((counts[labels] > 1) & examined.distinct[examined.rows])
    labels = labels[rows]
    if len(np.unique(labels)) < _LEAST_IDENTITIES:
        return None
    values = table.columns((EMBEDDING,))[rows]
    embeddings = fit_projection(values, labels, "standardised").embed(values)
    cosines, same = embeddings @ embeddings.T, labels[:, None] == labels
    apart = same & ~np.eye(len(labels), dtype=bool)
    if not apart.any():
        return None
    return _Identities(rows, embeddings, labels, float(np.median(cosines[apart])), float(np.median(cosines[~same])))


def _typical_of_halves(found: _Identities) -> float:
    """How alike the two halves of one identity's images are, typically: two identities as alike are suspect."""
    gaps = []
    for label in np.unique(found.labels):
        mine = found.embeddings[found.labels == label]
        if len(mine) > 1:
            first, second = mine[::2].mean(axis=0), mine[1::2].mean(axis=0)
            gaps.append(float(first @ second / max(1e-6, np.linalg.norm(first) * np.linalg.norm(second))))
    return float(np.quantile(gaps, _ALIKE))


def _split_in_two(found: _Identities, label: int) -> float:
    """Mean similarity of an identity's images across the best cut into two, of two images each at least; 1 for few."""
    mine = found.embeddings[found.labels == label]
    if len(mine) < 4:
        return 1.0
    cosines = mine @ mine.T
    direction = np.linalg.svd(mine - mine.mean(axis=0), full_matrices=False)[2][0]
    side = (mine - mine.mean(axis=0)) @ direction > 0
    if min(side.sum(), (~side).sum()) < 2:
        return 1.0
    within = [float((cosines[s][:, s].sum() - s.sum()) / max(1, s.sum() * (s.sum() - 1))) for s in (side, ~side)]
    return float(cosines[side][:, ~side].mean()) if min(within) >= _SOUND * found.own else 1.0


def _of(dataset: ImageDataset, label: int, detail: str = "", score: float = 0.0) -> Case:
    rows = np.flatnonzero(dataset.labels == label)[:4].tolist()
    told = f"'{printable(dataset.classes[label])}'" + (f": {detail}" if detail else "")
    return Case(tuple(dataset.paths[row] for row in rows), told, score)


def _pair(dataset: ImageDataset, first: int, second: int, similarity: float) -> Case:
    rows = [int(np.flatnonzero(dataset.labels == label)[0]) for label in (first, second)]
    names = " and ".join(f"'{printable(dataset.classes[label])}'" for label in (first, second))
    return Case(tuple(dataset.paths[row] for row in rows), f"{names}, similarity {similarity:.2f}", similarity)
