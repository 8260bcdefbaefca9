"""A critical class and costs, from the command line to the saved model and back, on real pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from topwork.errors import DataError, ModelError
from topwork.fitting import fit
from topwork.metrics import decide
from topwork.model import Classifier
from topwork.tasks import load
from topwork.tasks.classification.strategies import ProbeOptions

from .conftest import Run

QUICK = ("--strategy", "probe", "--stages", "last", "--crop-mode", "crop")


@pytest.fixture(scope="module")
def critical(run: Run, textile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("critical") / "model"
    done = run("fit", textile, "-o", folder, *QUICK, "--min-recall", "local=0.9")
    assert done.code == 0, done
    assert "To find at least 90% of local, the model calls an image local from confidence 0." in done.out
    assert "Out of fold: recall " in done.out
    assert "Measured on " in done.out
    return folder


def test_the_threshold_is_in_the_model_and_every_command_uses_it(run: Run, critical: Path, textile: Path) -> None:
    fields = json.loads((critical / "model.json").read_text("utf-8"))["task"]["decision"]
    model = load(critical, Classifier)
    files = sorted((textile / "nominal").iterdir()) + sorted((textile / "local").iterdir())
    place, said = model.classes.index("local"), model.predict_proba(files)
    others = np.delete(said, place, axis=1).argmax(axis=1)
    others += others >= place
    expected = np.where(said[:, place] >= fields["threshold"], place, others)  # the documented rule, once more
    assert (expected != said.argmax(axis=1)).any()  # so that the rule matters here
    found = model.predict(files, coverage=0.9)
    assert [each.label for each in found] == [model.classes[each] for each in expected]
    assert all(each.labels and each.labels[0] == each.label for each in found)  # a line's first class is the answer
    assert any(each.probability < max(each.probabilities.values()) for each in found)
    assert all(each.probability == each.probabilities[each.label] for each in found)
    printed = [line.split("\t")[1] for line in run("predict", critical, *files).out.splitlines()]
    assert printed == [each.label for each in found]
    assert np.array_equal(decide(said, model.rule), expected)
    measured = run("evaluate", critical, textile, "--json").json
    assert measured["decision"] == fields
    assert measured["per_class"][place]["recall"] == fields["measured"]["decided"]["recall"]
    page, card = ((critical / name).read_text("utf-8") for name in ("report.html", "README.md"))
    assert "To find at least 90\xa0% of local, the model calls an image local from confidence" in page
    assert "To find at least 90% of local" in card


def test_costs_are_kept_too(run: Run, textile: Path, tmp_path: Path) -> None:
    flags = ("--cost", "local:nominal=10", "--cost", "global:nominal=3")
    done = run("fit", textile, "-o", tmp_path / "model", *QUICK, *flags)
    assert "(local predicted as nominal 10, global predicted as nominal 3, any other mistake 1)" in done.out
    model = load(tmp_path / "model", Classifier)
    costs = 1 - np.eye(3)
    costs[1, 2], costs[0, 2] = 10, 3
    said = model.predict_proba(sorted((textile / "local").iterdir()))
    expected = (said.astype(float) @ costs).argmin(axis=1)
    assert [each.label for each in model.predict(sorted((textile / "local").iterdir()))] == [
        model.classes[each] for each in expected
    ]
    options = ProbeOptions(stages="last", crop_mode="crop")
    made = fit(textile, strategy="probe", options=options, cost={("local", "nominal"): 10, "global:nominal": 3})
    assert made.record.task.decision == model.record.task.decision


@pytest.mark.parametrize(
    ("flags", "error", "hint"),
    [
        (("--min-recall", "locl=0.9"), "there is no class 'locl'", "did you mean 'local'?"),
        (("--min-recall", "local=1"), "must be above 0 and below 1, not 1.0", "such as 0.99"),
        (("--min-precision", "local=nan"), "must be above 0 and below 1, not nan", "such as 0.99"),
        (("--min-recall", "local=0.9", "--cost", "local:nominal=2"), "cannot be used together", "choose one"),
        (("--min-recall", "local=0.9", "--min-recall", "global=0.9"), "takes one class, not 2", "--cost"),
        (("--cost", "local:local=2"), "an answer that is right costs nothing", "defect:ok=10"),
        (("--cost", "local=2"), "a cost is of two classes", "TRUE:PREDICTED"),
        (("--cost", "local:nominal=-1"), "a finite number of 0 or more, not -1.0", ""),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    run: Run, textile: Path, tmp_path: Path, flags: tuple[str, ...], error: str, hint: str
) -> None:
    told = run("fit", textile, "-o", tmp_path / "model", "--strategy", "probe", *flags).failed()
    assert error in told[0]
    assert hint in told[1]


@pytest.mark.parametrize("value", ["local", "=0.9", "local=much"])
def test_what_is_no_pair_is_a_wrong_command_line(run: Run, textile: Path, tmp_path: Path, value: str) -> None:
    done = run("fit", textile, "-o", tmp_path / "model", "--min-recall", value)
    assert done.code == 2
    assert f"such as defect=0.99, not '{value}'" in done.err


def test_a_class_without_held_out_images_is_refused(textile: Path) -> None:
    from topwork.data import read, split

    parted = split(read(textile), test=0.2, seed=0)
    rows = np.flatnonzero((parted.splits == "train") | (parted.labels != parted.classes.index("local")))
    with pytest.raises(DataError, match=r"none of the held-out images \(test\) is of class 'local'"):
        fit(parted.select(rows), strategy="probe", min_recall={"local": 0.9})
    with pytest.raises(TypeError, match="unexpected keyword argument 'min_recal'"):
        fit(textile, min_recal={"local": 0.9})


def test_a_promise_that_was_refuted_is_refused_by_predict(run: Run, critical: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(critical, tmp_path / "model")
    fields = json.loads((folder / "model.json").read_text("utf-8"))
    selective = fields["task"]["selective"]
    selective["answers"] = [0.4] * len(selective["levels"])
    share = {"value": 1.0, "low": 0.8, "high": 1.0}
    for each, accuracy in zip(selective["measured"], (0.95, 0.8, 0.8), strict=True):
        each |= {"answered": share, "accuracy": {"value": accuracy, "low": 0.7, "high": accuracy}}
    (folder / "model.json").write_text(json.dumps(fields), "utf-8")
    picture = next(iter(sorted((critical.parent).rglob("*.png"))), folder / "none.png")
    error, hint = run("predict", folder, picture, "--abstain", "0.95").failed()
    assert error.startswith("the promise of an accuracy of 0.95 is withdrawn: on the held-out images only 80.0%")
    assert hint == "levels that were kept: 0.9"
    assert "withdrawn" not in run("predict", folder, picture, "--abstain", "0.8").err


def test_a_rule_of_a_class_that_the_model_lacks_is_a_damaged_model(critical: Path, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(critical, tmp_path / "model")
    text = (folder / "model.json").read_text("utf-8")
    fields = json.loads(text)
    for change in ({"name": "another"}, {"threshold": 7}, {"target": 2}, {"out_of_fold": {}}):
        fields["task"]["decision"] = json.loads(text)["task"]["decision"] | change
        (folder / "model.json").write_text(json.dumps(fields), "utf-8")
        with pytest.raises(ModelError, match="decision"):
            load(folder)
