"""The card of a classifier: its classes, its figures, what it promises, and its limits."""

from __future__ import annotations

from collections.abc import Iterator

from topwork.metrics import Estimate, Evaluation, SelectiveReport
from topwork.model._card import as_text, card, pretrained_on, quoted_yaml
from topwork.model._classes_record import ClassifierRecord

_CLASSES = 50  # rows of the table
_SEEN_BY = {
    "cross-validation": "cross-validated predictions on training images",
    "validation": "predictions on validation images",
    "training": "predictions on training images, which were only used to set the temperature",
}


def classifier_card(record: ClassifierRecord, name: str) -> str:
    """The card of a classifier of images.

    Args:
        record: What ``model.json`` holds.
        name: What the model is called: its folder.

    Returns:
        Markdown after a YAML header.
    """
    metrics = Evaluation.from_dict(record.task.metrics) if record.task.metrics is not None else None
    return card(
        record,
        name,
        pipeline="image-classification",
        results=_results(record, metrics, name) if metrics is not None else (),
        before=[_summary(record), _use(record), *_classes(record, metrics)],
        after=[
            _figures(record, metrics),
            *_folds(record),
            *_decision(record),
            *_promises(record),
            _limits(record, metrics),
        ],
    )


def _results(record: ClassifierRecord, metrics: Evaluation, name: str) -> list[str]:
    figures = (("accuracy", metrics.accuracy), ("f1", metrics.macro_f1))
    split = quoted_yaml(record.data.held_out_split)
    return [
        "model-index:",
        f"- name: {quoted_yaml(name)}",
        "  results:",
        "  - task: {type: image-classification, name: Image Classification}",
        f"    dataset: {{type: imagefolder, name: the owner's images, split: {split}}}",
        "    metrics:",
        *(f"    - {{type: {kind}, value: {figure.value:.4f}}}" for kind, figure in figures),
    ]


_HEADS = {"linear": "a linear head", "mlp": "a small network with one hidden layer"}


def _summary(record: ClassifierRecord) -> str:
    network = record.backbone
    how = {
        "probe": f"{_HEADS.get(record.head, 'a head')} was trained on its frozen features",
        "finetune": "a head and its top stages were trained",
        "scratch": "all of it was trained from random weights on these images",
        "as-is": "its own ImageNet classes are used",
        "zero-shot": "it compares images with texts for the classes",
    }.get(record.strategy, as_text(record.strategy))
    return (
        f"An image classifier of {len(record.task.classes)} classes, made by "
        f"topwork {as_text(record.versions.get('topwork', ''))} on {as_text(record.created[:10])}. "
        f"The network is `{network['name']}`{pretrained_on(record)}; {how}.\n"
    )


def _use(record: ClassifierRecord) -> str:
    sure = "    topwork predict MODEL photo.jpg --coverage 0.95   # sets with the true class in 95 % of cases\n"
    return (
        "## Use\n\n    pip install topwork\n    topwork predict MODEL photo.jpg\n"
        + (sure if record.task.selective else "")
        + '\nFrom Python: `topwork.load("MODEL").predict(["photo.jpg"])[0].label`. The model includes its '
        "preprocessing.\n"
    )


def _classes(record: ClassifierRecord, metrics: Evaluation | None) -> Iterator[str]:
    yield "## Classes\n"
    rows = ["| class | training images | test images | precision | recall |", "| --- | ---: | ---: | ---: | ---: |"]
    for place, name in enumerate(record.task.classes[:_CLASSES]):
        report = metrics.per_class[place] if metrics else None
        cells = (
            as_text(name),
            str(record.task.training[place]),
            str(report.support) if report else "–",
            _percent(report.precision) if report and report.support else "–",
            _percent(report.recall) if report else "–",
        )
        rows.append(f"| {' | '.join(cells)} |")
    yield "\n".join(rows) + "\n"
    if len(record.task.classes) > _CLASSES:
        yield f"… and {len(record.task.classes) - _CLASSES} more; `model.json` has them all.\n"


