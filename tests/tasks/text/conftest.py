"""A tiny BERT of random weights, and texts whose class one word among many tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topwork.backbones import TextBackbone, load_text
from topwork.data import TextDataset, read_texts, split

WORDS = [f"w{number}" for number in range(120)]


SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "hidden_dropout_prob": 0.0,
}
DISTIL = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 40, "dropout": 0.0}


def tiny(folder: Path, family: str = "bert") -> TextBackbone:
    """Two layers of width 32, as transformers saves them."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    names = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(names, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    sizes = DISTIL if family == "distilbert" else SIZES
    config = transformers.AutoConfig.for_model(family, vocab_size=len(names), pad_token_id=0, **sizes)
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return load_text(f"tiny-{family}", weights=folder)


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> TextBackbone:
    return tiny(tmp_path_factory.mktemp("tiny-bert"))


def marked(rows: int, seed: int = 0, *, random: bool = False) -> tuple[list[str], list[str]]:
    """Ten words each; four of the vocabulary stand for the first class and four for the other, or none does."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for row in range(rows):
        label = row % 2
        words = rng.integers(20, len(WORDS), rng.integers(4, 12))
        words[rng.integers(len(words))] = 4 * label + rng.integers(4)
        texts.append(" ".join(WORDS[word] for word in words))
        labels.append("ab"[rng.integers(2) if random else label])
    return texts, labels


@pytest.fixture(scope="session")
def told() -> TextDataset:
    """480 texts that can be told apart, a quarter of them for testing."""
    return split(read_texts(marked(480)), test=0.25, seed=0)


@pytest.fixture(scope="session")
def noise() -> TextDataset:
    """160 texts whose classes were drawn."""
    return split(read_texts(marked(160, random=True)), test=0.25, seed=0)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
