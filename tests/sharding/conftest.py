"""A small folder of real pictures, two of them unusable, and the smallest recipe."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from topwork.backbones import Backbone, load
from topwork.engines import EngineChoice
from topwork.sharding import Embedding


@pytest.fixture(scope="session")
def network() -> Backbone:
    """lite0 at a small size."""
    found = load("lite0", size=64)
    assert isinstance(found, Backbone)
    return found


@pytest.fixture(scope="session")
def recipe(network: Backbone) -> Embedding:
    return Embedding(network, network.outputs("last"), EngineChoice("openvino", "f32"))


Fill = Callable[[Path], Path]


@pytest.fixture(scope="session")
def fill(photos: list[Path]) -> Fill:
    """Makes a data folder of 20 pictures in two classes under train/ and val/, with two that cannot be used."""

    def made(folder: Path) -> Path:
        for place, photo in enumerate(photos):
            into = folder / ("val" if place % 5 == 0 else "train") / ("cat" if place % 2 else "dog")
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, into)
        (folder / "train" / "cat" / "empty.jpg").write_bytes(b"")
        (folder / "train" / "dog" / "no picture.png").write_bytes(b"never one")
        (folder / "train" / "dog" / ".hidden.jpg").write_bytes(b"")
        return folder

    return made


@pytest.fixture(scope="session")
def pictures(fill: Fill, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("pictures"))
