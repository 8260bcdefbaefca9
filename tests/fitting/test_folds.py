"""``fit(cv=k)``: against folds that are fitted by hand, scikit-learn's stratification, and data that have no folds."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.model.samples import copied, easy_folder, photos, textiles
from topwork.data import ImageDataset, k_folds, read
from topwork.errors import DataError
from topwork.fitting import _fit, _folds
from topwork.tasks import load
from topwork.tasks.classification.strategies import ProbeOptions

QUICK = ProbeOptions(stages="last", crop_mode="crop")
fit: Any = functools.partial(topwork.fit, strategy="probe", options=QUICK)


def in_groups(dataset: ImageDataset, size: int) -> ImageDataset:
    """Each class's images in groups of that many."""
    return dataclasses.replace(
        dataset, groups=tuple(f"{path[:3]}{row // size}" for row, path in enumerate(dataset.paths))
    )


def test_each_fold_is_what_a_fit_on_the_other_folds_gives(textile: Path, tmp_path: Path) -> None:
    """By hand: the same images in splits that the user gives. scikit-learn deals classes into folds as evenly."""
    from sklearn.model_selection import StratifiedKFold

    dataset = read(textile)
    model = fit(dataset, cv=2)
    found = model.record.task.folds
    assert found.split == "all"
    fold_of = k_folds(dataset, 2)
    for fold, each in enumerate(found.folds):
        by_hand = fit(dataclasses.replace(dataset, splits=np.where(fold_of == fold, "test", "train")))
        assert (each.training, each.images) == (by_hand.record.data.training, by_hand.metrics.n)
        assert each.accuracy == by_hand.metrics.accuracy.value
        assert each.macro_f1 == pytest.approx(by_hand.metrics.macro_f1.value)
        assert each.log_loss == pytest.approx(by_hand.metrics.log_loss.value, rel=1e-5)
    sizes = [len(held) for _, held in StratifiedKFold(2).split(dataset.paths, dataset.labels)]
    assert sorted(each.images for each in found.folds) == sorted(sizes)
    assert found.accuracy.value == pytest.approx(np.mean([each.accuracy for each in found.folds]))
    assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high
    plain = fit(dataset)
    assert plain.record.task.folds is None
    assert plain.metrics.to_dict() == model.metrics.to_dict()  # the saved model is fitted as without
    model.save(tmp_path / "m")
    assert load(tmp_path / "m").record.task.folds == found
    assert "2 folds of all images" in (tmp_path / "m" / "README.md").read_text("utf-8")


