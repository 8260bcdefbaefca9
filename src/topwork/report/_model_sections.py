"""What each section of a model's page shows, as values; the templates beside put them into words and pictures."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork.data import printable
from topwork.metrics import ClassReport, Estimate, Evaluation, ReliabilityBin, SelectiveReport, Shift
from topwork.model import TrialRecord
from topwork.report._answered import Answered, answered, mapped
from topwork.report._charts import ReliabilityChart, reliability_chart
from topwork.report._page import isolated, percent
from topwork.report._subject import Subject

MOST_PICTURES = 12  # of the worst mistakes, and of the least sure answers
MOST_MISTAKES = 120  # kinds that have pictures behind their number, the most frequent first
MOST_IN_CELL = 6  # pictures of a kind, fewer where all kinds together would have more than
MOST_IN_CELLS = 150
OPEN_KINDS = 12  # kinds of mistakes in the first list; the others are folded away
MOST_IN_MATRIX = 20  # classes up to which the matrix is drawn
MOST_PAIRS = 40  # kinds of mistakes in a list instead of a matrix
MOST_CLASSES = 200  # rows of the table
MOST_NOTES = 30
_SURE = 0.95  # of the answers are right, in the command that the page offers; less where that is more than it promises


@dataclass(frozen=True)
class Cell:
    """One kind of answer: counts, and pictures where there are any.

    Attributes:
        key: Its place, unique on the page.
        right: Whether it is no mistake.
        true: What the images show.
        said: What the model says.
        count: How many.
        total: Images of the true class.
        pictures: Some of them, the surest first.
    """

    key: str
    right: bool
    true: str
    said: str
    count: int
    total: int
    pictures: tuple[Answered, ...]


@dataclass(frozen=True)
class Row:
    """One row of the confusion matrix: of each cell the count, its share of the row, and the key where it is linked."""

    name: str
    cells: tuple[tuple[int, float, str], ...]


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix, or where it would be too large its largest cells.

    Attributes:
        classes: Their names.
        rows: Of the matrix; none where it would be too large.
        frequent: Kinds of mistakes, the most frequent.
        rare: The others.
        right: Right answers, class by class; none where there is no matrix.
        most: Pictures of each, at most; 0 where there are none.
        more: Kinds of mistakes that are left out.
    """

    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    frequent: tuple[Cell, ...]
    rare: tuple[Cell, ...]
    right: tuple[Cell, ...]
    most: int
    more: int


