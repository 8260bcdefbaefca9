"""Networks of images that transformers builds: what they compute is held against transformers itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from topwork.backbones import Backbone, TransformersBackbone, backbone_from_dict, classifier, load
from topwork.backbones._weights import from_path
from topwork.backbones.layers import layers_of
from topwork.engines import EngineChoice, open_engine
from topwork.errors import BackboneError

from .hub import Hub
from .images_of_transformers import DESIGNS, PROCESSOR, SIDE, network_of, saved

pytest.importorskip("transformers")

F32 = EngineChoice("openvino", "f32")
TOKENS = ("vit", "dinov2_with_registers", "beit")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A network of each design."""
    return {design: saved(tmp_path_factory.mktemp("networks") / f"my {design}", design) for design in DESIGNS}


def pictures(count: int = 3, side: int = SIDE) -> Any:
    return np.random.default_rng(5).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def normalised(images: Any, backbone: Backbone) -> torch.Tensor:
    mean, std = (
        torch.tensor(each).view(1, 3, 1, 1) for each in (backbone.preprocessing.mean, backbone.preprocessing.std)
    )
    return (torch.from_numpy(images).movedim(-1, 1) / 255 - mean) / std


@pytest.mark.parametrize("design", DESIGNS)
def test_features_are_what_the_last_layer_of_transformers_reads(
    folders: dict[str, Path], design: str, empty_cache: Path
) -> None:
    backbone, network, images = load(str(folders[design])), network_of(design), pictures()
    assert (backbone.name, backbone.weights.source) == (f"my-{design}", "file")
    seen: list[torch.Tensor] = []
    last = [each for each in network.modules() if isinstance(each, torch.nn.Linear)][-1]
    last.register_forward_hook(lambda module, given, output: seen.append(given[0]))
    with torch.inference_mode():
        told = network(pixel_values=normalised(images, backbone), output_hidden_states=True)
        logits = backbone.module()(normalised(images, backbone))
    torch.testing.assert_close(logits, told.logits, rtol=1e-5, atol=1e-5)
    outputs = backbone.outputs("all", "mean")
    features = open_engine(backbone, outputs, F32)(images)
    expected = seen[0].flatten(1).numpy()
    np.testing.assert_allclose(features[:, -backbone.embedding :], expected, rtol=1e-3, atol=1e-4)
    if design in TOKENS:
        skipped = {"dinov2_with_registers": 5}.get(design, 1)
        maps = [each[:, skipped:].mean(dim=1) for each in told.hidden_states[1:]]
    elif design == "swin":
        maps = [each.mean(dim=1) for each in told.hidden_states[1:]]
    elif design in ("convnext", "resnet"):
        maps = [each.mean(dim=(2, 3)) for each in told.hidden_states[1:]]
    else:
        return
    widths = [backbone.width(each) for each in outputs[:-1]]
    for each, found in zip(maps, np.split(features, np.cumsum(widths), axis=1), strict=False):
        np.testing.assert_allclose(found, each.numpy(), rtol=1e-3, atol=1e-4)
    assert len(widths) in (len(maps), len(maps) - 1)  # the last map's mean may be the features themselves


def test_a_model_holds_all_that_builds_its_network(folders: dict[str, Path], empty_cache: Path, tmp_path: Path) -> None:
    backbone = load(str(folders["convnext"]))
    again = backbone_from_dict(json.loads(json.dumps(backbone.to_dict())))
    assert again == backbone
    assert isinstance(again, TransformersBackbone)
    assert (again.config["num_labels"], "id2label" in again.config) == (5, False)  # names may be a megabyte
    other = load(str(saved(tmp_path / "my convnext", "resnet")))
    assert other.name != backbone.name or other.identity != backbone.identity
    with pytest.raises(BackboneError, match="record is not as expected"):
        backbone_from_dict({**backbone.to_dict(), "config": "convnext"})


