"""Sizes and forms of objects, by hand."""

import math

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.tasks.segmentation.instances import measured

from . import discs


def test_a_disc_and_a_bar_by_hand():
    objects = discs([(20, 30, 10)])
    objects[40:44, 10:50] = 7
    labels = (objects > 0).astype(np.int32) + (objects == 7)
    disc, bar = measured(objects, labels, np.where(objects == 7, 3.0, 1.0))
    area = int((objects == 1).sum())
    assert disc[:9] == (1, 1, area, 20.0, 30.0, 10, 20, 31, 41)
    assert disc.eccentricity == pytest.approx(0, abs=1e-6)
    assert disc.equivalent_diameter == pytest.approx(math.sqrt(4 * area / math.pi))
    assert disc.perimeter == pytest.approx(2 * math.pi * 10, rel=0.1)
    assert disc.solidity > 0.9
    assert bar[:9] == (7, 2, 160, 41.5, 29.5, 40, 10, 44, 50)
    assert bar.eccentricity > 0.98
    assert (disc.intensity, bar.intensity) == (1.0, 3.0)
    assert measured(objects, labels)[0].intensity is None


def test_specks_lines_and_nothing():
    objects = np.zeros((10, 10), np.int32)
    assert measured(objects, objects) == ()
    objects[0, 0], objects[9, :] = 5, 2
    line, speck = measured(objects, np.where(objects == 5, -1, 1))
    assert (speck.area, speck.eccentricity, speck.label, line.label) == (1, 0, 0, 1)
    assert all(math.isfinite(each) for each in (*line[:-1], *speck[:-1]))


def test_other_sizes_and_kinds_are_refused():
    objects = np.ones((4, 4), np.int32)
    for given in (
        (objects, objects[:2]),
        (objects, objects, objects[:2]),
        (objects - 2, objects),
        (objects[0], objects),
    ):
        with pytest.raises(DataError):
            measured(*given)
    with pytest.raises(DataError, match="integers"):
        measured(objects.astype(float), objects)
