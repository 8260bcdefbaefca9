"""Zero-shot by natural language inference: tiny random networks beside transformers' own zero-shot pipeline."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.backbones.hub import serving
from tests.cli.conftest import Run, run
from topwork.backbones import ENTAILMENT, TextBackbone, load_text
from topwork.data import read_texts
from topwork.errors import BackboneError, ExplainError
from topwork.tasks import load
from topwork.tasks.text.strategies import ZeroShotOptions, fit_zero_shot, from_words

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

__all__ = ["run"]

CLASSES = ["w1 w2", "w3", "about w5 w6"]
TEXTS = ["w7 w8 w9", ".", "w1 w2 w3 " * 30, "w5 about w6", "unknown words"]
LABELS = {"contradiction": 0, "neutral": 1, "ENTAILMENT": 2}
SIZES: dict[str, dict[str, Any]] = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "bart": {
        **{"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4},
        **{"decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48},
        **{"bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2},
    },
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
}
PLAIN = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
LONGEST = 38  # tokens


def saved(folder: Path, family: str, labels: dict[str, int] = LABELS) -> tuple[Any, Any]:
    """A network that tells how two texts are related, and its tokenizer, as transformers saves them."""
    like_roberta = family in ("roberta", "bart")
    special = ["<s>", "<pad>", "</s>", "<unk>"] if like_roberta else ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
    start, pad, end, unknown = special
    words = [*special, *(f"w{number}" for number in range(60)), "This", "example", "is", ".", "about", "it"]
    names = {word: place for place, word in enumerate(words)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(names, unk_token=unknown))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    pair = f"{start} $A {end} {end} $B {end}" if like_roberta else f"{start} $A {end} $B:1 {end}:1"
    marks = [(start, 0), (end, 2)]
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(f"{start} $A {end}", pair, marks)
    sizes = {"max_position_embeddings": LONGEST + 2, **SIZES.get(family, PLAIN if family != "deberta-v2" else {})}
    sizes |= PLAIN if family == "deberta-v2" else {}
    named = {"id2label": {place: name for name, place in labels.items()}, "label2id": labels}
    config = transformers.AutoConfig.for_model(family, vocab_size=len(names), pad_token_id=1, **named, **sizes)
    torch.manual_seed(0)
    network = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    for value in network.parameters():  # answers that differ
        value.data.mul_(60 if value.ndim == 2 and len(value) == len(labels) else 6 if value.ndim == 2 else 1)
    network.save_pretrained(folder)
    inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if family in ("bert", "deberta-v2") else [])]
    named = {"pad_token": pad, "cls_token": start, "sep_token": end, "unk_token": unknown}
    how: Any = {"model_max_length": LONGEST, "model_input_names": inputs}
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named, **how)
    theirs.save_pretrained(folder)
    return network, theirs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved(place := tmp_path_factory.mktemp("nli"), "bert")
    return place


@pytest.fixture(scope="module")
def network(folder: Path) -> TextBackbone:
    return load_text("tiny-nli", weights=folder)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "deberta-v2", "bart"])
def test_its_answers_are_those_of_transformers_pipeline(family: str, tmp_path: Path) -> None:
    pipe = transformers.pipeline(
        "zero-shot-classification", **dict(zip(("model", "tokenizer"), saved(tmp_path, family), strict=True))
    )
    backbone = load_text(f"tiny-{family}", weights=tmp_path)
    assert backbone.entailment == 2
    for template in (None, "it is about {}."):
        options = ZeroShotOptions(templates=None if template is None else (template,))
        found = from_words(CLASSES, backbone, options).predict_proba(TEXTS)
        given = {} if template is None else {"hypothesis_template": template}
        for text, ours in zip(TEXTS, found, strict=True):
            said = pipe(text, CLASSES, **given)
            theirs = dict(zip(said["labels"], said["scores"], strict=True))
            np.testing.assert_allclose(ours, [theirs[name] for name in CLASSES], atol=1e-4)


def test_it_comes_from_the_hub_and_is_saved_with_what_was_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "cache"))
    with serving(tmp_path / "hub") as hub:
        hub.publish("someone/nli", {each.name: each.read_bytes() for each in folder.iterdir()})
        model = from_words(CLASSES, load_text("someone/nli"), ZeroShotOptions())
        model.save(tmp_path / "model")
        again = load(tmp_path / "model")
        np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
    record = json.loads((tmp_path / "model/model.json").read_text("utf-8"))
    assert record["outputs"] == [ENTAILMENT]
    assert record["backbone"]["hypotheses"][0] == "This example is w1 w2."


def test_several_sentences_for_a_class_are_averaged_and_texts_serve_the_temperature(network: TextBackbone) -> None:
    data = read_texts((["w1 w9", "w3 w8", "w1", "w3"] * 5, ["one", "three", "one", "three"] * 5))
    data = dataclasses.replace(data, splits=np.array(["train"] * len(data)))
    options = ZeroShotOptions(descriptions={"one": ("w1", "w2"), "three": ("w3",)}, templates=("it is {}.",))
    found = fit_zero_shot(data, network, options)
    assert found.table.backbone.hypotheses == ("it is w1.", "it is w2.", "it is w3.")
    raw = found.table.values
    wanted = np.stack([raw[:, :2].mean(axis=1), raw[:, 2]], axis=1)
    np.testing.assert_allclose(found.head.logits(raw), wanted, atol=1e-5)
    assert found.head.temperature != 1


def test_the_command_line_takes_a_folder_and_names_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    given = ("--task", "text", "--strategy", "zero-shot", "--backbone", "tiny-nli", "--weights", folder)
    done = run("fit", *given, "--labels", "w1 w2,w3", "-o", tmp_path / "model")
    assert done.code == 0, done
    told = run("predict", tmp_path / "model", "--text", "w1 w9", "--json").json
    assert set(told["probabilities"]) == {"w1 w2", "w3"}
    asked = ("explain", tmp_path / "model", "--text", "w1 w9 w3")
    assert "speaks for" in run(*asked).out
    assert "heads on a transformer's layers" in run(*asked, "--method", "integrated-gradients").failed()[0]


def test_words_that_leave_no_room_are_refused(network: TextBackbone) -> None:
    model = from_words(["w1 " * 60, "w3"], network, ZeroShotOptions())
    with pytest.raises(BackboneError, match="leave no room for a text"):
        model.predict_proba(["w1"])


@pytest.mark.parametrize("labels", [{"LABEL_0": 0, "LABEL_1": 1}, {"entailment": 0, "entailed": 1}])
def test_a_classifier_of_other_things_compares_embeddings(labels: dict[str, int], tmp_path: Path) -> None:
    saved(tmp_path, "bert", labels)
    backbone = load_text("other", weights=tmp_path)
    assert backbone.entailment is None
    assert from_words(["w1", "w3"], backbone, ZeroShotOptions()).record.outputs == ("embedding",)
    with pytest.raises(BackboneError, match="no network of natural language inference"):
        dataclasses.replace(backbone, hypotheses=("it is w1.",))


def test_features_of_such_a_network_can_be_probed_too(network: TextBackbone) -> None:
    texts = [f"w{10 + row % 40} {'w1' if row % 2 else 'w3'}" for row in range(80)]
    found = topwork.fit((texts, ["a", "b"] * 40), backbone=network, strategy="probe", task="text")
    assert ENTAILMENT not in found.record.outputs


def test_weights_without_a_classifier_are_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    for each in folder.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    file = tmp_path / "model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if "classifier" not in name}, file)
    with pytest.raises((BackboneError, ExplainError), match="the weights do not fit the network"):
        from_words(CLASSES, load_text("headless", weights=tmp_path), ZeroShotOptions()).predict_proba(["w1"])
