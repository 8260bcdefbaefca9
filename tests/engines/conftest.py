"""The backbones and pictures of their own room's tests, run here."""

from __future__ import annotations

import pytest

from tests.backbones.conftest import backbone, lite0, pixels, resnet18, vit_tiny

__all__ = ["backbone", "lite0", "pixels", "resnet18", "vit_tiny"]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may open an engine."""

    def fail(*args: object, **options: object) -> None:
        pytest.fail("an engine was opened")

    monkeypatch.setattr("topwork.engines._parity.open_engine", fail)
