"""Outlines: filled again by others they are the mask; rings are valid; holes stay; an odd mask breaks nothing."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.tasks.segmentation.made import drawn
from topwork._arrays import AnyArray, BoolArray
from topwork.tasks.segmentation import FoundMask
from topwork.tasks.segmentation._table import object_rows
from topwork.tasks.segmentation.outlines import Region, _corners, _features, regions_of


def filled(regions: list[Region], shape: tuple[int, ...]) -> BoolArray:
    """By Pillow, at eight times the size: its polygons take the pixels on their outline too."""
    found = np.zeros(shape, bool)
    for each in regions:
        picture = Image.new("1", (shape[1] * 8, shape[0] * 8))
        pen = ImageDraw.Draw(picture)
        for ring, ink in ((each.outline, 1), *((hole, 0) for hole in each.holes)):
            pen.polygon([tuple(corner) for corner in (ring * 8).tolist()], fill=ink)
        found |= np.asarray(picture)[4::8, 4::8]
    return found


def masks() -> dict[str, AnyArray]:
    rng = np.random.default_rng(0)
    holes = np.pad(np.ones((5, 5), int), 1)
    holes[2, 2] = holes[3, 3] = holes[4, 4] = 0  # that touch each other by their corners
    ring = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])  # four regions that touch by their corners
    closed = np.array([[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])  # a hole that touches the outside
    island = np.pad(np.pad(np.pad(np.ones((2, 2), int), 2), 2, constant_values=1), 1)
    return {
        "noise": rng.integers(0, 2, (23, 31)),
        "mostly": (rng.random((25, 31)) < 0.85).astype(int),
        "holes": holes,
        "ring": ring,
        "closed": closed,
        "island": island,
        "all": np.ones((3, 4), int),
        "none": np.zeros((3, 4), int),
        "one": np.ones((1, 1), int),
        "row": np.array([[0, 1, 1, 0, 1]]),
        "column": np.array([[1], [0], [1], [1]]),
    }


@pytest.mark.parametrize("name", masks())
def test_filled_again_they_are_the_mask(name: str) -> None:
    measure = pytest.importorskip("skimage.measure")
    mask = masks()[name]
    regions = [*regions_of(mask, 1)]
    labelled = measure.label(mask, connectivity=1)
    assert len(regions) == labelled.max()
    assert sorted(each.area for each in regions) == sorted(np.bincount(labelled.ravel())[1:].tolist())
    np.testing.assert_array_equal(filled(regions, mask.shape), mask)


def proper(ring: AnyArray) -> bool:
    """Whether no corner comes twice, edges are along one axis and turn at each corner."""
    steps = np.roll(ring, -1, axis=0) - ring
    along = steps != 0
    return bool(
        len(np.unique(ring, axis=0)) == len(ring) >= 4
        and (along.sum(axis=1) == 1).all()
        and (along != np.roll(along, -1, axis=0)).all()
    )


@pytest.mark.parametrize("name", masks())
def test_rings_are_valid(name: str) -> None:
    def area(ring: AnyArray) -> float:
        (x, y), (then, below) = ring.T, np.roll(ring, -1, axis=0).T
        return float((x * below - then * y).sum()) / 2

    for region in regions_of(masks()[name], 1):
        assert all(map(proper, (region.outline, *region.holes)))
        assert area(region.outline) > 0
        assert all(area(hole) < 0 for hole in region.holes)
        for one, other in itertools.combinations(region.holes, 2):
            assert len(set(map(tuple, one.tolist())) & set(map(tuple, other.tolist()))) <= 1


def test_holes_stay_apart() -> None:
    (region,) = regions_of(masks()["holes"], 1)
    assert [len(hole) for hole in region.holes] == [4, 4, 4]
    (around, inside) = regions_of(masks()["island"], 1)
    assert [around.area, len(around.holes), inside.area, len(inside.holes)] == [64, 1, 4, 0]


def test_a_large_mask_read_in_strips_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    _, mask = drawn(4, 96)
    whole = [[each.outline.tolist(), each.area] for each in regions_of(mask, 1)]
    monkeypatch.setattr(_corners, "_CELLS", 97 * 5)
    assert [[each.outline.tolist(), each.area] for each in regions_of(mask, 1)] == whole
    assert len(whole) > 1


@pytest.mark.parametrize("cells", [1, 70, 1 << 24])
@pytest.mark.parametrize("name", masks())
def test_the_certainty_of_a_region_is_the_mean_of_its_pixels(
    name: str, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_features, "_CELLS", cells)  # strips of a row, of a few, and the whole
    measure = pytest.importorskip("skimage.measure")
    labels = masks()[name].astype(np.uint8)
    certainty = np.random.default_rng(1).integers(85, 256, labels.shape).astype(np.uint8)
    regions = measure.regionprops(measure.label(labels, connectivity=1), certainty)
    expected = sorted(round(float(each.intensity_mean) / 255, 3) for each in regions)
    found = FoundMask("a.png", labels, ("ground", "cell"), certainty=certainty)
    told = [each["properties"]["measurements"]["Certainty"] for each in found.features()]
    assert sorted(told) == pytest.approx(expected, abs=1e-3)
    objects = labels.astype(np.int32) * 7  # in pieces
    whole = FoundMask("a.png", labels, ("ground", "cell"), objects=objects, certainty=certainty)
    mean = certainty[objects > 0].mean() / 255 if objects.any() else 0
    for each in whole.features():
        assert each["properties"]["measurements"]["Certainty"] == pytest.approx(mean, abs=1e-4)
    for one in whole.to_dict()["objects"]:
        assert one["certainty"] == pytest.approx(mean, abs=1e-4)


def test_features_are_of_regions_or_of_objects() -> None:
    pytest.importorskip("skimage")
    labels = np.zeros((8, 9), np.uint8)
    labels[1:7, 1:5], labels[2:4, 2:4], labels[5:, 7:] = 1, 0, 2
    regions = [*FoundMask("a.png", labels, ("ground", "cell <b>", "영역")).features()]
    assert [each["properties"]["classification"]["name"] for each in regions] == ["cell <b>", "영역"]
    assert [each["properties"]["measurements"] for each in regions] == [{"Area px^2": 20}, {"Area px^2": 6}]
    assert [each["properties"]["objectType"] for each in regions] == ["annotation"] * 2
    outer, hole = regions[0]["geometry"]["coordinates"]
    assert outer[0] == outer[-1]
    assert set(map(tuple, outer)) == {(1, 1), (5, 1), (5, 7), (1, 7)}
    assert set(map(tuple, hole)) == {(2, 2), (4, 2), (4, 4), (2, 4)}
    objects = np.zeros((8, 9), np.int32)
    objects[1:3, 1:5], objects[5:7, 2], objects[5:, 7:] = 3, 3, 9
    told = [*FoundMask("a.png", labels, ("ground", "cell", "dot"), objects=objects).features()]
    assert [each["properties"]["name"] for each in told] == ["3", "9"]
    assert [each["geometry"]["type"] for each in told] == ["MultiPolygon", "Polygon"]
    assert [each["properties"]["measurements"]["Area px^2"] for each in told] == [10, 6]
    assert [each["properties"]["classification"]["name"] for each in told] == ["cell", "dot"]
    faint = np.zeros((8, 9), np.uint8)
    faint[1:3, 1:5], faint[5:, 7:] = 0, [[0, 2]] * 3  # below the limit of a label, or half of it
    doubtful = FoundMask("a.png", faint, ("ground", "cell", "dot"), objects=objects)
    of_objects = doubtful.features(), doubtful.to_dict()["objects"], object_rows(doubtful)
    names = [
        [each["properties"]["classification"]["name"] for each in of_objects[0]],
        [each["category"] for each in of_objects[1]],
        [each["label"] for each in of_objects[2]],
    ]
    assert names == [["cell", "dot"]] * 3  # no object is ground
    json.dumps(told)
    assert [*FoundMask("a.png", error="no image").features()] == []
