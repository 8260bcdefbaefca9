"""How sure a segmenter is of a pixel: on the images that say it, it is the share that is right; and its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.tasks.segmentation.made import drawn
from tests.tasks.segmentation.made import segmenter as segmenter_of
from topwork.data import read_masks
from topwork.metrics import PixelCalibration, ReliabilityBin
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation._certainty import Certainty, rising
from topwork.tasks.segmentation._table import object_rows
from topwork.tasks.segmentation.instances import Splitting


def test_accuracies_rise_as_scikit_learns() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic")
    rng = np.random.default_rng(0)
    for count in (1, 2, 15, 15):
        bins = tuple(
            ReliabilityBin(int(rng.integers(1, 999)), (place + 0.5) / count, float(rng.random()))
            for place in range(count)
        )
        confidences, accuracies = [each.confidence for each in bins], [each.accuracy for each in bins]
        expected = isotonic.isotonic_regression(accuracies, sample_weight=[each.images for each in bins])
        np.testing.assert_allclose(rising(bins), expected, atol=1e-9)
        certainty = Certainty.of(PixelCalibration(None, bins))
        given = np.array(confidences)
        said = certainty(
            np.stack([given, np.zeros(count), 1 - given])[:, None].astype(np.float32), np.zeros((1, count))
        )
        sure = given >= 0.5  # the first class is the most probable one
        np.testing.assert_allclose(said[0, sure] / 255, expected[sure], atol=0.003)


def test_of_held_out_pixels_it_is_the_share_that_is_right(segmenter: Segmenter, shapes: Path) -> None:
    from topwork.fitting import held_out_again

    assert segmenter.certainty_is_calibrated
    held = held_out_again(segmenter, read_masks(shapes))
    assert held is not None
    found = [*segmenter.predict_each([*held.sources()], certainty=True)]
    certain = np.concatenate([each.certainty.ravel() for each in found if each.certainty is not None]) / 255
    right = np.concatenate([(each.labels == held.mask(row).labels).ravel() for row, each in enumerate(found)])
    assert certain.mean() == pytest.approx(right.mean(), abs=0.01)
    doubtful = certain < np.quantile(certain, 0.05)
    assert right[doubtful].mean() == pytest.approx(certain[doubtful].mean(), abs=0.1)
    assert right[doubtful].mean() < right[~doubtful].mean()
    assert found[0].to_dict()["certainty"] == pytest.approx(found[0].certainty.mean() / 255, abs=1e-4)  # type: ignore[union-attr]


def test_below_the_threshold_the_less_probable_class_is_doubted() -> None:
    own = Certainty.of(None)
    assert not own.is_calibrated
    second = np.array([[0.1, 0.4, 0.9]], np.float32)
    said = own(np.stack([1 - second, second]), np.array([[0, 1, 1]], np.uint8))
    np.testing.assert_array_equal(said, np.rint(np.array([[0.9, 0.4, 0.9]]) * 255))


def test_in_parts_each_pixel_has_one() -> None:
    model = segmenter_of(64)
    image = drawn(3, 150)[0]
    for tile in (None, 64):
        (found,) = model.predict_each([image], tile=tile, certainty=True)
        assert found.certainty is not None
        assert found.certainty.shape == found.labels.shape
        assert found.certainty.min() >= 85 - 1  # of three classes the most probable one has a third
    (none,) = model.predict_each([image])
    assert none.certainty is None
    assert "certainty" not in none.to_dict()


def test_an_object_has_the_mean_of_its_pixels() -> None:
    pytest.importorskip("skimage")
    splitting = Splitting(True, threshold=0.97, marker=0.8).to_dict()
    model = segmenter_of(64, classes=("a", "b"), border=True, splitting=splitting)
    (found,) = model.predict_each([drawn(3, 150)[0]], certainty=True)
    (plain,) = model.predict_each([drawn(3, 150)[0]])
    assert found.certainty is not None
    assert found.objects is not None
    rows = object_rows(found)
    assert len(rows) == found.count
    assert len(rows) > 1
    for row in rows:
        mean = found.certainty[found.objects == row["object"]].mean() / 255
        assert row["certainty"] == pytest.approx(mean, abs=1e-3)
    assert "certainty" not in object_rows(plain)[0]


def test_files_of_certainty(run: Callable[..., Any], segmenter: Segmenter, shapes: Path, tmp_path: Path) -> None:
    model, image = segmenter.save(tmp_path / "model"), shapes / "images" / "00.png"
    done = run("predict", model, image, "--certainty", tmp_path / "sure", "--json")
    assert done.code == 0
    assert "maps of certainty written: 1" in done.err
    assert "own probability" not in done.err
    (found,) = segmenter.predict_each([image], certainty=True)
    assert found.certainty is not None
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sure" / "00.png")), found.certainty)
    same = run("predict", model, image, "--certainty", tmp_path / "one", "--masks", tmp_path / "b" / ".." / "one")
    assert same.code == 2
    assert "--masks and --certainty give their files the same names" in same.err
    assert not (tmp_path / "one").exists()
    unknown = segmenter_of(64).save(tmp_path / "unmeasured")
    assert "own probability" in run("predict", unknown, image, "--certainty", tmp_path / "other").err
    refused = run("predict", "--backbone", "lite0", image, "--certainty", tmp_path / "none")
    assert refused.code == 2
    assert "--certainty is for models that segment images" in refused.err
