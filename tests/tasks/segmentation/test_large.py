"""Large images: in parts as whole, in bands as at once, and in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.tasks.segmentation.made import drawn
from tests.tasks.segmentation.made import segmenter as segmenter_of
from topwork._arrays import Float32Array
from topwork.data import read_masks
from topwork.metrics._segmentation import _bands
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation._decide import Deciding
from topwork.tasks.segmentation._told import told
from topwork.tasks.segmentation.instances import Splitting
from topwork.tasks.segmentation.network import Strip, _strips, blended, parts_of


def test_in_parts_it_says_what_it_says_of_the_whole() -> None:
    """A network of 256 pixels on the whole, and the same numbers at 128 pixels on each part."""
    image, _ = drawn(5, 256)
    (whole,), (parts,) = segmenter_of(256).predict([image]), segmenter_of(128).predict([image], tile=128)
    assert len(np.unique(whole.labels)) == 3
    inside = slice(24, -24)
    same = whole.labels[inside, inside] == parts.labels[inside, inside]
    assert same.mean() > 0.999


def test_parts_cover_an_image_and_blend_to_one() -> None:
    rows = parts_of(100, 70, 32)
    given = [
        [(part, np.ones((2, part.bottom - part.top, part.right - part.left), np.float32) / 2) for part in row]
        for row in rows
    ]
    found = np.concatenate([each.probabilities for each in blended(given, 100, 70, 32)], axis=1)
    np.testing.assert_allclose(found, np.full((2, 100, 70), 0.5), atol=1e-6)


def discs(height: int, width: int) -> Float32Array:
    """Probabilities of background and discs, none of which touches another."""
    down, across = np.mgrid[:height, :width] % 40
    inside = np.hypot(down - 20, across - 20) < 12
    return np.stack([~inside, inside]).astype(np.float32) * 0.98 + 0.01


def test_objects_in_bands_are_those_of_the_whole() -> None:
    pytest.importorskip("skimage")
    probabilities = discs(2000, 120)
    deciding = Deciding(0.5, Splitting(border=False))
    strips = [Strip(top, probabilities[:, top : top + 90]) for top in range(0, 2000, 90)]
    whole = told(strips, (2000, 120), deciding, 2, has_background=True)
    bands = told(strips, (2000, 120), deciding, 2, has_background=True, band=600 * 120)
    assert whole.objects is not None
    assert bands.objects is not None
    assert len(np.unique(whole.objects)) == 151
    pairs = np.unique(np.stack([whole.objects, bands.objects]).reshape(2, -1), axis=1)
    assert pairs.shape[1] == 151  # each one has one number, and no two have the same


def test_counted_in_strips_it_says_what_it_says_of_the_whole(
    shapes: Path, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read_masks(shapes)
    whole = segmenter.evaluate(data, cache=False)
    monkeypatch.setattr(_strips, "_NUMBERS", 3 * 128 * 10)
    strips = segmenter.evaluate(data, cache=False)
    assert len(strips.counts) == len(data)
    for each, before in zip(strips.counts, whole.counts, strict=True):
        for one, other in (
            (each.confusion, before.confusion),
            (each.boundary, before.boundary),
            (each.bins, before.bins),
        ):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=3)  # a product of matrices is rounded by its size
    labels = np.concatenate([found.labels.ravel() for found in segmenter.predict([*map(data.source, range(3))])])
    true = np.concatenate([data.mask(row).labels.ravel() for row in range(3)])
    table = sum(each.confusion for each in strips.counts[:3])
    np.testing.assert_allclose(table, np.histogram2d(true, labels, bins=(range(4), range(4)))[0], atol=3)


def test_a_large_image_is_counted_without_its_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight classes they would have 32 MB."""
    model = segmenter_of(128, classes=tuple("abcdefgh"))
    image = np.tile(drawn(5, 256)[0], (4, 4, 1))
    labels = np.tile(drawn(5, 256)[1], (4, 4)).astype(np.int32)
    data = read_masks(([image], [labels]), classes=model.classes)
    monkeypatch.setattr(_strips, "_NUMBERS", 2**18)
    monkeypatch.setattr(_bands, "PIXELS", 2**16)
    model.evaluate(data, cache=False)  # what is opened once
    tracemalloc.start()
    found = model.evaluate(data, cache=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.counts[0].confusion.sum() == labels.size
    assert peak < 8 * labels.size * 4


def test_a_large_image_is_never_held_as_probabilities() -> None:
    model = segmenter_of(128, classes=tuple("abcdefgh"))
    image = np.tile(drawn(5, 256)[0], (16, 2, 1))
    whole = 8 * image.shape[0] * image.shape[1] * 4
    model.predict([image[:300]], tile=128)  # what is opened once
    tracemalloc.start()
    (found,) = model.predict([image], tile=128)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.size == (4096, 512)
    assert found.labels.nbytes == 4096 * 512
    assert peak < 0.6 * whole
