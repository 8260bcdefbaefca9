from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.model.samples import copied
from topwork.data import read
from topwork.errors import ExplainError
from topwork.explain import (
    CORRUPTIONS,
    AttackOptions,
    TorchClassifier,
    corruption_accuracy,
    labelled_squares,
    robust_accuracy,
)

Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def images(small_squares: Pixels) -> Pixels:
    return small_squares


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_corruption_grows_with_its_strength(images: Pixels, name: str) -> None:
    before = images.copy()
    errors = []
    for strength in range(1, 6):
        bad = np.stack([CORRUPTIONS[name](image, strength, np.random.default_rng(0)) for image in images])
        assert (bad.dtype, bad.shape) == (np.uint8, images.shape)
        errors.append(np.abs(bad.astype(int) - images).mean())
    assert (np.diff(errors) > 0).all()
    np.testing.assert_array_equal(images, before)


def test_brightness_keeps_the_hue() -> None:
    """colorsys is the oracle."""
    import colorsys

    image = np.random.default_rng(0).integers(1, 200, (4, 4, 3), np.uint8)
    bright = CORRUPTIONS["brightness"](image, 2, np.random.default_rng(0))
    for pixel, found in zip(image.reshape(-1, 3), bright.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel / 255)
        expected = colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.2))
        np.testing.assert_allclose(found, np.array(expected) * 255, atol=0.6)
    black = np.zeros((2, 2, 3), np.uint8)
    assert (CORRUPTIONS["brightness"](black, 1, np.random.default_rng(0)) == 26).all()


def test_accuracy_under_corruption(small: TorchClassifier, images: Pixels, truths: list[int]) -> None:
    images, truths = images[:8], truths[:8]
    steps: list[tuple[int, int]] = []
    found = corruption_accuracy(small, images, np.array(truths), progress=lambda *step: steps.append(step))
    assert found.clean == (small.probabilities(images).argmax(axis=1) == truths).mean()
    assert found.mean < found.clean
    assert set(found.accuracy) == {"blur", "noise", "JPEG", "brightness"}
    assert all(len(values) == 5 for values in found.accuracy.values())
    assert steps[-1] == (20, 20)
    again = corruption_accuracy(small, images, np.array(truths))
    assert again == found
    assert found.picture().shape[1] > 6 * 144
    assert found.to_dict()["clean"] == found.clean


def test_accuracy_under_attack_falls_faster_than_under_noise(
    small: TorchClassifier, images: Pixels, truths: list[int]
) -> None:
    options = AttackOptions(steps=2, stride=0.5)
    steps: list[tuple[int, int]] = []
    found = robust_accuracy(
        small, images, np.array(truths), sizes=(0, 1 / 255), options=options, progress=lambda *step: steps.append(step)
    )
    clean = (small.probabilities(images).argmax(axis=1) == truths).mean()
    assert [values[0] for values in found.accuracy.values()] == [clean] * 3
    assert found.accuracy["noise"][1] > found.accuracy["fgsm"][1] + 0.2
    assert steps[-1] == (6, 6)
    assert found.picture().shape == (420, 760, 3)
    assert found.to_dict()["sizes"] == (0, 1 / 255)


def test_what_pgd_has_fooled_once_stays_fooled(small: TorchClassifier, images: Pixels, truths: list[int]) -> None:
    options = AttackOptions(steps=1, stride=0.5)  # so weak that its random start decides
    found = robust_accuracy(small, images, np.array(truths), sizes=(8 / 255, 0.5 / 255, 0), options=options)
    assert found.sizes == (0, 0.5 / 255, 8 / 255)
    assert list(found.accuracy["pgd"]) == sorted(found.accuracy["pgd"], reverse=True)
    none = robust_accuracy(small, images[:1], np.array([5]), sizes=(0, 1 / 255), options=options)
    assert none.accuracy["pgd"] == (0, 0)  # nothing is left to attack


def test_no_images_are_refused(small: TorchClassifier, images: Pixels) -> None:
    for given, labels in ((images[:0], np.zeros(0, int)), (images[:1], np.zeros(2, int))):
        with pytest.raises(ExplainError, match="images and"):
            robust_accuracy(small, given, labels)
        with pytest.raises(ExplainError, match="images and"):
            corruption_accuracy(small, given, labels)


def test_labels_sizes_and_images_that_are_none_are_refused(small: TorchClassifier, images: Pixels) -> None:
    for wrong in (1000, -100):
        with pytest.raises(ExplainError, match=f"no class has the number {wrong}"):
            robust_accuracy(small, images[:1], np.array([wrong]))
        with pytest.raises(ExplainError, match=f"no class has the number {wrong}"):
            corruption_accuracy(small, images[:1], np.array([wrong]))
    with pytest.raises(ExplainError, match="at least one size of change is needed"):
        robust_accuracy(small, images[:1], np.zeros(1, int), sizes=())
    with pytest.raises(ExplainError, match="must be uint8, not float32"):
        corruption_accuracy(small, images[:1] / np.float32(255), np.zeros(1, int))  # type: ignore[arg-type]


def test_images_are_drawn_of_a_data_set(small: TorchClassifier, photos: list[Path], tmp_path: Path) -> None:
    copied(photos[:1], tmp_path / "data" / "bull_mastiff")
    copied(photos[3:4], tmp_path / "data" / "Zebra")
    (tmp_path / "data" / "Zebra" / "broken.jpg").write_bytes(photos[3].read_bytes()[:500])
    images, labels = labelled_squares(small, read(tmp_path / "data"), 10)
    assert sorted(labels) == [243, 340]
    assert images.shape == (2, 96, 96, 3)
    assert len(labelled_squares(small, read(tmp_path / "data"), 1)[0]) == 1


def test_data_that_the_network_does_not_know_is_refused(
    small: TorchClassifier, photos: list[Path], tmp_path: Path
) -> None:
    for name in ("zebra", "left-handed"):
        copied(photos[:1], tmp_path / name)
    with pytest.raises(ExplainError, match="no class is called 'left-handed'"):
        labelled_squares(small, read(tmp_path), 10)
