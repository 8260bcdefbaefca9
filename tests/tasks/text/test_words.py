"""What a user of texts reads in lines: results, the card, the methods, in English and in Korean."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from huggingface_hub import ModelCard

from tests.report.test_advice import ADVICE
from tests.report.test_model import FOLDS, HOSTILE
from topwork import tasks
from topwork._text import Table
from topwork._texts import LIBRARY, Texts
from topwork.backbones import Reading, TextBackbone, Weights
from topwork.data import split
from topwork.errors import DataError
from topwork.metrics import Costs, Threshold, decision_report
from topwork.model import CostsRecord, CriticalRecord, EngineRecord
from topwork.tasks._classes._decision import DecisionOptions
from topwork.tasks._classes._words import WORDS

from .checks.conftest import dataset_of
from .samples import CLASSES, MINILM, measured, text_model, texts

IMAGES = re.compile(r"images?\b|picture|photo|files?\b", re.IGNORECASE)
GLOVE = TextBackbone("glove-6b-50d", Weights("package", "0" * 64, "glove"), "vectors", 0, 50, 50, languages="English")
NGRAMS = TextBackbone(
    "ngrams", Weights("file", "0" * 64, "x"), "ngrams", 0, 0, 0, languages="any", pretrained_on="the training texts"
)
HANGUL = re.compile("[가-힣]")
KOREAN = Texts("ko", (LIBRARY, "topwork.report", *tasks.packages(), "topwork.cli"))


def decisions() -> list[CriticalRecord | CostsRecord]:
    """A rule of each kind, met and refuted."""
    found = measured()
    labels = found.dataset.labels.astype(np.int64)
    given = found.probabilities, labels
    critical = decision_report(*given, Threshold(0, 0.3), place=0).to_dict()
    costs = decision_report(*given, Costs(np.array([[0.0, 9.0], [1.0, 0.0]]))).to_dict()
    shared = {"name": CLASSES[0], "enough": False, "source": "validation"}
    shared |= {"out_of_fold": critical, "measured": critical}
    return [
        CriticalRecord(metric="recall", target=0.999, threshold=0.3, **shared),
        CriticalRecord(metric="precision", target=0.9, threshold=0.3, **shared),
        CriticalRecord(metric="precision", target=0.9, threshold=None, **shared),
        CostsRecord(costs=((*CLASSES, 9.0),), calibrated=False, source="training", out_of_fold=costs, measured=costs),
    ]


def lines() -> list[str]:
    """Everything that fit, evaluate and advise may say of texts."""
    found = measured()
    seen = [dataclasses.replace(found, trained=5), dataclasses.replace(found, seen_in_training=True)]
    models = [text_model(found, folds=FOLDS), text_model(None, folds=FOLDS.model_copy(update={"split": "train"}))]
    said = [line for made in models for line in WORDS.fitted(made)]
    said += [line for rule in decisions() for line in WORDS.fitted(text_model(found, decision=rule))]
    said += [line for each in (found, *seen) for line in WORDS.evaluated(each)]
    names = ("n-grams", "kNN", "probe and n-grams", "fine-tuning")
    rungs = tuple(dataclasses.replace(rung, name=name, note="") for rung, name in zip(ADVICE.rungs, names, strict=True))
    described = dataclasses.replace(ADVICE.description, width=0)
    advice = dataclasses.replace(ADVICE, thing="text", rungs=rungs, changes=(), description=described)
    return [*said, *WORDS.advised(advice)]


def test_no_line_speaks_of_images() -> None:
    told = lines()
    assert any("held-out texts" in line for line in told)
    description = "ImageNet's classes describe", "Distance from the network's pretraining"  # of networks of images
    assert [line for line in told if IMAGES.search(line) and not line.startswith(description)] == []


def test_every_line_is_said_in_korean() -> None:
    """But for what only the tests' samples say."""
    for line in lines():
        if isinstance(line, Table):
            line = line.said(lambda cell: KOREAN.named("cell", cell))
            assert not re.search(r"texts?\b", line)
        elif line.strip() and HOSTILE not in line:
            assert HANGUL.search(KOREAN.said(line)), line


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("300 training texts in 6 classes; 2 texts left out", "학습 텍스트 300건, 클래스 6개; 텍스트 2건 제외"),
        ("Accuracy on 120 held-out texts (test): 91.7% (85.3 to 95.4)",
         "평가 텍스트 120건(test)의 정확도: 91.7%(85.3~95.4)"),
        ("this text is unlike the training texts; check the prediction before you rely on it",
         "이 텍스트는 학습 텍스트와 다릅니다. 예측을 믿기 전에 확인하세요"),
        ("Accuracy on 120 held-out images (test): 91.7% (85.3 to 95.4)",
         "평가 이미지 120장(test)의 정확도: 91.7%(85.3~95.4)"),
        ("All texts were classified correctly.", "모든 텍스트를 올바르게 분류했습니다."),
        ("1 of 3 texts are almost one uniform surface.", "텍스트 3건 중 1건은 거의 단색입니다."),
        ("1 of 3 sounds are almost one uniform surface.", "1 of 3 sounds are almost one uniform surface."),
    ],
)  # fmt: skip
def test_texts_have_their_own_counter(english: str, korean: str) -> None:
    assert KOREAN.said(english) == korean


