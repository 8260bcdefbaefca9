"""The perceptual hash and the search for near ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from topwork.checking import _perceptual_hash
from topwork.checking._perceptual_hash import NEAR, distance, mirrored, near_pairs
from topwork.checking._survey import look

from .conftest import Paint, encoded, pixels_of

COPIES: dict[str, Paint] = {
    "recompressed": lambda image: image,
    "halved": lambda image: image.resize((image.width // 2, image.height // 2)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "grey": lambda image: image.convert("L"),
}


def hashes(images: list[Image.Image]) -> np.ndarray:
    return np.array([look(encoded(image, quality=60)).hash for image in images], np.uint64)


@pytest.mark.parametrize("copy", COPIES)
def test_copies_have_near_hashes_and_other_pictures_have_not(photos: list[Path], copy: str) -> None:
    images = [pixels_of(path) for path in photos]
    first, second = hashes(images), hashes([COPIES[copy](image) for image in images])
    assert distance(first, second).max() <= 8
    others = [distance(first, np.roll(second, shift)).min() for shift in range(1, len(first))]
    assert min(others) > NEAR


def test_the_mirror_images_hash_follows_from_the_hash(photos: list[Path]) -> None:
    images = [pixels_of(path) for path in photos]
    assert distance(mirrored(hashes(images)), hashes([ImageOps.mirror(image) for image in images])).max() <= 3
    assert (mirrored(mirrored(hashes(images))) == hashes(images)).all()


def brute_force(values: np.ndarray) -> set[tuple[int, int]]:
    near = lambda first, second: bin(int(first) ^ int(second)).count("1") <= NEAR  # noqa: E731
    flipped = mirrored(values)
    rows = range(len(values))
    return {(a, b) for a in rows for b in rows if a < b and (near(values[a], values[b]) or near(values[a], flipped[b]))}


def test_nothing_is_found_that_is_not_near_and_nearly_all_that_is() -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 2**63, 300, dtype=np.uint64) << np.uint64(1)
    for row in range(0, 200, 2):  # each even row's neighbour is a copy that differs in up to 8 bits
        flips = rng.choice(np.arange(1, 64), rng.integers(0, 9), replace=False)
        values[row + 1] = values[row] ^ np.bitwise_or.reduce(np.left_shift(np.uint64(1), flips.astype(np.uint64)))
    values[200:210] = mirrored(values[210:220])
    found, true = {tuple(pair) for pair in near_pairs(values).tolist()}, brute_force(values)
    assert found <= true
    assert len(true) >= 110
    assert len(found) >= 0.97 * len(true)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_rows(count: int) -> None:
    pairs = near_pairs(np.full(count, 12, np.uint64))
    assert pairs.tolist() == ([[0, 1]] if count == 2 else [])


@pytest.mark.parametrize("kind", ["random", "all equal", "a hundred pictures"])
def test_comparisons_grow_with_the_rows_and_not_with_their_square(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    plain = _perceptual_hash._near

    def counting(both: np.ndarray, rows: np.ndarray, here: np.ndarray, there: np.ndarray, count: int) -> np.ndarray:
        nonlocal compared
        compared += len(here)
        return plain(both, rows, here, there, count)

    monkeypatch.setattr(_perceptual_hash, "_near", counting)
    counts = []
    for rows in (2_000, 16_000):
        compared = 0
        different = {"random": 2**63, "all equal": 1, "a hundred pictures": 100}[kind]
        near_pairs(
            np.random.default_rng(0).integers(0, different, rows, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        )
        counts.append(compared)
    assert counts[1] <= 10 * max(counts[0], 2_000)  # 8 times the rows; all with all would be 64
