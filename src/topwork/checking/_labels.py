"""Findings on labels: likely errors, classes that cannot be told apart, classes with too few images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from topwork.checking._examined import Examined
from topwork.checking._finding import Case, Finding, number, ranked
from topwork.checking._probe import LEAST_IMAGES, MOST_CLASSES, Opinion, kept_opinion
from topwork.data import LabelledDataset, printable

WRONG = 0.65
"""Probability of being wrong from which a label is listed.

Nine of ten are right about there: precision with 5 and 10 % of the labels turned 0.86 and 0.88 of ants and bees, from
0.94 on of four other data sets (bench/doctor.py). With none turned, the list is empty on all of them.
"""

# Limits that no label is judged by.
MANY_WRONG = 0.01  # share of labels above which the list is a warning
CONFUSED = 0.35  # share of images nearer to the other class, both ways averaged; 0.5 is a coin
LEAST_JUDGED = 10  # images of each class, for a pair to be judged
FEW = 10  # training images of a class below which little can be learned or measured
IMBALANCE = 10  # times by which the largest class may outnumber the smallest


def check_labels(examined: Examined) -> Iterator[Finding]:
    """What a probe on the features thinks of the labels; nothing is said where there are no features.

    None of it blocks: a suspicion is no proof, and wrong labels make the measured figures worse, not better.
    """
    if examined.features is None:
        return
    judged = examined.distinct
    for rows in examined.duplicates.exact:  # copies under several labels are told as conflicts, and teach nothing
        if len({int(examined.dataset.labels[row]) for row in rows}) > 1:
            judged[list(rows)] = False
    asked = np.flatnonzero(judged[examined.rows])
    opinion = kept_opinion(examined.features, asked, seed=examined.seed, cache=examined.cache)
    yield from label_findings(examined.features.dataset, opinion, examined.thing)


def label_findings(dataset: LabelledDataset, opinion: Opinion | None, thing: str = "image") -> Iterator[Finding]:
    """Probably wrong labels, and pairs of classes that cannot be told apart; without an opinion, why there is none."""
    if opinion is None:
        yield _not_checked(dataset, thing)
        return
    yield from _likely_errors(dataset, opinion)
    yield from _confused(dataset, opinion, thing)


def _not_checked(dataset: LabelledDataset, thing: str) -> Finding:
    classes = len(dataset.classes)
    many = classes > MOST_CLASSES
    why = (
        f"{classes:,} classes are too many"
        if many
        else f"two classes with {number(LEAST_IMAGES, thing)} each are needed"
    )
    advice = "check some classes at a time" if many else f"add {thing}s"
    return Finding("labels-not-checked", "note", classes, f"Labels were not checked: {why}.", advice)


def _likely_errors(dataset: LabelledDataset, opinion: Opinion) -> Iterator[Finding]:
    """A list of labels to look at; how it is made is told in ``_probe``, its figures in bench/doctor.py."""
    listed = np.flatnonzero(opinion.wrong > WRONG)
    if not len(listed):
        return
    listed = listed[np.argsort(-opinion.wrong[listed], kind="stable")]
    judged = len(opinion.rows)
    yield Finding(
        "likely-label-errors",
        "warning" if len(listed) > MANY_WRONG * judged else "note",
        len(listed),
        f"{len(listed):,} of {number(judged, 'label')} are probably wrong.",
        "look at them in this order, and move each wrong one to its class",
        tuple(_error_case(dataset, opinion, place) for place in listed.tolist()),
    )


def _error_case(dataset: LabelledDataset, opinion: Opinion, place: int) -> Case:
    given, likely = (dataset.classes[int(label[place])] for label in (opinion.given, opinion.likely))
    wrong = float(opinion.wrong[place])
    sure = "over 99%" if wrong > 0.99 else f"{wrong:.0%}"  # never certain: the probe errs on its surest cases too
    detail = f"given '{printable(given)}', likely '{printable(likely)}' (confidence {sure})"
    return Case((dataset.paths[int(opinion.rows[place])],), detail, wrong, given, likely)


def _confused(dataset: LabelledDataset, opinion: Opinion, thing: str) -> Iterator[Finding]:
    """Pairs of classes between which the probe does little better than a coin."""
    either = (opinion.confusion + opinion.confusion.T) / 2
    judged = opinion.counts >= LEAST_JUDGED
    pairs = np.argwhere(np.triu((either >= CONFUSED) & judged & judged[:, None], 1))
    if not len(pairs):
        return
    cases = ranked(_pair_case(dataset, float(either[i, j]), int(i), int(j), thing) for i, j in pairs)
    yield Finding(
        "inseparable-classes",
        "warning",
        len(pairs),
        f"{number(len(pairs), 'pair')} of classes that the frozen features cannot separate.",
        "check whether people can separate them; then merge them, label them again, or fine-tune the network",
        cases,
    )


def _pair_case(dataset: LabelledDataset, confusion: float, first: int, second: int, thing: str) -> Case:
    one, other = dataset.classes[first], dataset.classes[second]
    paths = tuple(dataset.paths[int(np.flatnonzero(dataset.labels == label)[0])] for label in (first, second))
    detail = f"'{printable(one)}' and '{printable(other)}': {confusion:.0%} of their {thing}s look like the other class"
    return Case(paths, detail, confusion, one, other)


def check_classes(examined: Examined) -> Iterator[Finding]:
    """Classes with few training images, imbalance, and classes that a held-out split lacks."""
    dataset, usable = examined.dataset, examined.usable
    splits = [name for name in ("train", "val", "test") if (dataset.splits == name).any()]
    training = usable & (dataset.splits == "train") if "train" in splits else usable
    counts = np.bincount(dataset.labels[training], minlength=len(dataset.classes))
    yield from _few(dataset, counts, examined.thing)
    yield from _imbalance(dataset, counts, examined.thing)
    for split in splits:
        if split != "train":
            yield from _missing(dataset, usable, split, examined.thing)


def _few(dataset: LabelledDataset, counts: npt.NDArray[np.int64], thing: str) -> Iterator[Finding]:
    few = np.flatnonzero(counts < FEW).tolist()
    if few:
        yield Finding(
            f"few-{thing}s",
            "warning",
            len(few),
            f"{number(len(few), 'class', 'classes')} with fewer than {FEW} usable training {thing}s.",
            f"add {thing}s or merge classes; a measurement on so few {thing}s is mostly chance",
            ranked(_class_case(dataset, label, number(int(counts[label]), thing), -counts[label]) for label in few),
        )


def _imbalance(dataset: LabelledDataset, counts: npt.NDArray[np.int64], thing: str) -> Iterator[Finding]:
    filled = np.flatnonzero(counts)
    if not len(filled) or counts.max() <= IMBALANCE * counts[filled].min():
        return
    common, rare = int(counts.argmax()), int(filled[counts[filled].argmin()])
    yield Finding(
        "imbalance",
        "warning",
        len(filled),
        f"Class '{printable(dataset.classes[common])}' has {counts[common]:,} training {thing}s, "
        f"'{printable(dataset.classes[rare])}' has {counts[rare]:,}.",
        f"add {thing}s of the rare classes, and look at macro-F1 instead of accuracy",
        tuple(
            _class_case(dataset, label, number(int(counts[label]), thing), counts[label]) for label in (common, rare)
        ),
    )


def _missing(dataset: LabelledDataset, usable: npt.NDArray[np.bool_], split: str, thing: str) -> Iterator[Finding]:
    present = np.bincount(dataset.labels[usable & (dataset.splits == split)], minlength=len(dataset.classes)) > 0
    missing = np.flatnonzero(~present).tolist()
    if missing:
        yield Finding(
            f"class-missing-in-{split}",
            "warning",
            len(missing),
            f"{number(len(missing), 'class', 'classes')} without a usable {thing} in {split}.",
            f"add {thing}s of these classes to {split}, because they cannot be measured otherwise",
            ranked(_class_case(dataset, label, "", 0.0) for label in missing),
        )


def _class_case(dataset: LabelledDataset, label: int, detail: str, score: float) -> Case:
    """A class as a case: it has no path, its name is in the detail."""
    name = f"class '{printable(dataset.classes[label])}'"
    return Case((), f"{name}: {detail}" if detail else name, float(score))
