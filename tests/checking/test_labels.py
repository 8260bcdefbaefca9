"""Likely label errors, classes that cannot be told apart, classes with too few images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from topwork.checking import _probe, check_classes
from topwork.checking._labels import WRONG, label_findings
from topwork.checking._probe import Noise, ask_probe, fit_noise, wrong_probability
from topwork.data import ImageDataset

from .conftest import examined, in_memory


@dataclass
class Table:
    """What the probe reads of a feature table."""

    values: np.ndarray
    dataset: ImageDataset
    widths: tuple[int, ...]


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    values, labels = load_digits(n_class=4, return_X_y=True)
    return values.astype(np.float32), labels.astype(np.int32)


def turned(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(labels), round(share * len(labels)), replace=False)
    changed = labels.copy()
    changed[rows] = (labels[rows] + rng.integers(1, labels.max() + 1, len(rows))) % (labels.max() + 1)
    return changed, rows


def ask(values: np.ndarray, labels: np.ndarray, seed: int = 0, widths: tuple[int, ...] | None = None) -> Any:
    table = Table(values, in_memory(labels.tolist()), widths or (values.shape[1],))
    return ask_probe(table, np.arange(len(labels)), seed=seed)  # type: ignore[arg-type]


def listed(dataset: ImageDataset, opinion: Any) -> list[str]:
    found = {found.name: found for found in label_findings(dataset, opinion)}
    return [case.paths[0] for case in found["likely-label-errors"].cases] if "likely-label-errors" in found else []


def test_turned_labels_are_found(digits: tuple[np.ndarray, np.ndarray]) -> None:
    """Three draws of 5 %, counted together."""
    values, labels = digits
    right, told, all_turned = 0, 0, 0
    for seed in (11, 12, 13):
        changed, rows = turned(labels, 0.05, seed)
        dataset = in_memory(changed.tolist())
        found, true = set(listed(dataset, ask(values, changed))), {dataset.paths[row] for row in rows}
        right, told, all_turned = right + len(found & true), told + len(found), all_turned + len(true)
    assert right >= 0.95 * told
    assert right >= 0.85 * all_turned


def test_good_labels_are_left_alone(digits: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = digits
    assert list(label_findings(in_memory(labels.tolist()), ask(values, labels))) == []


def test_a_case_tells_the_given_and_the_likely_class_and_how_sure(digits: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = digits
    row = int(np.flatnonzero(labels == 0)[5])
    changed = labels.copy()
    changed[row] = 2
    dataset = in_memory(changed.tolist())
    (found,) = label_findings(dataset, ask(values, changed))
    (case,) = found.cases
    assert (case.paths, case.given, case.likely) == ((dataset.paths[row],), "class 2", "class 0")
    assert WRONG < case.score <= 1
    sure = "over 99%" if case.score > 0.99 else f"{case.score:.0%}"  # never certain
    assert case.detail == f"given 'class 2', likely 'class 0' (confidence {sure})"
    assert found.severity == "note"  # one of 720 is no reason for a warning


def test_hard_but_well_labelled_classes_are_not_taken_for_mislabelled_ones() -> None:
    """Two overlapping clouds: a fifth of the images lies on the wrong side, and no label is wrong."""
    rng = np.random.default_rng(0)
    labels = (np.arange(600) % 2).astype(np.int32)
    values = rng.standard_normal((600, 20)).astype(np.float32)
    values[:, 0] += 1.7 * labels
    opinion = ask(values, labels)
    assert 0.7 < opinion.accuracy < 0.9
    assert len(listed(in_memory(labels.tolist()), opinion)) <= 2


def test_shuffled_labels_make_classes_inseparable_and_no_list(digits: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = digits
    shuffled = np.random.default_rng(0).permutation(labels)
    found = {found.name: found for found in label_findings(in_memory(shuffled.tolist()), ask(values, shuffled))}
    assert found["inseparable-classes"].count == 6
    assert "likely-label-errors" not in found


def test_only_the_pair_that_is_one_class_is_inseparable(digits: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = digits
    split = labels.copy()
    split[np.flatnonzero(labels == 3)[::2]] = 4  # class 4 is half of class 3
    found = {found.name: found for found in label_findings(in_memory(split.tolist()), ask(values, split))}
    (case,) = found["inseparable-classes"].cases
    assert {case.given, case.likely} == {"class 3", "class 4"}


def test_the_better_columns_are_read() -> None:
    """Stages that know more than the last features are used, and stages that do not are left alone."""
    rng = np.random.default_rng(0)
    labels = (np.arange(300) % 2).astype(np.int32)
    telling, noise = rng.standard_normal((2, 300, 30)).astype(np.float32)
    telling[:, 0] += 6 * labels
    assert ask(np.hstack([telling, noise]), labels, widths=(30, 30)).accuracy > 0.95
    assert ask(np.hstack([noise, telling]), labels, widths=(30, 30)).accuracy > 0.95


def test_blocks_judge_every_image_once(digits: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels = digits
    changed, rows = turned(labels, 0.05, 5)
    monkeypatch.setattr(_probe, "_BLOCK_ROWS", 250)
    opinion = ask(values, changed)
    assert sorted(opinion.rows.tolist()) == list(range(len(labels)))
    assert (opinion.given == changed[opinion.rows]).all()
    dataset = in_memory(changed.tolist())
    found, true = set(listed(dataset, opinion)), {dataset.paths[row] for row in rows}
    assert len(found & true) >= 0.9 * len(found)
    assert len(found & true) >= 0.7 * len(true)


def test_probability_of_being_wrong_follows_bayes() -> None:
    """Labels drawn from a known mixture: the estimated share and the sum of the probabilities are right."""
    rng = np.random.default_rng(0)
    wrong = rng.random(20_000) < 0.08
    chances = rng.beta(0.3, 0.3, 20_000)  # of class 0
    true = rng.random(20_000) > chances
    own = np.where(true ^ wrong, 1 - chances, chances)
    found, noise = wrong_probability(own, classes=2)
    assert noise == pytest.approx(0.08, abs=0.005)
    assert found.sum() == pytest.approx(wrong.sum(), rel=0.05)
    assert (np.diff(found[np.argsort(own)]) <= 1e-12).all()


def test_nothing_doubted_where_nothing_is_known() -> None:
    assert wrong_probability(np.empty(0), classes=2)[0].shape == (0,)
    assert wrong_probability(np.ones(10), classes=2)[0].max() == 0
    assert np.isfinite(wrong_probability(np.zeros(10), classes=2)[0]).all()


def test_noise_and_temperature_are_told_apart() -> None:
    """Logits of a known temperature, labels drawn from them, and 5 % of these turned: all three are found again."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 6, (8_000, 3)).astype(np.float32)
    chances = np.exp(logits / 2.0)
    chances /= chances.sum(axis=1, keepdims=True)
    labels = (rng.random((8_000, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    clean = fit_noise(logits, labels, 1.0)
    assert clean.share < 0.005
    assert clean.temperature == pytest.approx(2.0, rel=0.15)
    turned_rows = rng.random(8_000) < 0.05
    found = fit_noise(logits, np.where(turned_rows, (labels + 1) % 3, labels), 3.0)
    assert found.share == pytest.approx(0.05, abs=0.01)
    assert found.temperature == pytest.approx(2.0, rel=0.15)
    listed_rows = found.wrong > 0.7
    assert turned_rows[listed_rows].mean() > 0.8


@pytest.mark.parametrize("turned_labels", [0, 4, 12])
def test_share_and_temperature_are_the_posteriors_mode(turned_labels: int) -> None:
    """A search over both, by scipy, of likelihood times share; few images, so that the prior matters."""
    from scipy.special import log_softmax

    rng = np.random.default_rng(turned_labels)
    logits = rng.normal(0, 3, (90, 3)).astype(np.float32)
    labels = logits.argmax(axis=1)
    labels[:turned_labels] = (labels[:turned_labels] + 1) % 3
    temperatures, shares = np.geomspace(0.1, 5, 40)[:, None], np.geomspace(1e-4, 0.3, 4000)[None]
    odds = np.zeros((40, 4000))
    for row, label in zip(logits.astype(np.float64), labels, strict=True):
        own = np.exp(log_softmax(row / temperatures, axis=1)[:, label])[:, None]
        odds += np.log((1 - shares) * own + shares / 2 * (1 - own))
    place, best = np.unravel_index((odds + np.log(shares)).argmax(), odds.shape)
    found = fit_noise(logits, labels, 1.0)
    assert found.temperature == pytest.approx(temperatures[place, 0])
    assert found.share == pytest.approx(shares[0, best], rel=0.02)


def test_no_more_than_the_prior_allows_is_taken_for_wrong() -> None:
    """Labels that have nothing to do with the probe: a fit would give a high temperature, and none is listed."""
    rng = np.random.default_rng(0)
    found = fit_noise(rng.normal(0, 3, (500, 4)).astype(np.float32), rng.integers(0, 4, 500), 30.0)
    assert found.share <= 0.3
    assert found.wrong.max() < WRONG


def test_a_class_that_no_image_has_changes_nothing() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (200, 2)).astype(np.float32)
    labels = logits.argmax(axis=1)
    labels[:5] = 1 - labels[:5]
    wider = np.hstack([logits, np.full((200, 1), -1e4, np.float32)])
    assert fit_noise(wider, labels, 1.0).wrong == pytest.approx(fit_noise(logits, labels, 1.0).wrong)


def test_no_rows_no_noise() -> None:
    found = fit_noise(np.empty((0, 2), np.float32), np.empty(0, np.intp), 1.0)
    assert (found.share, found.wrong.shape) == (0.0, (0,))


def test_more_than_half_of_a_class_is_never_left_out_of_the_second_round() -> None:
    labels = np.array([0] * 10 + [1] * 10)
    wrong = np.zeros(20)
    wrong[:6] = 0.9
    wrong[10:14] = 0.9
    assert _probe._doubted(Noise(wrong, 0.5, 1.0), labels).nonzero()[0].tolist() == [10, 11, 12, 13]


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0] * 20 + [1] * 4])
def test_too_few_images_are_said_not_to_be_checked(labels: list[int]) -> None:
    values = np.random.default_rng(0).standard_normal((len(labels), 8)).astype(np.float32)
    opinion = ask(values, np.array(labels, np.int32))
    assert opinion is None
    (found,) = label_findings(in_memory(labels), opinion)
    assert found.name == "labels-not-checked"


