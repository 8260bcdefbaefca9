"""The model card: ``README.md`` in the model folder, with the header that the Hugging Face hub reads.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting"; the header is the hub's model card metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from topwork.data import printable
from topwork.metrics import Estimate, Evaluation
from topwork.model._record import ModelRecord

_CLASSES = 50  # rows of the table
_NOTES = 10
_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "BSD-3-Clause": "bsd-3-clause", "CC-BY-NC-4.0": "cc-by-nc-4.0"}
_SEEN_BY = {
    "cross-validation": "out-of-fold answers on training images",
    "validation": "answers on validation images",
    "training": "answers on training images, of which nothing but a temperature was learnt",
}


def card(record: ModelRecord, name: str) -> str:
    """The card of a model.

    Args:
        record: What ``model.json`` holds.
        name: What the model is called: its folder.

    Returns:
        Markdown after a YAML header. Names are made printable and are text whatever they hold.
    """
    metrics = Evaluation.from_dict(record.metrics) if record.metrics is not None else None
    sections = [
        _header(record, metrics, name),
        f"# {_text(name)}\n",
        _summary(record),
        _use(record),
        *_classes(record, metrics),
        _data(record),
        _figures(record, metrics),
        *_promises(record),
        _limits(record, metrics),
        _licence(record),
        _again(record),
    ]
    return "\n".join(sections)


def _header(record: ModelRecord, metrics: Evaluation | None, name: str) -> str:
    """YAML."""
    licence = _LICENCES.get(record.backbone["licence"])
    lines = ["---", f"license: {licence or 'other'}"]
    if licence is None:
        lines.append(f"license_name: {_quoted(record.backbone['licence'] or 'unknown')}")
    lines += ["library_name: topwork", "pipeline_tag: image-classification"]
    lines += ["tags:", "- image-classification", "- transfer-learning", f"- {_quoted(record.strategy)}"]
    weights = record.backbone["weights"]
    if weights["source"] == "hub":
        lines += [f"base_model: {_quoted(weights['location'])}"]
    if metrics is not None:
        lines += _results(record, metrics, name)
    return "\n".join([*lines, "---", ""])


def _results(record: ModelRecord, metrics: Evaluation, name: str) -> list[str]:
    figures = (("accuracy", metrics.accuracy), ("f1", metrics.macro_f1))
    return [
        "model-index:",
        f"- name: {_quoted(name)}",
        "  results:",
        "  - task: {type: image-classification, name: Image Classification}",
        f"    dataset: {{type: imagefolder, name: the owner's images, split: {_quoted(record.data.held_out_split)}}}",
        "    metrics:",
        *(f"    - {{type: {kind}, value: {figure.value:.4f}}}" for kind, figure in figures),
    ]


def _quoted(name: str) -> str:
    """A string of YAML's; JSON writes one alike, but for escapes beyond U+FFFF, which are two halves to YAML."""
    return json.dumps(printable(name), ensure_ascii=False)


def _summary(record: ModelRecord) -> str:
    network = record.backbone
    how = {
        "probe": "a linear head was trained on its frozen features",
        "finetune": "a head and its top stages were trained",
        "as-is": "its own classes answer",
        "zero-shot": "it compares images with words for the classes",
    }.get(record.strategy, _text(record.strategy))
    return (
        f"An image classifier of {len(record.classes)} classes, made by "
        f"topwork {_text(record.versions.get('topwork', ''))} on {_text(record.created[:10])}. "
        f"The network is `{network['name']}`, pretrained on "
        f"{_text(network['pretrained_on'])}; {how}.\n"
    )


def _use(record: ModelRecord) -> str:
    sure = "    topwork predict MODEL photo.jpg --coverage 0.95   # as many classes as hold the true one so often\n"
    return (
        "## Use\n\n    pip install topwork\n    topwork predict MODEL photo.jpg\n"
        + (sure if record.caution else "")
        + '\nFrom Python: `topwork.load("MODEL").predict(["photo.jpg"])[0].label`. Preprocessing travels with it.\n'
    )


def _classes(record: ModelRecord, metrics: Evaluation | None) -> Iterator[str]:
    yield "## Classes\n"
    rows = ["| class | training images | test images | precision | recall |", "| --- | ---: | ---: | ---: | ---: |"]
    for place, name in enumerate(record.classes[:_CLASSES]):
        report = metrics.per_class[place] if metrics else None
        cells = (
            _text(name),
            str(record.data.training[place]),
            str(report.support) if report else "–",
            _percent(report.precision) if report else "–",
            _percent(report.recall) if report else "–",
        )
        rows.append(f"| {' | '.join(cells)} |")
    yield "\n".join(rows) + "\n"
    if len(record.classes) > _CLASSES:
        yield f"… and {len(record.classes) - _CLASSES} more; `model.json` has them all.\n"


