"""The model card, read by the hub's own client."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from topwork.data import printable
from topwork.model import Classifier, ModelRecord
from topwork.model._classifier_card import classifier_card as card
from topwork.tasks import load

HOSTILE = ("<script>alert(1)</script>", "a | b\n# c", "고양이 🐱 \u202eقطة")


def changed(record: ModelRecord, **changes: object) -> ModelRecord:
    block = {name: changes.pop(name) for name in [*changes] if name in type(record.task).model_fields}
    return record.model_copy(update={**changes, "task": record.task.model_copy(update=block)})


def test_the_hub_reads_the_header(saved: Path, fitted: Classifier) -> None:
    found = ModelCard.load(saved / "README.md")
    assert found.data.license == "apache-2.0"
    assert found.data.library_name == "topwork"
    assert found.data.pipeline_tag == "image-classification"
    assert found.data.model_name == saved.name
    results = {each.metric_type: each.metric_value for each in found.data.eval_results}
    assert fitted.metrics is not None
    assert results["accuracy"] == pytest.approx(fitted.metrics.accuracy.value, abs=1e-4)
    assert results["f1"] == pytest.approx(fitted.metrics.macro_f1.value, abs=1e-4)
    assert {each.dataset_split for each in found.data.eval_results} == {"test"}


def test_it_tells_data_metrics_limits_and_licence(saved: Path, fitted: Classifier) -> None:
    text = (saved / "README.md").read_text("utf-8")
    for heading in (
        "Use",
        "Classes",
        "Data",
        "Metrics",
        "Abstaining and prediction sets",
        "Limits",
        "Licence",
        "Reproducibility",
    ):
        assert f"\n## {heading}\n" in text
    assert fitted.metrics is not None
    assert f"| accuracy | {fitted.metrics.accuracy.value:.1%} (" in text
    assert "48 images were used to train the model and 12 others (test) tested it" in text
    assert "Apache\\-2.0" in text
    assert fitted.record.data.fingerprint in text
    assert "On 12 held-out images that were not used for any choice" in text


def test_names_stay_text(fitted: Classifier) -> None:
    odd = {"strategy": "<b>", "versions": {"<i>": "|"}, "created": "<u>", "classes": HOSTILE, "metrics": None}
    text = card(changed(fitted.record, **odd), '"<b>: x')
    ModelCard(text).data.to_dict()
    body = text.split("---\n", 2)[2]
    assert "<" not in re.sub(r"`[^`]*`", "", body)
    rows = [line for line in body.splitlines() if line.startswith("| ") and "script" in line]
    assert rows == [r"| &lt;script&gt;alert\(1\)&lt;/script&gt; | 16 | – | – | – |"]
    assert "고양이 🐱" in body
    assert "\u202e" not in body
    assert r"a \| b" in body
    assert "\n# c" not in body


@pytest.mark.parametrize("name", ["🐶 model", "고양이 \u202e🐱", "two\nlines", "\udc80"])
def test_the_hub_reads_any_name(fitted: Classifier, name: str) -> None:
    text = card(changed(fitted.record, strategy=name), name)
    found = ModelCard(text).data
    assert found.model_name == printable(name)
    assert printable(name) in (found.tags or [])
    str(found).encode("utf-8")


def test_a_model_without_held_out_images_says_so(fitted: Classifier) -> None:
    data = fitted.record.data.model_copy(update={"held_out": 0, "held_out_split": ""})
    text = card(changed(fitted.record, metrics=None, data=data, selective=None), "m")
    assert ModelCard(text).data.eval_results is None
    assert "No images were held out" in text
    assert "has not been measured" in text
    assert "## Promises" not in text
    assert "--coverage" not in text


def test_a_licence_with_terms_of_its_own_is_named(fitted: Classifier) -> None:
    backbone = {**fitted.record.backbone, "licence": "DINOv3 License"}
    weights = {"source": "hub", "sha256": "0" * 64, "location": "timm/x", "revision": ""}
    found = ModelCard(card(changed(fitted.record, backbone={**backbone, "weights": weights}), "m")).data
    assert (found.license, found.license_name, found.base_model) == ("other", "DINOv3 License", "timm/x")


def test_many_classes_are_cut_and_counted(fitted: Classifier) -> None:
    classes = tuple(f"class {place}" for place in range(1000))
    text = card(changed(fitted.record, classes=classes, training=(1,) * 1000, metrics=None), "m")
    assert "… and 950 more" in text
    assert len(text) < 10_000


def test_a_folder_without_a_card_is_a_model(folder: Path) -> None:
    (folder / "README.md").unlink()
    assert load(folder).classes
