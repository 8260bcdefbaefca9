from __future__ import annotations

import numpy as np
import pytest
import torch
from bench._faithful import with_head
from torch.nn import functional

from tests.explain.conftest import neighbours, random_classifier, traces
from topwork.backbones import classifier as own_classifier
from topwork.backbones import load
from topwork.errors import ExplainError
from topwork.explain import TorchClassifier, feature_maps, grad_cam
from topwork.explain._attribution import _weighed
from topwork.heads import KNNHead, LinearHead


def test_it_is_the_class_activation_map_where_a_mean_is_pooled(lite0: TorchClassifier, squares: np.ndarray) -> None:
    """Zhou et al. 2016: weights of the last layer times the last map; Selvaraju et al. prove the two equal."""
    found = grad_cam(lite0, squares[:2], "zebra")
    weight = torch.from_numpy(own_classifier(load("lite0")).weight[:, 340])
    with torch.no_grad():
        maps = lite0.network.forward_features((lite0.tensor(squares[:2]) - lite0.module.mean) / lite0.module.std)
    expected = torch.einsum("nchw,c->nhw", maps, weight)
    large = functional.interpolate(expected[:, None], size=(224, 224), mode="bilinear")[:, 0].numpy()
    np.testing.assert_allclose([each.map for each in found], large, atol=1e-3 * np.abs(large).max())


@pytest.mark.parametrize("name", ["lite0", "resnet18", "vgg11", "mobilenetv3_small_050"])
def test_it_is_captums(lite0: TorchClassifier, squares: np.ndarray, truths: list[int], name: str) -> None:
    """An independent oracle, also where more than a mean lies between the last map and the head."""
    attr = pytest.importorskip("captum.attr")
    classifier = lite0 if name == "lite0" else random_classifier(name, ("embedding",), size=64)
    images = squares if name == "lite0" else np.ascontiguousarray(squares[:4, 80:144, 80:144])
    places = truths if name == "lite0" else [0, 1, 2, 0]
    layer = classifier.network.get_submodule(classifier.backbone.stages[-1].name)
    theirs = attr.LayerGradCam(classifier.module, layer).attribute(
        classifier.tensor(images).requires_grad_(True), target=torch.tensor(places)
    )
    large = functional.interpolate(theirs.detach(), size=images.shape[1:3], mode="bilinear")[:, 0]
    for image, place, expected in zip(images, places, large.numpy(), strict=True):
        found = grad_cam(classifier, image[None], place)[0].map
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] >= 0.997


def test_of_a_head_of_rows_of_length_one_channels_count_from_its_average_at_the_images_own_length(
    squares: np.ndarray,
) -> None:
    """By hand: the gradient of w . f / |f| is (w - u (u . w)) / |f| with u = f / |f|, times f - |f| m."""
    backbone, rng = load("lite0"), np.random.default_rng(0)
    weight = rng.normal(size=(1280, 3)).astype(np.float32)
    mean = np.abs(rng.normal(size=1280)).astype(np.float32) / 36
    head = LinearHead(mean, np.ones(1280, np.float32), weight, np.zeros(3, np.float32), 1.0, True)
    classifier = TorchClassifier(backbone, ("embedding",), head, ("a", "b", "c"), device="cpu")
    pixels = classifier.tensor(squares[:2])
    with torch.no_grad():
        features = classifier.module.pooled(pixels)[0].double().numpy()
    found = _weighed(classifier, pixels, 1, backbone.stages[-1].name)[0].mean(dim=(1, 2)).detach().numpy()
    for each, row in zip(found, features, strict=True):
        length = np.linalg.norm(row)
        unit = row / length
        slope = (weight[:, 1] - unit * (unit @ weight[:, 1])) / length
        assert each == pytest.approx(slope @ (row - length * mean), rel=1e-3, abs=1e-4)


def test_the_class_that_is_named_is_asked_for(lite0: TorchClassifier, squares: np.ndarray) -> None:
    seen: list[tuple[int, int]] = []
    found = grad_cam(lite0, squares[:3], progress=lambda *step: seen.append(step))
    assert [each.label for each in found] == [each.answer for each in found]
    assert [each.probability for each in found] == pytest.approx(lite0.probabilities(squares[:3]).max(axis=1))
    assert seen == [(3, 3)]
    assert found[0].picture().shape[2] == 3
    assert set(found[0].to_dict()) == {
        *("method", "of_class", "place", "label", "probability", "answer", "answer_probability", "peak")
    }


def test_no_images_give_no_maps(lite0: TorchClassifier, squares: np.ndarray) -> None:
    assert grad_cam(lite0, squares[:0]) == []


# One of every kind of stage: maps, maps with channels last, tokens with a class token, and all tokens pooled.
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 64),
        ("densenet121", 64),
        ("convnext_atto", 64),
        ("mobilenetv3_small_050", 64),
        ("swin_tiny_patch4_window7_224", None),
        ("vit_tiny_patch16_224", 64),
        ("vit_base_patch16_siglip_224", 64),
        ("vit_small_patch14_dinov2", 56),
    ],
)
def test_every_family_has_a_map(name: str, size: int | None) -> None:
    classifier = random_classifier(name, size=size)
    image = np.random.default_rng(0).integers(0, 256, (2, classifier.size, classifier.size, 3), np.uint8)
    before = traces(classifier)
    found = [grad_cam(classifier, image, label) for label in ("a", "b")]
    assert any(each.map.any() for row in found for each in row)
    assert found[0][0].map.shape == image.shape[1:3]
    assert traces(classifier) == before