def test_cross_val_score_of_scikit_learn_agrees(textile: Path) -> None:
    """Logistic regression on the same features in the same folds: another solver and strength, so within 0.1.

    Of so few images ours divides columns by nearly the same deviation, and scikit-learn's by none.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    dataset = read(textile)
    table = topwork.extract(dataset, topwork.load_backbone("lite0"))
    scores = cross_val_score(
        make_pipeline(StandardScaler(with_std=False), LogisticRegression(C=0.01, max_iter=500)),
        table.values,
        dataset.labels,
        cv=PredefinedSplit(k_folds(dataset, 4)),
    )
    found = fit(dataset, cv=4).record.task.folds
    assert found.accuracy.value == pytest.approx(scores.mean(), abs=0.1)


def test_groups_and_copies_are_never_parted(easy: Path) -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    dataset = in_groups(read(easy), 2)
    checkup = topwork.fitting._prepare.vet(dataset)
    folds = _folds.dealt(checkup, dataset, topwork.fitting._fit.find_task("classification"), 2, 0)
    for group in set(dataset.groups):
        assert (
            len({fold for fold, own in zip(folds.fold_of.tolist(), dataset.groups, strict=True) if own == group}) == 1
        )
    theirs = StratifiedGroupKFold(2).split(dataset.paths, dataset.labels, dataset.groups)
    assert sorted(np.bincount(folds.fold_of)) == sorted(len(held) for _, held in theirs)


def test_a_held_out_split_that_came_with_the_data_is_in_no_fold(tmp_path: Path, shared_cache: Path) -> None:
    easy_folder(tmp_path / "d" / "train", count=6)
    for name, files in (("photo", photos()[6:9]), ("textile", textiles("nominal")[6:9])):
        copied(files, tmp_path / "d" / "test" / name)
    found = fit(tmp_path / "d", cv=2).record.task.folds
    assert found.split == "train"
    assert sum(each.images for each in found.folds) == 12


def test_labels_that_mean_nothing_are_not_learnt(textile: Path) -> None:
    """Whatever a fold chooses, it chooses without the images that measure: on shuffled labels it stays near chance."""
    dataset = read(textile)
    labels = np.random.default_rng(0).permutation(dataset.labels)
    found = topwork.fit(dataclasses.replace(dataset, labels=labels), strategy="probe", cv=3).record.task.folds
    assert found.accuracy.value < 0.55  # chance: 0.33


@pytest.mark.parametrize("cv", [1, 0, -3, True, 2.5, "5"])
def test_what_is_no_number_of_folds(easy: Path, cv: Any) -> None:
    with pytest.raises(DataError, match="cv must be a whole number from 2"):
        fit(easy, cv=cv)


def test_more_folds_than_a_class_has_images(easy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before anything is fitted, with the files that cannot be read not counted."""
    monkeypatch.setattr(_fit, "loaded", lambda backbone: pytest.fail("a network was loaded"))
    sorted((easy / "photo").iterdir())[0].write_bytes(b"no image")
    with pytest.raises(DataError, match="cv=8 needs 8 usable images of every class, but class 'photo' has 7") as error:
        fit(easy, cv=8)
    assert "cv=7" in error.value.hint


def test_a_class_that_is_one_group_cannot_be_learnt_and_measured(easy: Path) -> None:
    with pytest.raises(DataError, match="all images of class 'photo' are in one group"):
        fit(dataclasses.replace(read(easy), groups=("one",) * 8 + ("",) * 8), cv=2)


def test_a_task_without_figures_of_folds_says_so(easy: Path) -> None:
    task = dataclasses.replace(topwork.fitting._fit.find_task("classification"), folds_of=None)
    with pytest.raises(DataError, match="has no cross-validation"):
        fit(easy, cv=2, task=task)


def test_ctrl_c_in_a_fold_keeps_the_model_and_says_so(easy: Path) -> None:
    def interrupt(text: str) -> None:
        if text.startswith("fold 2"):
            raise KeyboardInterrupt

    model = fit(easy, cv=3, announce=interrupt)
    assert model.record.task.folds is None
    assert model.metrics is not None
    assert "interrupted after 1 of 3 folds" in model.record.data.notes[-1]


def test_ctrl_c_in_the_training_begins_no_fold(easy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fit, "measured_on_folds", lambda *given: pytest.fail("a fold was fitted"))
    monkeypatch.setattr(topwork.tasks.Strategy, "was_broken_off", lambda strategy, record: True)
    assert "there was no cross-validation" in fit(easy, cv=2).record.data.notes[-1]


def test_a_fold_that_cannot_be_fitted_does_not_lose_the_model(easy: Path) -> None:
    """With two images of a class a fold learns from one, and no threshold can be set on that."""
    for file in sorted((easy / "photo").iterdir())[2:]:
        file.unlink()
    model = fit(easy, test=0, cv=2, min_recall={"photo": 0.5})
    assert model.record.task.folds is None
    assert model.record.task.decision is not None
    assert "fold 1 of 2 cannot be fitted, so cross-validation has no figures: " in model.record.data.notes[-1]


def test_the_interval_is_of_the_answers_that_the_rule_gives(easy: Path) -> None:
    """By the costs every image is called a photo, so half of the answers are right, and the interval is of those."""
    found = fit(easy, cv=2, cost={("photo", "textile"): 1e12}).record.task.folds
    assert found.accuracy.value == 0.5
    assert found.accuracy.high < 1
