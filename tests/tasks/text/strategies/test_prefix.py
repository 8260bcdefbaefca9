"""Frozen layers that run once give the tokens that they give each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topwork.backbones import TextBackbone
from topwork.data import TextDataset, read_texts
from topwork.errors import TrainError
from topwork.features import extract
from topwork.heads import LinearHead
from topwork.tasks.text.strategies._finetune import default_config

from ..conftest import tiny
from .test_windows import long_texts

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from topwork.tasks.text.strategies import _samples  # noqa: E402
from topwork.tasks.text.strategies._prefix import can_cut, cut  # noqa: E402
from topwork.tasks.text.strategies._samples import samples_of  # noqa: E402
from topwork.tasks.text.strategies._tunable import Tunable, in_pieces, tunable  # noqa: E402


def model_of(backbone: TextBackbone, *outputs: str) -> tuple[Tunable, bytes]:
    width, rng = 32 * len(outputs), np.random.default_rng(0)
    head = LinearHead(
        np.zeros(width, np.float32),
        np.ones(width, np.float32),
        rng.normal(size=(width, 3)).astype(np.float32),
        np.zeros(3, np.float32),
        2.0,
    )
    return tunable(backbone, outputs, head)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_the_top_answers_on_kept_tokens_as_the_whole_does(told: TextDataset, family: str, tmp_path: Path) -> None:
    network = tiny(tmp_path, family)
    model, tokenizer = model_of(network, "embedding")
    samples, config = samples_of(told.select(np.arange(50)), network, tokenizer), default_config(precision="f32")
    rows = [np.arange(20), np.arange(20, 50)]

    def logits(given: object) -> object:
        with torch.no_grad():
            return torch.cat([model(tokens) for tokens, _ in given.batches(0, rows)])

    model.eval()
    whole, names = logits(samples), [name for name, _ in model.named_parameters()]
    assert can_cut(model, 2, 1, [samples])
    with cut(model, 2, 1, [samples], config) as (kept,):
        assert kept.fingerprint != samples.fingerprint
        assert len([*model.parameters()]) < len(names)
        torch.testing.assert_close(logits(kept), whole, atol=0.05, rtol=0.02)  # they are kept in bfloat16
    assert [name for name, _ in model.named_parameters()] == names
    torch.testing.assert_close(logits(samples), whole)


def test_windows_of_long_texts_are_kept_too(network: TextBackbone) -> None:
    windowed, texts = network.replace(windows=3), read_texts((["w1 w2", " ".join(["w3"] * 90), "w4"], ["a", "b", "a"]))
    model, tokenizer = model_of(windowed, "embedding")
    samples = samples_of(texts, windowed, tokenizer)
    rows = [np.array([0, 2]), np.array([1, 0])]
    with torch.no_grad(), cut(model, 2, 1, [samples], default_config(precision="f32")) as (kept,):
        found = torch.cat([model.eval()(tokens) for tokens, _ in kept.batches(0, rows)])
    with torch.no_grad():
        whole = torch.cat([model.eval()(tokens) for tokens, _ in samples.batches(0, rows)])
    torch.testing.assert_close(found, whole, atol=0.05, rtol=0.02)


def test_what_cannot_be_cut_is_left_whole(told: TextDataset, network: TextBackbone) -> None:
    model, tokenizer = model_of(network, "embedding")
    samples = samples_of(told.select(np.arange(5)), network, tokenizer)
    assert not can_cut(model, 2, 2, [samples])  # nothing is frozen
    assert not can_cut(model, 3, 1, [samples])  # no stack of three
    samples.lengths = np.full(5, 1 << 28)
    assert not can_cut(model, 2, 1, [samples])  # no room
    lower, _ = model_of(network, "layers.1/mean", "embedding")
    assert not can_cut(lower, 2, 1, [])


@pytest.mark.parametrize("windows", [1, 4])
def test_features_in_torch_are_those_of_the_engine(told: TextDataset, network: TextBackbone, windows: int) -> None:
    outputs = ("layers.1/max", "layers.2/cls", "layers.2/last", "embedding")
    backbone = network.replace(windows=windows)
    some = told.select(np.arange(30)) if windows == 1 else long_texts(late=True, rows=20)
    model, tokenizer = model_of(backbone, *outputs)
    (tokens, _), *_ = samples_of(some, backbone, tokenizer).batches(0, [np.arange(len(some))])
    assert tokens.shape[:2] == (len(some), 1 if windows == 1 else 3)
    with torch.no_grad():
        found = model.eval().embed(tokens).numpy()
    wanted = extract(some, backbone, outputs=outputs, cache=False)
    np.testing.assert_allclose(found, wanted.values, atol=1e-3 if wanted.choice.precision == "f32" else 0.05)


def test_tokens_of_many_texts_lie_on_disk(network: TextBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = read_texts(([" ".join(["w1"] * (1 + row % 50)) for row in range(70)], ["a", "b"] * 35))
    windowed = network.replace(windows=2)
    _, tokenizer = model_of(windowed, "embedding")
    whole = samples_of(texts, windowed, tokenizer)
    monkeypatch.setattr(_samples, "_CHUNK", 7)
    parted = samples_of(texts, windowed, tokenizer)
    assert isinstance(parted._tokens, np.memmap)
    for row in range(70):
        words = min(1 + row % 50, 38)  # 40 tokens a window, two of them special
        np.testing.assert_array_equal(parted.text(row), whole.text(row))
        assert whole.text(row).shape == (1 + (row % 50 >= 38), words + 2)
        np.testing.assert_array_equal(whole.text(row)[:, 1:-1], 5)


def test_batches_of_long_texts_come_in_more_pieces(network: TextBackbone) -> None:
    config = default_config(accumulate=2)
    assert in_pieces(config, network) == config
    assert in_pieces(config, network.replace(windows=4)).accumulate == 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_told(network: TextBackbone, told: TextDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    _, tokenizer = model_of(network, "embedding")
    monkeypatch.setattr(_samples.tempfile, "TemporaryFile", lambda **how: open("/dev/full", "wb"))  # noqa: SIM115
    with pytest.raises(TrainError, match="cannot be kept on disk: No space left"):
        samples_of(told, network, tokenizer)
