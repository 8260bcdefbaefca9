"""The data doctor's visit: look at every file once, extract features, ask every check, and keep what was found."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._html import html_table
from topwork.backbones import Backbone
from topwork.checking._examined import IMAGES, Check, Examination, Examined, examine, look_through
from topwork.checking._files import check_files
from topwork.checking._finding import SEVERITIES, Finding, current_names
from topwork.checking._labels import check_classes, check_labels
from topwork.checking._leaks import check_copies, check_label_conflicts, check_leaks
from topwork.checking._pictures import check_pictures
from topwork.checking._shortcuts import check_shortcuts
from topwork.data import BoxDataset, Dataset, LabelledDataset, LeftOut, MaskDataset
from topwork.engines import EngineName
from topwork.features import FeatureTable, Progress

QUICK_CHECKS: tuple[Check, ...] = (
    check_files,
    check_copies,
    check_label_conflicts,
    check_leaks,
    check_classes,
    check_shortcuts,
    check_pictures,
)
"""What is asked of images with one class each without a network, in one quick look at every file."""

FULL_CHECKS: tuple[Check, ...] = (*QUICK_CHECKS, check_labels)
"""All that is asked of images with one class each."""

_KEPT_FIRST = ("test", "val", "train", "")


@dataclass(frozen=True, eq=False)
class Checkup:
    """What the data doctor found.

    Attributes:
        dataset: What was checked, N rows: the task's kind of data set.
        findings: What is wrong or worth knowing: what blocks first, then warnings, then notes.
        features: Of the images that can be used; they lie in the cache, where ``fit`` finds them. None where no
            image can be, or no network was asked (``vet``).
        clusters: Groups of rows that are copies or nearly so, two or more each: for ``data.grouped``.
        unusable: Row and reason of every row that cannot be used.
        exact: Groups of rows with equal contents: pixels, or a text but for case and white space.
        keys: uint64 (N, 2), equal for equal contents; zeros where there is none.
        things: What the rows are called, in the plural.
    """

    dataset: Any
    findings: tuple[Finding, ...]
    features: FeatureTable | None
    clusters: tuple[tuple[int, ...], ...]
    unusable: dict[int, str]
    exact: tuple[tuple[int, ...], ...]
    keys: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    things: str = IMAGES.things

    @property
    def classes(self) -> tuple[str, ...]:
        """The data set's classes; none where its targets are something else."""
        return self.dataset.classes if isinstance(self.dataset, LabelledDataset | BoxDataset | MaskDataset) else ()

    def blocking(self, allow: Collection[str] = ()) -> tuple[Finding, ...]:
        """Findings for which ``fit`` must refuse, but for those allowed by name, or by the name they had before."""
        allowed = current_names(allow)
        return tuple(found for found in self.findings if found.severity == "blocks" and found.name not in allowed)

    def finding(self, name: str) -> Finding | None:
        """The finding of that name, where there is one."""
        return next((found for found in self.findings if found.name == name), None)

    def clean(self) -> Any:
        """The data set without rows that can only do harm; each goes on its ``left_out`` with the reason.

        Out go images that cannot be decoded; all copies of a picture that stands under two labels, since which of
        them is right cannot be known here; and of other copies all but one. The one that stays is in ``test``
        before ``val`` before ``train``, so that a held-out split keeps its images and its figures can be compared with
        earlier ones, and comes first in the data set among those. Everything else stays: a suspicion is for a person
        to judge.
        """
        gone = dict(self._superfluous()) | self.unusable
        kept = [row for row in range(len(self.dataset)) if row not in gone]
        left_out = tuple(LeftOut(self.dataset.paths[row], gone[row]) for row in sorted(gone))
        return replace(self.dataset.select(kept), left_out=self.dataset.left_out + left_out)

    def _superfluous(self) -> Iterator[tuple[int, str]]:
        strata, splits = self.dataset.strata(), self.dataset.splits.tolist()
        for rows in self.exact:
            if len({int(strata[row]) for row in rows}) > 1:
                yield from ((row, "an identical one has another label") for row in rows)
                continue
            stays = min(rows, key=lambda row: (_KEPT_FIRST.index(splits[row]), row))
            yield from ((row, f"a copy of {self.dataset.paths[stays]}") for row in rows if row != stays)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        rows = [(each.severity, each.name, each.what, each.advice) for each in self.findings]
        notes = () if rows else ("Nothing was found.",)
        usable = len(self.dataset) - len(self.unusable)
        title = f"Data check: {len(self.dataset)} {self.things}, {usable} of them usable"
        return html_table(title, ("severity", "finding", "what", "what to do") if rows else (), rows, notes=notes)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; features and clusters are left out, being as large as the data set."""
        classes = {"classes": len(self.classes)} if self.classes else {}
        return {
            self.things: len(self.dataset),
            "usable": len(self.dataset) - len(self.unusable),
            **classes,
            "blocking": [found.name for found in self.blocking()],
            "findings": [found.to_dict() for found in self.findings],
        }


def check(
    dataset: Dataset,
    backbone: Backbone | None = None,
    *,
    checks: Sequence[Check] = FULL_CHECKS,
    examination: Examination = IMAGES,
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
        checks: What is asked, in this order; a task that is no classification of images brings its own.
        examination: How the rows are looked at before they are asked of.
        outputs: Which features; all stages when None, since those are what the probe asks for. The last one must be
            the network's own pooled features.
        engine: What runs the network; the best that is here when None.
        cache: Whether features are looked up and kept on disk.
        seed: Of the folds.
        progress: Called with (steps done, steps in all); an image is two steps.

    Raises:
        BackboneError: The weights are not available, or no engine runs the network.

    Example:
        >>> checkup = check(read("photos"))  # doctest: +SKIP
        >>> [(found.name, found.count) for found in checkup.findings]  # doctest: +SKIP
        [('likely-label-errors', 3), ('near-duplicates', 1)]
    """
    how: Any = {"outputs": outputs, "engine": engine, "cache": cache, "seed": seed, "progress": progress}
    return _asked(dataset, examine(dataset, backbone, examination, **how), checks, examination)


def vet(
    dataset: Dataset,
    *,
    checks: Sequence[Check] = QUICK_CHECKS,
    examination: Examination = IMAGES,
    progress: Progress | None = None,
    cache: bool = False,
) -> Checkup:
    """The part of the check that ``fit`` makes first: files, copies and classes, without a network.

    It finds all that can make a measured figure untrue, and what single pictures have wrong, in the time of one quick
    look at every file. Near copies are those whose hashes all but agree; ``check`` finds more of them.

    Args:
        dataset: The images, in splits or not.
        checks: What is asked, in this order; one that needs features finds nothing.
        examination: How the rows are looked at before they are asked of.
        progress: Called with (images done, images in all).
        cache: Whether what is seen of each file is looked up and kept on disk.
    """
    return _asked(dataset, look_through(dataset, examination, progress, cache=cache), checks, examination)


def _asked(dataset: Dataset, examined: Examined, checks: Sequence[Check], examination: Examination) -> Checkup:
    found = [finding for each in checks for finding in each(examined)]
    findings = tuple(sorted(found, key=lambda finding: -SEVERITIES.index(finding.severity)))  # stable: in their order
    copies = examined.duplicates
    survey = examined.survey
    facts = survey.refused, copies.exact, survey.keys
    return Checkup(dataset, findings, examined.features, copies.clusters, *facts, examination.things)
