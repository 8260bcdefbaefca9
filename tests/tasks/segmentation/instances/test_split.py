"""Objects told apart: by hand, by what perfect probabilities give, and on real nuclei where they are there."""

import json
import os

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import find_boundaries

from topwork.data import Mask, read_masks
from topwork.errors import DataError, MissingExtraError
from topwork.metrics import mask_counts, segmentation_report
from topwork.tasks.segmentation.instances import (
    Splitting,
    border_targets,
    depth_targets,
    fit_splitting,
    split_objects,
)

from . import discs, perfect, simulate

TOUCHING = [(20, 20, 10), (20, 38, 10), (45, 70, 8)]


def ap50(pairs):
    counts = [mask_counts(mask, mask.labels, 2, has_background=True, objects=objects) for mask, objects in pairs]
    return segmentation_report(counts, ("background", "nucleus"), has_background=True, resamples=2).objects


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_border_is_of_pixels_with_another_object_near(width):
    objects = simulate(np.random.default_rng(0)).objects
    expected = np.zeros(objects.shape, bool)
    for y, x in np.argwhere(objects):
        near = objects[max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
        expected[y, x] = ((near > 0) & (near != objects[y, x])).any()
    np.testing.assert_array_equal(border_targets(objects, width), expected)
    assert 0 < expected.sum() < (objects > 0).sum() / 2


def test_an_object_alone_has_no_border():
    assert not border_targets(discs([(20, 20, 10), (20, 60, 10)])).any()
    assert border_targets(np.array([[1, 0, 2]]), 5).tolist() == [[True, False, True]]  # nearly touching; a tiny image
    assert not border_targets(np.zeros((0, 4), np.int32)).any()


def test_a_depth_is_a_share_of_each_object_s_own():
    """Beside the distances in each object alone, by scikit-image's edge of it."""
    objects = simulate(np.random.default_rng(0)).objects
    expected = np.zeros(objects.shape)
    for number in np.unique(objects[objects > 0]):
        own = objects == number
        inside = distance_transform_edt(own & ~find_boundaries(own, connectivity=2, mode="inner"))
        expected[own] = inside[own] / inside.max()
    np.testing.assert_allclose(depth_targets(objects), expected, atol=1e-6)


def test_depths_of_odd_objects():
    assert (depth_targets(np.ones((9, 9), np.int32)) == 1).all()
    numbers = np.full((9, 9), 10**9)
    numbers[4, 4] = 7  # all edge
    assert depth_targets(numbers)[4, 4] == 1
    assert depth_targets(numbers)[3, 4] == 0
    assert depth_targets(numbers).max() == 1
    assert depth_targets(np.zeros((0, 4), np.int32)).shape == (0, 4)
    assert not depth_targets(np.zeros((3, 4), np.int32)).any()
    with pytest.raises(DataError, match="objects must be integers"):
        depth_targets(np.zeros((3, 4)))


@pytest.mark.parametrize("border", [True, False])
def test_discs_that_touch_are_told_apart(border):
    objects = discs(TOUCHING)
    found = split_objects(perfect(objects, border), Splitting(border))
    assert found.dtype == np.int32
    assert found.max() == 3
    np.testing.assert_array_equal(found > 0, objects > 0)
    assert ap50([(Mask((objects > 0).astype(np.int32), objects), found)]).pq.value > 0.9


def test_a_border_tells_apart_what_has_no_waist():
    objects = np.zeros((40, 40), np.int32)
    objects[5:35, 5:20], objects[5:35, 20:35] = 1, 2
    assert split_objects(perfect(objects, False), Splitting(False)).max() == 1
    found = split_objects(perfect(objects, True), Splitting(True))
    assert found.max() == 2
    assert np.abs(np.bincount(found.ravel())[1:] - 450).max() <= 30


def test_perfect_probabilities_give_nearly_every_object():
    rng = np.random.default_rng(1)
    masks = [simulate(rng) for _ in range(12)]
    found = {
        border: ap50([(m, split_objects(perfect(m.objects, border), Splitting(border))) for m in masks])
        for border in (True, False)
    }
    assert found[True].ap50.value > 0.9
    assert found[True].ap.value > found[False].ap.value


def test_shapes_from_which_nothing_starts_and_small_ones():
    objects = discs([(20, 20, 10), (40, 60, 1)])
    doubtful = perfect(objects, True)
    doubtful[1:, 35:] = doubtful[1:, 35:].sum(axis=0) * np.float32(0.5)  # never surely inside
    found = split_objects(doubtful, Splitting(True))
    assert found.max() == 2
    assert split_objects(doubtful, Splitting(True, least_area=20)).max() == 1
    assert not split_objects(np.zeros((2, 8, 8), np.float32), Splitting(False)).any()
    assert split_objects(np.ones((1, 8, 8), np.float32), Splitting(False), has_background=False).max() == 1


def test_pieces_without_a_border_between_them_are_joined():
    """Three squares in a row, each surely inside at its middle alone: between the first two a border, then none."""
    objects = np.zeros((20, 60), np.int32)
    for place in range(3):
        objects[:, 20 * place : 20 * place + 20] = place + 1
    border = np.full(objects.shape, 0.3, np.float32)
    for place in range(3):
        border[5:15, 20 * place + 5 : 20 * place + 15] = 0.02
    border[:, 18:22] = 0.6
    probabilities = np.stack([np.zeros_like(border), 1 - border, border])
    expected = {0.0: [400, 400, 400], 0.2: [400, 400, 400], 0.45: [400, 800], 0.8: [1200]}
    for join, areas in expected.items():
        found = split_objects(probabilities, Splitting(True, marker=0.9, join=join))
        assert sorted(np.bincount(found.ravel())[1:]) == areas, join


def test_objects_that_are_hardly_there_are_none():
    objects = discs([(20, 20, 10), (40, 60, 8)])
    probabilities = np.stack([1.0 - (objects > 0), objects > 0]).astype(np.float32)
    probabilities[:, objects == 2] = [[0.35], [0.65]]
    for sure, count in ((0.6, 2), (0.64, 2), (0.66, 1)):
        found = split_objects(probabilities, Splitting(False, sure=sure))
        np.testing.assert_array_equal(found > 0, (objects > 0) & (objects <= count))
        assert found.max() == count


def test_classes_are_told_apart_one_by_one():
    objects = discs(TOUCHING[:2])
    labels = np.where(objects == 2, 2, (objects > 0).astype(np.int64))
    probabilities = np.stack([labels == place for place in range(3)]).astype(np.float32)
    found = split_objects(probabilities, Splitting(False))
    np.testing.assert_array_equal(found, objects)


@pytest.mark.parametrize("border", [True, False])
def test_what_is_chosen_is_the_best_of_the_grid_and_beats_the_default(border):
    rng = np.random.default_rng(2)
    images = []
    for _ in range(6):
        mask = simulate(rng)
        logits = 4 * perfect(mask.objects, border) + rng.normal(0, 1.2, (2 + border, *mask.labels.shape))
        logits[1] -= 1.5  # a network that sees too little, and specks
        grown = np.exp(logits)
        images.append(((grown / grown.sum(axis=0)).astype(np.float32), mask))
    chosen = fit_splitting(iter(images), border=border)
    scores = [
        ap50([(mask, split_objects(given, each)) for given, mask in images]).ap.value
        for each in (chosen, Splitting(border))
    ]
    assert chosen.border == border
    assert chosen.least_area > 0
    assert scores[0] > scores[1]
    assert Splitting.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen


def test_bad_input_is_refused_by_name():
    flat = np.full((2, 4, 4), 0.5, np.float32)
    labels = np.zeros((4, 4), np.int32)
    for given, border, told in [
        (flat[0], False, "probabilities must be floats"),
        (flat, True, "3 channels"),
        (flat.astype(int), False, "probabilities must be floats"),
        (flat * np.nan, False, "NaN"),
    ]:
        with pytest.raises(DataError, match=told):
            split_objects(given, Splitting(border))
    for mask, told in ((Mask(labels), "not told apart"), (Mask(labels, labels), "shows one")):
        with pytest.raises(DataError, match=told):
            fit_splitting([(flat, mask)], border=False)
    with pytest.raises(DataError, match="shows one"):
        fit_splitting([], border=False)
    for objects, width in ((flat[0], 2), (labels[0], 2), (labels, 0)):
        with pytest.raises(DataError):
            border_targets(objects, width)
    for changed in (
        {"threshold": 1.5},
        {"depth": 0},
        {"least_area": -1},
        {"marker": "much"},
        {"join": 1},
        {"joint": 0.2},  # of a newer topwork, or mistyped
        {"sure": -0.1},
    ):
        with pytest.raises(DataError, match="not a saved way to tell objects apart"):
            Splitting.from_dict(Splitting(True).to_dict() | changed)


def test_without_scikit_image_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.segmentation", None)
    with pytest.raises(MissingExtraError, match="telling objects apart needs skimage") as caught:
        split_objects(np.full((2, 4, 4), 0.5, np.float32), Splitting(False))
    assert "topwork[segmentation]" in caught.value.hint


@pytest.mark.skipif("TOPWORK_NUCLEI" not in os.environ, reason="TOPWORK_NUCLEI names no data set of nuclei")
@pytest.mark.parametrize(("border", "least"), [(True, 0.96), (False, 0.85)])
def test_perfect_probabilities_of_real_nuclei(border, least):
    dataset = read_masks(os.environ["TOPWORK_NUCLEI"])
    rows = np.flatnonzero(np.asarray(dataset.splits) == "train")[::7]
    masks = [dataset.mask(int(row)) for row in rows]
    found = ap50([(m, split_objects(perfect(m.objects, border), Splitting(border))) for m in masks])
    assert found.ap50.value > least
