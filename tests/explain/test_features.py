"""Feature maps, filters, exciting images and the feature space."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.explain.conftest import random_classifier, traces
from tests.model.samples import easy_folder
from topwork.backbones import load
from topwork.data import ImageDataset, read
from topwork.errors import BackboneError, ExplainError, MissingExtraError
from topwork.explain import TorchClassifier, exciting, feature_maps, feature_space, filters


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> ImageDataset:
    return read(easy_folder(tmp_path_factory.mktemp("easy"), count=10))


def test_maps_are_timms_own(lite0: TorchClassifier, squares: np.ndarray) -> None:
    """timm's way to take features out of a network is the oracle."""
    found = feature_maps(lite0, squares[0], channels=3)
    assert [each.stage for each in found.stages] == [stage.name for stage in lite0.backbone.stages]
    with torch.no_grad():
        normalised = (lite0.tensor(squares[:1]) - lite0.module.mean) / lite0.module.std
        expected = lite0.network.forward_intermediates(normalised, intermediates_only=True)[-1][0].numpy()
    blocks = found.stages[-2]
    assert blocks.stage == "blocks.6"
    np.testing.assert_allclose(blocks.maps, expected[list(blocks.channels)], atol=1e-4)
    spread = expected.std(axis=(1, 2))
    assert blocks.channels == tuple(np.argsort(-spread)[:3].tolist())
    assert found.picture().shape[0] > 9 * 112


@pytest.mark.parametrize(("name", "size"), [("vit_tiny_patch16_224", 64), ("swin_tiny_patch4_window7_224", None)])
def test_every_kind_of_stage_is_a_map(name: str, size: int | None) -> None:
    classifier = random_classifier(name, size=size)
    before = traces(classifier)
    found = feature_maps(
        classifier, np.random.default_rng(0).integers(0, 256, (classifier.size, classifier.size, 3), np.uint8)
    )
    assert {each.maps.ndim for each in found.stages} == {3}
    assert found.stages[0].maps.shape[1] == classifier.size // classifier.backbone.stages[0].stride
    assert traces(classifier) == before


def test_more_channels_than_there_are_is_all_of_them(lite0: TorchClassifier, squares: np.ndarray) -> None:
    assert len(feature_maps(lite0, squares[0], channels=99).stages[1].channels) == 16
    with pytest.raises(ExplainError, match="at least one channel is needed"):
        feature_maps(lite0, squares[0], channels=0)


def test_filters_are_the_first_layers(lite0: TorchClassifier) -> None:
    found = filters(lite0)
    weights = lite0.network.conv_stem.weight.detach().numpy()
    assert (found.layer, found.weights.shape) == ("conv_stem", (32, 3, 3, 3))
    lengths = np.linalg.norm(weights.reshape(32, -1), axis=1)
    np.testing.assert_array_equal(found.weights[0], weights[lengths.argmax()].transpose(1, 2, 0))
    assert found.picture().ndim == 3


def test_filters_of_a_vit_are_its_patches() -> None:
    found = filters(random_classifier("vit_tiny_patch16_224", size=64))
    assert found.weights.shape == (192, 16, 16, 3)
    assert found.to_dict() == {"layer": "patch_embed.proj", "filters": 192, "side": 16}


def test_images_that_excite_a_channel_most(lite0: TorchClassifier, easy: ImageDataset) -> None:
    found = exciting(lite0, easy, stage="blocks.4", channels=(7, 50), count=3)
    with torch.no_grad():
        images = lite0.squares(easy.sources())
        maps = feature_maps_of(lite0, images, "blocks.4")
    for row, channel in enumerate((7, 50)):
        values = np.array([each[channel].max() for each in maps])
        np.testing.assert_allclose(found.values[row], np.sort(values)[::-1][:3], rtol=0.05)  # bf16 in the engine
        chosen = [values[easy.paths.index(path)] for path in found.paths[row]]  # images nearly alike may change places
        np.testing.assert_allclose(found.values[row], chosen, rtol=0.05)
    assert found.maps.shape[:2] == found.images.shape[:2] == (2, 3)
    assert found.picture().ndim == 3


