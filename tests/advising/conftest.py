"""Feature tables made by hand, in the shape that a real backbone gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from topwork.backbones import load
from topwork.data import ImageDataset
from topwork.engines import EngineChoice
from topwork.features import FeatureTable

MakeTable = Callable[..., FeatureTable]


def table_of(labels: npt.NDArray[Any], told: float = 0.0, output: str = "blocks.0/mean") -> FeatureTable:
    """A table of given labels: noise, in which one column tells the class."""
    rng = np.random.default_rng(len(labels))
    backbone = load()
    values = rng.normal(size=(len(labels), backbone.width(output))).astype(np.float32)
    values[:, 0] += told * labels
    paths = tuple(f"{row}.jpg" for row in range(len(labels)))
    classes = tuple(f"class {label}" for label in range(int(labels.max()) + 1))
    splits = np.full(len(labels), "train")
    dataset = ImageDataset(Path(), paths, splits, labels=labels.astype(np.int32), classes=classes)
    return FeatureTable(dataset, backbone, EngineChoice("torch-cpu", "f32"), (output,), values)


@pytest.fixture
def make_table() -> MakeTable:
    """A table of given labels: noise, in which some columns tell the class."""
    return table_of
