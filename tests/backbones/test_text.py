"""Text towers: the whole path from the hub, against open_clip's own answers."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save

from tests import clips
from tests.backbones.conftest import Pixels
from tests.backbones.hub import FILE, REPOSITORY, Hub
from topwork.backbones import EMBEDDING, catalogue, has_text, load, row, text_tower
from topwork.backbones import _text as text_module
from topwork.engines import EngineChoice, open_engine
from topwork.errors import BackboneError, MissingExtraError
from topwork.heads import TextHead

WORDS = "someone/words"
TEXTS = ("a photo of a red seven.", "blue", "a close-up photo of the grey zero", "a cat " * 40)


@pytest.fixture(scope="module")
def clip() -> clips.Clip:
    return clips.random_clip(size=160)


def publish(hub: Hub, clip: clips.Clip) -> str:
    """The image tower where timm has it, the whole model somewhere else."""
    hub.publish(REPOSITORY, {FILE: clip.files["model.safetensors"]})
    return hub.publish(WORDS, {name: clip.files[name] for name in clip.files if name != "model.safetensors"})


@pytest.mark.parametrize("own_vocabulary", [True, False], ids=["vocabulary of the hub", "CLIP's vocabulary"])
def test_the_whole_path_from_the_hub_gives_open_clips_logits(hub: Hub, pixels: Pixels, own_vocabulary: bool) -> None:
    clip = clips.random_clip(own_vocabulary=own_vocabulary, size=160)
    commit = publish(hub, clip)
    backbone = load(clips.NETWORK)
    tower = text_tower(backbone, WORDS)
    assert (tower.source, tower.revision) == (WORDS, commit)
    photos = pixels(backbone)
    features = open_engine(backbone, (EMBEDDING,), EngineChoice("openvino", "f32"))(photos)
    head = TextHead(tower.projection, tower.offset, tower(TEXTS), tower.scale)
    with torch.no_grad():
        tokens = torch.tensor(_tokens(clip, own_vocabulary, TEXTS))
        expected, _ = clip.model.get_logits(clips.normalised(photos), tokens)
    np.testing.assert_allclose(head.logits(features), expected.numpy(), atol=5e-4)
    assert np.ptp(expected.numpy()) > 0.5  # so that the tolerance means something


def _tokens(clip: clips.Clip, own_vocabulary: bool, texts: tuple[str, ...]) -> list[list[int]]:
    """What the vocabulary's makers would make of the texts, found without our code."""
    if not own_vocabulary:
        found: list[list[int]] = open_clip.SimpleTokenizer(context_length=clips.LENGTH)(list(texts)).tolist()
        return found
    known = json.loads(clip.files["tokenizer.json"])["model"]["vocab"]
    rows = [[known.get(word, known["<unk>"]) for word in _plain(text).split()][: clips.LENGTH - 1] for text in texts]
    return [[*row, known["<eos>"], *[known["<pad>"]] * (clips.LENGTH - 1 - len(row))] for row in rows]


def _plain(text: str) -> str:
    return text.lower().replace(".", "").replace("-", "")


