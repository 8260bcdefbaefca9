"""A model fitted on real pictures, and folders of it that a test may spoil."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topwork.fitting import fit
from topwork.model import Classifier

from .samples import textile_folder

Spoilt = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.fixture(scope="session")
def textile(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    return textile_folder(tmp_path_factory.mktemp("data") / "textile")


@pytest.fixture(scope="session")
def fitted(textile: Path) -> Classifier:
    return fit(textile, strategy="probe")


@pytest.fixture(scope="session")
def saved(fitted: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted.save(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved model."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture
def spoilt(folder: Path) -> Spoilt:
    """The saved model after a change of the fields of its model.json."""

    def spoilt(change: Callable[[dict[str, Any]], object]) -> Path:
        fields = json.loads((folder / "model.json").read_text("utf-8"))
        change(fields)
        (folder / "model.json").write_text(json.dumps(fields), "utf-8")
        return folder

    return spoilt
