"""Networks for texts that only transformers knows: converted once, against transformers itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from topwork.engines._transformer import TextNetwork, converted_graph, output_names
from topwork.errors import BackboneError

transformers = pytest.importorskip("transformers")

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 56, "vocab_size": 99}
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 40}
DEBERTA = {
    **SIZES,
    "relative_attention": True,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}
MODERN = {**SIZES, "local_attention": 8, "global_attn_every_n_layers": 2, "pad_token_id": 0, "cls_token_id": 1}
GPT2 = {"vocab_size": 99, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 40}
T5 = {"vocab_size": 99, "d_model": 32, "d_kv": 8, "d_ff": 56, "num_layers": 3, "num_heads": 4}
LENGTHS = (7, 1, 33, 12, 12, 3)  # longer than a window of the networks that have one
Fields = Mapping[str, Any]
Arrays = Mapping[str, Any]


def tiny(family: str, sizes: Fields) -> Any:
    """A small network of random weights as transformers builds it."""
    config = transformers.AutoConfig.for_model(family, **sizes)
    kind = transformers.AutoModelForTextEncoding if config.is_encoder_decoder else transformers.AutoModel
    torch.manual_seed(0)
    network = kind.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():  # fresh networks have norms of ones, and biases of zero
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
    return network


def parts(network: Any) -> tuple[Fields, Callable[[], Arrays]]:
    arrays = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    return network.config.to_dict(), lambda: arrays


def expected(network: Any, ids: list[Any]) -> Any:
    """Each text by itself, so there is no padding; every output but the embedding, pooled by hand."""
    rows = []
    for each in ids:
        with torch.no_grad():
            found = network(input_ids=torch.from_numpy(each[None].astype(np.int64)), output_hidden_states=True)
        layers = [state[0].numpy() for state in (*found.hidden_states[:-1], found.last_hidden_state)]
        rows.append([row for tokens in layers for row in (tokens.mean(0), tokens.max(0), tokens[0], tokens[-1])])
    return np.array(rows, np.float32).reshape(len(ids), -1)


def texts() -> list[Any]:
    numbers = np.random.default_rng(0)
    return [numbers.integers(5, 90, length).astype(np.int32) for length in LENGTHS]


def never() -> Arrays:
    pytest.fail("the weights were read")


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("gpt2", GPT2),
        ("deberta-v2", DEBERTA),
        ("modernbert", MODERN),
        ("t5", T5),
        pytest.param("mt5", T5, marks=pytest.mark.slow),
        pytest.param("llama", GROUPED, marks=pytest.mark.slow),
        pytest.param("qwen2", GROUPED, marks=pytest.mark.slow),
        pytest.param("qwen3", GROUPED, marks=pytest.mark.slow),
        pytest.param("mistral", {**GROUPED, "sliding_window": 6}, marks=pytest.mark.slow),
        pytest.param("gemma3_text", {**GROUPED, "sliding_window": 6}, marks=pytest.mark.slow),
        pytest.param("mpnet", SIZES, marks=pytest.mark.slow),
        pytest.param("albert", {**SIZES, "embedding_size": 16}, marks=pytest.mark.slow),
    ],
)
def test_every_output_is_transformers_to_a_ten_thousandth(family: str, sizes: Fields, tmp_path: Path) -> None:
    network = tiny(family, sizes)
    outputs = output_names(3)
    graph = converted_graph(tmp_path / "net", *parts(network), outputs, pooling="last")
    *found, own = np.split(TextNetwork(graph, "f32")(texts()), len(outputs), axis=1)
    assert np.abs(np.concatenate(found, axis=1) - expected(network, texts())).max() < 1e-4
    assert np.array_equal(own, found[-1])


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The cache's folder of a network that is converted, and the network."""
    folder, network = tmp_path_factory.mktemp("cache") / "gpt2", tiny("gpt2", GPT2)
    converted_graph(folder, *parts(network), ("embedding",))
    return folder, network


