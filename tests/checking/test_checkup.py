"""The checkup as a value: what blocks, what is clean, what a program reads."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import topwork.checking
from topwork.checking import QUICK_CHECKS, Case, Checkup, Examined, Finding, require_blocking, vet
from topwork.checking._finding import MOST_CASES, number, ranked
from topwork.checking._near_duplicates import Groups
from topwork.data import ImageDataset, from_arrays
from topwork.errors import DataError

from .conftest import in_memory


def checkup(
    dataset: ImageDataset, exact: Groups = (), unusable: dict[int, str] | None = None, *findings: Finding
) -> Checkup:
    return Checkup(dataset, findings, None, exact, unusable or {}, exact)


def finding(name: str, severity: str) -> Finding:
    return Finding(name, severity, 1, "What.", "do", (Case(("a.jpg",), "detail", 0.5, "cat", "dog"),))  # type: ignore[arg-type]


def test_exported_names_are_sorted_and_there() -> None:
    assert topwork.checking.__all__ == sorted(topwork.checking.__all__)
    assert all(hasattr(topwork.checking, name) for name in topwork.checking.__all__)


def test_blocking_can_be_allowed_by_name() -> None:
    found = checkup(in_memory([0, 1]), (), None, finding("leakage", "blocks"), finding("x", "warning"))
    assert [each.name for each in found.blocking()] == ["leakage"]
    assert found.blocking(allow=["leakage"]) == ()
    assert [each.name for each in found.blocking(allow=["x"])] == ["leakage"]


def test_a_finding_may_be_allowed_by_the_name_that_it_had() -> None:
    found = checkup(in_memory([0, 1]), (), None, finding("group-in-two-splits", "blocks"))
    assert found.blocking(allow=["group-in-two-parts"]) == found.blocking(allow=["group-in-two-splits"]) == ()
    assert require_blocking(["leakage", "group-in-two-parts"]) == ("leakage", "group-in-two-splits")


def test_only_a_finding_that_blocks_can_be_allowed() -> None:
    with pytest.raises(DataError, match="no finding that stops a fit is called 'imbalance'") as caught:
        require_blocking(["leakage", "imbalance"])
    assert caught.value.hint == "there are group-in-two-splits, label-conflicts, leakage"


def test_a_task_brings_checks_of_its_own_that_may_block() -> None:
    def no_boxes(examined: Examined) -> list[Finding]:
        count = int(examined.usable.sum())
        return [Finding("no-boxes", "blocks", count, f"{count} images without a box.", "draw some")] if count else []

    pixels = np.random.default_rng(0).integers(0, 256, (12, 40, 40, 3), dtype=np.uint8)
    dataset = from_arrays(pixels, [0, 1] * 6)
    assert vet(dataset, checks=()).findings == ()
    found = vet(dataset, checks=(*QUICK_CHECKS, no_boxes))
    assert [each.name for each in found.findings] == ["no-boxes", "few-images"]
    assert found.blocking(require_blocking(["no-boxes"], known=("no-boxes",))) == ()
    assert [each.count for each in found.blocking()] == [12]


def test_clean_keeps_a_good_data_set_as_it_is() -> None:
    dataset = in_memory([0, 1, 0, 1])
    assert checkup(dataset).clean().fingerprint() == dataset.fingerprint()


def test_clean_drops_what_cannot_be_decoded() -> None:
    clean = checkup(in_memory([0, 1, 0, 1]), (), {1: "damaged"}).clean()
    assert clean.paths == ("0/0.jpg", "0/2.jpg", "1/3.jpg")
    assert [(item.path, item.reason) for item in clean.left_out] == [("1/1.jpg", "damaged")]


@pytest.mark.parametrize(
    ("splits", "stays"),
    [
        (["train", "test", "val"], 1),
        (["train", "train", "val"], 2),
        (["train", "train", "train"], 0),
        (["", "", ""], 0),
        (["test", "test", "train"], 0),
    ],
)
def test_of_copies_the_held_out_one_stays(splits: list[str], stays: int) -> None:
    dataset = in_memory([0, 0, 0, 1], splits=[*splits, splits[0]])
    clean = checkup(dataset, ((0, 1, 2),)).clean()
    assert clean.paths == (f"0/{stays}.jpg", "1/3.jpg")
    assert {item.reason for item in clean.left_out} == {f"a copy of 0/{stays}.jpg"}


def test_all_copies_under_two_labels_go() -> None:
    clean = checkup(in_memory([0, 1, 0, 1]), ((0, 1),)).clean()
    assert clean.paths == ("0/2.jpg", "1/3.jpg")
    assert {item.reason for item in clean.left_out} == {"an identical one has another label"}


def test_a_program_can_read_it() -> None:
    found = checkup(in_memory([0, 1]), (), {1: "damaged"}, finding("leakage", "blocks"))
    read = json.loads(json.dumps(found.to_dict()))
    assert (read["images"], read["usable"], read["blocking"]) == (2, 1, ["leakage"])
    assert read["findings"][0]["cases"] == [
        {"paths": ["a.jpg"], "detail": "detail", "score": 0.5, "given": "cat", "likely": "dog"}
    ]


def test_a_name_that_is_not_utf8_survives_json() -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    case = Case((name,))
    assert json.loads(json.dumps(case.to_dict()))["paths"] == [name]
    assert "likely" not in case.to_dict()


def test_a_finding_checks_itself() -> None:
    with pytest.raises(ValueError, match="severity"):
        Finding("x", "bad", 1, "", "")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        Finding("x", "note", 0, "", "")


def test_cases_are_ranked_and_bounded() -> None:
    cases = ranked(Case((f"{row:05d}.jpg",), "", float(row % 7)) for row in range(3 * MOST_CASES))
    assert len(cases) == MOST_CASES
    assert [case.score for case in cases] == sorted((case.score for case in cases), reverse=True)
    assert cases[0].paths < cases[1].paths


def test_numbers_with_their_nouns() -> None:
    assert (number(1, "class", "classes"), number(2000, "image")) == ("1 class", "2,000 images")
