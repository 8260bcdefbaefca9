"""Explanations of models whose reason is known: a planted word gives the class away."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from tests.tasks.text.explain.conftest import FILLER, PLANTED, planted
from topwork.data import read_texts
from topwork.errors import ExplainError
from topwork.tasks.text import TextClassifier
from topwork.tasks.text.explain import Question, explain_words, fewest, neighbours, weighing
from topwork.tasks.text.explain import _occlusion as room
from topwork.tasks.text.explain._contributions import contributions, counts_of
from topwork.tasks.text.explain._occlusion import occlusion
from topwork.tasks.text.explain._words import NOTHING


@pytest.fixture(scope="module")
def questions(model: TextClassifier, language: str) -> list[Question]:
    rng = random.Random(7)
    return [Question.of(model, planted(language, rng)[0]) for _ in range(20)]


@pytest.mark.parametrize("method", ["occlusion", "contributions"])
def test_the_planted_word_is_found_and_deletion_beats_random(
    model: TextClassifier, language: str, questions: list[Question], method: str
) -> None:
    weigh = weighing(model, method)  # type: ignore[arg-type]
    for question in questions:
        found = explain_words(question, weigh)
        assert question.word(int(found.weights.argmax())) == PLANTED[language][question.label]
        assert found.deletion is not None
        assert found.deletion.holds
        assert found.deletion.area < found.deletion.random_area - 0.1
        assert found.deletion.shares[:1] + found.deletion.shares[-1:] == (0, 1)
        assert found.deletion.probability[0] == pytest.approx(float(question.probabilities[question.place]), abs=1e-6)


def test_contributions_have_the_order_of_occlusion_on_short_texts(model: TextClassifier, language: str) -> None:
    """A word for the class, one of another class, and one between them that says nothing."""
    scorer = counts_of(model)
    assert scorer is not None
    words = PLANTED[language]
    for label, other in itertools.permutations(words, 2):
        for filler in FILLER[language].split()[:8]:
            question = Question.of(model, f"{words[other]} {filler} {words[label]}", label)
            exact, left_out = contributions(question, scorer), occlusion(question)
            assert exact is not None
            assert np.argsort(exact).tolist() == np.argsort(left_out).tolist() == [0, 1, 2]
            assert exact[0] < 0 < exact[2]


def test_contributions_sum_to_what_the_model_says(model: TextClassifier, questions: list[Question]) -> None:
    """The oracle moves each score a little and looks at the log-odds."""
    scorer = counts_of(model)
    assert scorer is not None
    for question in questions:
        scores = scorer([question.text]).astype(np.float64)
        step = 1e-2
        moved = np.concatenate([scores + step * np.eye(scores.shape[1]), scores - step * np.eye(scores.shape[1])])
        margins = question.margins(model.head.probabilities(moved.astype(np.float32)))
        slope = (margins[: scores.shape[1]] - margins[scores.shape[1] :]) / (2 * step)
        found = contributions(question, scorer)
        assert found is not None
        assert found.sum() == pytest.approx(float(slope @ (scores[0] - scorer.bias)), rel=2e-2)


def test_letters_that_change_places_are_left_to_occlusion(model: TextClassifier) -> None:
    question = Question.of(model, "İstanbul guitar")  # lower case has one letter more
    scorer = counts_of(model)
    assert scorer is not None
    assert contributions(question, scorer) is None
    assert explain_words(question, weighing(model)).method == "occlusion"
    with pytest.raises(ExplainError, match="contributions"):
        explain_words(question, weighing(model, "contributions"))


def test_a_long_text_is_read_a_bounded_number_of_times(
    model: TextClassifier, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    label, word = next(iter(PLANTED[language].items()))
    question = Question.of(model, " ".join(["x y z"] * 150 + [word] + ["x y z"] * 1000), label)
    asked: list[int] = []
    real = Question.without

    def counted(self: Question, choices: list[range]) -> np.ndarray:
        asked.append(len(choices))
        return real(self, choices)

    monkeypatch.setattr(Question, "without", counted)
    weights = occlusion(question)
    assert len(weights) == 3_451
    assert sum(asked) < room._RUNS + room._OPENED * room._PIECES
    assert question.word(int(weights.argmax())) == word


def test_the_fewest_words_are_minimal(model: TextClassifier, language: str, questions: list[Question]) -> None:
    words = PLANTED[language]
    twice = Question.of(model, f"{words[questions[0].label]} x {words[questions[0].label]} y")
    always = int(model.predict_proba([NOTHING]).argmax())
    asked = [each for each in (*questions, twice) if each.answer != always]
    assert len(asked) > len(questions) // 3
    for question in asked:
        found = fewest(question, occlusion(question))
        assert found.answer != question.answer_label
        assert words[question.label] in {question.word(place) for place in found.words}
        for place in found.words:  # put back, the old answer is back
            back = [each for each in found.words if each != place]
            assert question.without([back])[0].argmax() == question.answer


def test_a_text_whose_answer_stays_says_so(model: TextClassifier) -> None:
    prior = model.predict(["."])[0].label
    question = Question.of(model, ". . .")
    found = fewest(question, occlusion(question))
    assert (question.answer_label, found.words, found.answer) == (prior, (), "")
    assert "no other answer was found" in found.headline


def test_a_training_text_is_its_own_nearest_neighbour(model: TextClassifier, folder: object) -> None:
    dataset = read_texts(f"{folder}/texts.csv").split("train")
    asked = [Question.of(model, dataset.text(row)) for row in (3, 50)]
    for row, question, found in zip((3, 50), asked, neighbours(asked, dataset), strict=True):
        first = found.found[0]
        assert first.text == question.text
        assert first.cosine == pytest.approx(1, abs=1e-5)
        assert first.label == dataset.classes[dataset.labels[row]]
        assert [each.cosine for each in found.found] == sorted((x.cosine for x in found.found), reverse=True)
        assert found.found[1].label == question.answer_label  # the planted word is rare


def test_one_word_has_no_curve_and_no_word_is_an_error(model: TextClassifier, language: str) -> None:
    word = next(iter(PLANTED[language].values()))
    found = explain_words(Question.of(model, word), weighing(model))
    assert found.deletion is None
    assert "only word" in found.lines[-1]
    for empty in ("", "  \n", "\x00"):
        with pytest.raises(ExplainError, match="empty"):
            Question.of(model, empty)
    with pytest.raises(ExplainError, match="no class is called"):
        Question.of(model, word, "none of them")
