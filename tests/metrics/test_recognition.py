"""Figures of recognition beside scikit-learn's and torchmetrics', and beside counts by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.optimize import brentq
from sklearn.metrics import roc_curve
from torchmetrics.retrieval import RetrievalMAP

from topwork.errors import DataError
from topwork.heads import fit_projection
from topwork.metrics import (
    Identification,
    Verification,
    equal_error_rate,
    group_reports,
    identification,
    identities_of_groups,
    pairs_of,
    some_images,
    threshold_for,
    verification,
)

Rows = npt.NDArray[np.float32]


def unit(rows: npt.NDArray[np.floating]) -> Rows:
    found: Rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def drawn(identities: int = 25, each: int = 6, spread: float = 0.7, seed: int = 0) -> tuple[Rows, npt.NDArray[np.intp]]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), each)
    rows = rng.standard_normal((identities, 16))[labels] + spread * rng.standard_normal((len(labels), 16))
    return unit(rows), labels


def on_circle(*degrees: float) -> Rows:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_rates_are_those_of_scikit_learn() -> None:
    rows, labels = drawn()
    pairs = pairs_of(rows, labels)
    false, true, _ = roc_curve(pairs.same, pairs.similarity, drop_intermediate=False)
    expected = brentq(lambda x: 1 - x - np.interp(x, false, true), 0, 1)
    assert equal_error_rate(pairs) == pytest.approx(expected, abs=1e-4)
    found = verification(pairs)
    assert found.eer.value == pytest.approx(expected, abs=1e-4)
    assert found.eer.low < found.eer.value < found.eer.high
    assert (found.images, found.identities, found.genuine, found.impostor) == (150, 25, 375, 10_800)
    # 10,800 pairs tell of one in a hundred and one in a thousand, and not of one in ten thousand
    assert [round(point.false_accept.value, 3) for point in found.points] == [0.01, 0.001]
    for point in found.points:
        assert point.true_accept.value == pytest.approx(true[false <= point.false_accept.value].max())
    assert found.curve[0][0] <= 1e-3
    assert found.curve[-1] == (1.0, 1.0)
    assert Verification.from_dict(found.to_dict()) == found


def test_pairs_counted_by_hand() -> None:
    """Two identities at 0, 20 and 40, 90 degrees: the second's own images are further apart than the strangers."""
    pairs = pairs_of(on_circle(0, 20, 40, 90), np.array([0, 0, 1, 1]))
    assert np.degrees(np.arccos(pairs.similarity[pairs.same])).round().tolist() == [20, 50]
    # at 20 degrees one of four strangers' pairs is as near; at 50 two of them are nearer
    assert np.degrees(np.arccos(pairs.similarity)).round().tolist() == [20, 20, 40, 50, 70, 90]
    assert equal_error_rate(pairs) == pytest.approx(0.5)


def test_two_images_of_one_session_are_no_pair_of_one_identity() -> None:
    rows, labels = drawn(3, 4)
    sessions = ["a", "a", "b", ""] * 3
    kept = pairs_of(rows, labels, sessions)
    assert (int(kept.same.sum()), int((~kept.same).sum())) == (15, 48)
    with pytest.raises(DataError, match="no pair of images of one identity in different sessions"):
        pairs_of(rows, labels, ["a"] * 12)


def test_an_interval_over_identities_is_wider_than_one_over_pairs() -> None:
    rows, labels = drawn(15, 12)
    found = verification(pairs_of(rows, labels)).points[0].true_accept
    pairs = 15 * 66
    over_pairs = 2 * 1.96 * np.sqrt(found.value * (1 - found.value) / pairs)
    assert found.high - found.low > 2 * over_pairs


def test_intervals_hold_what_they_promise() -> None:
    """Of 25 draws of 20 identities, at least 21 intervals hold the rate of all."""
    everyone, whose = drawn(500, 3, seed=9)
    truth = equal_error_rate(pairs_of(everyone, whose))
    held = 0
    for seed in range(25):
        some = np.isin(whose, np.random.default_rng(seed).choice(500, 20, replace=False))
        eer = verification(pairs_of(everyone[some], whose[some]), seed=seed).eer
        held += eer.low <= truth <= eer.high
    assert held >= 21


def test_a_threshold_keeps_its_promise_and_refuses_one_that_the_pairs_cannot_give() -> None:
    rows, labels = drawn()
    strangers = pairs_of(rows, labels).impostors
    threshold = threshold_for(strangers, 0.01)
    assert (strangers >= threshold).mean() == pytest.approx(0.01, abs=1e-4)
    tied = np.ones(2_000, np.float32)
    assert not (tied >= threshold_for(tied, 0.5)).any()
    with pytest.raises(DataError, match="10,800 pairs of strangers cannot tell a false-accept rate") as why:
        threshold_for(strangers, 1e-4)
    assert "ask for 0.00093 or more" in why.value.hint


@pytest.mark.parametrize("pairs", [741, 1_000, 99_991])
def test_the_rate_that_a_refusal_names_is_one_that_the_pairs_can_tell(pairs: int) -> None:
    strangers = np.linspace(-1, 1, pairs, dtype=np.float32)
    with pytest.raises(DataError) as why:
        threshold_for(strangers, 1e-6)
    rate = float((why.value.hint or "").split()[2])
    assert (strangers >= threshold_for(strangers, rate)).sum() >= 10
    with pytest.raises(DataError) as why:
        threshold_for(strangers[:9], 0.5)
    assert why.value.hint == "add identities"


