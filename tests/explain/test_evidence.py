"""The slower methods, and the checks that a method must pass which claims to show what the network saw."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from bench._faithful import (
    Faithfulness,
    faithfulness,
    likeness_without_head,
    pointing_game,
    random_map,
    with_head,
)

from tests.explain.conftest import random_classifier, traces
from topwork.errors import ExplainError, MissingExtraError
from topwork.explain import (
    Evidence,
    TorchClassifier,
    attention_rollout,
    evidence_sheet,
    feature_maps,
    grad_cam,
    integrated_gradients,
    occlusion,
    weighted_attention,
)
from topwork.heads import LinearHead

Pixels = npt.NDArray[np.uint8]
LIKE = 0.7  # of maps that are called alike; one that ignores the model is at 1
HAS_CAPTUM = importlib.util.find_spec("captum") is not None


METHODS: dict[str, Callable[[TorchClassifier, Pixels, int | None], list[Evidence]]] = {
    "grad-cam": grad_cam,
    "occlusion": lambda classifier, images, label: occlusion(classifier, images, label, window=32),
    "integrated-gradients": lambda classifier, images, label: integrated_gradients(classifier, images, label, steps=8),
}


def noise(size: int, count: int = 1) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def made(values: npt.NDArray[np.float32]) -> Evidence:
    return Evidence("made", np.zeros((*values.shape, 3), np.uint8), values, 0, "a", 1.0, "a", 1.0)


def test_rollout_is_the_product_of_the_blocks_attention() -> None:
    """timm's own way to read attention out of a network is the oracle."""
    from timm.utils import AttentionExtract

    classifier = random_classifier("vit_tiny_patch16_224", size=64)
    image = noise(64)
    found = attention_rollout(classifier, image)[0]
    with torch.no_grad():
        normalised = (classifier.tensor(image) - classifier.module.mean) / classifier.module.std
        for block in classifier.network.blocks:
            block.attn.fused_attn = False
        maps = AttentionExtract(classifier.network, method="hook")(normalised)
    flow = np.eye(17)
    for each in maps.values():
        flow = (each[0].double().mean(0).numpy() / 2 + np.eye(17) / 2) @ flow
    grid = flow[0, 1:].reshape(4, 4)
    corners = found.map[[0, 0, -1, -1], [0, -1, 0, -1]]  # beyond the outer cells' centres nothing is mixed
    np.testing.assert_allclose(corners, grid[[0, 0, -1, -1], [0, -1, 0, -1]], rtol=1e-4)


def test_rollout_is_of_no_class_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = random_classifier("vit_tiny_patch16_224", size=32)
    with pytest.raises(ExplainError, match="does not depend on the class, so no class can be chosen") as refused:
        attention_rollout(classifier, noise(32), "a")
    assert "--method attention" in refused.value.hint
    found = attention_rollout(classifier, noise(32))[0]
    assert found.headline.startswith("Attention rollout, independent of the class; predicted: ")
    assert found.to_dict()["of_class"] is False
    rows = []
    monkeypatch.setattr("topwork.explain._evidence.sheet", lambda given, **options: rows.extend(given))
    found.picture()
    assert rows[0][1].caption == "Attention rollout: attention,\nindependent of the class"
    assert found.map.min() > 0  # every token keeps some of itself ...
    least = np.unravel_index(found.map.argmin(), found.map.shape)
    assert np.ptp(rows[0][1].pixels[least]) == 0  # ... and the picture still has a place where nothing glows


def test_rollout_ignores_the_head() -> None:
    """By design: so the check on methods that are of a class finds it out."""
    classifier = random_classifier("vit_tiny_patch16_224", size=64)
    likeness = likeness_without_head(
        classifier, noise(64), 0, lambda given, images, _: attention_rollout(given, images)
    )
    assert likeness == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "size"),
    [("vit_tiny_patch16_224", 64), ("vit_base_patch16_siglip_224", 32), ("vit_small_patch16_dinov3", 64)],
)
def test_weighted_attention_is_of_a_class_and_leaves_nothing(name: str, size: int) -> None:
    classifier = random_classifier(name, size=size)
    before = traces(classifier)
    one, other = (weighted_attention(classifier, noise(size, 2), label) for label in ("a", "b"))
    assert all((each.map >= 0).all() and each.map.any() for each in (*one, *other))
    assert not np.allclose(one[0].map, other[0].map)
    assert traces(classifier) == before


@pytest.mark.parametrize("method", [attention_rollout, weighted_attention])
@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224"])
def test_a_network_without_such_attention_is_refused(method: object, name: str) -> None:
    classifier = random_classifier(name, size=None if "swin" in name else 64)
    with pytest.raises(ExplainError, match=f"{name}.* has no global attention") as refused:
        method(classifier, noise(classifier.size))  # type: ignore[operator]
    assert "grad-cam" in refused.value.hint


