"""The methods paragraph and its references: true of the model, complete, and safe whatever a class is called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from topwork.backbones import catalogue
from topwork.heads._head import _KINDS
from topwork.model import Classifier, CostsRecord, CriticalRecord, TrialRecord
from topwork.model._classifier_methods import classifier_methods
from topwork.model._references import bibliography, entries, of_network
from topwork.tasks import load


def fields(entry: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+) *= (?:\{(.*)\}|\w+),$", entry, re.MULTILINE))


def test_every_entry_is_whole_and_is_named_by_its_author_and_year() -> None:
    assert len(entries()) > 30
    for key, entry in entries().items():
        found = fields(entry)
        assert {"author", "title", "year"} <= found.keys(), key
        assert entry.count("{") == entry.count("}"), key
        venue = {"@inproceedings": "booktitle", "@article": "journal", "@book": "publisher", "@misc": "title"}
        assert venue[entry.partition("{")[0]] in found, key
        if key != "openvino":
            assert (
                re.sub(r"[^a-z]", "", found["author"].split(",")[0].split()[-1].lower().replace("{\\'e}", "e")) in key
            )
            assert found["year"] in key
        assert entry.isascii()  # for a LaTeX of any age


@pytest.mark.parametrize("row", catalogue(), ids=lambda row: row.alias)
def test_every_network_of_the_catalogue_has_its_papers(row: object) -> None:
    """By first author and arXiv number of the catalogue, which were written down apart from the entries."""
    papers = re.findall(r"([^\W\d_]+)[^;:]*?, arXiv (\d+\.\d+)", row.family.paper)  # type: ignore[attr-defined]
    found = [fields(entries()[key]) for key in of_network(row.name, row.pretrained_on)]  # type: ignore[attr-defined]
    assert papers
    for author, number in papers:
        (entry,) = [each for each in found if each.get("eprint") == number]
        assert entry["author"].replace("{\\'e}", "é").startswith(author)


def test_an_unknown_network_has_no_paper() -> None:
    assert of_network("my_own_net", "unknown") == []


def test_what_is_said_is_true_of_this_model_and_what_is_cited_is_there(fitted: Classifier, saved: Path) -> None:
    text = (saved / "methods.md").read_text("utf-8")
    record, metrics = fitted.record, fitted.metrics
    assert metrics is not None
    assert f"{record.data.training} images were used for training and {metrics.n} others for testing" in text
    assert f"share {record.data.held_out_share:g}, seed {record.seed}" in text
    assert f"`{record.backbone['name']}`" in text
    assert record.backbone["weights"]["sha256"] in text
    estimate = metrics.accuracy
    assert f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})" in text
    assert all(f"{name} {version}" in text for name, version in record.versions.items())
    assert "fine-tun" not in text
    assert "cross-validation on all images" not in text
    cited = set(re.findall(r"@(\w+)", text))
    assert cited == set(re.findall(r"^@\w+\{(\w+),", (saved / "references.bib").read_text("utf-8"), re.MULTILINE))
    assert {"tan2019efficientnet", "wightman2019timm", "guo2017calibration"} <= cited
    assert load(saved).methods() == fitted.methods()


def test_what_was_not_done_is_not_told(fitted: Classifier) -> None:
    block = fitted.record.task.model_copy(update={"metrics": None, "selective": None, "calibration": {}})
    data = fitted.record.data.model_copy(update={"held_out": 0, "held_out_share": 0.0})
    bare = fitted.record.model_copy(update={"task": block, "data": data, "cross_validation": {}, "trials": ()})
    found = classifier_methods(bare)
    assert "none were held out" in found.text
    assert "No images measured the finished model." in found.text
    assert not re.search("wilson|efron|sadinle|geifman|guo|nadeau|cross-validation", found.text + found.references)


def test_fine_tuning_is_told_with_what_it_rests_on(fitted: Classifier) -> None:
    tuned = fitted.record.model_copy(update={"strategy": "finetune"})
    found = classifier_methods(tuned, epochs=8)
    assert "in 8 epochs" in found.text
    assert "its weights, as fine-tuned here" in found.text
    assert {"@inproceedings{kumar2022lpft,", "@inproceedings{paszke2019pytorch,"} <= set(found.references.splitlines())


@pytest.mark.parametrize("kind", _KINDS)
def test_every_kind_of_head_is_told(fitted: Classifier, kind: str) -> None:
    assert classifier_methods(fitted.record.model_copy(update={"head": kind})).text.endswith(".\n")


def test_the_method_of_a_linear_head_is_told(fitted: Classifier) -> None:
    def told(method: str, strategy: str = "probe") -> str:
        trial = TrialRecord(question="method", answer=method, images=9, accuracy=0.9, log_loss=0.3, chosen=True)
        return classifier_methods(fitted.record.model_copy(update={"trials": (trial,), "strategy": strategy})).text

    assert "on features that are divided by their length and standardised" in told("normalised")
    assert "linear discriminant analysis with shrinkage" in told("lda")
    assert "The head is the mean of the logits of a multinomial logistic regression" in told("blend")
    assert "square roots of features that are divided by their length [@perronnin2010fisher]" in told("power")
    assert "divided" not in told("normalised", "finetune")  # the trial is of the probe that it started from


def test_a_network_that_was_not_pretrained_is_not_called_so(fitted: Classifier) -> None:
    weights = {**fitted.record.backbone["weights"], "source": "file"}
    network = {**fitted.record.backbone, "pretrained_on": "nothing", "weights": weights}
    scratch = fitted.record.model_copy(update={"strategy": "scratch", "backbone": network})
    text = classifier_methods(scratch, epochs=30).text
    assert "trained together in 30 epochs from random weights" in text
    assert "not pretrained; its weights, as trained here" in text
    assert "logistic regression" not in text
    assert "retrained on" not in fitted.card(scratch, "m")


def test_weights_of_the_users_are_not_said_to_be_pretrained_with_labels(fitted: Classifier) -> None:
    network = {**fitted.record.backbone, "pretrained_on": "unknown"}
    text = classifier_methods(fitted.record.model_copy(update={"backbone": network})).text
    assert "pretrained on data that are not known" in text


def test_how_the_model_decides_is_told_before_its_figures(fitted: Classifier) -> None:
    estimate = {"value": 0.9, "low": 0.8, "high": 1.0}
    outcome = {"recall": estimate, "precision": estimate, "cost": None}
    report = {"n": 9, "support": 3, "decided": outcome, "usual": outcome}
    one, other, *_ = fitted.classes
    critical = CriticalRecord(
        name=one, metric="recall", target=0.9, threshold=0.2, enough=True, source="validation", out_of_fold=report
    )
    for rule, key in (
        (critical, "vovk2012conditional"),
        (CostsRecord(costs=((one, other, 10.0),), calibrated=True), "elkan2001foundations"),
    ):
        block = fitted.record.task.model_copy(update={"decision": rule})
        found = classifier_methods(fitted.record.model_copy(update={"task": block}))
        assert next(rule.sentences(str)).removesuffix(".") + f" [@{key}]." in found.text
        assert found.text.index(f"[@{key}]") < found.text.index("its accuracy is")
        assert key in found.references


@pytest.mark.parametrize("name", ["[@evil2020]", "[@nadeau2003inference]", "<script>", "a_b*c*", "벌\n꿀", "x" * 500])
def test_a_class_cites_nothing_and_is_only_text(fitted: Classifier, name: str) -> None:
    block = fitted.record.task.model_copy(update={"classes": (name, *fitted.record.task.classes[1:])})
    found = classifier_methods(fitted.record.model_copy(update={"task": block}))
    assert "<script>" not in found.text
    assert found.text.count("\n") == 1
    assert "nadeau" not in found.references
    assert found.references == fitted.methods().references


def test_each_entry_stands_once() -> None:
    assert bibliography(["openvino", "efron1993bootstrap", "openvino"]).count("@misc{openvino,") == 1