@pytest.mark.parametrize("backbone", [MINILM, GLOVE, NGRAMS], ids=lambda each: each.name)
def test_card_and_methods_are_of_texts(backbone: TextBackbone) -> None:
    made = text_model(measured(), backbone, folds=FOLDS)
    card, methods = made.card(made.record, "m"), made.methods()
    assert not IMAGES.search(card)
    assert not IMAGES.search(methods.text.replace("from a file", ""))
    header = ModelCard(card).data
    assert header.pipeline_tag == "text-classification"
    assert header.eval_results[0].task_type == "text-classification"
    assert 'topwork predict MODEL --text "a text to classify"' in card
    assert ("trained on texts in: English" in card) == (backbone.languages == "English")
    assert ("reads the first 256 tokens" in card) == (backbone is MINILM)
    cited = {
        MINILM.name: ("wang2020minilm", "reimers2019sbert"),
        GLOVE.name: ("pennington2014glove",),
        NGRAMS.name: ("salton1988term", "wang2012baselines"),
    }[backbone.name]
    for key in cited:
        assert f"@{key}" in methods.text
        assert f"{{{key}," in methods.references
    assert "is yours" in card
    assert ("Apache" in card) == (backbone is MINILM)


def test_what_was_looked_up_ran_in_numpy() -> None:
    made = text_model(measured(), NGRAMS)
    made.record = made.record.model_copy(update={"engine": EngineRecord(name="numpy", precision="f32", deviation=None)})
    assert "It ran in NumPy in float32" in made.methods().text
    assert "paszke" not in made.methods().references


def test_windows_and_n_grams_beside_a_network_are_told() -> None:
    both = dataclasses.replace(MINILM, reading=Reading(128, windows=4), ngrams=NGRAMS.weights)
    made = text_model(measured(), both)
    assert "reads the first 128 tokens of a text in each of up to 4 windows" in made.card(made.record, "m")
    assert "n-grams counted in the training texts are scored beside it" in made.card(made.record, "m")
    assert "up to 128 tokens of a text in up to 4 windows" in made.methods().text
    assert "Beside the network, n-grams of words and letters" in made.methods().text


def refusal(call: object, *given: object, **how: object) -> str:
    with pytest.raises(DataError) as refused:
        call(*given, **how)  # type: ignore[operator]
    return f"{refused.value.message}; {refused.value.hint}"


def test_errors_speak_of_texts() -> None:
    assert "too few texts for a test split" in refusal(split, dataset_of(["one"]), test=0.2)
    made = text_model(None)
    assert "made without texts" in refusal(made.predict, ["a"], coverage=0.9)
    rule = DecisionOptions(min_recall={CLASSES[0]: 0.9})
    assert "no training text is" in refusal(rule.require, texts(8))
    promised = text_model(measured())
    assert "needs more texts" in refusal(promised.predict, ["a"], accuracy=0.9999)
