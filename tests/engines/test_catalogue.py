"""A network of each family of the catalogue in OpenVINO and in torch; all of them: bench/backbones.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.backbones.conftest import Pixels
from topwork.backbones import CatalogueRow, catalogue, load
from topwork.engines import EngineChoice, open_engine
from topwork.engines._parity import worst_deviation

SMALLEST = {entry.family: entry for entry in sorted(catalogue(), key=lambda entry: -entry.gmacs)}
RUN = [entry for entry in SMALLEST.values() if entry.gmacs <= 5 and not entry.package]  # those in packages: test_graph


@pytest.mark.parametrize(
    "entry",
    [pytest.param(entry, marks=pytest.mark.slow if entry.gmacs > 0.5 else ()) for entry in RUN],
    ids=lambda entry: entry.alias,
)
def test_a_row_runs_in_the_engine_as_in_torch(entry: CatalogueRow, pixels: Pixels, empty_cache: Path) -> None:
    backbone = load(entry.alias, weights="random", size=None if entry.fixed_size else 64)
    outputs, images = backbone.outputs("all"), pixels(backbone, 2)
    expected, found = (
        open_engine(backbone, outputs, EngineChoice(engine, "f32"))(images) for engine in ("torch-cpu", "openvino")
    )
    assert expected.shape == (2, sum(map(backbone.width, outputs)))
    assert np.isfinite(expected).all()
    assert worst_deviation(backbone, outputs, found, expected) <= 0.001
