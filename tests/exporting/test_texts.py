"""Models of texts as ONNX and as transformers' folders: against transformers, and ``predict`` from other processes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.tasks.text.conftest import WORDS, marked, tiny
from topwork.backbones import RELU, TextBackbone, files_of, load_text
from topwork.data import TextDataset, read_texts, split
from topwork.engines import EngineChoice, Tokens, open_engine
from topwork.errors import TopworkError
from topwork.exporting import Nodes, inputs_of, possible
from topwork.features import extract
from topwork.heads import fit_linear
from topwork.tasks._classes._exported import EXPORTED
from topwork.tasks.text.strategies import NgramOptions, ProbeOptions, ZeroShotOptions

onnxruntime = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("sklearn")

ODD = [
    " ",
    "w1",
    "w3  w7\tw9\n",
    "한국어 문장입니다, w5 😀 w6",
    "\x00\x07 w2 \ud83d w1",
    "W4 w4, w4! unheard-of",
    " ".join(WORDS * 9),  # far longer than the network reads
]
SAID = {"a": ("w1 w2",), "b": ("w5 w6", "w7")}
ANSWERS = """
import json, runpy, sys
script = runpy.run_path(sys.argv[1])
found = script["answer"]([script["read"](text) for text in json.load(sys.stdin)])
assert not [name for name in sys.modules if name.startswith("topwork")]
json.dump({name: array.tolist() for name, array in found.items()}, sys.stdout)
"""


def answers(folder: Path, texts: list[str]) -> dict[str, Any]:
    """What ``predict.py`` says in a process that sees no topwork."""
    command = [sys.executable, "-I", "-W", "error", "-c", ANSWERS, str(folder / "predict.py")]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, timeout=300, check=False)
    assert not done.returncode, done.stderr
    return {name: np.array(each) for name, each in json.loads(done.stdout).items()}


@pytest.fixture(scope="module", autouse=True)
def exact() -> Iterator[None]:
    """In float32, so that ``predict`` is what an export has to give."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOPWORK_PRECISION", "f32")
        yield


@pytest.fixture(scope="module")
def texts() -> TextDataset:
    return split(read_texts(marked(160)), test=0.25, seed=0)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> TextBackbone:
    return tiny(tmp_path_factory.mktemp("tiny-bert"))


def fitted(data: TextDataset, backbone: TextBackbone | None, strategy: str = "probe", **options: Any) -> Any:
    kind = {"probe": ProbeOptions, "ngrams": NgramOptions, "zero-shot": ZeroShotOptions}[strategy]
    return topwork.fit(data, task="text", strategy=strategy, backbone=backbone, options=kind(**options))


def with_ngrams(texts: TextDataset, model: Any) -> Any:
    """The same network with n-grams beside it, which these texts alone would not call for."""
    counted = fitted(texts, None, "ngrams").backbone
    backbone = dataclasses.replace(model.backbone, ngrams=counted.weights, scores=counted.scores)
    outputs = (*model.record.outputs, "ngrams")
    table = extract(texts.split("train"), backbone, outputs=outputs)
    head = fit_linear(table.values, table.dataset.labels, 2).head
    record = model.record.model_copy(update={"outputs": outputs, "backbone": backbone.to_dict()})
    return type(model)(record, head, backbone)


def test_both_together_and_windows_answer_as_predict(texts: TextDataset, tmp_path: Path, network: TextBackbone) -> None:
    """Layers pooled in several ways, windows of long texts, n-grams beside them; all in one file."""
    model = with_ngrams(texts, fitted(texts, network, layers="all", ngrams=False, windows=3))
    assert model.backbone.reading.windows == 3
    exported = topwork.export(model, "onnx", tmp_path / "out", images=texts)
    assert exported.parity.rows >= 64
    assert exported.parity.exact.farthest["probabilities"] < 1e-4
    given = [*ODD[1:], *(texts.text(row) for row in range(20))]
    found = answers(tmp_path / "out", given)
    predictions = model.predict(given)
    assert np.abs(found["probabilities"] - model.predict_proba(given)).max() < 1e-4
    assert [model.classes[place] for place in found["label"]] == [each.label for each in predictions]
    assert sum(bool(line.strip()) for line in (tmp_path / "out" / "predict.py").read_text().splitlines()) < 48