def feature_maps_of(classifier: TorchClassifier, images: np.ndarray, stage: str) -> list[np.ndarray]:
    seen = []
    handle = classifier.network.get_submodule(stage).register_forward_hook(lambda *given: seen.append(given[2].numpy()))
    classifier.module(classifier.tensor(images))
    handle.remove()
    return list(seen[0])


def test_channels_that_tell_the_classes_apart_are_chosen(lite0: TorchClassifier, easy: ImageDataset) -> None:
    found = exciting(lite0, easy, count=4)
    assert found.stage == "bn2"
    assert len(found.channels) == 4
    assert all(len(set(labels)) == 1 for labels in found.labels)  # each is excited by one of the two alone


def test_a_stage_or_a_channel_that_is_none_is_refused(lite0: TorchClassifier, easy: ImageDataset) -> None:
    with pytest.raises(ExplainError, match=r"has no stage 'blocks\.9'") as refused:
        exciting(lite0, easy, stage="blocks.9")
    assert "blocks.6" in refused.value.hint
    for channels in ((), (-1,), (1280,)):
        with pytest.raises(ExplainError, match="has channels 0 to 1279"):
            exciting(lite0, easy, channels=channels)
    with pytest.raises(ExplainError, match="at least one image per channel is needed, not 0"):
        exciting(lite0, easy, count=0)


def test_channels_may_be_numpys_numbers(lite0: TorchClassifier, easy: ImageDataset) -> None:
    found = exciting(lite0, easy, channels=np.array([7]), count=1)  # type: ignore[arg-type]
    assert json.loads(json.dumps(found.to_dict()))["channels"][0]["channel"] == 7


@pytest.mark.parametrize("projection", ["pca", "tsne"])
def test_the_feature_space_of_two_unlike_classes(easy: ImageDataset, projection: str) -> None:
    found = feature_space(easy, load("lite0"), projection=projection)  # type: ignore[arg-type]
    assert found.points.shape == (4, 20, 2)
    assert found.outputs[-1] == "embedding"
    assert found.agreement[-1] > 0.95
    assert found.picture().ndim == 3
    again = feature_space(easy, load("lite0"), projection=projection)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again.points, found.points)


def test_pca_is_numpys(easy: ImageDataset) -> None:
    from topwork.features import extract

    found = feature_space(easy, load("lite0"), outputs=("embedding",))
    values = extract(easy, load("lite0")).values
    standard = (values - values.mean(axis=0)) / values.std(axis=0).clip(1e-6)
    expected = np.linalg.svd(standard, full_matrices=False)
    np.testing.assert_allclose(
        np.abs(found.points[0]), np.abs(expected[0][:, :2] * expected[1][:2]), rtol=0.02, atol=0.05
    )


def test_a_map_that_cannot_be_made_is_refused(easy: ImageDataset) -> None:
    with pytest.raises(ExplainError, match="no projection is called 'lda'"):
        feature_space(easy, load("lite0"), projection="lda")  # type: ignore[arg-type]
    with pytest.raises(BackboneError, match=r"no output 'blocks\.9/mean'"):
        feature_space(easy, load("lite0"), outputs=("blocks.9/mean",))
    with pytest.raises(ExplainError, match="needs 10 images"):
        feature_space(easy.select(np.arange(6)), load("lite0"))


@pytest.mark.skipif(importlib.util.find_spec("umap") is not None, reason="UMAP is installed")
def test_without_umap_the_extra_is_named(easy: ImageDataset) -> None:
    with pytest.raises(MissingExtraError) as refused:
        feature_space(easy, load("lite0"), projection="umap")
    assert refused.value.hint == "pip install 'topwork[umap]'"
