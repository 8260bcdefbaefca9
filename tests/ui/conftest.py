"""A small set of real photographs with something wrong in it, and sessions that end with their test."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from topwork.ui._session import Session, State

PATIENCE = 120.0  # seconds; other tests run beside these


@pytest.fixture
def pets(tmp_path: Path, textiles: list[Path]) -> Path:
    """Two classes of twelve, a copy, one in the wrong class, and a file that is no image."""
    return pets_in(tmp_path / "pets", textiles)


def pets_in(folder: Path, textiles: list[Path]) -> Path:
    kinds = {kind: [path for path in textiles if path.parent.name == kind] for kind in ("global", "nominal")}
    for kind, paths in kinds.items():
        (folder / kind).mkdir(parents=True)
        for path in paths[:12]:
            shutil.copy(path, folder / kind / path.name)
    shutil.copy(kinds["global"][0], folder / "global" / "copy.jpg")
    shutil.copy(kinds["global"][20], folder / "nominal" / "wrong.jpg")
    (folder / "global" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return folder


@pytest.fixture
def session() -> Iterator[Session]:
    found = Session()
    yield found
    found.close()


def idle(session: Session) -> State:
    """The state once nothing is being done."""
    return until(session, lambda state: state.job is None)


def until(session: Session, wanted: Callable[[State], bool]) -> State:
    end = time.monotonic() + PATIENCE
    while not wanted(state := session.state):
        assert time.monotonic() < end, state
        time.sleep(0.02)
    return state
