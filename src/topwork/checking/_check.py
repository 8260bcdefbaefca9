"""The check itself: look at every file once, extract features, and ask every room's question of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone, load
from topwork.checking._checkup import Checkup
from topwork.checking._columns import Embedding
from topwork.checking._files import file_findings
from topwork.checking._finding import Finding
from topwork.checking._labels import class_findings, label_findings
from topwork.checking._leaks import duplicate_findings
from topwork.checking._near_duplicates import NearDuplicates, find_near_duplicates
from topwork.checking._pictures import picture_findings
from topwork.checking._probe import ask_probe
from topwork.checking._shortcuts import shortcut_findings
from topwork.checking._survey import Survey, survey
from topwork.data import ImageDataset, LeftOut
from topwork.engines import EngineName
from topwork.features import FeatureTable, Progress, extract

Rows = npt.NDArray[np.intp]

_SQUARE = 1.1  # longer over shorter side up to which an image counts as square, as for the probe
_ORDER = ("blocks", "warning", "note")


def check(
    dataset: ImageDataset,
    backbone: Backbone | None = None,
    *,
    outputs: Sequence[str] | None = None,
    engine: EngineName | None = None,
    cache: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Checkup:
    """Find what is wrong with a data set before a model is trained on it.

    Two passes: a quick look at every file, decoded at a fraction of its size, and the extraction of features, which
    ``fit`` then finds in the cache. Nothing on disk is touched but that cache.

    Args:
        dataset: The images, in splits or not.
        backbone: Whose features. When None, the default one, looking at the whole of square images and at the centre
            of others, as the probe does to begin with.
        outputs: Which features; all stages when None, since those are what the probe asks for. The last one must be
            the network's own pooled features.
        engine: What runs the network; the best that is here when None.
        cache: Whether features are looked up and kept on disk.
        seed: Of the folds.
        progress: Called with (steps done, steps in all); an image is two steps.

    Raises:
        BackboneError: The weights are not to be had, or no engine runs the network.

    Example:
        >>> checkup = check(read("photos"))  # doctest: +SKIP
        >>> [(found.name, found.count) for found in checkup.findings]  # doctest: +SKIP
        [('likely-label-errors', 3), ('near-duplicates', 1)]
    """
    steps = _Steps(len(dataset), progress)
    seen = survey(dataset, steps.looked)
    chosen = backbone or _default_backbone(seen)
    names = tuple(outputs) if outputs is not None else chosen.outputs("all")
    table, rows = None, np.empty(0, np.intp)
    if seen.usable.any():
        usable = dataset.select(seen.usable)
        table = extract(usable, chosen, outputs=names, engine=engine, cache=cache, progress=steps.extracted)
        seen, rows = _matched(seen, table)
    twins = find_near_duplicates(seen, Embedding(table, rows) if table is not None else None)
    findings = _in_order(_findings(seen, chosen, table, rows, twins, seed))
    return Checkup(dataset, findings, table, twins.clusters, seen.refused, twins.exact, seen.keys)


def vet(dataset: ImageDataset, *, progress: Progress | None = None) -> Checkup:
    """The part of the check that ``fit`` makes first: files, copies and classes, without a network.

    It finds all that can make a measured figure untrue, in the time of one quick look at every file. Near copies are
    those whose hashes all but agree; ``check`` finds more of them.

    Args:
        dataset: The images, in splits or not.
        progress: Called with (images done, images in all).
    """
    seen = survey(dataset, (lambda done: progress(done, len(dataset))) if progress else (lambda done: None))
    twins = find_near_duplicates(seen, None)
    usable = seen.usable
    found = [
        *file_findings(seen),
        *duplicate_findings(dataset, twins, int(usable.sum())),
        *class_findings(dataset, usable),
    ]
    return Checkup(dataset, _in_order(found), None, twins.clusters, seen.refused, twins.exact, seen.keys)


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda found: _ORDER.index(found.severity)))


def _findings(
    seen: Survey, backbone: Backbone, table: FeatureTable | None, rows: Rows, twins: NearDuplicates, seed: int
) -> Iterator[Finding]:
    dataset, usable = seen.dataset, seen.usable
    yield from file_findings(seen)
    yield from duplicate_findings(dataset, twins, int(usable.sum()))
    yield from class_findings(dataset, usable)
    yield from shortcut_findings(seen, np.flatnonzero(usable & _one_of_each(len(dataset), twins)), seed=seed)
    yield from picture_findings(seen, backbone.preprocessing)
    if table is not None:
        places = np.flatnonzero((_one_of_each(len(dataset), twins) & ~_in_conflict(dataset, twins))[rows])
        yield from label_findings(table.dataset, ask_probe(table, places, seed=seed))


def _one_of_each(count: int, twins: NearDuplicates) -> npt.NDArray[np.bool_]:
    """(N,), without all but the first of exact copies: an image that trains must not judge its own copy."""
    kept = np.ones(count, dtype=bool)
    kept[[row for rows in twins.exact for row in rows[1:]]] = False
    return kept


def _in_conflict(dataset: ImageDataset, twins: NearDuplicates) -> npt.NDArray[np.bool_]:
    """(N,), copies under several labels: told as conflicts, and nothing for a probe to learn from."""
    conflict = np.zeros(len(dataset), dtype=bool)
    for rows in twins.exact:
        conflict[list(rows)] = len({int(dataset.labels[row]) for row in rows}) > 1
    return conflict


def _default_backbone(seen: Survey) -> Backbone:
    """The default network, fitting images into its square as the probe does to begin with."""
    backbone = load()
    facts = seen.facts[seen.usable]
    longer, shorter = np.maximum(facts["height"], facts["width"]), np.minimum(facts["height"], facts["width"])
    square = len(facts) > 0 and float(np.median(longer / np.maximum(shorter, 1))) <= _SQUARE
    return backbone.replace(crop_mode="squash") if square else backbone


def _matched(seen: Survey, table: FeatureTable) -> tuple[Survey, Rows]:
    """The survey, what went missing since then among what it refused, and each row of the table in the data set."""
    gone: dict[str, str] = {item.path: item.reason for item in _new(seen.dataset, table.dataset)}
    refused = dict(seen.refused)
    for row in np.flatnonzero(seen.usable).tolist() if gone else ():
        if seen.dataset.paths[row] in gone:
            refused[row] = gone[seen.dataset.paths[row]]
    seen = replace(seen, refused=refused)
    return seen, np.flatnonzero(seen.usable)


def _new(before: ImageDataset, after: ImageDataset) -> tuple[LeftOut, ...]:
    return after.left_out[len(before.left_out) :]


class _Steps:
    """Two passes told as one: an image is two steps."""

    def __init__(self, images: int, progress: Progress | None) -> None:
        self._images = images
        self._progress = progress

    def looked(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, 2 * self._images)

    def extracted(self, done: int, of: int) -> None:
        if self._progress is not None:
            self._progress(self._images + done * self._images // max(of, 1), 2 * self._images)
