"""Real data sets that are not part of the project: a folder named by TOPWORK_TEST_DATA, skipped without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from topwork.checking import check
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
    assert "train/ants/imageNotFound.gif" in found["mixed-colour"]
    assert not checkup.blocking()
    assert all(found.severity == "note" for found in checkup.findings)
