"""Every metric beside scikit-learn's and torchmetrics' own, to a few parts in a billion."""

import numpy as np
import pytest

from topwork.metrics import (
    average_precision,
    balanced_accuracy,
    brier,
    confusion_matrix,
    ece,
    evaluate,
    log_loss,
    macro_f1,
    per_class,
    roc_auc,
)
from topwork.metrics._ranking import ranks

from .test_metrics import simulate

DRAWS = [(40, 2), (300, 3), (500, 12), (2000, 100)]


@pytest.fixture(params=DRAWS, ids=[f"{n}-images-{c}-classes" for n, c in DRAWS])
def draw(request):
    n, n_classes = request.param
    probabilities, labels = simulate(n, n_classes, seed=n)
    assert len(np.unique(labels)) == n_classes
    return probabilities, labels


def close(expected):
    return pytest.approx(float(expected), rel=0, abs=4e-9)


def test_equal_to_scikit_learn(draw):
    from sklearn import metrics

    probabilities, labels = draw
    n_classes = probabilities.shape[1]
    predictions, every = probabilities.argmax(axis=1), np.arange(n_classes)
    found = evaluate(probabilities, labels, [str(each) for each in every])
    assert found.accuracy.value == close(metrics.accuracy_score(labels, predictions))
    assert balanced_accuracy(predictions, labels, n_classes) == close(
        metrics.balanced_accuracy_score(labels, predictions)
    )
    assert macro_f1(predictions, labels, n_classes) == close(metrics.f1_score(labels, predictions, average="macro"))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predictions, labels=every, zero_division=np.nan
    )
    for place, ours in enumerate(per_class(confusion_matrix(predictions, labels, n_classes), found.classes)):
        assert (ours.support, ours.f1) == (support[place], close(f1[place]))
        assert ours.recall.value == close(recall[place])
        assert ours.precision is None if np.isnan(precision[place]) else ours.precision.value == close(precision[place])
    assert log_loss(probabilities, labels) == close(metrics.log_loss(labels, probabilities, labels=every))
    areas = [metrics.roc_auc_score(labels == each, probabilities[:, each]) for each in every]
    assert roc_auc(probabilities, labels).value == close(np.mean(areas))
    precisions = [metrics.average_precision_score(labels == each, probabilities[:, each]) for each in every]
    assert average_precision(probabilities, labels).value == close(np.mean(precisions))
    briers = [metrics.brier_score_loss(labels == each, probabilities[:, each]) for each in every]
    assert brier(probabilities, labels) == close(np.sum(briers))
    for k in (1, min(5, n_classes - 1)):
        score = probabilities[:, 1] if n_classes == 2 else probabilities
        expected = metrics.top_k_accuracy_score(labels, score, k=k, labels=every)
        assert np.mean(ranks(probabilities, labels) < k) == close(expected)


@pytest.fixture
def double_precision():
    """What torchmetrics divides in, but for a few figures."""
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)


def test_equal_to_torchmetrics(draw, double_precision):
    theirs = pytest.importorskip("torchmetrics.functional.classification")
    probabilities, labels = draw
    n_classes = probabilities.shape[1]
    predictions = probabilities.argmax(axis=1)
    given = double_precision.from_numpy(probabilities), double_precision.from_numpy(labels)

    def figure(name, **options):
        return getattr(theirs, f"multiclass_{name}")(*given, num_classes=n_classes, **options).numpy()

    np.testing.assert_array_equal(confusion_matrix(predictions, labels, n_classes), figure("confusion_matrix"))
    # Its accuracy and recall are divided in float32 whatever the setting, so they are taken from its counts.
    hits, _, _, _, support = figure("stat_scores", average=None).T
    confusion = confusion_matrix(predictions, labels, n_classes)
    assert confusion.trace() / confusion.sum() == close(hits.sum() / support.sum())
    assert balanced_accuracy(predictions, labels, n_classes) == close((hits / support).mean())
    assert macro_f1(predictions, labels, n_classes) == close(figure("f1_score"))
    assert roc_auc(probabilities, labels).value == close(figure("auroc"))
    assert average_precision(probabilities, labels).value == close(figure("average_precision"))
    # Its calibration error is float32 too.
    assert ece(probabilities, labels) == pytest.approx(float(figure("calibration_error", n_bins=15)), rel=0, abs=5e-8)
