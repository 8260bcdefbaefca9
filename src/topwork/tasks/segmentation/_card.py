"""The card of a segmenter: its classes, its figures and its limits; and its methods, as a paper tells them."""

from __future__ import annotations

from topwork.metrics import SegmentationReport, as_percent
from topwork.model import Kind, Methods, as_text, card, cited, methods, pretrained_on
from topwork.tasks._maps._card import averaged, folds, in_paper, named, results, weak
from topwork.tasks.segmentation._record import SegmenterRecord

_CLASSES = 50  # rows of the table
_HOW = {
    "probe": "a head was trained on pixels of its frozen maps",
    "decoder": "a decoder was trained on its frozen maps",
    "finetune": "a decoder and stages of the network were trained",
    "as-is": "nothing was trained: the network's own classes answer for those of the same names",
    "zero-shot": "nothing was trained: the network was told the classes in words",
}


def segmenter_card(record: SegmenterRecord, name: str, kind: Kind) -> str:
    """The card of a segmenter.

    Args:
        record: What ``model.json`` holds.
        name: What the model is called: its folder.
        kind: What it answers to.

    Returns:
        Markdown after a YAML header.
    """
    metrics = record.task.report
    figures = {"mean_iou": metrics.iou, "dice": metrics.dice} if metrics is not None else {}
    return card(
        record,
        name,
        kind=kind,
        results=results(record, name, kind, "Image Segmentation", figures) if metrics is not None else (),
        before=[_summary(record), _USE, _classes(record, metrics)],
        after=[_figures(metrics), *folds(record.task.folds, {"iou": "IoU"}), _limits(record, metrics, kind)],
    )


def _summary(record: SegmenterRecord) -> str:
    return (
        f"Segmenter of {len(record.task.classes)} classes, made by topwork "
        f"{as_text(record.versions.get('topwork', ''))} on {as_text(record.created[:10])}. The network is "
        f"`{record.backbone['name']}`{pretrained_on(record)}; {_HOW.get(record.strategy, as_text(record.strategy))}.\n"
    )


_USE = """## Use

    pip install topwork
    topwork predict MODEL photo.jpg --draw pictures/

From Python: `found = topwork.load("MODEL").predict(["photo.jpg"])[0]; print(found.labels, found.shares())`.
The model includes its preprocessing. A mask has the image's own pixels, as it is shown.
"""


def _classes(record: SegmenterRecord, metrics: SegmentationReport | None) -> str:
    block = record.task
    rows = ["| class | training pixels | test images | IoU |", "| --- | ---: | ---: | ---: |"]
    for place, name in enumerate(block.classes[:_CLASSES]):
        report = metrics.per_class[place] if metrics else None
        cells = (
            as_text(name) + (" (background)" if block.has_background and not place else ""),
            f"{block.training[place]:,}",
            str(report.images) if report else "–",
            as_percent(report.iou if report else None),
        )
        rows.append(f"| {' | '.join(cells)} |")
    if len(block.classes) > _CLASSES:
        rows.append(f"\n… and {len(block.classes) - _CLASSES} more classes, in `model.json`.")
    return "## Classes\n\n" + "\n".join(rows) + "\n" + "".join(f"\n{line}\n" for line in _chosen(record))


def _chosen(record: SegmenterRecord) -> list[str]:
    """From which probability on a pixel is of the second of two classes."""
    value, names = record.task.threshold, record.task.classes
    if value is None:
        return []
    return [
        f"A pixel is told to be {as_text(names[1])} from a probability of {value:.2f} on, which gave the best "
        "intersection over union on validation images."
    ]


def _figures(metrics: SegmentationReport | None) -> str:
    if metrics is None:
        return "## Metrics\n\nNo images were held out, so nothing was measured.\n"
    rows = [f"| {name} | {as_percent(found)} |" for name, found in metrics.figures() if found is not None]
    lines = [
        f"On {metrics.images} held-out images that were not used for any choice, with 95 % intervals:",
        "",
        "| metric | value |",
        "| --- | ---: |",
        *rows,
        "",
        "IoU is the intersection over union of the pixels of all images together, a mean over the classes other than "
        "background.",
    ]
    return "## Metrics\n\n" + "\n".join(lines) + "\n"


def _limits(record: SegmenterRecord, metrics: SegmentationReport | None, kind: Kind) -> str:
    size = record.backbone["preprocessing"]["size"]
    lines = [
        "- It only knows its classes: each pixel gets one of them, whatever is there.",
        f"- The figures hold for {kind.things} like those that were measured. {kind.elsewhere}",
        f"- It sees an image at {size} × {size} pixels: what is only a few pixels wide there is lost.",
    ]
    if metrics is not None:
        lines += weak("IoU", [(each.name, each.iou) for each in metrics.per_class])
    else:
        lines.append("- How well it tells classes apart has not been measured.")
    return "## Limits\n\n" + "\n".join(lines) + "\n"


def segmenter_methods(record: SegmenterRecord, epochs: int, kind: Kind) -> Methods:
    """The methods of a segmenter.

    Args:
        record: What is written down of it.
        epochs: Of its training; 0 where that is not known.
        kind: What it answers to.
    """
    classes = record.task.classes
    version = as_text(record.versions.get("topwork", ""))
    made = f"A segmenter of {len(classes)} classes ({named(classes)}) was made with topwork {version}."
    after = [_head(record, epochs), *_chosen(record), *_measured(record), *_averaged(record)]
    return methods(record, task=[made], after=after, kind=kind)


def _head(record: SegmenterRecord, epochs: int) -> str:
    head = record.task.head
    if record.strategy in ("as-is", "zero-shot"):
        return _HOW[record.strategy][0].upper() + _HOW[record.strategy][1:] + "."
    stages = ", ".join(as_text(str(each)) for each in head.get("stages", ()))
    if head.get("kind") == "pixel":
        return (
            f"The maps of its stages {stages} were put together at each pixel, bilinearly, and a linear head was "
            "trained on labelled pixels of the training images, drawn so that all classes count alike."
        )
    length = f" in {epochs} epoch{'s' * (epochs > 1)}" if epochs else ""
    also = " and stages of the network were" if record.strategy == "finetune" else " was"
    return (
        f"A decoder reads the maps of its stages {stages}; it{also} trained on the labelled pixels{length}, in "
        f"PyTorch{cited('paszke2019pytorch')}."
    )


def _measured(record: SegmenterRecord) -> list[str]:
    found = record.task.report
    if found is None:
        return ["No images measured the finished model."]
    if found.iou is None or found.dice is None:
        return [f"None of the {found.images} test images shows a class, so nothing was measured."]
    return [
        f"On the {found.images} test images, which had no part in any choice, its mean intersection over union is "
        f"{in_paper(found.iou)} and its mean Dice {in_paper(found.dice)}, of the pixels of all "
        f"images together, with 95 % bootstrap intervals over the images{cited('efron1993bootstrap')} in brackets."
    ]


def _averaged(record: SegmenterRecord) -> list[str]:
    found = record.task.folds
    if found is None:
        return []
    return averaged(found, f"the mean intersection over union was {in_paper(found.iou)}", "images")
