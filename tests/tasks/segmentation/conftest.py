"""One fitted segmenter of drawn shapes, for whoever asks one."""

from __future__ import annotations

from pathlib import Path

import pytest

import topwork
from tests.tasks.segmentation.made import written
from topwork.backbones import load as load_backbone
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation.strategies import ProbeOptions


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="session")
def segmenter(shapes: Path) -> Segmenter:
    backbone = load_backbone("lite0", size=128)
    model = topwork.fit(
        shapes, task="segmentation", strategy="probe", backbone=backbone, options=ProbeOptions(cache=False)
    )
    assert isinstance(model, Segmenter)
    return model
