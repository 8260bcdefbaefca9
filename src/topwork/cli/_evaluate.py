"""The command ``evaluate``: one model on labelled images, or two models on the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli._console import Console, table
from topwork.cli._options import CacheOption
from topwork.cli._text import percent, printable

if TYPE_CHECKING:
    from topwork.data import ImageDataset, LeftOut
    from topwork.metrics import Comparison, Estimate, Evaluation, SelectiveReport, Shift
    from topwork.model import Classifier, Evaluated

_CLASSES = 30  # rows of a per-class table on the terminal; --json has them all
_LEFT_OUT = 5
SEEN = "This is the data that the model was made from: it has seen most of it, and is not as good as these figures."
_CHANCE = 0.05  # McNemar's p-value from which a difference may be chance


def evaluate(
    console: Console,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL [MODEL] DATA",
            help="A model folder, perhaps a second one to compare with, and labelled images as of the other commands.",
            show_default=False,
        ),
    ],
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    cache: CacheOption = True,
) -> None:
    """Measure MODEL on labelled images: metrics with 95 % intervals. Two models are compared on the same images."""
    from topwork.data import read
    from topwork.model import Classifier
    from topwork.tasks import load

    if len(paths) not in (2, 3):
        raise typer.BadParameter("name a model folder, or two, and the labelled images")
    *folders, data = paths
    models = [load(folder, Classifier) for folder in folders]
    dataset = read(data, classes=models[0].classes)
    if len(models) == 2:
        return _compare(console, folders, models, dataset, data, {"seed": seed, "cache": cache})
    dataset = unseen(console, models[0], dataset)
    with console.progress():
        found = models[0].evaluate(dataset, seed=seed, cache=cache, progress=console.step("features"))
    console.notes([*dataset.notes, *unlike(found.shift)])
    console.result({"model": str(folders[0]), "data": str(data), **_fields(found)}, evaluated(found))


def unseen(console: Console, model: Classifier, dataset: ImageDataset, other: Classifier | None = None) -> ImageDataset:
    """Of a model's own data the images that trained neither it nor the other, which is told; other data as it is."""
    from topwork.fitting import held_out_again

    if other is not None and other.record.data.held_out_contents != model.record.data.held_out_contents:
        return dataset
    found = held_out_again(model, dataset)
    if found is None:
        return dataset
    who, whom = ("the model was", "it") if other is None else ("both models were", "either")
    console.note(f"note: {who} made from this data; the {len(found)} images that did not train {whom} are measured")
    return found


def _compare(
    console: Console,
    folders: list[Path],
    models: list[Classifier],
    dataset: ImageDataset,
    data: Path,
    how: dict[str, Any],
) -> None:
    from topwork.model import compare

    dataset = unseen(console, models[0], dataset, models[1])
    with console.progress():
        found = compare(models[0], models[1], dataset, **how, progress=console.step("features"))
    notes = [
        f"{printable(str(folder))}: {told}"
        for folder, each in zip(folders, (found.first, found.second), strict=True)
        for told in (*flattered(each), *unlike(each.shift))
    ]
    console.notes([*dataset.notes, *notes])
    fields = {
        "data": str(data),
        "first": {"model": str(folders[0]), **_fields(found.first)},
        "second": {"model": str(folders[1]), **_fields(found.second)},
        "comparison": found.comparison.to_dict(),
    }
    text = compared(folders, (found.first.evaluation, found.second.evaluation), found.comparison)
    console.result(fields, "\n".join([text, *_unread(found.first.left_out)]))


def _fields(found: Evaluated) -> dict[str, Any]:
    return {
        "split": found.split,
        "seen_in_training": found.seen_in_training,
        "trained": found.trained,
        "caveats": flattered(found),
        **found.evaluation.to_dict(),
        "selective": [each.to_dict() for each in found.selective],
        "shift": found.shift.to_dict() if found.shift else None,
        "left_out": [{"path": item.path, "reason": item.reason} for item in found.left_out],
    }


def flattered(found: Evaluated) -> list[str]:
    """Why the figures are better than the model, where they are known to be."""
    if found.trained:
        return [
            f"{found.trained} of {found.evaluation.n} images were used to make this model: these figures flatter it"
        ]
    return [SEEN] if found.seen_in_training else []


def unlike(shift: Shift | None) -> list[str]:
    """A note where images are unlike those that the model was trained on."""
    if shift is None or not shift.alarm:
        return []
    if shift.images == 1:
        return ["this image is unlike the training images: look before you trust the answer"]
    return [
        f"{shift.unfamiliar} of {shift.images} images are unlike the training images, where one in twenty would be "
        "usual: look before you trust the answers"
    ]