@dataclass(frozen=True)
class Figure:
    """One metric with its key in the texts, and whether it is a share."""

    key: str
    estimate: Estimate
    share: bool


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy."""

    chart: ReliabilityChart
    bins: tuple[ReliabilityBin, ...]
    ece: float
    before: float | None


@dataclass(frozen=True)
class Promises:
    """What the model promises and how that was kept."""

    count: int
    source: str
    kept: tuple[SelectiveReport, ...]


def answer(subject: Subject) -> dict[str, Any]:
    """Three sentences: how good it is, what it mistakes, and how far it may be trusted."""
    return {
        "good": subject.metrics is not None,
        "warning": subject.evaluated is not None
        and (subject.evaluated.seen_in_training or bool(subject.evaluated.shift and subject.evaluated.shift.alarm)),
        "sentences": [*_how_good(subject), *_most_mistaken(subject), *_how_sure(subject)],
        "metrics": subject.metrics,
        "record": subject.record,
    }


def _how_good(subject: Subject) -> list[str]:
    t, metrics = subject.t, subject.metrics
    if metrics is None:
        score = subject.record.cross_validation.get("accuracy")
        return [t("answer_unmeasured"), *([t("answer_cv", share=f"{100 * score:.0f}")] if score is not None else [])]
    accuracy = metrics.accuracy
    share, low, high = (f"{100 * each:.0f}" for each in (accuracy.value, accuracy.low, accuracy.high))
    trained = subject.evaluated.trained if subject.evaluated is not None else None
    if subject.evaluated is not None and subject.evaluated.seen_in_training:
        some = trained is not None and trained < metrics.n
        counts = {"trained": f"{trained:,}", "n": f"{metrics.n:,}"} if some else {}
        return [t("answer_seen_some" if some else "answer_seen", share=share, **counts)]
    key = (
        "answer_asked" if subject.again and trained is None else "answer_good"
    )  # nobody knows whether it had seen them
    return [t(key, share=share, low=low, high=high, n=f"{metrics.n:,}")]


def _most_mistaken(subject: Subject) -> list[str]:
    if subject.metrics is None:
        return []
    mistakes = _mistakes(subject.metrics)
    if not mistakes:
        return [subject.t("answer_flawless")]
    true, said = mistakes[0]
    classes, confusion = subject.metrics.classes, subject.metrics.confusion
    names = {"true": isolated(classes[true], 60), "said": isolated(classes[said], 60)}
    return [subject.t("answer_mistake", **names, count=confusion[true, said], total=confusion[true].sum())]


def _how_sure(subject: Subject) -> list[str]:
    told = subject.evaluated.shift if subject.evaluated else None
    if told is not None and told.alarm:
        return [subject.t("answer_shift", unfamiliar=told.unfamiliar, images=told.images)]
    sure = [(each.level, each.answered, each.accuracy) for each in _kept(subject) if each.answered and each.accuracy]
    if not sure:
        return [subject.t("answer_unsure")] if subject.metrics is not None else []
    level, answered, accuracy = sure[-1]
    key = "answer_all" if answered.value == 1 else "answer_sure"
    shares = {"level": f"{level:.0%}", "answered": percent(answered.value), "right": percent(accuracy.value)}
    return [subject.t(key, **shares)]


def data(subject: Subject) -> dict[str, Any]:
    """What trained and what measured it, and what was noticed."""
    record = subject.record
    found = subject.checkup.findings if subject.checkup is not None else ()
    shown = {f"{each.name}: {each.what}" for each in found}  # in a section of their own
    training, measured = record.data.training, subject.metrics.n if subject.metrics else 0
    figures = [("data_training", training), ("data_measured", measured), ("data_left_out", record.data.left_out)]
    noticed = [("data_notes", [note for note in record.data.notes if note not in shown])]
    if subject.again and subject.evaluated is not None:
        dataset = subject.evaluated.dataset
        unread = [f"left out: {printable(item.path)}: {item.reason}" for item in dataset.left_out]
        figures.append(("data_unread", len(unread)))
        noticed.append(("data_measured_notes", [*dataset.notes, *unread]))
    return {
        "figures": figures,
        "noticed": [(key, notes[:MOST_NOTES], max(len(notes) - MOST_NOTES, 0)) for key, notes in noticed if notes],
        "found": bool(found),
    }


def metrics(subject: Subject) -> tuple[Figure, ...] | None:
    """Every figure that there is."""
    found = subject.metrics
    if found is None:
        return None
    figures = [
        ("accuracy", found.accuracy, True),
        ("top5", found.top5, True),
        ("balanced_accuracy", found.balanced_accuracy, True),
        ("macro_f1", found.macro_f1, True),
        ("roc_auc", found.roc_auc, False),
        ("average_precision", found.average_precision, False),
        ("log_loss", found.log_loss, False),
        ("brier", found.brier, False),
        ("ece", found.ece, True),
    ]
    return tuple(Figure(key, estimate, share) for key, estimate, share in figures if estimate is not None)


def confusion(subject: Subject) -> Confusion | None:
    """The matrix, where it fits on a page, and the pictures behind its numbers."""
    found = subject.metrics
    if found is None:
        return None
    matrix = len(found.classes) <= MOST_IN_MATRIX
    mistakes = _mistakes(found)
    wrong = mistakes[: MOST_MISTAKES if matrix else MOST_PAIRS]
    hits = [(place, place) for place in found.confusion.diagonal().nonzero()[0].tolist()] if matrix else []
    most = _most_in_cell([int(found.confusion[cell]) for cell in wrong + hits]) if subject.evaluated else 0
    cells = [_cell(subject, true, said, most) for true, said in wrong + hits]
    cells = [cell for cell in cells if cell.pictures or not matrix]
    linked = {cell.key for cell in cells if cell.pictures}
    rows = tuple(_row(found, place, linked) for place in range(len(found.classes))) if matrix else ()
    folded = [cell for cell in cells if not cell.right]
    return Confusion(
        classes=found.classes,
        rows=rows,
        frequent=tuple(folded[:OPEN_KINDS]),
        rare=tuple(folded[OPEN_KINDS:]),
        right=tuple(cell for cell in cells if cell.right),
        most=most,
        more=len(mistakes) - len(wrong) if subject.evaluated or not matrix else 0,
    )


def _most_in_cell(counts: Sequence[int]) -> int:
    """How many pictures each kind of answer may have, so that every one has some and all together are not too many."""
    fitting = [most for most in range(2, MOST_IN_CELL + 1) if sum(min(most, n) for n in counts) <= MOST_IN_CELLS]
    return max(fitting, default=1)


def _mistakes(found: Evaluation) -> list[tuple[int, int]]:
    """(true class, said class) of every kind of mistake, the most frequent first."""
    wrong = found.confusion.copy()
    np.fill_diagonal(wrong, 0)
    cells = [(int(true), int(said)) for true, said in zip(*wrong.nonzero(), strict=True)]
    return sorted(cells, key=lambda cell: (-int(wrong[cell]), cell))


def _row(found: Evaluation, true: int, linked: set[str]) -> Row:
    counts = found.confusion[true]
    total = max(int(counts.sum()), 1)
    keys = [_key(true, said) for said in range(len(counts))]
    cells = [(int(n), int(n) / total, key if key in linked else "") for n, key in zip(counts, keys, strict=True)]
    return Row(found.classes[true], tuple(cells))


def _key(true: int, said: int) -> str:
    return f"cell-{true}-{said}"


def _cell(subject: Subject, true: int, said: int, most: int) -> Cell:
    assert subject.metrics is not None
    classes, counts = subject.metrics.classes, subject.metrics.confusion
    pictures: tuple[Answered, ...] = ()
    if subject.evaluated is not None:
        labels, answers = subject.evaluated.dataset.labels, subject.evaluated.probabilities
        rows = np.flatnonzero((labels == true) & (answers.argmax(axis=1) == said))
        surest = rows[np.argsort(-answers[rows, said], kind="stable")]
        pictures = answered(subject, surest[:most], subject.cells)
    key = _key(true, said)
    count, total = int(counts[true, said]), int(counts[true].sum())
    return Cell(key, true == said, classes[true], classes[said], count, total, pictures)


def worst(subject: Subject) -> tuple[Answered, ...] | None:
    """Wrong answers, the surest first."""
    if subject.evaluated is None:
        return None
    answers = subject.evaluated.probabilities
    wrong = np.flatnonzero(answers.argmax(axis=1) != subject.evaluated.dataset.labels)
    order = np.argsort(-answers[wrong].max(axis=1), kind="stable") if len(wrong) else wrong
    rows = wrong[order][:MOST_PICTURES]
    of = [(int(answers[row].argmax()), int(subject.evaluated.dataset.labels[row])) for row in rows]
    return mapped(subject, rows, of) or None


def unsure(subject: Subject) -> tuple[Answered, ...] | None:
    """Scores, the least sure first, right or wrong."""
    if subject.evaluated is None:
        return None
    answers = subject.evaluated.probabilities
    rows = np.argsort(answers.max(axis=1), kind="stable")[:MOST_PICTURES]
    likeliest = np.argsort(-answers[rows], axis=1, kind="stable")[:, :2]
    return mapped(subject, rows, [(first, second) for first, second in likeliest.tolist()])


def per_class(subject: Subject) -> dict[str, Any] | None:
    """A row for each class; of very many the ones with the lowest recall."""
    if subject.metrics is None:
        return None
    reports: Sequence[ClassReport] = subject.metrics.per_class
    training = dict(zip(subject.record.task.classes, subject.record.task.training, strict=True))
    if len(reports) > MOST_CLASSES:
        reports = sorted(reports, key=lambda report: report.recall.value if report.recall else 2.0)[:MOST_CLASSES]
    return {
        "reports": [(report, training.get(report.name, 0)) for report in reports],
        "cut": len(reports) < len(subject.metrics.per_class),
    }


def calibration(subject: Subject) -> Calibration | None:
    """The reliability curve, before and after temperature scaling."""
    found = subject.metrics
    if found is None or not found.reliability:
        return None
    before = found.before_scaling
    chart = reliability_chart(found.reliability, before.reliability if before else ())
    return Calibration(chart, found.reliability, found.ece.value, before.ece if before else None)


def promises(subject: Subject) -> Promises | None:
    """Prediction sets and abstention."""
    caution, kept = subject.record.task.selective, _kept(subject)
    return Promises(caution.images, caution.source, kept) if caution is not None and kept else None


def _kept(subject: Subject) -> tuple[SelectiveReport, ...]:
    if subject.evaluated is not None:
        return subject.evaluated.selective
    caution = subject.record.task.selective
    return tuple(map(SelectiveReport.from_dict, caution.measured)) if caution is not None else ()


def shift(subject: Subject) -> Shift | None:
    """Whether the images that measured the model are like those that trained it."""
    return subject.evaluated.shift if subject.evaluated is not None else None


def trials(subject: Subject) -> list[tuple[str, TrialRecord]] | None:
    """What was compared on the way, each with its question in words where those are known."""
    return [
        (subject.t.of(f"question_{trial.question}", trial.question), trial) for trial in subject.record.trials
    ] or None


def use(subject: Subject) -> dict[str, Any]:
    """Lines to copy."""
    name = shlex.quote(subject.name)
    lines = [f"topwork predict {name} photo.jpg"]
    if subject.record.task.selective is not None:
        caution = subject.record.task.selective
        lines.append(f"{lines[0]} --coverage 0.95")
        reached = caution.levels[: len(caution.answers)]
        lines += [f"{lines[0]} --abstain {min(_SURE, reached[-1]):g}"] if reached else []
    lines.append(f"topwork evaluate {name} more-photos/")
    load = f"model = topwork.load({subject.name!r})"
    python = ["import topwork", "", load, 'print(model.predict(["photo.jpg"])[0].label)']
    return {"command": lines, "python": python}


def repeat(subject: Subject) -> list[tuple[str, str]]:
    """Name in the texts and value of everything that a second run needs."""
    record = subject.record
    network, temperature = record.backbone, record.task.calibration.get("temperature")
    facts = [
        ("created", record.created),
        ("strategy", record.strategy),
        ("network", network["name"]),
        ("pretrained_on", network["pretrained_on"]),
        ("licence", network["licence"]),
        ("weights", network["weights"]["sha256"]),
        ("pixels", f"{network['preprocessing']['size']} ({network['preprocessing']['crop_mode']})"),
        ("outputs", ", ".join(record.outputs)),
        ("head", record.head),
        ("temperature", f"{temperature:.4f}" if temperature is not None else ""),
        ("engine", f"{record.engine.name}, {record.engine.precision}"),
        ("seed", str(record.seed)),
        ("asked", record.options_line),
        ("fingerprint", record.data.fingerprint),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))),
    ]
    return [(key, value) for key, value in facts if value]
