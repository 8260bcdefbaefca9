"""The backbones and pictures of their own room's tests, run here."""

from __future__ import annotations

import pytest

from tests.backbones.conftest import backbone, lite0, pixels
from topwork.backbones import Backbone, load

__all__ = ["backbone", "lite0", "pixels"]

SMALL = 96  # pixels a side: untrained networks are the same at any size, and a fifth of the work


@pytest.fixture(scope="session")
def resnet18() -> Backbone:
    return load("resnet18", weights="random:1", size=SMALL)


@pytest.fixture(scope="session")
def vit_tiny() -> Backbone:
    return load("vit_tiny_patch16_224", weights="random:1", size=SMALL)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may open an engine."""

    def fail(*args: object, **options: object) -> None:
        pytest.fail("an engine was opened")

    monkeypatch.setattr("topwork.engines._parity.open_engine", fail)