def evaluated(found: Evaluated) -> str:
    """Metrics, a row for each class, and what could not be read."""
    evaluation = found.evaluation
    rows = [
        (printable(report.name), str(report.support), percent(report.precision), percent(report.recall))
        for report in evaluation.per_class[:_CLASSES]
    ]
    where = f" on {evaluation.n} images" + (f" ({found.split})" if found.split else "")
    lines = [
        *flattered(found),
        *(f"{name.ljust(18)}{text}{where if name == 'Accuracy' else ''}" for name, text in _figures(evaluation)),
        "In brackets: 95 % intervals.",
        "",
        table(("class", "images", "precision", "recall"), rows),
    ]
    if len(evaluation.per_class) > _CLASSES:
        lines.append(f"… and {len(evaluation.per_class) - _CLASSES} more classes; --json has them all")
    lines += [*_mistakes(evaluation), *_promises(found.selective), *_unread(found.left_out)]
    return "\n".join(lines)


def _figures(found: Evaluation) -> list[tuple[str, str]]:
    """Name and value of every figure that there is."""
    before = found.before_scaling
    figures = [
        ("Accuracy", percent(found.accuracy)),
        ("Top-5", percent(found.top5) if found.top5 else ""),
        ("Balanced accuracy", percent(found.balanced_accuracy) if found.balanced_accuracy else ""),
        ("Macro-F1", percent(found.macro_f1)),
        ("ROC-AUC", _number(found.roc_auc)),
        ("Average precision", _number(found.average_precision)),
        ("Log loss", _number(found.log_loss)),
        ("Brier score", _number(found.brier)),
        ("ECE", percent(found.ece) + (f", {before.ece:.1%} before temperature scaling" if before else "")),
    ]
    return [(name, text) for name, text in figures if text]


def _number(estimate: Estimate | None) -> str:
    """``0.0412 (0.0310 to 0.0544)``."""
    return "" if estimate is None else f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"


def _promises(kept: Sequence[SelectiveReport]) -> list[str]:
    """What was promised, and what came of it."""
    if not kept:
        return []
    head = ("promised", "sets that hold the class", "classes in a set", "answered", "right answers")
    rows = [
        (
            f"{each.level:.0%}",
            percent(each.coverage),
            f"{each.size:.2f}",
            f"{each.answered.value:.1%}" if each.answered else "–",
            percent(each.accuracy),
        )
        for each in kept
    ]
    how = "Sets: predict --coverage; answers: predict --abstain."
    return ["", table(head, rows), f"{how} Promises hold on average, on images like those of the training."]


def _mistakes(evaluation: Evaluation) -> list[str]:
    """The classes that are taken for each other most often."""
    confusion = evaluation.confusion.copy()
    confusion[range(len(confusion)), range(len(confusion))] = 0
    worst = sorted(zip(*confusion.nonzero(), strict=True), key=lambda cell: -confusion[cell])[:3]
    if not worst:
        return ["", "No image was taken for another class."]
    names = [printable(name) for name in evaluation.classes]
    return ["", *(f"{confusion[true, said]} × {names[true]} taken for {names[said]}" for true, said in worst)]


def _unread(left_out: Sequence[LeftOut]) -> list[str]:
    lines = [f"left out: {printable(item.path)}: {item.reason}" for item in left_out[:_LEFT_OUT]]
    if len(left_out) > _LEFT_OUT:
        lines.append(f"left out: … and {len(left_out) - _LEFT_OUT} more; --json has them all")
    return lines


def compared(folders: Sequence[Path], both: Sequence[Evaluation], found: Comparison) -> str:
    """Two models side by side, and whether the difference may be chance."""
    names = [printable(str(folder)) for folder in folders]
    figures = [dict(_figures(each)) for each in both]
    rows = [(name, *(each.get(name, "–") for each in figures)) for name in figures[0]]
    better = f"{names[found.accuracy.value > 0]} is better" if found.p_value < _CHANCE else "No difference is proven"
    return "\n".join(
        [
            table((f"{found.n} images", *names), rows),
            "",
            f"Right by both {found.both}, by the first alone {found.only_first}, "
            f"by the second alone {found.only_second}, by neither {found.neither}",
            f"Second less first: accuracy {_difference(found.accuracy, 100, ' points')}, "
            f"log loss {_difference(found.log_loss, 1, '')}",
            f"{better}: chance alone parts two equal models so far in {found.p_value:.1%} of cases (McNemar's test)",
        ]
    )


def _difference(estimate: Estimate, times: float, unit: str) -> str:
    value, low, high = (times * each for each in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.2f}{unit} ({low:+.2f} to {high:+.2f})"
