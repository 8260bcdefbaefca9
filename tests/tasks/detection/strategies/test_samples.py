from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.tasks.detection.strategies.samples import COLOURS, shapes
from topwork.backbones import Preprocessing
from topwork.data import BoxDataset
from topwork.features import Squares, squares
from topwork.tasks.detection.strategies._augment import Augmentation
from topwork.tasks.detection.strategies._samples import CROWD, NO_BOX, BoxSamples

SMALL = Preprocessing(size=80, crop_mode="squash")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> BoxDataset:
    return shapes(tmp_path_factory.mktemp("shapes"), 8)


@pytest.fixture(scope="module")
def images(dataset: BoxDataset) -> Iterator[Squares]:
    with squares(dataset, SMALL, None) as found:
        yield found


def test_boxes_lie_around_their_shapes_in_every_view(dataset: BoxDataset, images: Squares) -> None:
    rows = np.arange(8)
    made = BoxSamples(images, dataset, SMALL, rows, augmentation=Augmentation("light", "any"), seed=3)
    assert made.varied
    seen = 0
    for epoch in range(4):
        pictures, targets = made.batch(epoch, rows)
        assert torch.equal(targets, made.targets(epoch, rows))
        for picture, boxes in zip(pictures, targets, strict=True):
            for *corners, label in boxes[boxes[:, 4] != NO_BOX].tolist():
                left, top, right, bottom = (round(each) for each in corners)
                if right - left > 8 and bottom - top > 8:
                    inner = picture[:, top + 3 : bottom - 3, left + 3 : right - 3].float().mean((1, 2))
                    colour = torch.tensor(list(COLOURS.values())[int(label)]).float()
                    assert (inner - colour).abs().max() < 40
                    seen += 1
    assert seen > 20


def test_a_sample_is_the_same_in_any_batch_and_in_every_run(dataset: BoxDataset, images: Squares) -> None:
    how = {"augmentation": Augmentation(), "seed": 1}
    made, again = (BoxSamples(images, dataset, SMALL, np.array([1, 3, 5]), **how) for _ in range(2))
    together = next(iter(made.batches(2, [np.array([0, 1, 2])])))
    alone = list(again.batches(2, [np.array([2]), np.array([], np.int64)]))
    assert torch.equal(alone[0][0][0], together[0][2])
    assert torch.equal(alone[0][1][0], together[1][2])
    assert alone[1][0].shape == (0, 3, 80, 80)
    assert made.fingerprint == again.fingerprint
    moved = replace(dataset, corners=dataset.corners + np.float32(1))
    others = (
        BoxSamples(images, moved, SMALL, np.array([1, 3, 5]), **how),
        BoxSamples(images, dataset, SMALL, np.array([1, 3, 5])),
    )
    assert made.fingerprint not in [other.fingerprint for other in others]


def test_a_crowd_is_told_as_one_and_no_box_as_none(dataset: BoxDataset, images: Squares) -> None:
    crowded = replace(dataset, crowd=np.arange(len(dataset.crowd)) == 0)
    targets = BoxSamples(images, crowded, SMALL, np.arange(8)).targets(0, np.arange(8))
    assert targets.shape == (8, max(dataset.counts), 5)
    assert targets[0, 0].tolist() == [*(dataset.corners[0] / 2).tolist(), CROWD]
    assert ((targets[..., 4] != NO_BOX).sum(dim=1).numpy() == dataset.counts).all()
    nothing = dataset.select(np.flatnonzero(dataset.counts == 0))
    assert len(nothing)
    assert BoxSamples(images, nothing, SMALL, np.array([0])).targets(0, np.array([0])).tolist() == [[[NO_BOX] * 5]]


def test_without_an_augmentation_images_are_as_they_are(dataset: BoxDataset, images: Squares) -> None:
    made = BoxSamples(images, dataset, SMALL, np.array([2]))
    assert not made.varied
    assert (made.batch(0, np.array([0]))[0][0].permute(1, 2, 0).numpy() == images.pixels[2]).all()
