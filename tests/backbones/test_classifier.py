from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.backbones import Backbone, classifier, imagenet_labels, load
from topwork.backbones._imagenet import linear_classifier
from topwork.errors import BackboneError

FAMILIES = ("resnet18", "vgg11", "vit_tiny_patch16_224", "mobilenetv3_small_100", "convnext_atto", "efficientnet_b0")


def logits_of(module: Any, backbone: Backbone, layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """The layer on the output ``embedding``, and the network's own logits."""
    import torch

    from topwork.backbones.layers import PooledStages

    size = backbone.preprocessing.size
    images = torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.no_grad():
        (embedding,) = PooledStages(backbone, ("embedding",))(images)
        return embedding.numpy() @ layer.weight + layer.bias, module(images).numpy()


@pytest.mark.parametrize("name", FAMILIES)
def test_embedding_and_layer_give_the_networks_own_logits(name: str) -> None:
    backbone = load(name, weights="random:1")
    module = backbone.module()
    layer = linear_classifier(name, module)
    assert layer.weight.shape == (backbone.embedding, 1000)
    assert (layer.weight.dtype, layer.bias.dtype) == (np.float32, np.float32)
    ours, theirs = logits_of(module, backbone, layer)
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_the_default_network_has_one(lite0: Backbone) -> None:
    layer = classifier(lite0)
    ours, theirs = logits_of(lite0.module(), lite0, layer)
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_the_arrays_outlive_the_network(lite0: Backbone) -> None:
    """They are copies: whatever torch does with its memory, a head may keep them."""
    layer = classifier(lite0)
    assert layer.weight.flags.owndata or layer.weight.base.flags.owndata
    assert layer.weight.flags.c_contiguous
    layer.weight[0, 0] += 1
    assert classifier(lite0).weight[0, 0] != layer.weight[0, 0]


def test_random_weights_are_refused(resnet18: Backbone) -> None:
    with pytest.raises(BackboneError, match="random, so its classes have no meaning") as caught:
        classifier(resnet18)
    assert "probe" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"num_classes": 0}, "no linear classifier"),  # a self-supervised network, or one without its head
        ({"num_classes": 512}, "512 classes"),  # an image-text model: these are no classes
        ({"num_classes": 11821}, "11,821 classes"),
    ],
)
def test_a_network_with_other_outputs_is_refused(options: dict[str, Any], complaint: str) -> None:
    import timm

    with pytest.raises(BackboneError, match=complaint):
        linear_classifier("resnet18", timm.create_model("resnet18", **options))


def test_two_classifiers_are_refused() -> None:
    import timm

    with pytest.raises(BackboneError, match="no linear classifier"):
        linear_classifier("deit", timm.create_model("deit_tiny_distilled_patch16_224"))


def saved(folder: Path, backbone: Backbone, **changes: Any) -> Backbone:
    """The same network with its weights in a file; a change of None leaves that tensor out."""
    from safetensors.torch import save_file

    state = {**backbone.module().state_dict(), **changes}
    path = folder / "weights.safetensors"
    save_file({name: value for name, value in state.items() if value is not None}, path)
    return load(backbone.name, weights=path)


def test_weights_from_a_file_bring_theirs(resnet18: Backbone, tmp_path: Path) -> None:
    layer = classifier(saved(tmp_path, resnet18))
    np.testing.assert_array_equal(layer.weight.T, resnet18.module().get_classifier().weight.numpy())


def test_a_layer_without_bias_has_zeros() -> None:
    import timm
    from torch import nn

    network = timm.create_model("resnet18")
    network.fc = nn.Linear(512, 1000, bias=False)
    np.testing.assert_array_equal(linear_classifier("resnet18", network).bias, np.zeros(1000, np.float32))


@pytest.mark.parametrize(("name", "layer", "width"), [("resnet18", "fc", 512), ("lite0", "classifier", 1280)])
@pytest.mark.parametrize("classes", [0, 10])
def test_weights_without_a_classifier_are_refused(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, layer: str, width: int, classes: int
) -> None:
    """``module`` takes such a file and leaves its own random numbers in the layer: they must not answer."""
    import torch

    weight, bias = (torch.zeros(classes, width), torch.zeros(classes)) if classes else (None, None)
    spoilt = saved(tmp_path, request.getfixturevalue(name), **{f"{layer}.weight": weight, f"{layer}.bias": bias})
    said = rf"contain no ImageNet-1k classifier \(no {layer}.weight of shape \(1000, {width}\)\)"
    with pytest.raises(BackboneError, match=said):
        classifier(spoilt)


def test_a_network_that_does_more_to_its_features_is_refused(
    resnet18: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = saved(tmp_path, resnet18)
    module: Any = backbone.module()
    plain = module.forward_head
    monkeypatch.setattr(
        module, "forward_head", lambda maps, pre_logits=False: plain(maps, pre_logits=pre_logits).tanh()
    )
    monkeypatch.setattr(Backbone, "module", lambda self: module)
    with pytest.raises(BackboneError, match="more than one linear layer after its features"):
        classifier(backbone)


def test_there_is_a_name_for_every_logit(lite0: Backbone) -> None:
    assert len(imagenet_labels()) == len(classifier(lite0).bias)