def test_a_vit_sees_larger_images_as_transformers_lets_it(folders: dict[str, Path], empty_cache: Path) -> None:
    backbone, images = load(str(folders["vit"]), size=96), pictures(2, 96)
    with torch.inference_mode():
        told = network_of("vit")(pixel_values=normalised(images, backbone), interpolate_pos_encoding=True)
        found = backbone.module()(normalised(images, backbone))
    torch.testing.assert_close(found, told.logits, rtol=1e-5, atol=1e-5)
    assert backbone.side(backbone.stages[0].name) == 6


def test_a_thousand_classes_are_imagenets(tmp_path: Path, folders: dict[str, Path]) -> None:
    network = network_of("resnet", classes=1000)
    found = classifier(load(str(saved(tmp_path / "large", "resnet", classes=1000))))
    np.testing.assert_allclose(found.weight, network.classifier[1].weight.detach().numpy().T)
    with pytest.raises(BackboneError, match="has 5 classes"):
        classifier(load(str(folders["resnet"])))


def test_a_network_without_its_last_layer_will_do(tmp_path: Path, folders: dict[str, Path]) -> None:
    from transformers import AutoModel

    bare = AutoModel.from_pretrained(folders["vit"])
    bare.save_pretrained(tmp_path / "bare")
    (tmp_path / "bare" / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    whole, found = (load(str(each)).module() for each in (folders["vit"], tmp_path / "bare"))
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(found.forward_features(images), whole.forward_features(images))  # type: ignore[operator]


CROPPED = {"shortest_edge": 48}
CUT = {"do_center_crop": True, "crop_size": {"height": 40, "width": 40}}
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "square": ("ViTImageProcessor", {"size": {"height": SIDE, "width": SIDE}}),
    "shorter side": ("BitImageProcessor", {"size": CROPPED, **CUT}),
    "share": ("ConvNextImageProcessor", {"size": CROPPED, "crop_pct": 0.75}),
    "share untold": ("ConvNextImageProcessor", {"size": CROPPED}),
    "large": ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}, "crop_pct": None}),
    "mobile": ("MobileNetV2ImageProcessor", {"size": CROPPED, **CUT}),
    "square, cut": ("DeiTImageProcessor", {"size": {"height": 48, "width": 48}, **CUT}),
    "divided twice": ("EfficientNetImageProcessor", {"size": {"height": SIDE, "width": SIDE}, "include_top": True}),
    "enlarged": ("LevitImageProcessor", {"size": CROPPED, "do_center_crop": True, "crop_size": 48}),
    "pool": ("PoolFormerImageProcessor", {"size": CROPPED, "crop_pct": 0.8, "do_center_crop": True, "crop_size": 48}),
    "old square": ("ViTImageProcessor", {"size": SIDE}),
    "old clip": ("CLIPImageProcessor", {"size": 48, "do_center_crop": True, "crop_size": 48}),
    "old share": ("ConvNextImageProcessor", {"size": 48}),
    "old square, cut": ("DeiTImageProcessor", {"size": 48, "do_center_crop": True, "crop_size": 40}),
}


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")  # by the processor itself
@pytest.mark.parametrize("case", PROCESSORS)
def test_images_become_what_the_processor_of_transformers_makes(
    case: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    import transformers
    from PIL import Image

    rng = np.random.default_rng(2)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    image = coarse.resize((150, 100), Image.Resampling.BICUBIC)
    kind, given = PROCESSORS[case]
    key = "feature_extractor_type" if case.startswith("old") else "image_processor_type"
    told = {
        key: kind.replace("ImageProcessor", "FeatureExtractor") if case.startswith("old") else kind,
        "resample": 2,
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.5, 0.4, 0.3],
    }
    folder = saved(tmp_path / "network", "convnext", told | given)
    processor = getattr(transformers, kind).from_pretrained(folder)
    expected = processor(image, return_tensors="np")["pixel_values"]
    backbone = load(str(folder), preprocessing="timm")
    found = normalised(backbone.preprocessing(np.array(image))[None], backbone).numpy()
    assert found.shape == expected.shape
    difference = np.abs(found - expected) * np.array(backbone.preprocessing.std)[:, None, None] * 255
    assert difference.mean() < 1.5  # of 255: torchvision resamples otherwise than Pillow, and cuts at half a pixel