def test_once_converted_it_needs_neither_weights_nor_torch(gpt2: tuple[Path, Any]) -> None:
    folder, network = gpt2
    code = (
        "import sys, pathlib, numpy\n"
        "from topwork.engines._transformer import TextNetwork, converted_graph\n"
        f"graph = converted_graph(pathlib.Path({str(folder)!r}), {{}}, None, ('layers.1/max', 'embedding'))\n"
        "print(TextNetwork(graph, 'f32')([numpy.arange(9)]).tolist())\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    features, modules = done.stdout.splitlines()
    assert modules == "[]"
    of_layers = np.split(expected(network, [np.arange(9)]), 16, axis=1)
    assert np.allclose(eval(features), np.concatenate([of_layers[5], of_layers[12]], axis=1), atol=1e-4)


def test_outputs_that_it_does_not_have_are_refused(gpt2: tuple[Path, Any]) -> None:
    with pytest.raises(BackboneError, match=r"no output 'layers\.4/mean'"):
        converted_graph(gpt2[0], {}, never, ("layers.4/mean",))


def test_a_head_and_the_networks_name_before_the_weights_are_no_hindrance(
    gpt2: tuple[Path, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config, arrays = parts(gpt2[1])
    more = {f"transformer.{name}": value for name, value in arrays().items()} | {"lm_head.weight": np.zeros((99, 32))}
    graph = converted_graph(tmp_path / "net", config, lambda: more, ("embedding",))
    same = converted_graph(gpt2[0], config, never, ("embedding",))
    assert np.array_equal(*(TextNetwork(each, "f32")(texts()) for each in (graph, same)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fields", "lost", "told", "hint"),
    [
        ({"model_type": "secret"}, "", "does not know a 'secret' network", "newer transformers"),
        ({"model_type": "secret", "auto_map": {"AutoModel": "x.Y"}}, "", "does not know a 'secret'", "never runs"),
        ({"model_type": None}, "", "does not know a None network", "newer"),
        ({"n_head": 5}, "", "cannot build this gpt2 network", ""),
        ({"n_embd": "many"}, "", "cannot build this gpt2 network", ""),
        ({"vocab_size": 98}, "", "cannot build this gpt2 network", ""),
        ({"model_type": "vit"}, "", "the weights do not fit", "another architecture"),
        ({}, "h.1.ln_1.weight", r"it has h\.1\.ln_1\.weight, the file has none \(1 are missing\)", "checkpoint"),
    ],
)
def test_what_cannot_be_converted_is_told_and_leaves_nothing(
    fields: Fields, lost: str, told: str, hint: str, gpt2: tuple[Path, Any], tmp_path: Path
) -> None:
    config, arrays = parts(gpt2[1])
    kept = {name: value for name, value in arrays().items() if name != lost}
    with pytest.raises(BackboneError, match=told) as caught:
        converted_graph(tmp_path / "net", {**config, **fields}, lambda: kept, ("embedding",))
    assert hint in caught.value.hint
    assert not list(tmp_path.rglob("network.*"))


def test_no_code_that_the_configuration_names_is_run(gpt2: tuple[Path, Any], tmp_path: Path) -> None:
    """A network that transformers knows is built of its own classes, whatever else the file says."""
    config, arrays = parts(gpt2[1])
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: ...\n")
    named = {
        **config,
        "auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Model"},
        "_name_or_path": str(tmp_path),
    }
    converted_graph(tmp_path / "net", named, arrays, ("embedding",))
    assert not (tmp_path / "ran").exists()


def test_quantised_weights_are_refused(gpt2: tuple[Path, Any], tmp_path: Path) -> None:
    config, arrays = parts(gpt2[1])
    with pytest.raises(BackboneError, match="quantised"):
        converted_graph(tmp_path, {**config, "quantization_config": {"quant_method": "any"}}, arrays, ("embedding",))


def test_a_damaged_conversion_is_told(gpt2: tuple[Path, Any], tmp_path: Path) -> None:
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "network.xml").write_text("<net")
    with pytest.raises(BackboneError, match="the converted network is damaged") as caught:
        converted_graph(tmp_path, {}, never, ("embedding",))
    assert "delete" in caught.value.hint
