"""A data set of small photographs, and caches that know the networks and no features."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from topwork.backbones import Backbone, load
from topwork.data import ImageDataset, read
from topwork.engines import EngineChoice, open_engine

F32 = EngineChoice("openvino", "f32")


@pytest.fixture(scope="session")
def pieces(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pieces of photographs, 90 by 70 pixels, in two classes."""
    folder = tmp_path_factory.mktemp("pieces")
    for index in range(40):
        path = folder / ("cat", "dog")[index % 2] / f"{index:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        with Image.open(photos[index % 20]) as image:
            image.convert("RGB").crop((9 * index, 5 * index, 9 * index + 90, 5 * index + 70)).save(path, quality=95)
    return folder


@pytest.fixture
def folder(pieces: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    copy = tmp_path / "set"
    for path in pieces.glob("*/*.jpg"):
        (copy / path.parent.name).mkdir(parents=True, exist_ok=True)
        (copy / path.parent.name / path.name).write_bytes(path.read_bytes())
    return copy


@pytest.fixture
def dataset(folder: Path) -> ImageDataset:
    return read(folder)


@pytest.fixture(scope="session")
def backbone(shared_cache: Path) -> Backbone:
    """Small enough to run in a moment; its conversion is in the shared cache."""
    backbone = load("resnet18", weights="random:1", size=32)
    open_engine(backbone, ("embedding",), F32)
    return backbone


@pytest.fixture
def cache(shared_cache: Path, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with the converted networks and no features."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "networks").symlink_to(shared_cache / "networks")
    monkeypatch.setenv("TOPWORK_CACHE", str(folder))
    return folder