def files_of(folder: Path, **changed: Mapping[str, Any] | bytes) -> dict[str, bytes]:
    """A repository's files, with others instead of those named by what they begin with."""
    files = {each.name: each.read_bytes() for each in folder.iterdir()}
    for name, given in changed.items():
        key = next(each for each in files if each.startswith(name))
        files[key] = given if isinstance(given, bytes) else json.dumps({**json.loads(files[key]), **given}).encode()
    return files


def test_a_network_comes_from_the_hub_pinned(
    hub: Hub, folders: dict[str, Path], empty_cache: Path, tmp_path: Path
) -> None:
    files = files_of(folders["vit"]) | {"README.md": b"---\nlicense: apache-2.0\n---\n"}
    commit = hub.publish("someone/tiny-vit", files)
    backbone = load("someone/tiny-vit")
    assert (backbone.name, backbone.licence, backbone.weights.revision) == ("tiny-vit", "Apache-2.0", commit)
    asked = len(hub.requests)
    assert load("someone/tiny-vit", offline=True).module()
    assert len(hub.requests) == asked


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"config": {"model_type": "bert"}}, "no design that transformers classifies images with"),
        ({"config": {"model_type": "timm_wrapper", "architecture": None}}, "no design|cannot use it"),
        ({"config": {"model_type": "no-such"}}, "does not have no-such"),
        ({"config": {"architecture": "resnet18"}}, "weights of timm's resnet18"),
        ({"config": {"auto_map": {"AutoModel": "code.Network"}}}, "never runs"),
        ({"config": {"hidden_size": 48}}, "do not fit the network"),
        ({"config": {"hidden_size": "wide"}}, "cannot build it|cannot use it"),
        ({"config": {"num_attention_heads": 5}}, "cannot build it|do not fit"),
        ({"config": b"{"}, "cannot be read"),
        ({"config": {"model_type": None}}, "names no design"),
        ({"config": {"intermediate_size": 10**9}}, "numbers, and the weights hold"),
        ({"config": {"num_labels": 10**9, "id2label": None}}, "cannot use it: num_labels"),
        ({"preprocessor": {"size": {"height": 64, "width": 32}}}, "not square"),
        ({"preprocessor": {"rescale_factor": 1 / 127.5}}, "pixels are scaled"),
        ({"preprocessor": {"do_rescale": False}}, "pixels are scaled"),
        ({"preprocessor": {"rescale_offset": True}}, "pixels are scaled"),
        ({"preprocessor": {"do_flip_channel_order": True}}, "channels ordered"),
        ({"preprocessor": {"size": None}}, "says no size"),
        ({"preprocessor": {"size": {"shortest_edge": float("inf")}}}, "size must be|cannot convert"),
        ({"preprocessor": {"size": {"shortest_edge": 48}, "crop_pct": "most"}}, "preprocessor_config.json: could not"),
        ({"preprocessor": {"size": {"shortest_edge": 48}, "crop_pct": [1]}}, "preprocessor_config.json: float"),
        ({"preprocessor": {"image_std": [0.0, 0.5, 0.5]}}, "std must be positive"),
        ({"preprocessor": {"image_mean": "grey"}}, "preprocessor_config.json: could not convert"),
        ({"model": b"cut off"}, "not a readable"),
    ],
)
def test_what_does_not_fit_is_refused(
    hub: Hub, folders: dict[str, Path], empty_cache: Path, changed: dict[str, Any], said: str
) -> None:
    hub.publish("someone/strange", files_of(folders["vit"], **changed))
    with pytest.raises(BackboneError, match=said):
        load("someone/strange")


def test_what_is_missing_is_said(hub: Hub, folders: dict[str, Path], empty_cache: Path, tmp_path: Path) -> None:
    whole = files_of(folders["vit"])
    for name in ("model.safetensors", "preprocessor_config.json", "config.json"):
        hub.publish(f"someone/without-{name}", {key: value for key, value in whole.items() if key != name})
        with pytest.raises(BackboneError, match=f"{name} cannot be downloaded"):
            load(f"someone/without-{name}")
        folder = tmp_path / name
        folder.mkdir()
        for key, value in whole.items():
            (folder / key).write_bytes(value)
        (folder / name).unlink()
        with pytest.raises(BackboneError, match=f"has no {name}"):
            load(str(folder))
    hub.publish("someone/copyleft", whole | {"README.md": b"---\nlicense: agpl-3.0\n---\n"})
    with pytest.raises(BackboneError, match="licence is agpl"):
        load("someone/copyleft")
    for name in ("./nothing", "a/b/c"):
        with pytest.raises(BackboneError, match="no such folder") as caught:
            load(name)
        assert caught.value.hint == "a repository of the hub is called owner/name"


