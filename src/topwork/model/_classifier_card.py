"""The card of a classifier: its classes, its figures, what it promises, and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from topwork._text import article
from topwork.metrics import Estimate, Evaluation, SelectiveReport, as_percent
from topwork.model._card import as_text, card, pretrained_on, quoted_yaml
from topwork.model._classes_record import ClassifierRecord
from topwork.model._kind import IMAGES, Kind

_CLASSES = 50  # rows of the table
_SEEN_BY = {
    "cross-validation": "cross-validated predictions on training {}s",
    "validation": "predictions on validation {}s",
    "training": "predictions on training {}s, which were only used to set the temperature",
}


def classifier_card(record: ClassifierRecord, name: str, kind: Kind = IMAGES, thumbnails: int = 0) -> str:
    """The card of a classifier.

    Args:
        record: What ``model.json`` holds.
        name: What the model is called: its folder.
        kind: What it answers to.
        thumbnails: Training images that its folder shows.

    Returns:
        Markdown after a YAML header.
    """
    metrics = Evaluation.from_dict(record.task.metrics) if record.task.metrics is not None else None
    return card(
        record,
        name,
        kind=kind,
        results=_results(record, metrics, name, kind) if metrics is not None else (),
        before=[_summary(record, kind), _use(record, kind), *_classes(record, metrics, kind.thing)],
        after=[
            _figures(record, metrics, kind.thing),
            *_folds(record, kind.thing),
            *_decision(record, kind.thing),
            *_promises(record, kind.thing),
            *_thumbnails(thumbnails, kind),
            _limits(record, metrics, kind),
        ],
    )


def _results(record: ClassifierRecord, metrics: Evaluation, name: str, kind: Kind) -> list[str]:
    figures = (("accuracy", metrics.accuracy), ("f1", metrics.macro_f1))
    split = quoted_yaml(record.data.held_out_split)
    return [
        "model-index:",
        f"- name: {quoted_yaml(name)}",
        "  results:",
        f"  - task: {{type: {kind.pipeline}, name: {kind.thing.capitalize()} Classification}}",
        f"    dataset: {{type: {kind.dataset}, name: the owner's {kind.things}, split: {split}}}",
        "    metrics:",
        *(f"    - {{type: {kind}, value: {figure.value:.4f}}}" for kind, figure in figures),
    ]


_HEADS = {"linear": "a linear head", "mlp": "a small network with one hidden layer"}


def _summary(record: ClassifierRecord, kind: Kind) -> str:
    how = {
        "probe": f"{_HEADS.get(record.head, 'a head')} was trained on its frozen features",
        "finetune": f"a head and its top {kind.stages} were trained",
        "scratch": f"all of it was trained from random weights on these {kind.things}",
        "as-is": "its own ImageNet classes are used",
        "zero-shot": f"it compares {kind.things} with texts for the classes",
        "ngrams": "a linear head was trained on the scores",
    }.get(record.strategy, as_text(record.strategy))
    return (
        f"{article(kind.thing).capitalize()} classifier of {len(record.task.classes)} classes, made by "
        f"topwork {as_text(record.versions.get('topwork', ''))} on {as_text(record.created[:10])}. "
        f"{_what(record)}; {how}.\n"
    )


def _what(record: ClassifierRecord) -> str:
    """What reads a row."""
    network = record.backbone
    if network.get("family") == "ngrams":
        return "It scores n-grams, which are words and runs of letters, as they were counted in the training texts"
    beside = ", and n-grams counted in the training texts are scored beside it" if network.get("ngrams") else ""
    return f"The network is `{network['name']}`{pretrained_on(record)}{beside}"


def _use(record: ClassifierRecord, kind: Kind) -> str:
    line = f"    topwork predict MODEL {kind.argument}"
    sure = f"{line} --coverage 0.95   # sets with the true class in 95 % of cases\n"
    return (
        f"## Use\n\n    pip install topwork\n{line}\n"
        + (sure if record.task.selective else "")
        + f'\nFrom Python: `topwork.load("MODEL").predict(["{kind.example}"])[0].label`. The model includes its '
        "preprocessing.\n"
    )


def _classes(record: ClassifierRecord, metrics: Evaluation | None, thing: str) -> Iterator[str]:
    yield "## Classes\n"
    rows = [
        f"| class | training {thing}s | test {thing}s | precision | recall |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for place, name in enumerate(record.task.classes[:_CLASSES]):
        report = metrics.per_class[place] if metrics else None
        cells = (
            as_text(name),
            str(record.task.training[place]),
            str(report.support) if report else "–",
            as_percent(report.precision) if report and report.support else "–",
            as_percent(report.recall) if report else "–",
        )
        rows.append(f"| {' | '.join(cells)} |")
    yield "\n".join(rows) + "\n"
    if len(record.task.classes) > _CLASSES:
        yield f"… and {len(record.task.classes) - _CLASSES} more; `model.json` has them all.\n"


def _figures(record: ClassifierRecord, metrics: Evaluation | None, thing: str) -> str:
    if metrics is None:
        score = record.cross_validation.get("accuracy")
        known = f"Its accuracy by cross-validation was {score:.1%}." if score is not None else "Nothing is known of it."
        return f"## Metrics\n\nNo {thing}s were held out, so that none measured the finished model. {known}\n"
    classes = len(metrics.classes)
    over = f" over the {metrics.measured} measured of {classes} classes" if metrics.measured < classes else ""
    figures = [
        ("accuracy", metrics.accuracy, True),
        ("top-5 accuracy", metrics.top5, True),
        (f"balanced accuracy{over}", metrics.balanced_accuracy, True),
        (f"macro-F1{over}", metrics.macro_f1, True),
        (f"ROC-AUC{over}", metrics.roc_auc, False),
        (f"average precision{over}", metrics.average_precision, False),
        ("log loss", metrics.log_loss, False),
        ("Brier score (0 to 2)", metrics.brier, False),
        ("expected calibration error", metrics.ece, True),
    ]
    rows = [
        f"| {name} | {as_percent(each) if share else _number(each)} |"
        for name, each, share in figures
        if each is not None
    ]
    lines = [
        f"On {metrics.n} held-out {thing}s that were not used for any choice, with 95 % intervals:",
        "",
        "| metric | value |",
        "| --- | ---: |",
        *rows,
    ]
    if over:
        lines += ["", f"Nobody measured {classes - metrics.measured} of the classes: no {thing} of them was held out."]
    return "## Metrics\n\n" + "\n".join(lines) + "\n"


def _decision(record: ClassifierRecord, thing: str) -> Iterator[str]:
    decision = record.task.decision
    if decision is not None:
        yield "## Decision rule\n"
        yield "\n".join(f"- {sentence}" for sentence in decision.sentences(as_text, thing)) + "\n"


def _folds(record: ClassifierRecord, thing: str) -> Iterator[str]:
    found = record.task.folds
    if found is None:
        return
    of = f"all {thing}s" if found.split == "all" else f"the training {thing}s"
    yield "## Cross-validation\n"
    yield (
        f"The whole procedure, with everything that it chooses, was repeated on each of {len(found.folds)} folds "
        f"of {of}. The figures are of the procedure; the saved model was fitted as usual.\n"
    )
    rows = [
        f"| fold | training {thing}s | test {thing}s | accuracy | macro-F1 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for place, fold in enumerate(found.folds, 1):
        rows.append(f"| {place} | {fold.training} | {fold.images} | {fold.accuracy:.1%} | {fold.macro_f1:.1%} |")
    rows.append(f"| mean | | | {as_percent(found.accuracy)} | {as_percent(found.macro_f1)} |")
    yield "\n".join(rows) + "\n"
    yield (
        "In brackets the wider of two 95 % intervals: the corrected resampled t of the folds (Nadeau and Bengio 2003), "
        "and that of all answers taken together.\n"
    )


def _promises(record: ClassifierRecord, thing: str) -> Iterator[str]:
    selective = record.task.selective
    if selective is None or not selective.measured:
        return
    yield "## Abstaining and prediction sets\n"
    seen = _SEEN_BY[selective.source].format(thing)
    yield f"Thresholds set on {seen} ({selective.images}), and tested on the held-out {thing}s:\n"
    rows = ["| promised level | sets with the true class | classes per set | answered | correct answers |"]
    rows.append("| --- | ---: | ---: | ---: | ---: |")
    reports = [SelectiveReport.from_dict(each) for each in selective.measured]
    for each in reports:
        cells = (
            f"{each.level:.0%}",
            as_percent(each.coverage),
            f"{each.size:.2f}",
            "withdrawn" if each.refuted else f"{each.answered.value:.1%}" if each.answered else "–",
            as_percent(each.accuracy),
        )
        rows.append(f"| {' | '.join(cells)} |")
    yield "\n".join(rows) + "\n"
    if any(each.refuted for each in reports):
        yield f"A promise is withdrawn where the answers to the held-out {thing}s are right less often than it says.\n"


def _thumbnails(count: int, kind: Kind) -> Iterator[str]:
    if count:
        what = "small pictures" if kind.thing == "image" else "the beginnings"
        yield (
            f"## Training {kind.things} in this folder\n\n`neighbours.safetensors` holds {what} of {count:,} training "
            f"{kind.things}, with their names: whoever gets this folder can see them. Delete the file where that is "
            "not wanted; the model predicts the same without it.\n"
        )


def _limits(record: ClassifierRecord, metrics: Evaluation | None, kind: Kind) -> str:
    lines = [
        f"- It only knows its classes: {article(kind.thing)} of anything else is also assigned to one of them. "
        f"`topwork predict` warns when {kind.things} are unlike the training {kind.things}.",
        f"- The figures hold for {kind.things} like those that were measured. {kind.elsewhere}",
        *_reading(record.backbone),
    ]
    if record.task.selective is not None:
        lines.append(
            "- The promised levels hold on average over all classes, not for each class. The held-out "
            f"{kind.things} show how well this model keeps them."
        )
    weak = [report for report in metrics.per_class if report.recall and report.recall.low < 0.5] if metrics else []
    if weak:
        weak.sort(key=lambda report: report.recall.low if report.recall else 0.0)
        names = ", ".join(as_text(report.name) for report in weak[:5]) + (", …" if len(weak) > 5 else "")
        lines.append(f"- The recall of these classes may be below 50 %: {names}.")
    if metrics is None:
        lines.append("- Its accuracy has not been measured.")
    return "## Limits\n\n" + "\n".join(lines) + "\n"


def _reading(network: Mapping[str, Any]) -> Iterator[str]:
    """What a network of texts knows and sees of them."""
    if network.get("languages", "any") not in ("", "any"):
        yield (
            f"- The network was trained on texts in: {as_text(network['languages'])}. In other languages it knows "
            "little of what words mean, and the figures say nothing of them."
        )
    reading = network.get("reading", {})
    if reading.get("longest"):
        windows = f" in each of up to {reading['windows']} windows" if reading["windows"] > 1 else ""
        yield f"- It reads the first {reading['longest']} tokens of a text{windows}. What comes after has no say."


def _number(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"
