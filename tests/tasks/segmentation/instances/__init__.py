"""Discs that touch, as masks and as the probabilities of a network that knows them."""

import numpy as np

from topwork.data import Mask
from topwork.tasks.segmentation.instances import border_targets

SHAPE = (64, 96)


def discs(places, shape=SHAPE):
    """Objects (H, W) of discs (y, x, radius), the later ones cut where earlier ones are."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    objects = np.zeros(shape, np.int32)
    for number, (y, x, radius) in enumerate(places, 1):
        objects[((rows - y) ** 2 + (columns - x) ** 2 <= radius**2) & (objects == 0)] = number
    return objects


def simulate(rng, tries=30):
    """A mask of discs, many of which touch, cut by two pixels at most."""
    places = []
    for _ in range(tries):
        y, x, radius = int(rng.integers(6, 58)), int(rng.integers(6, 90)), int(rng.integers(5, 10))
        if all((y - b) ** 2 + (x - a) ** 2 >= (radius + other - 2) ** 2 for b, a, other in places):
            places.append((y, x, radius))
    objects = discs(places)
    return Mask((objects > 0).astype(np.int32), objects)


def perfect(objects, border, width=2):
    """(2, H, W), or (3, H, W) with the border last."""
    inside = objects > 0
    if not border:
        return np.stack([~inside, inside]).astype(np.float32)
    edge = border_targets(objects, width)
    return np.stack([~inside, inside & ~edge, edge]).astype(np.float32)
