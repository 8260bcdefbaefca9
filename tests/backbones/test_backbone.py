from __future__ import annotations

import json
import subprocess
import sys

import pytest

from topwork.backbones import Backbone, Stage, load
from topwork.errors import BackboneError

LITE = ("bn1", *(f"blocks.{index}" for index in range(7)), "bn2")


def test_lite0s_stages() -> None:
    assert load("lite0").stages == tuple(
        Stage(name, channels, stride)
        for name, channels, stride in zip(
            LITE, (32, 16, 24, 40, 80, 112, 192, 320, 1280), (2, 2, 4, 8, 16, 16, 32, 32, 32), strict=True
        )
    )


def test_resnet18s_stages(resnet18: Backbone) -> None:
    names = ("act1", "layer1", "layer2", "layer3", "layer4")
    widths, strides = (64, 64, 128, 256, 512), (2, 4, 8, 16, 32)
    assert resnet18.stages == tuple(map(Stage, names, widths, strides))
    assert (resnet18.embedding, resnet18.fixed_size) == (512, False)
    assert (resnet18.preprocessing.mean, resnet18.preprocessing.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_a_vits_stages(vit_tiny: Backbone) -> None:
    assert vit_tiny.stages == tuple(Stage(f"blocks.{index}", 192, 16) for index in range(12))
    assert (vit_tiny.embedding, vit_tiny.fixed_size) == (192, True)


def test_a_wheels_facts_import_no_torch() -> None:
    code = "import sys, topwork.backbones as b; b.load('lite0').outputs('all'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_last_output_is_the_networks_own(lite0: Backbone) -> None:
    assert lite0.outputs() == lite0.outputs("last", "mean") == ("embedding",)


def test_all_outputs_are_in_the_networks_order_without_the_embeddings_twin(resnet18: Backbone) -> None:
    assert resnet18.outputs("all", "mean") == ("act1/mean", "layer1/mean", "layer2/mean", "layer3/mean", "embedding")
    both = resnet18.outputs("all")
    assert both[:4] == ("act1/mean", "act1/max", "layer1/mean", "layer1/max")
    assert both[-2:] == ("layer4/max", "embedding")
    assert len(both) == 10


def test_a_class_token_is_no_mean_so_both_are_kept(vit_tiny: Backbone) -> None:
    assert vit_tiny.outputs("all", "mean")[-2:] == ("blocks.11/mean", "embedding")


@pytest.mark.parametrize(
    ("name", "mean"),
    [("densenet121", True), ("convnext_tiny", True), ("resnet50_clip", False), ("vit_base_patch16_siglip_224", False)],
)
def test_whether_the_embedding_is_a_mean_is_known(name: str, mean: bool) -> None:
    backbone = load(name, weights="random")
    assert backbone.mean_embedding is mean
    assert (f"{backbone.stages[-1].name}/mean" in backbone.outputs("all")) is not mean


def test_a_network_whose_embedding_is_wider_keeps_its_last_mean() -> None:
    backbone = load("mobilenetv3_small_050", weights="random")
    assert backbone.outputs("all", "mean")[-2:] == (f"{backbone.stages[-1].name}/mean", "embedding")


def test_named_stages_come_in_the_networks_order_once(lite0: Backbone) -> None:
    assert lite0.outputs(["blocks.4", "bn1", "bn1"], "max") == ("bn1/max", "blocks.4/max")
    assert lite0.outputs(["bn2"], "mean") == ("bn2/mean",)  # the twin itself, where the embedding is not asked for
    assert lite0.outputs(["embedding", "bn2"], "mean") == ("embedding",)


def test_one_stage_may_be_named_alone(lite0: Backbone) -> None:
    assert lite0.outputs("blocks.4", "mean") == ("blocks.4/mean",)
    assert lite0.outputs("embedding") == ("embedding",)


@pytest.mark.parametrize("stages", ["blocks.9", ["bn1", "blocks.9"]])
def test_an_unknown_stage_is_answered_with_the_known_ones(lite0: Backbone, stages: str | list[str]) -> None:
    with pytest.raises(BackboneError, match=r"tf_efficientnet_lite0 has no stage 'blocks\.9'") as caught:
        lite0.outputs(stages)
    assert caught.value.hint == f"its stages are {', '.join(LITE)}, embedding"


def test_no_stage_and_an_unknown_pooling_are_refused(lite0: Backbone) -> None:
    with pytest.raises(BackboneError, match="no stage was given"):
        lite0.outputs([])
    with pytest.raises(BackboneError, match=r"mean, max or mean\+max, not 'median'"):
        lite0.outputs("all", "median")  # type: ignore[arg-type]


def test_widths(lite0: Backbone) -> None:
    assert [lite0.width(name) for name in ("bn1/mean", "blocks.6/max", "embedding")] == [32, 320, 1280]
    assert sum(map(lite0.width, lite0.outputs("all"))) == 2 * (32 + 16 + 24 + 40 + 80 + 112 + 192 + 320 + 1280)


@pytest.mark.parametrize("name", ["bn1", "bn1/median", "blocks.9/mean", "embedding/mean", ""])
def test_an_unknown_output_is_refused(lite0: Backbone, name: str) -> None:
    with pytest.raises(BackboneError, match="has no output"):
        lite0.width(name)


def test_a_backbone_survives_json(backbone: Backbone) -> None:
    assert Backbone.from_dict(json.loads(json.dumps(backbone.to_dict()))) == backbone


@pytest.mark.parametrize("change", [{"colour": 1}, {"stages": [{"name": "a"}]}, {"weights": {}}, {"weights": None}])
def test_a_bent_record_is_refused(lite0: Backbone, change: dict[str, object]) -> None:
    with pytest.raises(BackboneError, match="record is not as expected"):
        Backbone.from_dict({**lite0.to_dict(), **change})


def test_a_record_without_a_field_is_refused(lite0: Backbone) -> None:
    fields = lite0.to_dict()
    del fields["stages"]
    with pytest.raises(BackboneError, match="stages"):
        Backbone.from_dict(fields)


def test_another_size_changes_the_preprocessing_alone(lite0: Backbone) -> None:
    larger = load("lite0", size=320)
    assert larger == lite0.replace(size=320)
    assert larger.preprocessing.size == 320
    assert larger.replace(size=224) == lite0
    with pytest.raises(BackboneError, match="size must be"):
        load("lite0", size=8)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(BackboneError, match="no backbone is called 'resnet81'") as caught:
        load("resnet81")
    assert "resnet18" in caught.value.hint
    with pytest.raises(BackboneError) as caught:
        load("lite9")
    assert "lite0" in caught.value.hint


@pytest.mark.parametrize("name", ["resnet5", "vgg", "convnext_tny", "efficientnet", "dinov2"])
def test_no_name_is_suggested_twice(name: str) -> None:
    """Neither as the catalogue's and timm's, nor in two spellings."""
    with pytest.raises(BackboneError) as caught:
        load(name)
    names = caught.value.hint.removeprefix("did you mean ").removesuffix("?").split(", ")
    assert 1 <= len({each.replace("_", "-") for each in names}) == len(names) <= 3


def test_a_name_like_no_other_is_answered_with_the_command_that_lists_them() -> None:
    with pytest.raises(BackboneError) as caught:
        load("§§§")
    assert "topwork models" in caught.value.hint


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(BackboneError, match=r"resnet18\.nope cannot be used: Invalid pretrained tag"):
        load("resnet18.nope", weights="random")


@pytest.mark.parametrize("name", ["mvitv2_tiny", "crossvit_9_240", "coat_lite_tiny"])
def test_a_network_whose_stages_cannot_be_watched_is_a_named_error(name: str) -> None:
    with pytest.raises(BackboneError, match=f"{name} cannot be used: "):
        load(name, weights="random")


def test_a_size_that_the_network_cannot_take_is_refused_at_once() -> None:
    with pytest.raises(BackboneError, match="levit_128s cannot be used at 200 pixels: ") as caught:
        load("levit_128s", weights="random", size=200)
    assert "use the size of the network" in caught.value.hint
