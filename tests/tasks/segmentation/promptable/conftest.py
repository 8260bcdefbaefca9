"""A tiny SAM, and an image with blots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.backbones.segmenters import save
from topwork.tasks.segmentation.promptable import Promptable


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return save("sam", tmp_path_factory.mktemp("sam") / "sam")


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("TOPWORK_CACHE", str(folder))
        yield folder


@pytest.fixture
def sam(sam_folder: Path, own_cache: Path) -> Promptable:
    return Promptable.load("someone/sam", weights=sam_folder)


@pytest.fixture(scope="session")
def picture() -> np.ndarray[Any, Any]:
    small = np.random.default_rng(5).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((70, 45), Image.Resampling.BILINEAR))
