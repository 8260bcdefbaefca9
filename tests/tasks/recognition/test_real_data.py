"""ORL's faces, read where they lie: what a learnt projection brings to persons that no model has seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from topwork.fitting import fit
from topwork.tasks.recognition import Recognizer
from topwork.tasks.recognition._options import RecognitionOptions


@pytest.fixture
def orl() -> Path:
    folder = Path(os.environ.get("TOPWORK_TEST_DATA", "")) / "orl-faces"
    if not os.environ.get("TOPWORK_TEST_DATA") or not folder.is_dir():
        pytest.skip("TOPWORK_TEST_DATA names no folder that holds orl-faces")
    return folder


def test_a_third_of_the_errors_goes_and_the_promise_is_kept(orl: Path) -> None:
    options = RecognitionOptions(crop_mode="squash", seed=1)
    model = fit(orl, task="recognition", strategy="probe", test=0.5, options=options)
    assert isinstance(model, Recognizer)
    found = model.metrics
    assert found is not None
    assert found.untrained is not None
    assert found.verification.promised is not None
    assert (found.verification.identities, model.record.task.identities) == (20, 20)
    assert found.verification.eer.value < 2 / 3 * found.untrained.eer.value
    assert 1 - found.identification.rank_1.value < 2 / 3 * (1 - found.untrained.rank_1.value)
    assert found.verification.promised.false_accept.low <= model.record.task.promise.false_accept
