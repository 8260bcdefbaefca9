"""Rules from probabilities to answers, beside scikit-learn's curves and tuned thresholds and plain sums of costs."""

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.metrics import (
    Costs,
    DecisionReport,
    Threshold,
    abstention_thresholds,
    compare,
    decide,
    decision_report,
    evaluate,
    precision_threshold,
    prediction_sets,
    recall_threshold,
    selective_reports,
    wilson_interval,
)

from .test_metrics import simulate


@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_recall_threshold_lies_on_scikit_learns_curve(target, n_classes):
    from sklearn.metrics import precision_recall_curve, recall_score

    probabilities, labels = simulate(2000, n_classes, seed=n_classes)
    threshold, enough = recall_threshold(probabilities, labels, 1, target, "one")
    assert enough
    said = decide(probabilities, Threshold(1, threshold)) == 1
    precision, recall, thresholds = precision_recall_curve(labels == 1, probabilities[:, 1])
    place = np.flatnonzero(thresholds == threshold)[0]
    assert recall[place] == recall_score(labels == 1, said)
    assert (
        precision[place]
        == decision_report(probabilities, labels, Threshold(1, threshold), place=1).decided.precision.value
    )
    images = (labels == 1).sum()
    assert target <= recall[place] < target + 2 / images  # no stricter threshold would do for one image more
    assert np.all(recall[place + 1 :] < target + 1 / images)


