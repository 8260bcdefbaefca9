"""Scores of n-grams, compared with scikit-learn's TF-IDF."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from topwork.engines import Grams, NgramScorer
from topwork.errors import BackboneError

sklearn_text = pytest.importorskip("sklearn.feature_extraction.text")

TEXTS = [
    "Where is my card ? Where is it ?",
    "My card hasn't arrived, and I don't know why!",
    "이 영화는 정말 재미있다",
    "영화가 재미없다 ㅋㅋ",
    "Ünïcode  wörds\tand\nlines",
]
ONE = NgramScorer(Grams(), {"wa": 0}, np.ones(1, np.float32), np.ones((1, 2), np.float16), np.ones(2, np.float32))


def words(text: str) -> str:
    return unicodedata.normalize("NFC", text.lower())


def letters(text: str) -> str:
    return " ".join(unicodedata.normalize("NFD", text.lower()).split())


@pytest.mark.parametrize(
    ("mark", "clean", "how"),
    [
        ("w", words, {"token_pattern": r"\w+|[^\w\s]", "ngram_range": (1, 2)}),
        ("c", letters, {"analyzer": "char", "ngram_range": (1, 5)}),
    ],
)
def test_a_row_is_scikit_learns_tf_idf(mark: str, clean: Any, how: dict[str, Any]) -> None:
    vectorizer = sklearn_text.TfidfVectorizer(preprocessor=clean, sublinear_tf=True, **how)
    expected = vectorizer.fit_transform(TEXTS).toarray()
    names = vectorizer.get_feature_names_out()
    places = {f"{mark}{name}": place for place, name in enumerate(names)}
    same, nothing = np.eye(len(names), dtype=np.float16), np.zeros(len(names), np.float32)
    found = NgramScorer(Grams(), places, vectorizer.idf_.astype(np.float32), same, nothing)(TEXTS)
    np.testing.assert_allclose(found * np.sqrt(2), expected, atol=1e-6)  # of two blocks, each has half of the length


def test_letters_of_hangul_are_counted() -> None:
    _, runs = Grams(letters=3)("한")
    assert unicodedata.normalize("NFC", max(runs, key=len)) == "한"


@pytest.mark.parametrize("text", ["", " ", "\ud800", "\0", "zzz", "b" * 10_000_000])
def test_texts_without_anything_known_have_the_bias_alone(text: str) -> None:
    assert ONE([text]).tolist() == [[1.0, 1.0]]


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    names = {"wa": 0, "cb\ud800": 1, "w x": 2}
    weight = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float16)
    scorer = NgramScorer(Grams(letters=8), names, np.ones(3, np.float32), weight, np.zeros(2, np.float32))
    save_file(scorer.to_tensors(), tmp_path / "table.safetensors")
    again = NgramScorer.from_file(tmp_path / "table.safetensors")
    assert (again.grams, again.places) == (scorer.grams, names)
    assert np.array_equal(again(["a x"]), scorer(["a x"]))


@pytest.mark.parametrize("spoilt", ["settings", "ngrams", "rarity", "weight"])
def test_a_damaged_table_is_refused(spoilt: str, tmp_path: Path) -> None:
    tensors = ONE.to_tensors()
    if spoilt == "weight":
        tensors["weight"] = np.ones((2, 2), np.float16)
    else:
        del tensors[spoilt]
    save_file(tensors, tmp_path / "table.safetensors")
    with pytest.raises(BackboneError, match="table of n-grams"):
        NgramScorer.from_file(tmp_path / "table.safetensors")