def test_what_was_fetched_is_there_offline(hub: Hub, clip: clips.Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(hub, clip)
    first = text_tower(load(clips.NETWORK), WORDS)(TEXTS)
    hub.status = 503
    tower = text_tower(load(clips.NETWORK, offline=True), WORDS, offline=True)
    np.testing.assert_array_equal(tower(TEXTS), first)
    with pytest.raises(BackboneError, match="not on this machine"):
        text_tower(load(clips.NETWORK), "someone/else", offline=True)


def test_all_files_are_of_one_commit(hub: Hub, clip: clips.Clip) -> None:
    publish(hub, clip)
    text_tower(load(clips.NETWORK), WORDS)
    asked = [request.path for request in hub.requests if WORDS in request.path and request.method == "GET"]
    commit = hub.main[WORDS]
    assert [path.rpartition("/")[2] for path in asked] == [
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert all(f"/resolve/{commit}/" in path for path in asked[1:])


def test_a_folder_serves_as_well(clip: clips.Clip, tmp_path: Path) -> None:
    folder = clip.save(tmp_path / "clip")
    tower = text_tower(load(clips.NETWORK, weights=folder), folder)
    assert (tower.source, tower.revision) == (str(folder), "")
    found = tower(TEXTS)
    assert found.shape == (4, clips.WIDTH)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(tower(TEXTS * 40)[:4], found, atol=1e-5)  # more than one batch


@pytest.mark.parametrize(
    "entry", [each for each in catalogue() if each.method == "image-text"], ids=lambda found: found.alias
)
def test_every_image_text_row_has_its_text_tower(entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """open_clip's own table of repositories is the oracle."""
    from open_clip import pretrained

    asked = []

    def fetch(repository: str, file: str, **options: Any) -> None:
        asked.append(repository)
        raise BackboneError("far enough")

    monkeypatch.setattr(text_module._hub, "fetch", fetch)
    small = load(clips.NETWORK, weights="random")  # the row's name is what tells; building its network takes seconds
    with pytest.raises(BackboneError, match="far enough"):
        text_tower(dataclasses.replace(small, name=entry.name))
    known = {tag.get("hf_hub", "").rstrip("/") for model in pretrained._PRETRAINED.values() for tag in model.values()}
    assert asked[0] in known
    assert has_text(entry.name)


def test_a_backbone_without_texts_names_those_with(lite0: Any) -> None:
    with pytest.raises(BackboneError, match=r"tf_efficientnet_lite0 needs a text model") as caught:
        text_tower(lite0)
    assert "clip-b32, clip-b16, clip-l14, siglip2-b16" in caught.value.hint
    assert not has_text(lite0.name)


def test_an_image_tower_with_other_weights_is_refused(clip: clips.Clip, tmp_path: Path) -> None:
    folder = clip.save(tmp_path / "clip")
    with pytest.raises(BackboneError, match=r"not the image model that .* \(they differ by \d+ %\)"):
        text_tower(load(clips.NETWORK, weights="random:3"), folder)


def test_an_image_tower_of_another_width_is_refused(clip: clips.Clip, tmp_path: Path) -> None:
    folder = clip.save(tmp_path / "clip")
    with pytest.raises(BackboneError, match=r"not the image model .* \(widths 1024 and 1000\)"):
        text_tower(load("resnet50_clip.openai", weights="random:1"), folder)


def test_a_folder_that_is_not_open_clips_is_refused(clip: clips.Clip, tmp_path: Path) -> None:
    folder = clip.save(tmp_path / "clip")
    backbone = load(clips.NETWORK, weights=folder)
    (folder / "open_clip_config.json").rename(folder / "config.json")
    with pytest.raises(BackboneError, match=r"has no open_clip_config.json"):
        text_tower(backbone, folder)
    with pytest.raises(BackboneError, match="neither a folder nor a repository of the hub"):
        text_tower(backbone, "nowhere at all")
    with pytest.raises(BackboneError, match=r"has no open_clip_config.json"):
        text_tower(backbone, tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("open_clip_config.json", b"{", "not an open_clip configuration"),
        ("open_clip_config.json", b'{"model_cfg": 3}', "not an open_clip configuration"),
        (
            "open_clip_config.json",
            b'{"model_cfg": {"text_cfg": {"hf_model_name": "x/y"}, "vision_cfg": {}}}',
            "only those can be read",
        ),
        ("open_clip_config.json", b'{"model_cfg": {"text_cfg": [], "vision_cfg": {}}}', "only those can be read"),
        ("open_clip_config.json", b'{"model_cfg": {"text_cfg": {}, "vision_cfg": {}, "x": 1}}', "cannot be built"),
        ("open_clip_model.safetensors", b"no tensors", "the image-text model cannot be built"),
        ("tokenizer.json", b"{}", "the vocabulary cannot be read"),
        ("tokenizer_config.json", b"[", "the vocabulary cannot be read"),
    ],
)
def test_a_damaged_file_is_named(clip: clips.Clip, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    folder = clip.save(tmp_path / "clip")
    (folder / name).write_bytes(content)
    with pytest.raises(BackboneError, match=said):
        text_tower(load(clips.NETWORK, weights=folder), folder)


def test_texts_of_a_spoilt_tower_are_refused(clip: clips.Clip, tmp_path: Path) -> None:
    state = load_tensors(clip.files["open_clip_model.safetensors"])
    state["text.ln_final.weight"][:] = torch.nan
    spoilt = dataclasses.replace(clip, files={**clip.files, "open_clip_model.safetensors": save(state)})
    folder = spoilt.save(tmp_path / "clip")
    with pytest.raises(BackboneError, match="NaN or infinity"):
        text_tower(load(clips.NETWORK, weights=folder), folder)(TEXTS)


def test_a_way_to_cut_texts_that_is_not_ours_is_refused(clip: clips.Clip, tmp_path: Path) -> None:
    settings = json.loads(clip.files["open_clip_config.json"])
    settings["model_cfg"]["text_cfg"]["tokenizer_mode"] = "clips"
    folder = clip.save(tmp_path / "clip")
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    with pytest.raises(BackboneError, match="tokenizer_mode"):
        text_tower(load(clips.NETWORK, weights=folder), folder)
    settings["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"clean": "shout", "strip_sep_token": True}
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    with pytest.raises(BackboneError, match="clean, strip_sep_token, tokenizer_mode"):
        text_tower(load(clips.NETWORK, weights=folder), folder)


@pytest.mark.parametrize("package", ["open_clip", "tokenizers"])
def test_a_missing_package_names_its_pip_line(
    clip: clips.Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    folder = clip.save(tmp_path / "clip")
    backbone = load(clips.NETWORK, weights=folder)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=package) as caught:
        text_tower(backbone, folder)
    assert caught.value.hint == "pip install 'topwork[clip]'"


def test_nothing_is_drawn_from_the_callers_random_numbers(clip: clips.Clip, tmp_path: Path) -> None:
    folder = clip.save(tmp_path / "clip")
    before = torch.get_rng_state()
    text_tower(load(clips.NETWORK, weights=folder), folder)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alias", "published"),
    [("clip-b32", "ViT-B-32-quickgelu"), ("clip-rn50", "RN50-quickgelu"), ("siglip2-b16", "ViT-B-16-SigLIP2")],
)
def test_a_rows_own_image_tower_is_open_clips(
    hub: Hub, alias: str, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its full size, with random numbers, from where the catalogue looks; timm's own converter makes its weights."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10 * 2**20)  # as it is outside tests
    entry = row(alias)
    assert entry is not None
    model, files = _full_size(published)
    weights = {FILE: _converted(entry.name, model)}
    hub.publish(entry.hub, weights)
    hub.publish(text_module._ELSEWHERE.get(entry.name, entry.hub), files | weights)
    tower = text_tower(load(alias), None)
    assert tower.projection.shape == (entry.embedding, model.visual(torch.zeros(1, 3, 224, 224)).shape[1])


def _full_size(published: str) -> tuple[Any, dict[str, bytes]]:
    """open_clip's model with a small text tower, which is not what is asked about."""
    settings: dict[str, Any] = open_clip.get_model_config(published)
    settings["text_cfg"].update(layers=1, width=64, heads=2, vocab_size=49408, hf_tokenizer_name=None)
    made = open_clip.CustomTextCLIP if settings.get("custom_text") else open_clip.CLIP
    with torch.device("meta"):  # drawing each layer's numbers as it is made takes seconds
        model = made(**{name: value for name, value in settings.items() if name != "custom_text"})
    model, draw = model.to_empty(device="cpu").eval(), torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.normal_(0, value[0].numel() ** -0.5 if value.ndim > 1 else 0.1, generator=draw)
            if value.ndim == 1 and name.endswith(("weight", "running_var")):  # of norms
                value += 1
    state = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
    config = json.dumps({"model_cfg": settings, "preprocess_cfg": {}}).encode()
    return model, {"open_clip_config.json": config, "open_clip_model.safetensors": save(state)}


def _converted(name: str, model: Any) -> bytes:
    from timm import create_model
    from timm.models import byobnet, vision_transformer

    with torch.device("meta"):
        network = create_model(name)
    convert = byobnet.checkpoint_filter_fn if "resnet" in name else vision_transformer.checkpoint_filter_fn
    network.load_state_dict(convert(model.state_dict(), network), assign=True)
    return save({key: tensor.contiguous().clone() for key, tensor in network.state_dict().items()})