def test_a_class_of_one_image_is_told_and_the_others_are_judged(digits: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = digits
    more = np.append(labels, 4).astype(np.int32)
    opinion = ask(np.vstack([values, values[:1]]), more)
    assert sorted(opinion.rows.tolist()) == list(range(len(labels)))
    found = {found.name: found for found in check_classes(examined(in_memory(more.tolist())))}
    assert [case.detail for case in found["few-images"].cases] == ["class 'class 4': 1 image"]


def test_an_imbalance_of_ten_thousand_to_one() -> None:
    labels = [0] * 10_000 + [1]
    found = {found.name: found for found in check_classes(examined(in_memory(labels)))}
    assert found["imbalance"].severity == "warning"
    assert "10,000" in found["imbalance"].what
    assert set(found) == {"imbalance", "few-images"}


def test_balanced_classes_are_silent() -> None:
    assert list(check_classes(examined(in_memory([0, 1] * 20)))) == []


def test_only_usable_training_images_count() -> None:
    labels, splits = [0, 1] * 20, ["train"] * 30 + ["test"] * 10
    usable = np.ones(40, bool)
    assert list(check_classes(examined(in_memory(labels, splits=splits), usable))) == []
    usable[[1, 3, 5, 7, 9, 11, 13]] = False
    (found,) = check_classes(examined(in_memory(labels, splits=splits), usable))
    assert [case.detail for case in found.cases] == ["class 'class 1': 8 images"]


def test_a_class_that_a_part_lacks() -> None:
    labels, splits = [0, 1] * 20 + [0] * 5, ["train"] * 40 + ["val"] * 5
    (found,) = check_classes(examined(in_memory(labels, splits=splits)))
    assert (found.name, [case.detail for case in found.cases]) == ("class-missing-in-val", ["class 'class 1'"])
