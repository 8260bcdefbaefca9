"""The images of the demo: the same on every machine, with boxes where the parts lie."""

from __future__ import annotations

import numpy as np

from topwork.data import decode
from topwork.tasks.detection._sample import _bench, sample


def test_the_demo_has_images_to_learn_from_to_measure_and_to_predict() -> None:
    found = sample()
    dataset = found.dataset
    assert dataset.classes == ("washer", "nut", "screw")
    assert (len(dataset.split("train")), len(dataset.split("test")), len(found.unseen)) == (65, 35, 3)
    assert not set(found.unseen) & set(dataset.paths)
    assert (dataset.class_counts() > 50).all()
    assert dataset.left_out == dataset.flaws == ()
    assert all(name in found.told[0] for name in ("washers", "nuts", "screws"))


def test_boxes_lie_around_what_was_drawn() -> None:
    again, boxes = _bench(np.random.default_rng(5))
    picture = np.asarray(again).astype(float)
    np.testing.assert_array_equal(picture, np.asarray(_bench(np.random.default_rng(5))[0]))
    ground = np.median(picture.reshape(-1, 3), axis=0)
    far = np.abs(picture - ground).sum(axis=2) > 90
    inside = np.zeros(far.shape, np.bool_)
    for _, (left, top, right, bottom) in boxes:
        inside[int(top) : int(bottom) + 4, int(left) : int(right) + 4] = True  # shadows lie beside
    assert boxes
    assert far[inside].mean() > 4 * far[~inside].mean()
    found = sample()
    row = int(found.dataset.counts.argmax())
    assert decode(found.dataset.source(row)).shape == (240, 320, 3)