def _figures(record: ClassifierRecord, metrics: Evaluation | None) -> str:
    if metrics is None:
        score = record.cross_validation.get("accuracy")
        known = f"Its accuracy by cross-validation was {score:.1%}." if score is not None else "Nothing is known of it."
        return f"## Metrics\n\nNo images were held out, so that none measured the finished model. {known}\n"
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
        f"| {name} | {_percent(each) if share else _number(each)} |"
        for name, each, share in figures
        if each is not None
    ]
    lines = [
        f"On {metrics.n} held-out images that were not used for any choice, with 95 % intervals:",
        "",
        "| metric | value |",
        "| --- | ---: |",
        *rows,
    ]
    if over:
        lines += ["", f"Nobody measured {classes - metrics.measured} of the classes: no image of them was held out."]
    return "## Metrics\n\n" + "\n".join(lines) + "\n"


def _decision(record: ClassifierRecord) -> Iterator[str]:
    decision = record.task.decision
    if decision is not None:
        yield "## Decision rule\n"
        yield "\n".join(f"- {sentence}" for sentence in decision.sentences(as_text)) + "\n"


def _folds(record: ClassifierRecord) -> Iterator[str]:
    found = record.task.folds
    if found is None:
        return
    of = "all images" if found.split == "all" else "the training images"
    yield "## Cross-validation\n"
    yield (
        f"The whole procedure, with everything that it chooses, was repeated on each of {len(found.folds)} folds "
        f"of {of}. The figures are of the procedure; the saved model was fitted as usual.\n"
    )
    rows = ["| fold | training images | test images | accuracy | macro-F1 |", "| --- | ---: | ---: | ---: | ---: |"]
    for place, fold in enumerate(found.folds, 1):
        rows.append(f"| {place} | {fold.training} | {fold.images} | {fold.accuracy:.1%} | {fold.macro_f1:.1%} |")
    rows.append(f"| mean | | | {_percent(found.accuracy)} | {_percent(found.macro_f1)} |")
    yield "\n".join(rows) + "\n"
    yield (
        "In brackets the wider of two 95 % intervals: the corrected resampled t of the folds (Nadeau and Bengio 2003), "
        "and that of all answers taken together.\n"
    )


def _promises(record: ClassifierRecord) -> Iterator[str]:
    selective = record.task.selective
    if selective is None or not selective.measured:
        return
    yield "## Abstaining and prediction sets\n"
    yield f"Thresholds set on {_SEEN_BY[selective.source]} ({selective.images}), and tested on the held-out images:\n"
    rows = ["| promised level | sets with the true class | classes per set | answered | correct answers |"]
    rows.append("| --- | ---: | ---: | ---: | ---: |")
    reports = [SelectiveReport.from_dict(each) for each in selective.measured]
    for each in reports:
        cells = (
            f"{each.level:.0%}",
            _percent(each.coverage),
            f"{each.size:.2f}",
            "withdrawn" if each.refuted else f"{each.answered.value:.1%}" if each.answered else "–",
            _percent(each.accuracy),
        )
        rows.append(f"| {' | '.join(cells)} |")
    yield "\n".join(rows) + "\n"
    if any(each.refuted for each in reports):
        yield "A promise is withdrawn where the answers to the held-out images are right less often than it says.\n"


def _limits(record: ClassifierRecord, metrics: Evaluation | None) -> str:
    lines = [
        "- It only knows its classes: an image of anything else is also assigned to one of them. `topwork "
        "predict` warns when images are unlike the training images.",
        "- The figures hold for images like those that were measured. Another camera, light or place may change them.",
    ]
    if record.task.selective is not None:
        lines.append(
            "- The promised levels hold on average over all classes, not for each class. The held-out images "
            "show how well this model keeps them."
        )
    weak = [report for report in metrics.per_class if report.recall and report.recall.low < 0.5] if metrics else []
    if weak:
        weak.sort(key=lambda report: report.recall.low if report.recall else 0.0)
        names = ", ".join(as_text(report.name) for report in weak[:5]) + (", …" if len(weak) > 5 else "")
        lines.append(f"- The recall of these classes may be below 50 %: {names}.")
    if metrics is None:
        lines.append("- Its accuracy has not been measured.")
    return "## Limits\n\n" + "\n".join(lines) + "\n"


def _percent(estimate: Estimate | None) -> str:
    return estimate.as_percent() if estimate else "–"


def _number(estimate: Estimate) -> str:
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"
