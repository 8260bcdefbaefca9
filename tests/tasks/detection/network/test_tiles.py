"""Tiles cover an image, and what is found in them is what lies there, once."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from topwork.errors import ModelError
from topwork.metrics import Detections
from topwork.tasks.detection.network import Tile, merged, tiles


@pytest.mark.parametrize(("height", "width"), [(1, 1), (100, 700), (640, 640), (641, 1280)])
@pytest.mark.parametrize(("tile", "overlap"), [(640, 0.25), (64, 0.0), (300, 0.9)])
def test_they_cover_the_image(height: int, width: int, tile: int, overlap: float) -> None:
    parts = tiles(height, width, tile, overlap)
    covered = np.zeros((height, width), np.int32)
    for part in parts:
        assert part.of(np.zeros((height, width, 3), np.uint8)).shape == (min(tile, height), min(tile, width), 3)
        part.of(covered)[:] += 1
    assert covered.min() == 1 or len(parts) > 1
    assert covered.min() >= 1
    starts = sorted({part.left for part in parts})
    assert all(tile - (b - a) >= int(tile * overlap) - 1 for a, b in itertools.pairwise(starts))
    if overlap == 0:
        assert len(parts) == -(-height // tile) * -(-width // tile)  # as few as there can be


def seen(part: Tile, objects: Detections) -> Detections:
    """What a perfect detector finds in a tile: each object's part in it, less sure where it is cut."""
    offset = np.array([part.left, part.top] * 2)
    corners = np.maximum(objects.corners - offset, 0)
    limits = [part.right - part.left, part.bottom - part.top] * 2
    corners = np.minimum(corners, limits).astype(np.float32)
    own, whole = ((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (corners, objects.corners))
    there = Detections(corners, (objects.scores * own / whole).astype(np.float32), objects.labels)
    return there.select((corners[:, 2:] > corners[:, :2] + 4).all(axis=1))


def test_what_is_smaller_than_the_overlap_is_found_once_and_whole() -> None:
    rng = np.random.default_rng(0)
    low = np.stack(np.meshgrid(np.arange(10, 1500, 90), np.arange(10, 900, 90)), -1).reshape(-1, 2) + rng.uniform(0, 20)
    corners = np.concatenate([low, low + rng.uniform(20, 70, low.shape)], axis=1).astype(np.float32)
    scores = np.sort(rng.uniform(0.4, 0.9, len(low)).astype(np.float32))[::-1]
    objects = Detections(corners, scores, rng.integers(0, 3, len(low)).astype(np.int32))
    parts = tiles(1000, 1600, 320, 0.25)
    found = merged([seen(part, objects) for part in parts], parts, 1000, 1600)
    assert len(found) == len(objects)
    np.testing.assert_allclose(found.corners, objects.corners, atol=1e-3)
    np.testing.assert_array_equal(found.labels, objects.labels)


def test_a_part_gives_way_to_the_whole_however_sure_it_is() -> None:
    parts = (Tile(0, 0, 100, 100), Tile(60, 0, 160, 100))
    whole = Detections(np.array([[5, 10, 55, 40]], "f4"), np.array([0.5], "f4"), np.zeros(1, "i4"))  # 65 to 115
    part = Detections(np.array([[65, 10, 100, 40]], "f4"), np.array([0.9], "f4"), np.zeros(1, "i4"))
    found = merged([part, whole], parts, 100, 160)
    np.testing.assert_array_equal(found.corners, [[65, 10, 115, 40]])
    other = Detections(part.corners, part.scores, np.ones(1, "i4"))  # of another class it is another object
    assert len(merged([other, whole], parts, 100, 160)) == 2
    at_the_border = Detections(np.array([[0, 10, 35, 40]], "f4"), part.scores, part.labels)  # of the image: not cut
    assert len(merged([at_the_border, whole], parts, 100, 160)) == 2
    assert len(merged([Detections.none()] * 2, parts, 100, 160)) == 0


def test_what_is_cut_in_every_tile_stays_in_parts() -> None:
    parts = (Tile(0, 0, 100, 100), Tile(80, 0, 180, 100))
    left = Detections(np.array([[10, 10, 100, 40]], "f4"), np.array([0.9], "f4"), np.zeros(1, "i4"))
    right = Detections(np.array([[0, 10, 90, 40]], "f4"), np.array([0.8], "f4"), np.zeros(1, "i4"))
    np.testing.assert_array_equal(
        merged([left, right], parts, 100, 180).corners, [[10, 10, 100, 40], [80, 10, 170, 40]]
    )


@pytest.mark.parametrize(("tile", "overlap"), [(15, 0.2), (100, -0.1), (100, 1.0), (100, float("nan"))])
def test_what_cannot_be_is_refused(tile: int, overlap: float) -> None:
    with pytest.raises(ModelError, match="tiles of"):
        tiles(100, 100, tile, overlap)
