from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tasks.detection.strategies.samples import shapes
from topwork.data import BoxDataset
from topwork.tasks.detection._size import any_small


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> BoxDataset:
    return shapes(tmp_path_factory.mktemp("shapes"), 12)


def test_one_class_of_small_boxes_in_large_images_is_enough(dataset: BoxDataset) -> None:
    """Shapes of 30 to 70 pixels: small in an image four times as wide, unless they are as much larger."""
    wide = replace(dataset, sizes=4 * dataset.sizes)
    assert any_small(wide, 320)
    assert not any_small(replace(wide, corners=4 * wide.corners), 320)
    one = np.where(wide.labels[:, None] == 1, wide.corners, 4 * wide.corners)
    assert any_small(replace(wide, corners=one), 320)
    assert not any_small(replace(wide, corners=one, crowd=wide.labels == 1), 320)


def test_images_that_have_no_more_to_show_are_left(dataset: BoxDataset) -> None:
    tiny = replace(dataset, corners=dataset.corners / 8 + np.array([0, 0, 1, 1], np.float32))
    assert not any_small(tiny, 320)
    assert any_small(replace(tiny, sizes=3 * tiny.sizes), 320)
    assert not any_small(tiny.select(np.array([], np.intp)), 320)
