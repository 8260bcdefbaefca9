"""Backbones that need no hub, and real pictures preprocessed for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from topwork.backbones import Backbone, load
from topwork.data import decode

from .hub import NAME, REPOSITORY, SEED, Files, Hub, files_of, network_of, serving

Pixels = Callable[..., npt.NDArray[np.uint8]]


@pytest.fixture(scope="session")
def lite0() -> Backbone:
    return load("lite0")


@pytest.fixture(scope="session")
def resnet18() -> Backbone:
    return load("resnet18", weights="random:1")


@pytest.fixture(scope="session")
def vit_tiny() -> Backbone:
    return load("vit_tiny_patch16_224", weights="random:1")


@pytest.fixture(params=["lite0", "resnet18", "vit_tiny"])
def backbone(request: pytest.FixtureRequest) -> Backbone:
    """A CNN with its trained weights, a plain CNN, a ViT."""
    found: Backbone = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def pixels(photos: list[Path]) -> Pixels:
    """The first pictures as one backbone wants them: uint8 (count, size, size, 3)."""

    def pixels(backbone: Backbone, count: int = 4) -> npt.NDArray[np.uint8]:
        fit = backbone.preprocessing
        return np.stack([fit(decode(path, min_side=fit.min_side)) for path in photos[:count]])

    return pixels


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that holds nothing yet; its client has an empty cache, and waits for nothing before it tries again."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with serving(tmp_path / "hub-cache") as hub:
        yield hub


@pytest.fixture
def hub_cache(hub: Hub) -> Path:
    """Where the hub's client keeps what it has fetched."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


@pytest.fixture(scope="session")
def tiny_network() -> Any:
    """timm's own network, with numbers that no seed of ours gives."""
    return network_of(NAME, SEED)


@pytest.fixture(scope="session")
def tiny_files(tiny_network: Any, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The network's repository."""
    return files_of(tiny_network, tmp_path_factory.mktemp("hub") / "repository")


@pytest.fixture
def commit(hub: Hub, tiny_files: Files) -> str:
    """The network's repository is on the hub, at this commit."""
    return hub.publish(REPOSITORY, tiny_files)
