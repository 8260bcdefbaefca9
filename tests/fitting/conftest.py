"""Real data folders of a size that a fit takes a second on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.samples import easy_folder, textile_folder


@pytest.fixture(scope="session")
def textile(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    return textile_folder(tmp_path_factory.mktemp("data") / "textile")


@pytest.fixture
def easy(tmp_path: Path, shared_cache: Path) -> Path:
    """Two classes that any network tells apart; each test may spoil it."""
    return easy_folder(tmp_path / "easy")
