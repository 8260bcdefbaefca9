from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv
from torchvision.tv_tensors import BoundingBoxes

from topwork.tasks.detection.strategies._augment import Augmentation, View

SIDE = 96
BOX = np.array([[20, 30, 60, 80]], np.float32)


def painted() -> torch.Tensor:
    """A black image with a white rectangle at ``BOX``."""
    image = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    image[:, 30:80, 20:60] = 255
    return image


def extent(image: torch.Tensor) -> list[float]:
    """Left, top, right and bottom of what is white."""
    down, across = np.nonzero(image[0].numpy() > 127)
    return [across.min(), down.min(), across.max() + 1, down.max() + 1]


@pytest.mark.parametrize("seed", range(12))
def test_boxes_go_where_the_pixels_go(seed: int) -> None:
    view = Augmentation("light", "any").view(SIDE, BOX, seed)
    corners, seen = view.boxes(BOX)
    assert seen.all()
    np.testing.assert_allclose(extent(view.image(painted(), (0, 0, 0))), corners[0], atol=1.5)


def test_a_part_within_the_image_is_torchvisions() -> None:
    view = View(SIDE, (10, 20, 60, 70), mirrored=True, upturned=True)
    image = torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    boxes = BoundingBoxes(torch.from_numpy(BOX), format="XYXY", canvas_size=(SIDE, SIDE))

    def expected(given: torch.Tensor) -> torch.Tensor:
        return tv.vertical_flip(tv.horizontal_flip(tv.resized_crop(given, 20, 10, 70, 60, [SIDE, SIDE])))

    assert torch.equal(view.image(image, (0, 0, 0)), expected(image))
    np.testing.assert_array_equal(view.boxes(BOX)[0], expected(boxes).numpy())


def test_beyond_the_edges_is_the_mean_colour_and_a_box_that_is_hardly_seen_is_dropped() -> None:
    beyond = View(SIDE, (-48, -48, 192, 192)).image(painted(), (1, 2, 3))
    assert beyond[:, 0, 0].tolist() == [1, 2, 3]
    corners, seen = View(SIDE, (50, 0, 46, 96)).boxes(np.array([[20, 30, 60, 80], [48, 10, 90, 40]], np.float32))
    assert seen.tolist() == [False, True]  # a quarter of the first is left
    assert corners.min() >= 0
    assert corners.max() <= SIDE


def test_a_view_shows_an_object_and_its_seed_alone_decides() -> None:
    tiny = np.array([[90, 90, 95, 95]], np.float32)
    how = Augmentation("colour", "mirror")
    views = [how.view(SIDE, tiny, seed) for seed in range(40)]
    assert all(view.boxes(tiny)[1].all() for view in views)
    assert views == [how.view(SIDE, tiny, seed) for seed in range(40)]
    assert len({view.part for view in views}) > 10
    assert not any(view.upturned for view in views)
    assert View(SIDE, (0, 0, SIDE, SIDE)).boxes(np.zeros((0, 4), np.float32))[0].shape == (0, 4)
    assert Augmentation("none", "none").view(SIDE, tiny, 0) == View(SIDE, (0, 0, SIDE, SIDE))