def test_attention_is_as_it_was_when_the_network_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = random_classifier("vit_tiny_patch16_224", size=64)
    before = traces(classifier)

    def fails(*given: object) -> None:
        raise MemoryError("full")

    with monkeypatch.context() as patch:
        patch.setattr(classifier.module.head, "forward", fails)
        for method in (attention_rollout, weighted_attention):
            with pytest.raises(MemoryError):
                method(classifier, noise(64))
    assert traces(classifier) == before


def test_occlusion_is_what_covering_does(small: TorchClassifier, photos: list[object]) -> None:
    """Against a loop over the windows by hand, with whole numbers for the grey."""
    image = small.squares(photos[:1])  # type: ignore[arg-type]
    found = occlusion(small, image, "bull mastiff", window=48)[0].map
    grey = np.round(np.array(small.backbone.preprocessing.mean) * 255)
    whole = np.log(small.probabilities(image)[0, 243])
    drops = np.zeros((3, 3))
    for row in range(3):
        for column in range(3):
            covered = image.copy()
            covered[0, 24 * row : 24 * row + 48, 24 * column : 24 * column + 48] = grey
            drops[row, column] = whole - np.log(small.probabilities(covered)[0, 243])
    assert np.ptp(drops) > 2
    assert found[0, 0] == pytest.approx(drops[0, 0], abs=0.3)
    assert found[-1, -1] == pytest.approx(drops[2, 2], abs=0.3)
    assert found[30, 30] == pytest.approx(drops[:2, :2].mean(), abs=0.3)


@pytest.mark.parametrize("label", ["crane", "maillot"])
def test_of_two_classes_of_one_name_each_is_itself(small: TorchClassifier, small_squares: Pixels, label: str) -> None:
    places = [place for place, name in enumerate(small.classes) if name == label]
    assert len(places) == 2
    for place in places:
        found = grad_cam(small, small_squares[:1], place)[0]
        assert (found.place, found.label) == (place, label)
        curves = faithfulness(small, found, steps=1)
        assert curves.deletion[0] == pytest.approx(small.probabilities(small_squares[:1])[0, place], rel=1e-3)


def test_the_area_is_the_trapezoids(monkeypatch: pytest.MonkeyPatch) -> None:
    """With numpy 1.26 too, where the function of that name is not."""
    monkeypatch.delattr(np, "trapezoid")
    shares, curve = (np.array(each, np.float32) for each in ([0, 0.5, 1], [1, 0.5, 0.25]))
    assert Faithfulness(shares, curve, curve[::-1]).deletion_area == pytest.approx(0.375 + 0.1875)


def test_images_and_maps_that_are_none_are_refused(small: TorchClassifier, small_squares: Pixels) -> None:
    with pytest.raises(ExplainError, match="a sheet needs a map"):
        evidence_sheet([])
    with pytest.raises(ExplainError, match="must be uint8, not float32"):
        grad_cam(small, small_squares[:1] / np.float32(255))  # type: ignore[arg-type]
    with pytest.raises(ExplainError, match="must be uint8, not float32"):
        feature_maps(small, small_squares[0] / np.float32(255))  # type: ignore[arg-type]


@pytest.mark.parametrize("window", [1, 97])
def test_a_window_that_is_none_is_refused(small: TorchClassifier, window: int) -> None:
    with pytest.raises(ExplainError, match="a window must have 2 to 96 pixels"):
        occlusion(small, noise(96), window=window)


@pytest.mark.skipif(not HAS_CAPTUM, reason="the extra captum is not installed")
def test_integrated_gradients_sum_to_the_logits_rise(small: TorchClassifier, photos: list[object]) -> None:
    image = small.squares(photos[:1])  # type: ignore[arg-type]
    found = integrated_gradients(small, image, 243, steps=48)[0]
    with torch.no_grad():
        grey = small.module.mean[None].expand(1, 3, 96, 96)
        rise = (small.module(small.tensor(image)) - small.module(grey))[0, 243].item()
    assert found.map.sum() == pytest.approx(rise, rel=0.1)
    assert found.picture().ndim == 3


