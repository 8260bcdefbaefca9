"""Images and masks are moved alike, and a mask's values stay what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tasks.segmentation.made import written
from topwork.backbones import Preprocessing
from topwork.data import UNLABELLED, Mask, read_masks
from topwork.features import Squares
from topwork.tasks.segmentation.decoder._augment import Augmentation, View
from topwork.tasks.segmentation.decoder._samples import MaskSamples
from topwork.tasks.segmentation.decoder._targets import DEEPEST, IGNORED, targets_of


def disc(side: int = 64) -> torch.Tensor:
    """A mask with a disc, off the middle."""
    down, across = np.mgrid[:side, :side]
    return torch.from_numpy((np.hypot(down - 20, across - 40) < 12).astype(np.uint8))


@pytest.mark.parametrize("orient", ["none", "mirror", "any"])
def test_a_mask_moves_with_its_image(orient: str) -> None:
    mask = disc()
    image = (255 * mask)[None].expand(3, -1, -1)
    augmentation = Augmentation("light", orient)  # type: ignore[arg-type]
    seen = set()
    for seed in range(60):
        view = augmentation.view(64, seed)
        assert view == augmentation.view(64, seed)
        shown, (moved, other) = view.image(image, (0, 0, 0))[0], view.mask(torch.stack([mask, 1 - mask]))
        assert ((moved == IGNORED) == (other == IGNORED)).all()
        assert set(moved.unique().tolist()) <= {0, 1, IGNORED}
        known = moved != IGNORED
        apart = ((shown > 127) != (moved == 1)) & known
        assert apart.sum() <= 0.1 * max(40, int((moved == 1).sum()))  # the edge, smoothed in one and not in the other
        assert (shown[~known] == 0).all()  # beyond the image
        seen.add((view.mirrored, view.turns))
    assert len(seen) == {"none": 1, "mirror": 2, "any": 8}[orient]


def test_parts_of_images_are_shown(tmp_path: Path) -> None:
    """Where no pixel has its like, a part tells where it is from: within, elsewhere in each epoch, its mask with it."""
    down, across = np.mgrid[:64, :64].astype(np.uint8)
    pixels = np.stack([down, across, np.zeros_like(down)], axis=-1)[None]
    place, dataset = np.zeros(1, np.int64), read_masks(written(tmp_path, 1, side=64))
    masks, seen = (down + across)[None, None], Preprocessing(64, "squash")
    given = Squares(pixels, ""), masks, dataset, seen, place.astype(np.intp)
    ways: dict[str | None, Augmentation | None] = {
        None: None,
        **{x: Augmentation(x, "none") for x in ("none", "light")},
    }
    samples = {name: MaskSamples(*given, shown=32, augmentation=each) for name, each in ways.items()}
    corners: dict[str | None, set[tuple[int, int]]] = {level: set() for level in samples}
    for epoch in range(20):
        for level, each in samples.items():
            images, masks = each.batch(epoch, place)
            assert images.shape == (1, 3, 32, 32)
            assert masks.shape == (1, 1, 32, 32)
            if level != "light":
                rows, columns = images[0, 0], images[0, 1]
                assert (rows[1:] - rows[:-1] == 1).all()
                np.testing.assert_array_equal(masks[0, 0], rows + columns)
            corners[level].add((int(images[0, 0, 0, 0]), int(images[0, 1, 0, 0])))
    assert len(corners[None]) == 1
    assert len(corners["none"]) > 10
    assert len(corners["light"]) > 10
    assert not samples[None].varied
    assert samples["none"].varied


def test_a_quarter_turn_is_to_the_left() -> None:
    mask = torch.arange(16, dtype=torch.uint8).reshape(4, 4)
    view = View(4, (0, 0, 4, 4), 4, turns=1)
    np.testing.assert_array_equal(view.mask(mask[None])[0], np.rot90(mask.numpy()))
    np.testing.assert_array_equal(view.image(mask[None].expand(3, -1, -1), (0, 0, 0))[1], np.rot90(mask.numpy()))


def test_masks_in_the_square() -> None:
    """Classes, depths in objects, nothing known where nothing is told or no image is."""
    labels, objects = np.zeros((40, 80), np.int32), np.zeros((40, 80), np.int32)
    objects[10:30, 10:40], objects[10:30, 40:70] = 1, 2
    labels[objects > 0], labels[:5] = 1, UNLABELLED
    mask = Mask(labels, objects)
    classes, depths = targets_of(mask, Preprocessing(80, "squash"), depths=True)
    assert (classes[:10] == IGNORED).all()
    assert (classes[20:60, 10:70] == 1).all()
    assert classes[70, 40] == 0
    assert depths[40, 25] == DEEPEST
    assert (depths[20:60, [10, 39, 40, 69]] == 0).all()
    np.testing.assert_array_equal(depths[40, 10:25], np.rint(DEEPEST * np.arange(15) / 14))
    np.testing.assert_array_equal(targets_of(mask, Preprocessing(80, "squash"), depths=False), classes[None])
    stuff = Mask(np.where(np.arange(80) > 72, 2, labels), objects)  # a class without objects has no border
    deep = targets_of(stuff, Preprocessing(80, "squash"), depths=True)[1]
    assert (deep[:, 73:] == DEEPEST).all()
    np.testing.assert_array_equal(deep[:, :73], depths[:, :73])
    padded = targets_of(mask, Preprocessing(80, "pad"), depths=True)[0]
    assert (padded[:25] == IGNORED).all()
    assert (padded[60:] == IGNORED).all()
    np.testing.assert_array_equal(padded[20:60][5:] > 0, labels[5:] > 0)
