"""Real data sets that are not part of the project: a folder named by TOPWORK_TEST_DATA, skipped without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from topwork.checking import check, vet
from topwork.data import read


@pytest.fixture
def hymenoptera() -> Path:
    folder = Path(os.environ.get("TOPWORK_TEST_DATA", "")) / "hymenoptera"
    if not os.environ.get("TOPWORK_TEST_DATA") or not folder.is_dir():
        pytest.skip("TOPWORK_TEST_DATA names no folder that holds hymenoptera")
    return folder


def test_the_gif_that_is_no_photograph_is_found(hymenoptera: Path) -> None:
    checkup = check(read(hymenoptera))
    found = {found.name: [case.paths[0] for case in found.cases if case.paths] for found in checkup.findings}
    assert found["rare-format"] == ["train/ants/imageNotFound.gif"]
    assert found["placeholders"] == ["train/ants/imageNotFound.gif"]
    assert "train/ants/imageNotFound.gif" in found["mixed-colour"]
    assert not checkup.blocking()
    assert [found.name for found in checkup.findings if found.severity != "note"] == ["placeholders"]


@pytest.mark.parametrize("name", ["cats-dogs", "orl-faces"])
def test_no_photograph_is_taken_for_a_drawing(hymenoptera: Path, name: str) -> None:
    assert vet(read(hymenoptera.parent / name)).finding("placeholders") is None