def test_a_head_that_reads_several_stages_has_evidence_in_each() -> None:
    outputs = ("layer1/max", "layer2/mean", "embedding")
    classifier = random_classifier("resnet18", outputs, size=64)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    both = grad_cam(classifier, image, "a")[0].map
    alone = grad_cam(random_classifier("resnet18", ("embedding",), size=64), image, "a")[0].map
    assert not np.allclose(both, alone)
    assert traces(classifier)["hooks"] == 0


def test_evidence_sums_to_the_logit_where_the_head_reads_the_stages() -> None:
    """Nothing is lost and nothing counts twice, whether a mean is read or a maximum."""
    classifier = random_classifier("resnet18", ("layer1/mean", "layer1/max", "layer3/max"), size=64)
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    image[:, :8] = image[:, -8:] = image[:, :, :8] = image[:, :, -8:] = (
        0  # the mean of a map's edge is not kept exactly
    )
    with torch.no_grad():
        logits = classifier.module(classifier.tensor(image))[:, 1].numpy()
    found = [each.map.mean() for each in grad_cam(classifier, image, "b")]
    np.testing.assert_allclose(found, logits, atol=0.05 * np.abs(logits).max())


def test_channels_count_from_their_average() -> None:
    """Of a head that was trained on just this image, nothing in it says anything."""
    classifier = random_classifier("resnet18", ("layer2/mean", "layer2/max"), size=64)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    with torch.no_grad():
        pooled = classifier.module.pooled(classifier.tensor(image))
    before = abs(grad_cam(classifier, image, "a")[0].map.mean())
    classifier.averages = {name: each[0].numpy() for name, each in zip(classifier.outputs, pooled, strict=True)}
    assert abs(grad_cam(classifier, image, "a")[0].map.mean()) < 0.05 * before


def test_a_maximum_speaks_where_it_is() -> None:
    classifier = random_classifier("resnet18", ("layer1/max",), size=64)
    classifier.module.head.weight.zero_()
    classifier.module.head.weight[5, 0] = 1
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    found = grad_cam(classifier, image, "a")[0]
    maps = next(each for each in feature_maps(classifier, image[0], channels=64).stages if each.stage == "layer1")
    values = maps.maps[maps.channels.index(5)]
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert np.hypot(found.peak[0] - 4 * row - 1.5, found.peak[1] - 4 * column - 1.5) <= 4


def test_a_map_shows_where_what_the_head_reads_lies() -> None:
    """A head that reads one early stage, of a picture that is flat but for one corner."""
    classifier = random_classifier("resnet18", ("layer1/mean",), size=64)
    image = np.full((1, 64, 64, 3), 128, np.uint8)
    image[:, :16, 48:] = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3))
    flat = np.full_like(image, 128)
    changed = grad_cam(classifier, image, "a")[0].map - grad_cam(classifier, flat, "a")[0].map
    assert np.abs(changed[:20, 44:]).mean() > 10 * np.abs(changed[32:, :32]).mean()


def test_an_answer_without_gradient_is_an_error() -> None:
    backbone = load("resnet18", weights="random", size=64)
    bank = np.eye(2, backbone.embedding, dtype=np.float32)
    zeros, ones = np.zeros(backbone.embedding, np.float32), np.ones(backbone.embedding, np.float32)
    classifier = TorchClassifier(backbone, ("embedding",), KNNHead(zeros, ones, bank, np.arange(2), 2, 1), ("a", "b"))
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    answer = grad_cam(classifier, image)[0].answer
    with pytest.raises(ExplainError, match="the gradient is zero: a small change of the image"):
        grad_cam(classifier, image, "b" if answer == "a" else "a")
    assert traces(classifier)["hooks"] == 0


def test_whether_a_gradient_is_missing_does_not_depend_on_the_batch() -> None:
    classifier = random_classifier("resnet18", size=64)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    images[1] //= 8
    classifier = with_head(classifier, neighbours(classifier, np.roll(images, 3, axis=1), [0, 1], 1))
    np.testing.assert_array_equal(classifier.probabilities(images).argmax(axis=1), [0, 1])
    assert grad_cam(classifier, images[:1], "a")[0].map.any()
    for given in (images[1:], images):
        with pytest.raises(ExplainError, match="the gradient is zero: a small change of the image"):
            grad_cam(classifier, given, "a")
    both = [each.map for each in grad_cam(classifier, images)]
    for own, image in zip(both, images, strict=True):
        np.testing.assert_allclose(own, grad_cam(classifier, image[None])[0].map, atol=1e-4 * np.abs(own).max())


def test_hooks_go_when_the_network_raises(
    lite0: TorchClassifier, squares: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object) -> None:
        raise MemoryError("full")

    monkeypatch.setattr(lite0.module.head, "forward", fails)
    with pytest.raises(MemoryError):
        grad_cam(lite0, squares[:1], "zebra")
    assert traces(lite0)["hooks"] == 0
