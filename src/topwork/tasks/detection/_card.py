"""The card of a detector: its classes, its figures and its limits; and its methods, as a paper tells them."""

from __future__ import annotations

from topwork.metrics import DetectionReport, as_percent
from topwork.model import Kind, Methods, as_text, card, cited, methods, pretrained_on
from topwork.tasks._maps._card import averaged, folds, in_paper, named, results, weak
from topwork.tasks.detection._record import DetectorRecord

_FOLDS = {"ap50": "AP50", "ap": "AP"}
_CLASSES = 50  # rows of the table
_UNTRAINED = {
    "as-is": "the detector's own classes answer for those of the same names",
    "zero-shot": "the detector was told the classes in words",
}
_HOW = {
    "probe": "a feature pyramid and a head were trained on its frozen maps",
    "finetune": "a feature pyramid, a head and stages of the network were trained",
    **{strategy: f"nothing was trained: {how}" for strategy, how in _UNTRAINED.items()},
}
_FIGURES = {
    "AP": "AP (overlap 0.5 to 0.95)",
    "AP50": "AP50 (overlap 0.5)",
    "AP75": "AP75",
    "AP small": "AP of objects up to 32² pixels",
    "AP medium": "AP of objects from 32² to 96² pixels",
    "AP large": "AP of larger objects",
    "AR1": "average recall with 1 detection per class and image",
    "AR10": "with 10",
    "AR100": "with 100",
}


def detector_card(record: DetectorRecord, name: str, kind: Kind) -> str:
    """The card of a detector.

    Args:
        record: What ``model.json`` holds.
        name: What the model is called: its folder.
        kind: What it answers to.

    Returns:
        Markdown after a YAML header.
    """
    metrics = record.task.report
    figures = {"mAP@0.5": metrics.ap50, "mAP@0.5:0.95": metrics.ap} if metrics is not None else {}
    return card(
        record,
        name,
        kind=kind,
        results=results(record, name, kind, "Object Detection", figures) if metrics is not None else (),
        before=[_summary(record), _USE, _classes(record, metrics)],
        after=[
            _figures(metrics),
            *folds(record.task.folds, {"ap50": "AP50", "ap": "AP"}),
            _limits(record, metrics, kind),
        ],
    )


def _summary(record: DetectorRecord) -> str:
    count = len(record.task.classes)
    return (
        f"Detector of objects of {count} {'class' if count == 1 else 'classes'}, made by topwork "
        f"{as_text(record.versions.get('topwork', ''))} on {as_text(record.created[:10])}. The network is "
        f"`{record.backbone['name']}`{pretrained_on(record)}; {_how(record)}.\n"
    )


def _how(record: DetectorRecord) -> str:
    """What was trained."""
    if record.strategy == "probe" and record.task.head.get("reads") == "queries":
        return "a trained detector, whose class layer alone was trained anew"
    return _HOW.get(record.strategy, as_text(record.strategy))


_USE = """## Use

    pip install topwork
    topwork predict MODEL photo.jpg --draw pictures/

From Python: `for found in topwork.load("MODEL").predict(["photo.jpg"])[0]: print(found.label, found.score, found.box)`.
The model includes its preprocessing. Boxes are in pixels of the image as it is shown.
"""


def _classes(record: DetectorRecord, metrics: DetectionReport | None) -> str:
    rows = ["| class | training boxes | test boxes | threshold | AP50 |", "| --- | ---: | ---: | ---: | ---: |"]
    for place, name in enumerate(record.task.classes[:_CLASSES]):
        report = metrics.per_class[place] if metrics else None
        cells = (
            as_text(name),
            str(record.task.training[place]),
            str(report.boxes) if report else "–",
            f"{record.task.thresholds[place]:.2f}",
            as_percent(report.ap50 if report else None),
        )
        rows.append(f"| {' | '.join(cells)} |")
    if len(record.task.classes) > _CLASSES:
        rows.append(f"\n… and {len(record.task.classes) - _CLASSES} more classes, in `model.json`.")
    told = _chosen(record) or ["There were no objects to choose thresholds on: these are the default."]
    return "## Classes\n\n" + "\n".join(rows) + "\n\n" + " ".join(told) + "\n"


def _figures(metrics: DetectionReport | None) -> str:
    if metrics is None:
        return "## Metrics\n\nNo images were held out, so nothing was measured.\n"
    rows = [f"| {_FIGURES[name]} | {as_percent(found)} |" for name, found in metrics.figures() if found is not None]
    lines = [
        f"On {metrics.images} held-out images with {metrics.boxes} boxes that were not used for any choice, with 95 % "
        "intervals:",
        "",
        "| metric | value |",
        "| --- | ---: |",
        *rows,
        "",
        "AP is the average precision, a mean over the classes. A detection counts as right where its overlap with the "
        "true box (intersection over union) is at least 0.5, or each value from 0.5 to 0.95.",
    ]
    missing = len(metrics.per_class) - metrics.measured
    if missing:
        lines += ["", f"Nobody measured {missing} of the classes: no held-out image shows one."]
    return "## Metrics\n\n" + "\n".join(lines) + "\n"