def test_it_is_the_threshold_that_scikit_learn_tunes():
    """The highest precision among thresholds of enough recall, on the same predictions."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.metrics import make_scorer, precision_score, recall_score
    from sklearn.model_selection import TunedThresholdClassifierCV

    class Said(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1])

        def fit(self, X, y):
            self.fitted_ = True
            return self

        def predict_proba(self, X):
            return X

    probabilities, labels = simulate(400, 2, seed=3)
    ours = recall_threshold(probabilities, labels, 1, 0.9, "one").threshold

    def score(truth, said):
        return precision_score(truth, said, zero_division=0) if recall_score(truth, said) >= 0.9 else -1.0

    tuned = TunedThresholdClassifierCV(
        Said().fit(None, None),
        scoring=make_scorer(score),
        cv="prefit",
        refit=False,
        thresholds=np.unique(probabilities[:, 1]),
    ).fit(probabilities, labels)
    found = decide(probabilities, Threshold(1, ours)) == labels
    theirs = tuned.predict(probabilities) == labels
    said = decide(probabilities, Threshold(1, ours))
    assert recall_score(labels, said) >= 0.9
    assert abs(found.mean() - theirs.mean()) < 0.02
    assert precision_score(labels, said) > tuned.best_score_ - 0.02


def test_a_recall_holds_on_average_on_new_images():
    found = []
    for seed in range(200):
        probabilities, labels = simulate(600, 3, seed=seed)
        threshold = recall_threshold(probabilities[:300], labels[:300], 2, 0.95, "two").threshold
        said = decide(probabilities[300:], Threshold(2, threshold))
        found.append((said == 2)[labels[300:] == 2].mean())
    assert 0.945 < np.mean(found) < 0.965


def test_the_precision_threshold_finds_the_most_images():
    from sklearn.metrics import precision_recall_curve

    probabilities, labels = simulate(3000, 3, seed=5)
    threshold, enough = precision_threshold(probabilities, labels, 0, 0.9, "zero")
    assert enough
    precision, recall, thresholds = precision_recall_curve(labels == 0, probabilities[:, 0])
    place = np.flatnonzero(thresholds == threshold)[0]
    assert precision[place] >= 0.9
    said = np.array([(probabilities[:, 0] >= each).sum() for each in thresholds])
    wrong = np.round(said * (1 - precision[:-1]))
    able = (wrong + 1) / (said + 1) <= 0.1
    assert recall[place] == recall[:-1][able].max()


def test_what_the_most_probable_class_reaches_needs_no_threshold():
    probabilities, labels = simulate(2000, 2)
    assert recall_threshold(probabilities, labels, 1, 0.5, "one").threshold is None
    assert precision_threshold(probabilities, labels, 1, 0.5, "one").threshold is None


def test_few_images_are_told():
    probabilities, labels = simulate(120, 2, seed=1)
    images = (labels == 1).sum()
    threshold, enough = recall_threshold(probabilities, labels, 1, 0.99, "one")
    assert not enough
    assert images < 99
    assert threshold == probabilities[labels == 1, 1].min()


def test_a_threshold_leaves_the_others_to_the_most_probable_of_them():
    probabilities, _ = simulate(500, 4)
    said = decide(probabilities, Threshold(2, 0.4))
    for row, answer in zip(probabilities, said, strict=True):
        others = {place: value for place, value in enumerate(row) if place != 2}
        assert answer == (2 if row[2] >= 0.4 else max(others, key=others.get))


def test_costs_give_the_class_of_least_expected_cost():
    probabilities, labels = simulate(300, 4)
    costs = np.array([[0, 1, 1, 7], [1, 0, 2, 1], [9, 1, 0, 1], [1, 1, 1, 0]], np.float64)
    said = decide(probabilities, Costs(costs))
    for row, answer in zip(probabilities, said, strict=True):
        sums = [sum(row[true] * costs[true, guess] for true in range(4)) for guess in range(4)]
        assert answer == int(np.argmin(sums))
    report = decision_report(probabilities, labels, Costs(costs))
    assert report.decided.cost.value == pytest.approx(np.mean([costs[t, s] for t, s in zip(labels, said, strict=True)]))
    assert report.decided.cost.low <= report.decided.cost.value <= report.decided.cost.high < report.usual.cost.value
    assert np.array_equal(decide(probabilities, Costs(1 - np.eye(4))), probabilities.argmax(axis=1))


def test_all_figures_of_answers_are_of_the_rules_answers():
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    probabilities, labels = simulate(400, 3)
    said = decide(probabilities, Threshold(1, 0.1))
    found = evaluate(probabilities, labels, ["a", "b", "c"], decided=said)
    plain = evaluate(probabilities, labels, ["a", "b", "c"])
    assert found.accuracy.value == accuracy_score(labels, said) < plain.accuracy.value
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(labels, said))
    assert found.macro_f1.value == pytest.approx(f1_score(labels, said, average="macro"))
    assert found.macro_f1.low <= found.macro_f1.value <= found.macro_f1.high < plain.macro_f1.high
    assert (found.log_loss, found.roc_auc, found.ece) == (plain.log_loss, plain.roc_auc, plain.ece)
    report = decision_report(probabilities, labels, Threshold(1, 0.1), place=1)
    assert report.decided.recall == found.per_class[1].recall
    assert (report.decided.recall.low, report.decided.recall.high) == wilson_interval(
        int((said[labels == 1] == 1).sum()), int((labels == 1).sum())
    )
    assert report.usual.precision == plain.per_class[1].precision
    assert DecisionReport.from_dict(report.to_dict()) == report
    both = compare(probabilities, probabilities, labels, decided=(None, said))
    assert both.accuracy.value == pytest.approx(found.accuracy.value - plain.accuracy.value)


def test_abstention_and_sets_are_of_the_rules_answers():
    probabilities, labels = simulate(2000, 3, signal=3)
    said = decide(probabilities, Threshold(1, 0.1))
    thresholds = abstention_thresholds(probabilities, labels, [0.95], said)
    confidence = probabilities[np.arange(len(said)), said]
    kept = confidence >= thresholds[0]
    assert 0.94 < (said == labels)[kept].mean() < 0.96
    (report,) = selective_reports(
        probabilities, labels, levels=[0.95], sets=[0.9], answers=thresholds, reported=[0.95], decided=said
    )
    assert report.accuracy.value == (said == labels)[kept].mean()
    sets = prediction_sets(probabilities, 0.99, said)
    assert sets[np.arange(len(said)), said].all()


@pytest.mark.parametrize("set_at", [recall_threshold, precision_threshold])
def test_a_class_without_images_is_refused(set_at):
    probabilities, labels = simulate(50, 3)
    labels[labels == 1] = 0
    with pytest.raises(DataError, match=r"none of the 50 images .* is of class 'defect'"):
        set_at(probabilities, labels, 1, 0.9, "defect")


def test_what_cannot_be_reached_is_refused_with_what_can():
    probabilities = np.array([[0.9, 0.1]] * 6 + [[0.8, 0.2]] * 3 + [[0.7, 0.3], [0.95, 0.05]])
    labels = np.array([0] * 6 + [1] * 5)  # one image of the class has the lowest probability of all
    with pytest.raises(DataError, match="only reached by calling every image 'b'") as refused:
        recall_threshold(probabilities, labels, 1, 0.9, "b")
    assert "at most 80.0 % is reachable" in refused.value.hint
    assert recall_threshold(probabilities, labels, 1, 0.66, "b").threshold == 0.2
    upside_down = np.array([[0.4, 0.6]] * 30 + [[0.6, 0.4]] * 30)
    with pytest.raises(DataError, match=r"precision of 0\.9 for 'b' is not reached") as refused:
        precision_threshold(upside_down, np.array([0] * 30 + [1] * 30), 1, 0.9, "b")
    assert "at most 49.1 % is reachable" in refused.value.hint
