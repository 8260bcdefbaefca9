"""What a page is told of a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.model.samples import textile_folder
from topwork.errors import DataError
from topwork.fitting import fit
from topwork.metrics import Costs
from topwork.model import Classifier
from topwork.page import OFFERED, model_facts, web_facts


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Classifier:
    """A model that must find a class."""
    folder = textile_folder(tmp_path_factory.mktemp("data") / "textile")
    return fit(folder, strategy="probe", min_recall={"local": 0.9})


def test_only_promises_that_predict_keeps_are_offered(model: Classifier, textiles: list[Path]) -> None:
    levels = model_facts(model, "m")["levels"]
    for kind in ("accuracy", "coverage"):
        for level in OFFERED:
            try:
                model.predict(textiles[:1], **{kind: level})
                kept = True
            except DataError:
                kept = False
            assert (level in levels[kind]) == kept


def test_facts_are_json_and_a_page_without_a_server_promises_the_same(model: Classifier) -> None:
    found = json.loads(json.dumps(web_facts(model, "m", file="model.onnx", size=3), allow_nan=False))
    assert (found["classes"], found["bytes"], found["rule"]) == (list(model.classes), 3, None)
    assert {found[name] for name in ("maps", "nearest", "collect")} == {False}
    selective = model.record.task.selective
    assert selective is not None
    assert {float(level) for level in found["promises"]["coverage"]} == set(found["levels"]["coverage"])
    for level, threshold in found["promises"]["coverage"].items():
        assert threshold == selective.set_from(float(level))


def test_a_critical_class_is_told_with_its_threshold(careful: Classifier) -> None:
    found = web_facts(careful, "m", file="f", size=1)
    assert found["critical"]["class"] == "local"
    assert found["rule"] == (
        None
        if careful.rule is None
        else {"place": careful.classes.index("local"), "probability": found["critical"]["threshold"]}
    )


def test_costs_are_told_as_rows_of_true_classes(model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    monkeypatch.setattr(Classifier, "rule", property(lambda self: Costs(np.array([[0.0, 2], [5, 0]]))))
    assert web_facts(model, "m", file="f", size=1)["rule"] == {"costs": [[0, 2], [5, 0]]}


def test_texts_have_no_size_and_no_selection_where_nothing_is_promised(text_model: Classifier) -> None:
    found = model_facts(text_model, "m")
    assert (found["kind"], found["size"]) == ("text", None)
    assert found["selective"] == any(found["levels"].values())
