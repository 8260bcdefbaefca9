"""What identities that a model has never seen say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, IntpArray
from topwork.data import ImageDataset, LeftOut
from topwork.features import FeatureTable
from topwork.heads import fit_projection
from topwork.metrics import (
    Estimate,
    GroupReport,
    Identification,
    Pairs,
    Verification,
    group_reports,
    identification,
    identities_of_groups,
    pairs_of,
    some_images,
    verification,
)
from topwork.metrics._values import Saved

FEW = 10
"""Identities below which figures and their intervals say little: with two, most resamples are the same two."""

_MOST_CONFUSIONS = 12


@dataclass(frozen=True)
class Untrained(Saved):
    """The network's own features, compared by their cosine: what there is without this model.

    Attributes:
        eer: Equal error rate.
        rank_1: Share of the images that come first with one image enrolled.
    """

    eer: Estimate
    rank_1: Estimate

    _what = "untrained comparison"


@dataclass(frozen=True)
class Measured(Saved):
    """The figures of a recogniser.

    Attributes:
        verification: Pairs told apart.
        identification: Images named.
        groups: Errors by group; empty without groups.
        of_identities: Whether the groups are of identities (each is in one) rather than sessions or cameras.
        untrained: On the same images; None where it was not measured.
        images: Images that were given; of more than the figures take, whole identities were drawn.
    """

    verification: Verification
    identification: Identification
    groups: tuple[GroupReport, ...]
    of_identities: bool
    untrained: Untrained | None
    images: int

    _what = "recognition report"

    @property
    def few(self) -> bool:
        """Whether too few identities judge for the figures to say much."""
        return self.verification.identities < FEW

    @property
    def n(self) -> int:
        """Images that measured it."""
        return self.verification.images


@dataclass(frozen=True, eq=False)
class Confusion:
    """Two images that are taken for one identity and are not, or the other way round.

    Attributes:
        first: Row of the one image.
        second: Row of the other.
        similarity: Their cosine.
        same: Whether they are of one identity.
    """

    first: int
    second: int
    similarity: float
    same: bool


@dataclass(frozen=True, eq=False)
class Judged:
    """Labelled images beside what the model made of them.

    Attributes:
        evaluation: The figures.
        dataset: The images; None where they must not be shown.
        confusions: The pairs that are furthest on the wrong side of the threshold.
        left_out: Files that could not be used.
        seen_in_training: Whether these are the data that the model was made of.
    """

    evaluation: Measured
    dataset: ImageDataset | None = None
    confusions: tuple[Confusion, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    seen_in_training: bool = False

    def to_dict(self) -> Mapping[str, Any]:
        """JSON-ready: the figures."""
        return self.evaluation.to_dict()


def measured(
    table: FeatureTable,
    embeddings: Float32Array,
    threshold: float,
    *,
    own: FeatureTable | None = None,
    seed: int = 0,
) -> tuple[Measured, tuple[Confusion, ...]]:
    """Figures of embeddings (N, K) of a table's rows, and the worst confusions.

    Args:
        table: Whose rows they are.
        embeddings: Of length one.
        threshold: The model's own.
        own: The network's own features of the same rows, to be measured beside.
        seed: Of draws and resampling.

    Raises:
        DataError: There are not two identities, or no pair of one.
    """
    dataset = table.dataset
    rows = some_images(dataset.labels, seed)
    labels = dataset.labels[rows]
    groups = [dataset.groups[row] for row in rows.tolist()] if dataset.groups else []
    of_identities = identities_of_groups(labels, groups)
    sessions = [] if of_identities else groups
    pairs = pairs_of(embeddings[rows], labels, sessions)
    figures = Measured(
        verification=verification(pairs, threshold=threshold, seed=seed),
        identification=identification(embeddings[rows], labels, sessions, threshold=threshold, seed=seed),
        groups=group_reports(pairs, groups, threshold, seed=seed),
        of_identities=of_identities,
        untrained=None if own is None else _untrained(own.select(rows), labels, sessions, seed),
        images=len(table),
    )
    return figures, tuple(_confusions(pairs, rows, threshold))


def _untrained(own: FeatureTable, labels: IntpArray, sessions: list[str], seed: int) -> Untrained:
    rows = fit_projection(own.values, labels, "cosine").embed(own.values)
    found = identification(rows, labels, sessions, seed=seed)
    return Untrained(verification(pairs_of(rows, labels, sessions), seed=seed).eer, found.rank_1)


def _confusions(pairs: Pairs, rows: IntpArray, threshold: float) -> list[Confusion]:
    """Pairs on the wrong side of the threshold, those furthest from it first, and of two identities but one."""
    wrong = np.flatnonzero((pairs.similarity >= np.float32(threshold)) != pairs.same)
    ranked = wrong[np.argsort(-np.abs(pairs.similarity[wrong] - threshold), kind="stable")]
    both = np.stack([pairs.first[ranked], pairs.second[ranked]], axis=1)
    worst = ranked[np.sort(np.unique(both, axis=0, return_index=True)[1])][:_MOST_CONFUSIONS]
    return [
        Confusion(
            int(rows[pairs.rows[each, 0]]),
            int(rows[pairs.rows[each, 1]]),
            float(pairs.similarity[each]),
            bool(pairs.same[each]),
        )
        for each in worst
    ]
