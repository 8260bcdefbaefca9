"""What copies do to a data set: within a class, across classes, across splits; and when that blocks."""

from __future__ import annotations

import numpy as np
import pytest

from topwork.checking import Finding, check_copies, check_label_conflicts, check_leaks
from topwork.checking._near_duplicates import Groups, NearDuplicates
from topwork.data import ImageDataset

from .conftest import examined, in_memory


def twins(
    exact: Groups = (), near: list[tuple[int, int]] | None = None, clusters: Groups | None = None
) -> NearDuplicates:
    pairs = np.array(near or [], np.int64).reshape(-1, 2)
    joined = clusters if clusters is not None else (*exact, *map(tuple, pairs.tolist()))
    return NearDuplicates(exact, pairs, np.full(len(pairs), 0.9), joined)


def findings(dataset: ImageDataset, found: NearDuplicates) -> dict[str, Finding]:
    seen = examined(dataset, twins=found)
    return {
        finding.name: finding for ask in (check_copies, check_label_conflicts, check_leaks) for finding in ask(seen)
    }


def parted(train: int, test: int) -> ImageDataset:
    return in_memory([0, 1] * ((train + test) // 2), splits=["train"] * train + ["test"] * test)


def test_no_twins_no_findings() -> None:
    assert findings(parted(100, 20), twins()) == {}


def test_copies_within_a_class_warn() -> None:
    found = findings(in_memory([0, 1] * 50), twins(((0, 2, 4), (1, 3))))
    assert set(found) == {"exact-duplicates"}
    assert (found["exact-duplicates"].count, found["exact-duplicates"].severity) == (3, "warning")
    assert [len(case.paths) for case in found["exact-duplicates"].cases] == [3, 2]


@pytest.mark.parametrize(("images", "severity"), [(2, "warning"), (4, "warning"), (6, "blocks")])
def test_label_conflicts_block_above_five_in_a_hundred(images: int, severity: str) -> None:
    groups = tuple((row, row + 1) for row in range(0, images, 2))
    found = findings(in_memory([0, 1] * 50), twins(groups))["label-conflicts"]
    assert (found.count, found.severity) == (images, severity)
    assert found.cases[0].detail == "labelled 'class 0' and 'class 1'"


@pytest.mark.parametrize(("leaked", "severity"), [(1, "warning"), (2, "warning"), (3, "blocks")])
def test_leakage_blocks_above_one_in_a_hundred_of_the_held_out_split(leaked: int, severity: str) -> None:
    groups = tuple((row, 1000 + row) for row in range(leaked))
    found = findings(parted(1000, 200), twins(groups))["leakage"]
    assert (found.count, found.severity) == (leaked, severity)
    assert found.cases[0].detail == "in test and train"


def test_copies_in_one_part_do_not_leak() -> None:
    assert "leakage" not in findings(parted(1000, 200), twins(((0, 2), (1000, 1002))))


def test_the_smaller_part_decides() -> None:
    """3 of 1,000 test images are few, 3 of 10 validation images are not."""
    dataset = in_memory([0, 1] * 1005, splits=["train"] * 1000 + ["test"] * 1000 + ["val"] * 10)
    groups = ((0, 1000), (2, 1002), (4, 1004))
    assert findings(dataset, twins(groups))["leakage"].severity == "warning"
    assert findings(dataset, twins(((0, 2000), (2, 2002), (4, 2004))))["leakage"].severity == "blocks"


def test_near_twins_warn_at_most() -> None:
    found = findings(parted(20, 20), twins(near=[(row, 20 + row) for row in range(20)]))
    assert found["near-leakage"].count == 20
    assert {finding.severity for finding in found.values()} == {"note", "warning"}
    assert "leakage" not in found


def test_near_twins_in_two_classes_are_told() -> None:
    found = findings(in_memory([0, 1] * 50), twins(near=[(0, 1), (2, 4)]))
    assert [case.paths for case in found["near-label-conflicts"].cases] == [("0/0.jpg", "1/1.jpg")]
    assert found["near-duplicates"].count == 2


def test_a_near_copy_of_a_copy_is_found_across_splits() -> None:
    """Rows 0 and 2 are one file; 2 is only joined to the test image through 0."""
    found = findings(parted(100, 20), twins(((0, 2),), [(0, 100)], clusters=((0, 2, 100),)))
    assert found["near-leakage"].cases[0].paths == ("0/0.jpg", "0/2.jpg", "0/100.jpg")


def test_a_group_in_two_parts_blocks() -> None:
    """The reader refuses this; a data set made in memory may still have it."""
    splits, groups = ["train", "train", "test", "test"], ("p1", "p2", "p1", "")
    found = findings(in_memory([0, 1, 0, 1], splits=splits, groups=groups), twins())
    assert found["group-in-two-splits"].severity == "blocks"
    assert [case.detail for case in found["group-in-two-splits"].cases] == ["group 'p1' is in test and train"]
    whole = in_memory([0, 1, 0, 1], splits=splits, groups=("p1", "p2", "p3", ""))
    assert findings(whole, twins()) == {}