FAMILIES = {
    "distilbert": {},
    "roberta": {"layer_norm_eps": 1e-5},
    "electra": {"embedding_size": 16, "hidden_act": "gelu_new"},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 40},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8, "cls_token_id": 2, "sep_token_id": 3},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_graph_gives_what_transformers_gives(family: str, tmp_path: Path) -> None:
    """Those that are known block by block and those that torch traces; each text by itself, pooled by hand."""
    backbone = _other(tmp_path, family)
    outputs = ("layers.0/cls", "layers.1/max", "layers.2/last", "embedding")
    nodes, inputs = Nodes(), inputs_of(backbone)
    nodes.output("features", inputs.features(nodes, outputs), ["batch", 128])
    session = onnxruntime.InferenceSession(nodes.model("test").SerializeToString())
    tokens = Tokens(files_of(backbone)[1], backbone.reading.longest, backbone.config["vocab_size"])
    ids = tokens([text for text in ODD if text.strip()]).ids
    filled = np.zeros((len(ids), max(map(len, ids))), np.int64)
    mask = filled.copy()
    for row, each in enumerate(ids):
        filled[row, : len(each)], mask[row, : len(each)] = each, 1
    found = session.run(None, {"input_ids": filled, "attention_mask": mask})[0]
    own = transformers.AutoModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    for row, each in zip(found, ids, strict=True):
        with torch.no_grad():
            states = own(torch.from_numpy(each[None].astype(np.int64)), output_hidden_states=True)
        first, second = (states.hidden_states[place][0].numpy() for place in (0, 1))
        last = states.last_hidden_state[0].numpy()
        expected = np.concatenate([first[0], second.max(axis=0), last[-1], last.mean(axis=0)])
        assert np.abs(row - expected).max() < 1e-4


