"""Networks of texts from the hub: a tiny one that transformers saved, on a hub on loopback."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from topwork.backbones import TextBackbone, load_text
from topwork.backbones._text_files import files_of
from topwork.engines import EngineChoice, open_engine
from topwork.errors import BackboneError

from .hub import Files, Hub

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

REPOSITORY = "someone/tiny-bert"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "where", "is", "my", "parcel", "?"]
TEXT = "where is my parcel ?"


@pytest.fixture(scope="module")
def network() -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **sizes)
    return transformers.BertModel(config).eval()


@pytest.fixture(scope="module")
def files(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The network's repository, as transformers saves it."""
    folder = tmp_path_factory.mktemp("tiny")
    network.save_pretrained(folder)
    model = tokenizers.models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    marks = [("[CLS]", 2), ("[SEP]", 3)]
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=marks)
    tokenizer.save(str(folder / "tokenizer.json"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetched(hub: Hub) -> set[str]:
    return {request.path.rpartition("/")[2] for request in hub.downloads}


def test_a_network_is_fetched_pinned_and_gives_transformers_features(
    hub: Hub, files: Files, network: Any, empty_cache: Path
) -> None:
    commit = hub.publish(REPOSITORY, files)
    found = load_text(REPOSITORY)
    assert (found.name, found.layers, found.embedding, found.reading.longest) == ("tiny-bert", 2, 32, 64)
    weights = found.weights
    assert (weights.source, weights.location, weights.revision) == ("hub", REPOSITORY, commit)
    assert weights.sha256 == sha256(files["model.safetensors"])
    assert found.reading.tokenizer == sha256(files["tokenizer.json"])
    with torch.no_grad():
        states = network(torch.tensor([[2, 4, 5, 6, 7, 8, 3]])).last_hidden_state
    features = open_engine(found, ("embedding",), EngineChoice("openvino", "f32"))([TEXT])
    np.testing.assert_allclose(features, states.mean(dim=1).numpy(), atol=1e-4)


def test_a_record_fetches_its_own_commit(hub: Hub, files: Files, hub_cache: Path) -> None:
    hub.publish(REPOSITORY, files)
    record = json.loads(json.dumps(load_text(REPOSITORY).to_dict()))
    hub.publish(REPOSITORY, {**files, "tokenizer.json": b"{}"})
    path, tokenizer = files_of(TextBackbone.from_dict(record))
    assert (path.read_bytes(), tokenizer) == (files["model.safetensors"], files["tokenizer.json"])


def test_weights_or_a_tokenizer_of_another_commit_are_refused(hub: Hub, files: Files) -> None:
    hub.publish(REPOSITORY, files)
    found = load_text(REPOSITORY)
    with pytest.raises(BackboneError, match="is not the requested file"):
        files_of(found.with_weights(replace(found.weights, sha256="0" * 64)))
    with pytest.raises(BackboneError, match="the tokenizer beside these weights is not the one"):
        files_of(found.replace(tokenizer="0" * 64))


def test_code_of_its_own_is_refused_before_the_weights_are_fetched(hub: Hub, files: Files) -> None:
    config = {**json.loads(files["config.json"]), "auto_map": {"AutoModel": "modeling.Evil"}}
    hub.publish(REPOSITORY, {**files, "config.json": json.dumps(config).encode(), "modeling.py": b"raise SystemExit"})
    with pytest.raises(BackboneError, match="needs code of its own from the hub, which topwork never runs") as caught:
        load_text(REPOSITORY)
    assert caught.value.hint
    assert fetched(hub) == {"config.json"}


@pytest.mark.parametrize(("fault", "error"), [("short", "cannot be downloaded"), ("spoilt", "not the expected file")])
def test_a_file_that_arrives_cut_or_changed_is_refused(hub: Hub, files: Files, fault: str, error: str) -> None:
    hub.publish(REPOSITORY, files)
    load_text(REPOSITORY)  # the small files stay in the cache
    hub.publish(REPOSITORY, {**files, "README.md": b"newer"})
    from huggingface_hub import constants

    for blob in Path(constants.HF_HUB_CACHE).rglob(sha256(files["model.safetensors"])):
        blob.unlink()
    setattr(hub, fault, True)
    with pytest.raises(BackboneError, match=error):
        load_text(REPOSITORY)
    setattr(hub, fault, False)
    assert load_text(REPOSITORY).weights.sha256 == sha256(files["model.safetensors"])


@pytest.mark.parametrize("name", [REPOSITORY, "kcelectra"])
def test_offline_is_refused_with_what_to_do(hub: Hub, files: Files, name: str) -> None:
    hub.publish(REPOSITORY, files)
    with pytest.raises(BackboneError, match=r"config\.json is not on this machine") as caught:
        load_text(name, offline=True)
    assert "with --weights a folder with model.safetensors, config.json and tokenizer.json" in caught.value.hint
    assert hub.requests == []


def test_what_was_fetched_works_offline(hub: Hub, files: Files) -> None:
    hub.publish(REPOSITORY, files)
    load_text(REPOSITORY)
    hub.requests.clear()
    assert load_text(REPOSITORY, offline=True).layers == 2
    assert hub.requests == []


@pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json"])
def test_a_repository_without_a_file_says_how_to_save_it(hub: Hub, files: Files, missing: str) -> None:
    rest = {name: content for name, content in files.items() if name != missing}
    hub.publish(REPOSITORY, {**rest, "pytorch_model.bin": b"a pickle"})
    with pytest.raises(BackboneError, match=f"{missing} cannot be downloaded from the hub") as caught:
        load_text(REPOSITORY)
    assert "as transformers' save_pretrained makes it" in caught.value.hint
    assert "pytorch_model.bin" not in fetched(hub)
