from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

import topwork.tasks.classification.strategies
from topwork.advising._comparison import Candidate, compare, fit_head, held_out_losses
from topwork.features import FeatureTable
from topwork.heads import LinearFit, fit_linear

from .conftest import MakeTable

LABELS = np.arange(90) % 3


def losses_by_hand(fitted: LinearFit, table: FeatureTable) -> npt.NDArray[np.float64]:
    """Log loss of each held-out image, written out."""
    found = []
    for logits, label, held in zip(fitted.oof_logits, table.dataset.labels, fitted.held_out, strict=True):
        scaled = logits.astype(np.float64) / fitted.head.temperature
        if held:
            found.append(np.log(np.exp(scaled - scaled[label]).sum()))
    return np.array(found)


def test_the_public_names_are_there() -> None:
    names = topwork.tasks.classification.strategies.__all__
    assert len(set(names)) == len(names)
    assert all(hasattr(topwork.tasks.classification.strategies, name) for name in names)
    assert {"fit_as_is", "fit_probe", "fit_zero_shot", "finetune", "fit_best_probe"} <= set(names)


def test_losses_are_those_computed_by_hand(make_table: MakeTable) -> None:
    table = make_table(LABELS, told=1.0)
    fitted = fit_head(table, class_weight="auto", seed=0)
    losses = held_out_losses(fitted, table)
    np.testing.assert_allclose(losses, losses_by_hand(fitted, table), rtol=1e-5)
    assert losses.mean() == pytest.approx(fitted.cv_log_loss, rel=1e-4)


@pytest.mark.parametrize(("plain", "other", "errors"), [(0, 2, 1), (2, 0, 1), (0, 0, 1), (1, 1.5, 1), (1, 1.5, 50)])
def test_the_rule_is_the_one_by_hand(make_table: MakeTable, plain: float, other: float, errors: float) -> None:
    ways = Candidate("plain", make_table(LABELS, plain)), Candidate("other", make_table(LABELS, other))
    found = compare("question", *ways, errors=errors, class_weight="none", seed=3)
    fits = [fit_head(way.table, class_weight="none", seed=3) for way in ways]
    losses = [losses_by_hand(fitted, way.table) for fitted, way in zip(fits, ways, strict=True)]
    gain = losses[0] - losses[1]
    wins = bool(gain.mean() > errors * np.sqrt(gain.var(ddof=1) / 90))
    assert found.winner.name == ("other" if wins else "plain")
    assert [trial.chosen for trial in found.trials] == [not wins, wins]
    assert [trial.answer for trial in found.trials] == ["plain", "other"]
    assert [trial.log_loss for trial in found.trials] == [pytest.approx(loss.mean(), rel=1e-5) for loss in losses]
    assert [trial.accuracy for trial in found.trials] == [fitted.cv_accuracy for fitted in fits]
    assert {(trial.question, trial.images) for trial in found.trials} == {("question", 90)}
    np.testing.assert_array_equal(found.fitted.head.weight, fits[wins].head.weight)


def test_a_clear_gain_wins_unless_more_proof_is_asked_for(make_table: MakeTable) -> None:
    ways = Candidate("plain", make_table(LABELS, 0)), Candidate("other", make_table(LABELS, 2))
    winners = [
        compare("q", *ways, errors=errors, class_weight="none", seed=0).winner.name for errors in (1.0, 2.0, 1000.0)
    ]
    assert winners == ["other", "other", "plain"]


def test_equal_ways_leave_the_plain_one(make_table: MakeTable) -> None:
    table = make_table(LABELS, 1)
    assert (
        compare("q", Candidate("a", table), Candidate("b", table), errors=0, class_weight="none", seed=0).winner.name
        == "a"
    )


def test_where_nothing_can_be_held_out_the_plain_way_stays(make_table: MakeTable) -> None:
    table = make_table(np.arange(4), 1)
    found = compare("q", Candidate("a", table), Candidate("b", table), errors=1, class_weight="none", seed=0)
    assert found.winner.name == "a"
    assert [(trial.accuracy, trial.log_loss) for trial in found.trials] == [(None, None)] * 2


def test_a_narrow_stage_has_as_much_say_as_a_wide_one(make_table: MakeTable) -> None:
    narrow, wide = make_table(LABELS, 1.5), make_table(LABELS, 0, output="bn2/mean")
    both = FeatureTable(
        narrow.dataset,
        narrow.backbone,
        narrow.choice,
        (*narrow.outputs, *wide.outputs),
        np.concatenate([narrow.values, wide.values], axis=1),
    )
    fair = fit_head(both, class_weight="none", seed=0)
    plain = fit_linear(both.values, both.dataset.labels, 3, seed=0, class_weight="none")
    assert fair.cv_accuracy is not None
    assert plain.cv_accuracy is not None
    assert fair.cv_accuracy > plain.cv_accuracy + 0.1
