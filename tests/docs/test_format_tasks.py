"""docs/format-tasks.md: it names all that is written, and the readers made from it know nothing of topwork."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.docs.format_readers import boxes, images, masks
from topwork.backbones import Backbone, load
from topwork.tasks.segmentation.decoder import DecoderSpec
from topwork.tasks.segmentation.instances import Splitting

from .conftest import DOCS

READERS = Path(__file__).with_name("format_readers")


def test_the_readers_import_nothing_of_topwork() -> None:
    for path in READERS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            named = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [name for name in named if name.split(".")[0] in ("topwork", "tests")], path.name


def told() -> dict[str, tuple[Any, ...]]:
    """What each page has to name: the classes whose fields are written."""
    from topwork.backbones import Preprocessing, Reading, Stage, TextBackbone, Weights
    from topwork.tasks.detection._record import DetectionRecord
    from topwork.tasks.detection.network import HeadSpec, QuerySpec
    from topwork.tasks.recognition._record import PromiseRecord, RecognitionRecord
    from topwork.tasks.segmentation._record import SegmentationRecord
    from topwork.tasks.segmentation.network import PixelSpec

    blocks = (DetectionRecord, SegmentationRecord, RecognitionRecord, PromiseRecord)
    specs = (HeadSpec, QuerySpec, PixelSpec, DecoderSpec, Splitting)
    return {
        "format": (Backbone, Preprocessing, Stage, Weights),
        "format-tasks": (*blocks, *specs, TextBackbone, Reading),
    }


@pytest.mark.parametrize("language", ["", ".ko"])
@pytest.mark.parametrize("page", ["format", "format-tasks"])
def test_every_field_that_is_written_is_on_the_page(page: str, language: str) -> None:
    """A field that is added is told of too."""
    said = set(re.findall(r"`(\w+)`", (DOCS / f"{page}{language}.md").read_text("utf-8")))
    for each in told()[page]:
        names = each.model_fields if hasattr(each, "model_fields") else {one.name for one in dataclasses.fields(each)}
        assert set(names) <= said, each.__name__


@pytest.mark.parametrize("rules", ["topwork", "timm"])
@pytest.mark.parametrize("mode", ["crop", "squash", "pad", "corner"])
def test_the_square_is_the_same(mode: Any, rules: Any) -> None:
    rng = np.random.default_rng(0)
    for height, width in ((90, 161), (200, 33), (64, 64), (31, 30)):
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        for size, interpolation in ((48, "area"), (77, "bicubic")):
            how: Any = load("lite0").replace(
                size=size, crop_mode=mode, rules=rules, interpolation=interpolation, crop=0.9
            )
            preprocessing = how.preprocessing
            np.testing.assert_array_equal(images.squared(pixels, preprocessing.to_dict()), preprocessing(pixels))
            assert images.view(height, width, preprocessing.to_dict()) == preprocessing.view(height, width)


def test_parts_of_large_images_begin_at_the_same_pixels() -> None:
    from topwork.tasks.detection.network import tiles
    from topwork.tasks.segmentation.network import parts_of

    for tile in (16, 17, 50, 100, 512):
        for length in (1, 15, 16, 17, 99, 344, 1023, 1065, 4096):
            assert boxes.tile_starts(length, tile) == [part.left for part in tiles(1, length, tile)]
            for step in (1, 3, 16):
                (row,) = parts_of(1, length, tile, step)
                assert masks.starts(length, tile, step) == [part.left for part in row]