@pytest.mark.parametrize(
    ("design", "blocks"),
    [("poolformer", ["0.0", "1.0", "2.1", "3.0"]), ("pvt", ["0.0", "1.0", "2.0", "2.1"])],
)
def test_stages_that_are_lists_of_blocks_give_the_maps_of_their_blocks(
    design: str, blocks: list[str], empty_cache: Path, tmp_path: Path
) -> None:
    known = load(str(saved(tmp_path / design, design)))
    assert [each.name.partition(".block.")[2] for each in known.stages if ".block." in each.name] == blocks


@pytest.mark.parametrize("design", ["deit", "levit"])
def test_a_distilled_network_gives_features_and_no_answers_of_one_of_its_two_layers(
    design: str, empty_cache: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path / design, design, classes=1000)
    known = load(str(folder))
    assert known.module()(torch.zeros(1, 3, SIDE, SIDE)).shape == (1, 1000)
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    name = config.architectures[0] + "WithTeacher"
    network = getattr(transformers, name)(config).eval()
    network.save_pretrained(folder)
    distilled = load(str(folder))
    with pytest.raises(BackboneError, match="no linear classifier"):
        classifier(distilled)
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    seen: list[torch.Tensor] = []
    first = network.cls_classifier if design == "deit" else network.classifier.linear
    first.register_forward_hook(lambda module, given, output: seen.append(given[0]))
    with torch.inference_mode():
        network(pixel_values=images)
        torch.testing.assert_close(distilled.module()(images), seen[0])


def test_modules_that_another_version_of_transformers_calls_otherwise_are_refused(
    folders: dict[str, Path], empty_cache: Path
) -> None:
    known = load(str(folders["vit"]))
    open_engine(known, known.outputs("all", "mean"), F32)
    stage = dataclasses.replace(known.stages[0], name="network.model.vit.encoder.layer.0")
    other = dataclasses.replace(known, stages=(stage,))
    assert other.identity != known.identity  # so that it is converted anew
    with pytest.raises(BackboneError, match=r"has no network\.model\.vit\.encoder\.layer\.0 in this network"):
        open_engine(other, other.outputs("all", "mean"), F32)


def test_a_model_whose_network_is_far_larger_than_its_weights_is_refused(
    folders: dict[str, Path], empty_cache: Path, tmp_path: Path
) -> None:
    known = load(str(folders["vit"]))
    assert isinstance(known, TransformersBackbone)
    save_file(known.module().state_dict(), tmp_path / "trained.safetensors")  # by topwork's names
    own = known.with_weights(from_path(tmp_path / "trained.safetensors", "vit"))
    assert own.module()
    large = dataclasses.replace(own, config={**known.config, "intermediate_size": 10**9})
    with pytest.raises(BackboneError, match="numbers, and the weights hold"):
        large.module()


def test_a_folder_without_a_slash_is_told_how_it_is_given(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my-vit").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BackboneError, match="no backbone is called") as caught:
        load("my-vit")
    assert caught.value.hint == "a folder is given as ./my-vit"


def test_a_network_without_stages_is_trained_as_one(folders: dict[str, Path], empty_cache: Path) -> None:
    known = load(str(folders["swin"]))
    network = known.module()
    ((name, whole),) = layers_of(network, dataclasses.replace(known, stages=()))
    assert name == "network"
    head = {id(each) for each in network.head.parameters()}  # type: ignore[union-attr]
    assert {id(each) for each in whole.parameters()} == {id(each) for each in network.parameters()} - head
    parts = layers_of(network, known)
    assert [each for each, _ in parts] == [stage.name for stage in known.stages]
