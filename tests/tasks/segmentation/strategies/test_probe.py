"""The pixel probe: from strokes, from one image, from few; what is drawn, and what cannot be learnt from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tasks.segmentation.made import drawn, written
from topwork.backbones import load
from topwork.data import MaskDataset, read_masks
from topwork.errors import DataError
from topwork.tasks.segmentation._seen import look
from topwork.tasks.segmentation.network import PixelSpec
from topwork.tasks.segmentation.strategies import ProbeOptions, fit_probe
from topwork.tasks.segmentation.strategies._probe import spread
from topwork.tasks.segmentation.strategies._sampled import sampler

BACKBONE = load("lite0", size=128)


def data(folder: Path, count: int, masks: tuple[np.ndarray, ...] = ()) -> MaskDataset:
    """Drawn images; the masks of the first are replaced."""
    written(folder, count)
    for place, mask in enumerate(masks):
        Image.fromarray(mask).save(folder / "masks" / f"{place:02}.png")
    found = read_masks(folder)
    object.__setattr__(found, "splits", np.full(count, "train"))
    return found


def test_from_strokes_in_one_image_the_rest_is_told(tmp_path: Path) -> None:
    _, mask = drawn(0)
    strokes = np.full_like(mask, 255)
    for label in range(3):
        places = np.flatnonzero(mask == label)[::40]
        strokes.ravel()[places] = label
    written(tmp_path, 1)
    Image.fromarray(strokes).save(tmp_path / "masks" / "00.png")
    dataset = read_masks(tmp_path)
    assert dataset.pixels[0, -1] > 0.9 * mask.size
    object.__setattr__(dataset, "splits", np.full(1, "train"))
    fitted = fit_probe(dataset, BACKBONE, ProbeOptions())
    assert fitted.validation is None
    logits = [*fitted.table.each(lambda row, maps: fitted.head.logits(maps[None])[0])]
    said = logits[0].argmax(axis=0)
    assert (said == mask[::2, ::2]).mean() > 0.9


def test_a_class_is_drawn_as_often_as_another_and_none_that_is_unlabelled(tmp_path: Path) -> None:
    mask = drawn(0)[1].copy()
    mask[:64] = 255
    dataset = data(tmp_path, 2, (mask,))
    spec = PixelSpec.of(BACKBONE, 3)
    draw = sampler(dataset, spec, BACKBONE.replace(crop_mode="squash").preprocessing, 90, 0)
    seen, parts = look(dataset, BACKBONE.replace(crop_mode="squash"), BACKBONE.maps(spec.stages), draw)
    assert len(seen) == 2
    for row, part in enumerate(parts):
        assert part is not None
        there = dataset.mask(row).labels[1::2, 1::2]
        own = [int((there == label).sum()) for label in range(3)]
        most = 90 // sum(count > 0 for count in own)
        assert np.bincount(part.labels, minlength=3).tolist() == [min(most, count) for count in own]
        assert part.weights.sum() == pytest.approx((there >= 0).sum())


def test_the_same_seed_gives_the_same_head(tmp_path: Path) -> None:
    dataset = data(tmp_path, 4)
    first, second = (fit_probe(dataset, BACKBONE, ProbeOptions(seed=3)) for _ in range(2))
    for name, array in first.head.to_tensors().items():
        np.testing.assert_array_equal(array, second.head.to_tensors()[name])
    assert first.validation is not None
    assert first.validation.iou > 0.6


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    dataset = data(tmp_path, 3)
    pixels = dataset.pixels.copy()
    pixels[:, 1:3] = 0
    object.__setattr__(dataset, "pixels", pixels)
    with pytest.raises(DataError, match=r"the 3 training images show only .*"):
        fit_probe(dataset, BACKBONE, ProbeOptions())


def test_an_image_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    dataset = data(tmp_path, 4)
    (tmp_path / "images" / "01.png").write_bytes(b"no image any more")
    fitted = fit_probe(dataset, BACKBONE, ProbeOptions())
    assert len(fitted.table) == 3
    assert [item.path for item in fitted.table.dataset.left_out] == ["images/01.png"]


def test_objects_are_told_apart_by_images_of_all_groups(tmp_path: Path) -> None:
    """Neighbours in a folder are alike: the first rows would be of one slide alone."""
    dataset = read_masks(written(tmp_path, 8))
    rows = np.arange(8)
    grouped = dataclasses.replace(dataset, groups=("a", "a", "a", "a", "a", "b", "c", "d"))
    chosen = spread(grouped, rows, 4, seed=0)
    assert {grouped.groups[row] for row in chosen} == {"a", "b", "c", "d"}
    assert chosen.tolist() == sorted(chosen.tolist())
    assert spread(grouped, rows, 4, seed=0).tolist() == chosen.tolist()
    drawn = {tuple(spread(dataset, rows, 4, seed=seed).tolist()) for seed in range(4)}
    assert len(drawn) > 1
    assert spread(dataset, rows, 24, seed=0).tolist() == rows.tolist()
