"""The ideal image must be a picture: still what it is when it is shifted and compressed. Noise is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bench._faithful import with_head

from tests.explain.conftest import neighbours, random_classifier, traces
from tests.model.samples import easy_folder
from topwork import ProbeOptions, fit
from topwork.backbones import load
from topwork.errors import ExplainError
from topwork.explain import TorchClassifier, ideal_image
from topwork.explain._ideal import Waves, moved, total_variation


@pytest.mark.slow
def test_it_is_called_the_class_after_a_shift_and_a_jpeg_too() -> None:
    classifier = TorchClassifier.of_backbone(load("lite0", size=128), device="cpu")
    before = traces(classifier)
    found = ideal_image(classifier, "zebra")
    assert found.ideal.probability >= 0.9
    assert found.ideal.after >= 0.9
    assert found.plain.probability >= 0.9  # noise that scores high ...
    assert found.plain.after < 0.5  # ... and is none any more when it is touched
    assert _roughness(found.plain.image) > 2 * _roughness(found.ideal.image)
    assert found.picture().ndim == 3
    assert found.to_dict()["probability"] == found.ideal.probability
    assert traces(classifier) == before


def _roughness(image: np.ndarray) -> float:
    return float(np.abs(np.diff(image.astype(int), axis=0)).mean())


@pytest.mark.slow
def test_a_class_of_the_users_own_has_one(tmp_path: Path) -> None:
    model = fit(
        easy_folder(tmp_path / "data"),
        backbone=load("lite0", size=96),
        strategy="probe",
        options=ProbeOptions(stages="last", crop_mode="crop", seed=0),
    )
    classifier = TorchClassifier.of_model(model, device="cpu")
    found = ideal_image(classifier, classifier.classes[1])
    assert found.ideal.after >= 0.9
    # Of two classes noise is one, too, and stays it; but a picture it is not.
    assert _roughness(found.plain.image) > 2 * _roughness(found.ideal.image)


def test_a_seed_repeats_it_and_another_does_not() -> None:
    classifier = random_classifier("mobilenetv3_small_050", size=32)
    seen: list[tuple[int, int]] = []
    one, same, other = (
        ideal_image(classifier, "a", steps=3, seed=seed, progress=lambda *step: seen.append(step)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.ideal.image, same.ideal.image)
    np.testing.assert_array_equal(one.plain.image, same.plain.image)
    assert not np.array_equal(one.ideal.image, other.ideal.image)
    assert seen[-1][0] == seen[-1][1]
    assert traces(classifier)["hooks"] == 0


def test_what_is_none_is_refused() -> None:
    classifier = random_classifier("resnet18", size=32)
    with pytest.raises(ExplainError, match="no class is called 'd'"):
        ideal_image(classifier, "d")
    with pytest.raises(ExplainError, match="at least one step is needed"):
        ideal_image(classifier, "a", steps=0)


def test_a_class_that_no_gradient_leads_to_is_an_error() -> None:
    """Of nearest neighbours, where none of grey's has the class: it would stay noise."""
    classifier = random_classifier("mobilenetv3_small_050", size=32)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    images[1] = 128
    classifier = with_head(classifier, neighbours(classifier, images, [0, 1], 1))
    with pytest.raises(
        ExplainError, match="the gradient is zero: no small change of a grey image raises the score of 'a'"
    ) as refused:
        ideal_image(classifier, "a", steps=1)
    assert "kNN head" in refused.value.hint
    assert ideal_image(classifier, "b", steps=1).ideal.probability == 1
    assert traces(classifier)["asking"] == [False] * len(traces(classifier)["asking"])


def test_waves_begin_as_grey() -> None:
    image = Waves(64, torch.Generator().manual_seed(0), torch.device("cpu")).image()
    assert image.shape == (1, 3, 64, 64)
    assert (image - 0.5).abs().max() < 0.1


def test_a_short_wave_weighs_less_than_a_long_one() -> None:
    """One coefficient of the same size each: the image of the long wave is as many times as strong."""
    strengths = []
    for column in (1, 16):
        waves = Waves(64, torch.Generator().manual_seed(0), torch.device("cpu"))
        with torch.no_grad():
            waves.coefficients.zero_()
            waves.coefficients[0, 0, column, 0] = 0.001
        strengths.append((waves.image() - 0.5).square().mean().sqrt().item())
    assert strengths[0] / strengths[1] == pytest.approx(16, rel=0.05)


def test_moving_stays_within_its_bounds() -> None:
    """A bright spot in the middle is never further away than shift, turn and scale allow."""
    image = torch.zeros(1, 3, 57, 57)
    image[:, :, 28, 28] = 1
    views = moved(image, 200, torch.Generator().manual_seed(0))
    places = views.sum(1).flatten(1).argmax(1)
    rows, columns = places // 57 - 28, places % 57 - 28
    assert 3 <= rows.abs().max() <= 6
    assert 3 <= columns.abs().max() <= 6


def test_total_variation_is_the_mean_step() -> None:
    image = torch.zeros(1, 1, 2, 2)
    image[0, 0, 0, 0] = 1
    assert total_variation(image).item() == 0.5 + 0.5