def _limits(record: DetectorRecord, metrics: DetectionReport | None, kind: Kind) -> str:
    size = record.backbone["preprocessing"]["size"]
    lines = [
        "- It only knows its classes. It does not tell what else is in an image, and may take it for one of them.",
        f"- The figures hold for {kind.things} like those that were measured. {kind.elsewhere}",
        f"- It sees an image at {size} × {size} pixels. Objects that are only a few pixels wide there are missed; "
        "`topwork predict --tile` looks at each part of a larger image.",
    ]
    if metrics is not None:
        lines += weak("AP50", [(each.name, each.ap50) for each in metrics.per_class])
    else:
        lines.append("- How well it finds objects has not been measured.")
    return "## Limits\n\n" + "\n".join(lines) + "\n"


def detector_methods(record: DetectorRecord, epochs: int, kind: Kind) -> Methods:
    """The methods of a detector.

    Args:
        record: What is written down of it.
        epochs: Of its training; 0 where that is not known.
        kind: What it answers to.
    """
    classes = record.task.classes
    version = as_text(record.versions.get("topwork", ""))
    counted = "1 class" if len(classes) == 1 else f"{len(classes)} classes"
    made = f"A detector of objects of {counted} ({named(classes)}) was made with topwork {version}."
    after = [_head(record, epochs), *_chosen(record), *_measured(record), *_averaged(record)]
    return methods(record, task=[made], after=after, kind=kind)


def _head(record: DetectorRecord, epochs: int) -> str:
    if record.strategy in _UNTRAINED:
        return f"Nothing was trained: {_UNTRAINED[record.strategy]}."
    boxes, head = sum(record.task.training), record.task.head
    if head.get("reads") == "queries":
        return _class_layer(record, epochs)
    stages = ", ".join(as_text(str(each)) for each in head.get("stages", ()))
    length = f" in {epochs} epoch{'s' * (epochs > 1)}" if epochs else ""
    also = " and stages of the network were" if record.strategy == "finetune" else " was"
    return (
        f"A feature pyramid{cited('lin2017fpn')} reads the maps of its stages {stages}, and on each of its levels the "
        f"same towers tell class and box of every place{cited('tian2019fcos')}; this head{also} trained on {boxes} "
        f"boxes{length}, in PyTorch{cited('paszke2019pytorch')}."
    )


def _class_layer(record: DetectorRecord, epochs: int) -> str:
    """Of a detector that was trained already, on new classes."""
    length = f" in {epochs} epoch{'s' * (epochs > 1)}" if epochs else ""
    return (
        "It is a trained detector whose boxes were kept; a new linear class layer on its candidates was trained on "
        f"{sum(record.task.training)} boxes{length}, in PyTorch{cited('paszke2019pytorch')}."
    )


def _chosen(record: DetectorRecord) -> list[str]:
    """How the thresholds were chosen, and what they give."""
    chosen, found = record.task.chosen, record.task.at_thresholds
    if chosen is None:
        return []
    wish = "the highest F1" if chosen.recall is None else f"a recall of {chosen.recall:.0%}"
    lines = [
        "The score from which on an object is told of was chosen for each class on "
        f"{chosen.report.images} validation images, for {wish}."
    ]
    if found is not None and found.overall.precision is not None and found.overall.recall is not None:
        lines.append(
            f"With these thresholds {in_paper(found.overall.precision)} of what it shows on the test "
            f"images is right, and it finds {in_paper(found.overall.recall)} of the objects."
        )
    return lines


def _measured(record: DetectorRecord) -> list[str]:
    found = record.task.report
    if found is None:
        return ["No images measured the finished model."]
    if found.ap50 is None or found.ap is None:
        return [f"None of the {found.images} test images shows an object, so nothing was measured."]
    return [
        f"On the {found.images} test images with {found.boxes} boxes, which had no part in any choice, its average "
        f"precision{cited('lin2014coco')} is {in_paper(found.ap50)} at an overlap of 0.5 (AP50) and "
        f"{in_paper(found.ap)} as a mean over overlaps from 0.5 to 0.95 (AP), with 95 % bootstrap "
        f"intervals over the images{cited('efron1993bootstrap')} in brackets."
    ]


def _averaged(record: DetectorRecord) -> list[str]:
    found = record.task.folds
    if found is None:
        return []
    figures = f"the mean AP50 was {in_paper(found.ap50)} and the mean AP {in_paper(found.ap)}"
    return averaged(found, figures, "detections")