def _data(record: ModelRecord) -> str:
    data = record.data
    held_out = f"{data.held_out} others ({data.held_out_split}) measured it" if data.held_out else "none measured it"
    left_out = f"; {data.left_out} files could not be used" if data.left_out else ""
    notes = [f"- {_text(note)}" for note in data.notes[:_NOTES]]
    told = ["", "What was noticed about the data:", "", *notes] if notes else []
    made = f"{sum(data.training)} images were used to make the model"
    lines = ["## Data", "", f"{made} and {held_out}{left_out}.", *told]
    return "\n".join(lines) + "\n"


def _figures(record: ModelRecord, metrics: Evaluation | None) -> str:
    if metrics is None:
        score = record.cross_validation.get("accuracy")
        known = f"Its accuracy by cross-validation was {score:.1%}." if score is not None else "Nothing is known of it."
        return f"## Metrics\n\nNo images were held out, so that none measured the finished model. {known}\n"
    figures = [
        ("accuracy", metrics.accuracy, True),
        ("top-5 accuracy", metrics.top5, True),
        ("balanced accuracy", metrics.balanced_accuracy, True),
        ("macro-F1", metrics.macro_f1, True),
        ("ROC-AUC", metrics.roc_auc, False),
        ("average precision", metrics.average_precision, False),
        ("log loss", metrics.log_loss, False),
        ("Brier score (0 to 2)", metrics.brier, False),
        ("expected calibration error", metrics.ece, True),
    ]
    rows = [
        f"| {name} | {_percent(each) if share else _number(each)} |"
        for name, each, share in figures
        if each is not None
    ]
    lines = [
        f"On {metrics.n} images that took no part in any choice, with 95 % intervals:",
        "",
        "| metric | value |",
        "| --- | ---: |",
        *rows,
    ]
    return "## Metrics\n\n" + "\n".join(lines) + "\n"


def _promises(record: ModelRecord) -> Iterator[str]:
    caution = record.caution
    if caution is None or not caution.kept:
        return
    yield "## Promises\n"
    yield f"Read off {_SEEN_BY[caution.source]} ({caution.images}), and tried on the held-out images:\n"
    rows = ["| promised | sets that hold the class | classes in a set | answered | right answers |"]
    rows.append("| --- | ---: | ---: | ---: | ---: |")
    for kept in caution.kept:
        answered, accuracy = kept["answered"], kept["accuracy"]
        cells = (
            f"{kept['level']:.0%}",
            _percent(Estimate.from_dict(kept["coverage"])),
            f"{kept['size']:.2f}",
            f"{answered['value']:.1%}" if answered else "–",
            _percent(Estimate.from_dict(accuracy) if accuracy else None),
        )
        rows.append(f"| {' | '.join(cells)} |")
    yield "\n".join(rows) + "\n"


def _limits(record: ModelRecord, metrics: Evaluation | None) -> str:
    lines = [
        "- It knows its classes and nothing else: an image of anything else gets one of them too. `topwork predict` "
        "warns when images are unlike those that trained it.",
        "- The figures hold for images of the kind that was measured: another camera, light or place may change them.",
    ]
    if record.caution is not None:
        lines.append(
            "- Promises hold on average over all classes, not for each class by itself, and for one model only about "
            "so far as the held-out images show."
        )
    weak = [report for report in metrics.per_class if report.recall and report.recall.low < 0.5] if metrics else []
    if weak:
        weak.sort(key=lambda report: report.recall.low if report.recall else 0.0)
        names = ", ".join(_text(report.name) for report in weak[:5]) + (", …" if len(weak) > 5 else "")
        lines.append(f"- Less than half of these classes' images may be found: {names}.")
    if metrics is None:
        lines.append("- How good it is has not been measured.")
    return "## Limits\n\n" + "\n".join(lines) + "\n"


def _licence(record: ModelRecord) -> str:
    network = record.backbone
    return (
        f"## Licence\n\nThe backbone's weights (`{network['name']}`, pretrained on {_text(network['pretrained_on'])}) "
        f"are under {_text(network['licence'] or 'a licence that is not known here')}. What was trained on your images "
        "is yours; the licence in the header is the backbone's.\n"
    )


def _again(record: ModelRecord) -> str:
    weights = record.backbone["weights"]
    lines = [
        f"- data: SHA-256 of paths, classes and parts {_text(record.data.fingerprint or 'none')}",
        f"- weights: SHA-256 {_text(weights['sha256'])}",
        f"- strategy {_text(record.strategy)}, seed {record.seed}",
        *([f"- asked for: {_text(record.options)}"] if record.options else []),
        f"- engine {record.engine.name} in {record.engine.precision}",
        f"- versions: {_text(', '.join(f'{name} {version}' for name, version in sorted(record.versions.items())))}",
    ]
    return "## To repeat it\n\n" + "\n".join(lines) + "\n"


def _percent(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def _number(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"


def _text(name: str) -> str:
    """A name as text in Markdown, on one line: neither markup nor HTML nor a table's border."""
    shown: Any = re.sub(r"([\\`*_{}\[\]()#+!|~$-])", r"\\\1", printable(name))
    return str(shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