@pytest.mark.skipif(HAS_CAPTUM, reason="captum is installed")
def test_without_captum_the_extra_is_named(small: TorchClassifier) -> None:
    with pytest.raises(MissingExtraError) as refused:
        integrated_gradients(small, noise(96))
    assert refused.value.hint == "pip install 'topwork[captum]'"


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_deletion_and_insertion_beat_a_random_map(request: pytest.FixtureRequest, method: str) -> None:
    """Of pictures that it names right; a method that points at nothing does not pass.

    Single pixels, put back first, show nothing of a picture: integrated gradients are asked for deletion alone.
    """
    names = ("lite0", "squares") if method == "grad-cam" else ("small", "small_squares")  # a small map of it is coarse
    classifier, images = map(request.getfixturevalue, names)
    found = METHODS[method](classifier, images[: 6 if method == "grad-cam" else 2], None)
    curves = [faithfulness(classifier, each, steps=6) for each in found]
    chance = [
        faithfulness(classifier, dataclasses.replace(each, map=random_map(classifier.size, seed=seed)), steps=6)
        for seed, each in enumerate(found)
    ]
    assert np.mean([each.deletion_area for each in curves]) < np.mean([each.deletion_area for each in chance]) - 0.03
    if method != "integrated-gradients":
        areas = [np.mean([each.insertion_area for each in some]) for some in (curves, chance)]
        assert areas[0] > areas[1] + 0.05
    for each, evidence in zip(curves, found, strict=True):
        assert each.deletion[0] == pytest.approx(evidence.probability, abs=1e-4)
        assert each.insertion[-1] == pytest.approx(evidence.probability, abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_random_head_changes_the_map(small: TorchClassifier, small_squares: Pixels, method: str) -> None:
    assert likeness_without_head(small, small_squares[:2], 243, METHODS[method]) < LIKE


def test_a_random_head_changes_the_attention() -> None:
    """Of a ViT that has learnt nothing: no wheel brings one that has."""
    classifier = random_classifier("vit_tiny_patch16_224", size=64)
    assert likeness_without_head(classifier, noise(64, 2), 0, weighted_attention) < LIKE


def test_how_features_are_standardised_is_no_knowledge_of_the_class(
    small: TorchClassifier, small_squares: Pixels
) -> None:
    """A map of where the features differ from the training images' average alone: no random head may change that."""
    head = LinearHead(*np.abs(np.random.default_rng(0).normal(size=(2, 1280))).astype(np.float32), *_numbers(small))
    classifier = with_head(small, head)

    def from_average(given: TorchClassifier, images: Pixels, _: int) -> list[Evidence]:
        values = np.outer(given.averages["embedding"][:96], np.ones(96)).astype(np.float32)
        return [made(values) for _ in images]

    assert likeness_without_head(classifier, small_squares[:1], 0, from_average) == pytest.approx(1)


def _numbers(classifier: TorchClassifier) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], float]:
    head = classifier.module.head
    return head.weight.numpy(), head.bias.numpy(), 1.0


def test_a_method_that_ignores_the_model_is_found_out(lite0: TorchClassifier, squares: Pixels) -> None:
    def edges(classifier: TorchClassifier, images: Pixels, label: int) -> list[Evidence]:
        return [dataclasses.replace(made(np.zeros((224, 224), np.float32)), map=each.std(2)) for each in images]

    assert likeness_without_head(lite0, squares[:2], 0, edges) == pytest.approx(1)


@pytest.mark.parametrize(("left", "right"), [(0, 7), (3, 9), (12, 0), (9, 12)])
def test_of_two_things_it_points_at_the_one_that_is_asked_for(
    lite0: TorchClassifier, squares: Pixels, truths: list[int], left: int, right: int
) -> None:
    """Two pictures side by side, so that each one's box is known."""
    pair = np.concatenate([squares[left][:, 56:168], squares[right][:, 56:168]], axis=1)
    found = [grad_cam(lite0, pair[None], truths[which])[0] for which in (left, right)]
    boxes = [(0, 0, 112, 224), (112, 0, 224, 224)]
    assert pointing_game(found, boxes, tolerance=8).hits == (True, True)
    assert pointing_game(found[:1], [boxes[1]], tolerance=8).hits == (False,)


def test_pointing_is_measured_from_the_peak() -> None:
    values = np.zeros((40, 40), np.float32)
    values[10, 30] = 1
    mask = np.zeros((40, 40), np.bool_)
    mask[14, 27] = True  # 5 pixels away
    assert pointing_game([made(values)] * 3, [mask, (27, 14, 28, 15), (30, 10, 31, 11)], tolerance=5).score == 1
    assert pointing_game([made(values)] * 3, [mask, (27, 14, 28, 15), (30, 10, 31, 11)], tolerance=4).score == 1 / 3


@pytest.mark.parametrize(
    "region", [np.zeros((40, 40), np.bool_), np.ones((4, 4), np.bool_), (5, 5, 5, 9), (50, 0, 60, 9)]
)
def test_a_region_that_is_none_is_refused(region: object) -> None:
    with pytest.raises(ExplainError, match="a region must be"):
        pointing_game([made(np.zeros((40, 40), np.float32))], [region])  # type: ignore[list-item]
    with pytest.raises(ExplainError, match="1 maps and 0 regions"):
        pointing_game([made(np.zeros((40, 40), np.float32))], [])
