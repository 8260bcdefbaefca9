"""Integrated gradients of tiny random networks beside captum's, on whatever the head reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.cli.conftest import Run
from tests.tasks.text.conftest import marked, tiny
from topwork.data import read_texts, split
from topwork.errors import ExplainError
from topwork.tasks.text import TextClassifier
from topwork.tasks.text.explain import Question, explain_words, weighing
from topwork.tasks.text.explain import _gradients as room
from topwork.tasks.text.explain._contributions import contributions, counts_of
from topwork.tasks.text.strategies import ProbeOptions, _blend

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
TEXT = "w3 w50, unknown w90 w22!"


@pytest.fixture(scope="module", params=["bert", "roberta", "distilbert", "normalised", "n-grams", "windows"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TextClassifier:
    kind = request.param
    network = tiny(tmp_path_factory.mktemp(kind), kind if "bert" in kind else "bert")
    options = ProbeOptions(
        layers="last" if kind != "normalised" else ("layers.1", "layers.2"),
        ngrams=kind == "n-grams",
        windows=3 if kind == "windows" else 1,
        method="normalised" if kind == "normalised" else "logistic",
    )
    data = split(read_texts(marked(240)), test=0.25, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_blend, "_loss", lambda probe: -len(probe.table.outputs))  # both, where there are both
        found = topwork.fit(data, backbone=network, strategy="probe", options=options, task="text")
    assert ("ngrams" in found.record.outputs) == (kind == "n-grams")
    found.save(place := tmp_path_factory.mktemp("model") / kind)
    return topwork.load(place)


def captums(model: Any, text: str, place: int) -> np.ndarray:
    """What the whole text adds by captum: of each token in each window."""
    attr = pytest.importorskip("captum.attr")
    opened = room.Gradients(model)
    windows, _ = opened._tokens.placed(text)
    ids = torch.from_numpy(np.stack(windows).astype(np.int64))
    zeros = torch.zeros(1, 0) if (counts := counts_of(model)) is None else torch.from_numpy(counts([text]))

    def answer(vectors: Any) -> Any:
        found = opened._network.embed(vectors[:, None] if vectors.ndim == 3 else vectors)
        logits = opened._head(torch.cat([found, zeros.expand(len(found), -1)], dim=1))
        others = [each for each in range(logits.shape[1]) if each != place]
        return logits[:, place] - logits[:, others].logsumexp(dim=1)

    vectors = opened._network.vectors(ids)[None]
    special = (ids == 2) | (ids == 3)
    base = torch.where(special[None, ..., None], vectors, 0.0)
    how: Any = {"n_steps": 50, "method": "riemann_middle", "internal_batch_size": 8}
    return attr.IntegratedGradients(answer).attribute(vectors, baselines=base, **how).sum(dim=-1)[0].detach().numpy()


@pytest.mark.parametrize("text", [TEXT, " ".join(f"w{20 + row}" for row in range(70))])
def test_tokens_weigh_what_captum_says(model: TextClassifier, text: str) -> None:
    question = Question.of(model, text)
    opened = room.Gradients(model)
    wanted = captums(model, text, question.place)
    _, spans = opened._tokens.placed(text)
    known = np.array([[span is not None for span in each] for each in spans])
    found = np.array([value for _, value in opened._by_tokens(question)])
    np.testing.assert_allclose(found, wanted[known], atol=1e-4 * max(1.0, abs(wanted).max()))
    np.testing.assert_array_equal(wanted[~known], 0)
    counts = counts_of(model)
    beside = 0 if counts is None else contributions(question, counts)
    assert (opened(question) - beside).sum() == pytest.approx(found.sum(), abs=1e-5)  # every token is in a word


def test_words_of_a_network_are_checked_by_deletion(model: TextClassifier) -> None:
    found = explain_words(Question.of(model, TEXT), weighing(model, "integrated-gradients"))
    assert found.method == "integrated-gradients"
    assert len(found.weights) == 7  # commas and exclamation marks are words
    assert found.deletion is not None


def test_what_is_added_is_what_the_log_odds_have_grown(tmp_path: Path) -> None:
    data = split(read_texts(marked(240)), test=0.25, seed=0)
    alone = ProbeOptions(layers="last", ngrams=False)
    model: Any = topwork.fit(data, backbone=tiny(tmp_path), strategy="probe", options=alone, task="text")
    question = Question.of(model, TEXT)
    opened = room.Gradients(model)
    (ids,), (spans,) = opened._tokens.placed(TEXT)
    vectors = opened._network.vectors(torch.from_numpy(ids.astype(np.int64)))
    vectors[[span is not None for span in spans]] *= 1e-6  # a vector of zeros would be no token at all
    nothing = torch.softmax(opened._head(opened._network.embed(vectors[None, None])), dim=1).detach().numpy()
    grown = question.margin - float(question.margins(nothing)[0])
    assert opened(question).sum() == pytest.approx(grown, abs=0.05 * max(1.0, abs(grown)))  # the engine may be in bf16


def test_the_command_line_has_them_and_refuses_them_for_n_grams(run: Run, tmp_path: Path) -> None:
    lines = ["text,label", *(",".join(pair) for pair in zip(*marked(80), strict=True))]
    (tmp_path / "texts.csv").write_text("\n".join(lines), "utf-8")
    topwork.fit(tmp_path / "texts.csv", strategy="ngrams").save(tmp_path / "model")
    given = ("--text", TEXT, "--method", "integrated-gradients")
    error, hint = run("explain", tmp_path / "model", *given).failed()
    assert "heads on a transformer's layers" in error
    assert "--method occlusion" in hint
    alone = ProbeOptions(layers="last", ngrams=False)
    found = topwork.fit(tmp_path / "texts.csv", backbone=tiny(tmp_path), strategy="probe", options=alone)
    found.save(tmp_path / "probe")
    (told,) = run("explain", tmp_path / "probe", *given, "--json").json["texts"]
    assert told["method"] == "integrated-gradients"


def test_a_text_that_is_read_in_part_weighs_nothing_behind_that(tmp_path: Path) -> None:
    data = split(read_texts(marked(240)), test=0.25, seed=0)
    alone = ProbeOptions(layers="last", ngrams=False, windows=1)
    model: Any = topwork.fit(data, backbone=tiny(tmp_path), strategy="probe", options=alone, task="text")
    weights = room.Gradients(model)(Question.of(model, " ".join(f"w{20 + row}" for row in range(70))))
    assert (weights[:38] != 0).all()
    assert (weights[38:] == 0).all()


def test_no_word_is_still_an_error(model: TextClassifier) -> None:
    with pytest.raises(ExplainError, match="empty"):
        Question.of(model, " ")