@pytest.mark.parametrize(("identities", "each", "least"), [(3, 2_000, 500), (40, 100, 37), (1_000, 9, 9)])
def test_of_many_images_some_of_each_identity_are_looked_at(identities: int, each: int, least: int) -> None:
    labels = np.repeat(np.arange(identities), each)
    rows = some_images(labels, seed=1)
    counts = np.bincount(labels[rows])
    assert len(rows) <= 1_500
    assert (np.diff(rows) > 0).all()
    assert sorted(set(counts.tolist()) - {0})[-1] == least
    assert (counts > 0).sum() >= min(identities, 150)


def test_ranks_are_counted_by_hand() -> None:
    """One identity is nearer to the other's images than its own is."""
    rows = on_circle(0, 5, 10, 120, 125, 15)
    labels = np.array([0, 0, 0, 1, 1, 1])
    found = identification(rows, labels, seed=1)
    assert found.identities == 2
    assert found.probes == 40  # four ask in each of ten draws
    assert found.cmc[1] == 1
    assert 0.5 < found.rank_1.value < 1
    assert found.rank_5 is None
    flawless = identification(on_circle(0, 5, 120, 125, 240, 245), np.repeat([0, 1, 2], 2))
    assert (flawless.rank_1.value, flawless.mean_average_precision.value) == (1, 1)


def test_retrieval_is_that_of_torchmetrics() -> None:
    rows, labels = drawn(10, 5, spread=1.2)
    found = identification(rows, labels)
    scores = torch.from_numpy(rows @ rows.T) + 2  # torchmetrics leaves out what is below zero
    others = ~torch.eye(50, dtype=torch.bool)
    theirs = RetrievalMAP()(
        scores[others],
        torch.from_numpy(labels[:, None] == labels)[others],
        indexes=torch.arange(50)[:, None].expand(50, 50)[others],
    )
    assert found.mean_average_precision.value == pytest.approx(float(theirs), abs=1e-6)
    assert Identification.from_dict(found.to_dict()) == found


def test_strangers_are_told_from_known_ones() -> None:
    rows, labels = drawn(60, 40, spread=0.5)
    found = identification(rows, labels, threshold=2.0)
    assert [point.strangers.value for point in found.open_set] == pytest.approx([0.01, 0.1], abs=1e-3)
    assert found.open_set[0].found.value < found.open_set[1].found.value <= found.rank_1.value + 0.05
    assert found.promised is not None
    assert (found.promised.strangers.value, found.promised.found.value) == (0, 0)


def test_who_is_known_is_not_asked_by_an_image_of_the_same_session() -> None:
    """Of everybody are two equal images of one session, and one of another that is like nobody."""
    rng = np.random.default_rng(0)
    once, other = rng.standard_normal((2, 30, 64))
    rows, labels = unit(np.concatenate([once, once, other])), np.tile(np.arange(30), 3)
    sessions = ["monday"] * 60 + ["tuesday"] * 30
    found = identification(rows, labels, sessions, threshold=0.9)
    assert found.promised is not None
    assert found.promised.found.value == 0
    alike = identification(rows, labels, threshold=0.9).promised
    assert alike is not None
    assert alike.found.value > 0.3


@pytest.mark.parametrize("noise", [0.0, 0.25])
def test_a_group_that_is_told_worse_is_named_and_one_that_is_not_is_not(noise: float) -> None:
    rows, labels = drawn(60, 5, spread=0.5)
    hard = labels >= 45
    rows[hard] = unit(rows[hard] + noise * np.random.default_rng(0).standard_normal((int(hard.sum()), 16)))
    groups = np.where(hard, "hard", "others").tolist()
    pairs = pairs_of(rows, labels)
    others, found = group_reports(pairs, groups, threshold_for(pairs.impostors, 0.01))[::-1]
    assert (found.name, found.images, found.identities) == ("hard", 75, 15)
    assert found.differs == others.differs == (noise > 0)
    own = pairs.same & (pairs.first >= 45)
    threshold = threshold_for(pairs.impostors, 0.01)
    assert found.false_reject is not None
    assert found.false_reject.value == pytest.approx((pairs.similarity[own] < threshold).mean())


def test_groups_tell_of_sessions_or_of_identities() -> None:
    labels = np.repeat(np.arange(6), 4)
    assert identities_of_groups(labels, np.repeat(["women", "men"], 12).tolist())
    assert not identities_of_groups(labels, ["monday", "tuesday"] * 12)
    assert not identities_of_groups(labels, [""] * 24)


def test_what_makes_no_figure_is_refused() -> None:
    rows, labels = drawn(4, 3)
    with pytest.raises(DataError, match="no pair of images of two identities"):
        pairs_of(rows[:3], labels[:3])
    with pytest.raises(DataError, match="one identity cannot be told from others"):
        identification(rows[:3], labels[:3])
    with pytest.raises(DataError, match="no identity has two images"):
        identification(rows[::3], labels[::3])
    rows[0, 0] = np.nan
    with pytest.raises(DataError, match="embeddings must be finite"):
        pairs_of(rows, labels)
    with pytest.raises(DataError, match="embeddings must be finite"):
        pairs_of(rows[1:], labels)
    with pytest.raises(DataError, match="embeddings must be finite"):
        identification(rows, labels)


def test_a_projection_shows_in_the_figures() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(40), 6)
    loud = np.where(np.arange(24) < 4, 3.0, 0.4)
    rows = (rng.standard_normal((40, 24))[labels] + loud * rng.standard_normal((240, 24))).astype(np.float32)
    known = labels < 20
    before, after = (
        equal_error_rate(pairs_of(fit_projection(rows[known], labels[known], how).embed(rows[~known]), labels[~known]))
        for how in ("cosine", "within")
    )
    assert after < before / 2