def _other(folder: Path, family: str) -> TextBackbone:
    """A small network of random weights, with the words of ``tiny``."""
    if family == "distilbert":
        return tiny(folder, family)
    tiny(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    given = {**({} if family == "gpt2" else {**sizes, "max_position_embeddings": 40}), **FAMILIES[family]}
    config = transformers.AutoConfig.for_model(
        family, vocab_size=124, pad_token_id=0, bos_token_id=2, eos_token_id=3, **given
    )
    torch.manual_seed(1)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return load_text(f"tiny-{family}", weights=folder)


def test_word_vectors_pool_as_their_engine_does(tmp_path: Path, texts: TextDataset) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{word} {' '.join(map(str, rng.standard_normal(8).round(4)))}" for word in (*WORDS, "한국어", ",")]
    (tmp_path / "words.vec").write_text("\n".join(lines) + "\n", "utf-8")
    backbone = load_text(weights=tmp_path / "words.vec")
    outputs = ("words/mean", "words/max", "words/min", "words/sif", RELU, "embedding")
    expected = open_engine(backbone, outputs, EngineChoice("numpy", "f32"))(ODD)
    model = fitted(texts, backbone, layers="all", ngrams=False)
    topwork.export(model, "onnx", tmp_path / "out", images=texts)
    own = model.record.outputs
    found = answers(tmp_path / "out", ODD[1:])["features"]
    at = np.cumsum([0, *map(backbone.width, outputs)])
    columns = np.concatenate([np.arange(at[outputs.index(name)], at[outputs.index(name) + 1]) for name in own])
    assert np.abs(found - expected[1:, columns]).max() < 1e-4


def test_ngrams_alone_and_words_alone(texts: TextDataset, network: TextBackbone, tmp_path: Path) -> None:
    for strategy, options in (("ngrams", {}), ("zero-shot", {"descriptions": SAID})):
        model = fitted(texts, network if options else None, strategy, **options)
        topwork.export(model, "onnx", tmp_path / strategy, images=[texts.text(row) for row in range(9)])
        found = answers(tmp_path / strategy, ODD[1:])
        assert np.abs(found["probabilities"] - model.predict_proba(ODD[1:])).max() < 1e-4


@pytest.mark.slow
def test_plain_transformers_loads_a_folder_with_a_linear_head(
    texts: TextDataset, network: TextBackbone, tmp_path: Path
) -> None:
    model = fitted(texts, network, layers="last", ngrams=False)
    topwork.export(model, "torch", tmp_path / "out", images=texts)
    given = ["w1 w9 w30", *ODD[1:]]
    found = answers(tmp_path / "out", given)
    assert np.abs(found["probabilities"] - model.predict_proba(given)).max() < 1e-4
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    loaded = transformers.AutoModel.from_pretrained(tmp_path / "out")
    with torch.no_grad():
        state = loaded(**tokenizer("w1 w9 w30", return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
    assert np.abs(state - found["features"][0]).max() < 1e-4


def test_what_the_torch_folder_cannot_hold_is_refused_with_the_way_out(
    texts: TextDataset, network: TextBackbone, tmp_path: Path
) -> None:
    refused = [
        (fitted(texts, None, "ngrams"), "no transformer"),
        (with_ngrams(texts, fitted(texts, network, layers="last", ngrams=False)), "n-grams beside its network"),
        (fitted(texts, network, "zero-shot", descriptions=SAID), "of the kind text"),
        (fitted(texts, network, layers="last", ngrams=False, windows=2), "windows"),
    ]
    for model, why in refused:
        with pytest.raises(TopworkError, match=why) as caught:
            topwork.export(model, "torch", tmp_path / "out", images=texts)
        assert possible(model, EXPORTED) == ("onnx", "openvino")
        assert "--to onnx" in caught.value.hint
        assert not (tmp_path / "out").exists()


def test_vectors_of_parts_of_words_are_refused(tmp_path: Path, texts: TextDataset) -> None:
    fasttext = pytest.importorskip("gensim.models.fasttext")
    rows = [text.split() for text in (texts.text(row) for row in range(60))]
    trained = fasttext.FastText(rows, vector_size=8, min_count=1, seed=0, workers=1, epochs=1, bucket=200)
    fasttext.save_facebook_model(trained, str(tmp_path / "model.bin"))
    model = fitted(texts, load_text(weights=tmp_path / "model.bin"), layers="last", ngrams=False)
    with pytest.raises(TopworkError, match="parts of words") as caught:
        topwork.export(model, "onnx", tmp_path / "out", images=texts)
    assert ".vec" in caught.value.hint


def test_an_export_that_reads_otherwise_is_not_kept(
    texts: TextDataset, network: TextBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(texts, network, layers="last", ngrams=False)
    own = Tokens.recipe.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Tokens, "recipe", property(lambda self: {**own(self), "before": []}))
    with pytest.raises(TopworkError, match="nothing was written"):
        topwork.export(model, "onnx", tmp_path / "out", images=texts)
    assert not (tmp_path / "out").exists()


def test_nothing_to_read_is_refused(texts: TextDataset, tmp_path: Path) -> None:
    model = fitted(texts, None, "ngrams")
    with pytest.raises(TopworkError, match="anything to read"):
        topwork.export(model, "onnx", tmp_path / "out", images=["", " \n"])
    topwork.export(model, "onnx", tmp_path / "out", images=texts)
    command = [sys.executable, "-I", str(tmp_path / "out" / "predict.py")]
    assert "the text is empty" in subprocess.run([*command, " "], capture_output=True, text=True, check=False).stderr
    done = subprocess.run([*command, "w1 w2", "w3"], capture_output=True, text=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["w1 w2", "w3"]
