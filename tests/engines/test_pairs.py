"""Two images a call: only where that changes no bit of an answer, and whatever stands beside an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from topwork._arrays import Float32Array, UInt8Array
from topwork.backbones import Backbone, load
from topwork.data import decode
from topwork.engines import EngineChoice, open_engine, precisions
from topwork.engines import _pairs as pairs
from topwork.engines._openvino import OpenVINOEngine

SIZE = 64


@pytest.fixture(scope="module")
def small() -> Backbone:
    return load("lite0", size=SIZE)


class Careless(OpenVINOEngine):
    """Sums in another order where it takes two: the last bit of one feature in a thousand is another."""

    def __call__(self, images: UInt8Array) -> Float32Array:
        found = super().__call__(images)
        if self.batch_size > 1:
            found[:, ::1000] = np.nextafter(found[:, ::1000], np.float32(np.inf))
        return found


@pytest.mark.parametrize("precision", precisions("openvino"))
def test_an_image_has_the_same_bits_beside_any_other(small: Backbone, precision: Any, photos: list[Any]) -> None:
    outputs, choice = small.outputs("last"), EngineChoice("openvino", precision)
    images = np.stack([small.preprocessing(decode(file)) for file in photos[:5]])
    engine, alone = open_engine(small, outputs, choice, many=True), open_engine(small, outputs, choice, images=1)
    expected = np.concatenate([alone(image[None]) for image in images])
    for rows in ([0], [0, 1], [1, 0], [2, 2], [4, 3, 2], [0, 1, 2, 3, 4]):
        np.testing.assert_array_equal(engine(images[rows]), expected[rows])


def test_where_a_bit_differs_each_image_is_a_call_of_its_own(small: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "OpenVINOEngine", Careless)
    engine = pairs.open_for_many(small, small.outputs("last"), "f32")
    assert engine.batch_size == 1


def test_where_none_does_two_are_one_call(small: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int]] = []

    class Noting(OpenVINOEngine):
        def _run(self, images: UInt8Array) -> Float32Array:
            calls.append((self.batch_size, len(images)))
            found: Float32Array = images[:, 0, 0].astype(np.float32)  # rows that depend on their own image alone
            return found

    monkeypatch.setattr(pairs, "OpenVINOEngine", Noting)
    engine = pairs.open_for_many(small, small.outputs("last"), "f32")
    assert engine.batch_size == 2
    calls.clear()
    images = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(engine(images), images[:, 0, 0])
    assert calls == [(2, 2), (2, 2), (1, 1)]
