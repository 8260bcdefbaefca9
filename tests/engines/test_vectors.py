"""Word vectors, compared with gensim."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.backbones import RELU, TextBackbone, load_text, word_vectors
from topwork.engines import EngineChoice, open_engine
from topwork.errors import BackboneError

gensim_models = pytest.importorskip("gensim.models")

SENTENCES = [["the", "cat", "sat"], ["the", "dog", "ran", "over", "the", "mat"], ["kätzchen", "und", "hund"]] * 20
CHOICE = EngineChoice("numpy", "f32")


@pytest.fixture(scope="module")
def trained(shared_cache: Path) -> Any:
    return gensim_models.Word2Vec(SENTENCES, vector_size=12, min_count=1, seed=0, workers=1, epochs=2).wv


@pytest.fixture
def backbone(trained: Any, tmp_path: Path) -> TextBackbone:
    trained.save_word2vec_format(str(tmp_path / "v.vec"))
    return load_text("minilm", weights=tmp_path / "v.vec")


@pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt", "vectors.vec", "glove.txt"])
def test_files_are_read_as_gensim_reads_them(name: str, trained: Any, tmp_path: Path) -> None:
    file = tmp_path / name
    trained.save_word2vec_format(str(file), binary=name.endswith(".bin"), write_header=name != "glove.txt")
    backbone = load_text("minilm", weights=file)
    found = word_vectors(backbone)
    assert (backbone.family, backbone.channels, found.words) == ("vectors", 12, tuple(trained.index_to_key))
    np.testing.assert_allclose(found.values, trained.vectors, atol=1e-5)
    engine = open_engine(backbone, ("words/mean", "words/max", "words/min", "embedding"), CHOICE)
    rows = np.stack([trained["the"], trained["cat"]])
    expected = [rows.mean(axis=0), rows.max(axis=0), rows.min(axis=0), rows.mean(axis=0)]
    np.testing.assert_allclose(engine(["The cat unheard-of"])[0], np.concatenate(expected), atol=1e-5)
    assert not engine(["", "zzz"]).any()


def test_fasttext_knows_words_that_it_has_not_seen(tmp_path: Path, shared_cache: Path) -> None:
    model = gensim_models.FastText(SENTENCES, vector_size=8, min_count=1, seed=0, workers=1, epochs=2, bucket=500)
    gensim_models.fasttext.save_facebook_model(model, str(tmp_path / "model.bin"))
    engine = open_engine(load_text("minilm", weights=tmp_path / "model.bin"), ("words/mean",), CHOICE)
    for word in ("kater", "käfig", "고양이", "x"):
        np.testing.assert_allclose(engine([word])[0], model.wv.get_vector(word), atol=1e-5)


def test_random_features_are_the_same_wherever_they_are_made(backbone: TextBackbone) -> None:
    once, again = (open_engine(backbone, (RELU,), CHOICE)(["the cat", "the dog ran"]) for _ in range(2))
    assert once.shape == (2, 2048)
    assert np.array_equal(once, again)
    assert once.any()
    assert (once >= 0).all()


def test_frequent_words_weigh_less_in_sif(backbone: TextBackbone, trained: Any) -> None:
    found = open_engine(backbone, ("words/sif",), CHOICE)(["the", "hund"])
    frequent, rare = np.linalg.norm(found, axis=1) / [np.linalg.norm(trained[word]) for word in ("the", "hund")]
    assert frequent < rare


BROKEN = {
    "cut.bin": b"3 12\nthe " + b"\0" * 20,
    "words.txt": b"no numbers here\nat all\n",
    "ragged.vec": b"2 3\na 1 2 3\nb 1 2\n",
    "nan.vec": b"1 2\na nan 1\n",
    "empty.vec": b"",
    "count.vec": b"5 2\na 1 2\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_damaged_files_are_refused(name: str, tmp_path: Path, shared_cache: Path) -> None:
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(BackboneError, match=r"word vectors"):
        load_text("minilm", weights=tmp_path / name)


@pytest.mark.parametrize("name", ["model.kv", "v.pkl", "v.npy", "model.model"])
def test_pickled_vectors_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(BackboneError, match="may run code"):
        load_text("minilm", weights=tmp_path / name)


def test_a_table_of_another_width_is_refused(backbone: TextBackbone) -> None:
    with pytest.raises(BackboneError, match="expected 11 wide"):
        word_vectors(dataclasses.replace(backbone, channels=11))
