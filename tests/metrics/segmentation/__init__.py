"""Masks to measure: blobs of several classes, drawn at random, told by someone who is often wrong."""

import numpy as np

from topwork.data import Mask
from topwork.metrics import mask_counts


def draw(rng, classes=3, shape=(60, 80), most=12, unlabelled=0.1):
    """A mask, and what was said of it: labels, objects and probabilities."""
    objects, labels = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    found, said = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for number in range(1, int(rng.integers(0, most + 1)) + 1):
        y, x = rng.integers(0, shape[0] - 6), rng.integers(0, shape[1] - 6)
        height, width, label = *rng.integers(4, 16, 2), int(rng.integers(1, classes))
        place = np.s_[y : y + height, x : x + width]
        objects[place], labels[place] = 7 * number, label  # numbers need not follow each other
        if rng.random() < 0.85:
            dy, dx = rng.integers(-2, 3, 2)
            near = np.s_[max(0, y + dy) : y + dy + height, max(0, x + dx) : x + dx + width]
            found[near] = 1000 - number
            said[near] = label if rng.random() < 0.8 else int(rng.integers(1, classes))
    if rng.random() < unlabelled * 5:
        y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        labels[y : y + 12, x : x + 12] = -1
    probabilities = rng.random((classes, *shape)).astype(np.float32)
    np.put_along_axis(probabilities, said[None], probabilities.max(axis=0, keepdims=True) + 0.3, axis=0)
    probabilities /= probabilities.sum(axis=0)
    return Mask(labels, objects), said, found, probabilities


def simulate(seed, images=12, classes=3, **settings):
    """Images, and what each adds."""
    rng = np.random.default_rng(seed)
    drawn = [draw(rng, classes, **settings) for _ in range(images)]
    return drawn, [counted(each, classes) for each in drawn]


def counted(drawn, classes, **settings):
    mask, said, found, probabilities = drawn
    given = {"has_background": True, "objects": found, "probabilities": probabilities} | settings
    return mask_counts(mask, said, classes, **given)


def names(classes):
    return ["background", *(f"class {place}" for place in range(1, classes))]
