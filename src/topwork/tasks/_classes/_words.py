"""A classifier's results in the words of the command line: ``WORDS``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from topwork._text import facts, lies_in, table
from topwork.data import printable
from topwork.metrics import as_percent
from topwork.tasks._classes._advised import advised, why_kept
from topwork.tasks._said import caveats, counted, unread
from topwork.tasks._task import Words

if TYPE_CHECKING:
    from topwork.metrics import ClassReport, Comparison, Estimate, Evaluation, SelectiveReport
    from topwork.model import (
        Classifier,
        ClassifierRecord,
        Compared,
        CostsRecord,
        CriticalRecord,
        Evaluated,
        Prediction,
        TrialRecord,
        WordsRecord,
    )
    from topwork.tasks.classification.strategies import OwnAnswer

_CLASSES = 30  # named on the terminal; --json has them all
_CHANCE = 0.05  # McNemar's p-value from which a difference may be chance


def fitted(model: Classifier) -> list[str]:
    """How good a model is, and how it was chosen."""
    return [*_choices(model.record, model.thing), *_quality(model)]


def _choices(record: ClassifierRecord, thing: str) -> list[str]:
    from topwork.report.sections import advice_of

    lines = [
        f"{record.data.training} training {thing}s in {len(record.task.classes)} classes"
        + (f"; {counted(record.data.left_out, lies_in(thing))} left out" if record.data.left_out else "")
    ]
    questions = (
        ("rung", "Strategies tried:"),
        ("backbone", "Backbone, by cross-validation:"),
        ("crop_mode", "Crop mode, by cross-validation:"),
        ("stages", "Features for the head, by cross-validation:"),
        ("head", "Head as asked for, beside a linear one, by cross-validation:"),
        ("windows", "Windows that are read of long texts, by cross-validation:"),
        ("layers", "Layers for the head, by cross-validation:"),
        ("counts", "Network, n-grams or both, by cross-validation:"),
        ("method", "Method of the head:"),
        ("blend", "Text, probe or both, by cross-validation:"),
        ("orient", "Flips and rotations, by cross-validation:"),
        ("strategy", f"Compared on validation {thing}s:"),
    )
    for question, words in questions:
        trials = [trial for trial in record.trials if trial.question == question]
        if trials:
            lines.append(f"{words} " + ", ".join(_trial(trial, trials, thing) for trial in trials))
            lines += why_kept(advice_of(record), thing) if question == "rung" else []
    lines += _for_want_of_torch(record)
    lines += [f"Not tried: {plan.words}" for plan in getattr(advice_of(record), "plans", ()) if not plan.tried]
    if record.task.mapping is not None:
        lines.append(_met(record))
    if record.task.words is not None:
        lines.append(_said(record.task.words))
    return lines


def _for_want_of_torch(record: ClassifierRecord) -> list[str]:
    """What was not tried only because a package is not installed, and what it was expected to gain."""
    rungs = (record.advice or {}).get("rungs", ())
    lacking = [rung for rung in rungs if "not installed (pip install" in rung.get("note", "")]
    return [f"Not tried: {rung['name']}: {rung['note']}" for rung in lacking]


_WAYS = {"given": "by the given map", "names": "by name", "learnt": "by a map learnt from the training images"}


def _met(record: ClassifierRecord) -> str:
    """How the network's classes met the user's: ``… by name (…): cat 13, dog 118``."""
    assert record.task.mapping is not None
    pairs = [f"{printable(name)} {n}" for name, n in zip(record.task.classes, record.task.mapping.covers, strict=True)]
    shown = ", ".join(pairs[:_CLASSES]) + (", …" if len(pairs) > _CLASSES else "")
    way = _WAYS[record.task.mapping.way]
    return f"ImageNet's classes are used, matched {way} (number of them for each class): {shown}"


def _said(words: WordsRecord) -> str:
    """What stands for a class: ``Prompts for the first class (text model X): cat; a photo of a cat.; …``."""
    shown = "; ".join(printable(prompt) for prompt in words.prompts[0][:3])
    return f"Prompts for the first class (text model {printable(words.source)}): {shown}" + (
        "; …" if len(words.prompts[0]) > 3 else ""
    )


def _trial(trial: TrialRecord, beside: Sequence[TrialRecord], thing: str) -> str:
    score = "not measured" if trial.accuracy is None else f"{trial.accuracy:.1%} on {trial.images} {thing}s"
    return f"{trial.answer} ({score}{', chosen' if trial.chosen else _why_not(trial, beside)})"


def _why_not(trial: TrialRecord, beside: Sequence[TrialRecord]) -> str:
    """Why a way with a higher accuracy than the chosen one's was not taken; a head is the user's to choose."""
    chosen = next((each for each in beside if each.chosen), trial)
    if trial.question in ("rung", "head") or (trial.accuracy or 0) <= (chosen.accuracy or 0):
        return ""
    worse = trial.log_loss is not None and chosen.log_loss is not None and trial.log_loss > chosen.log_loss
    return "; higher log loss" if worse else "; not significantly better"


def _quality(model: Classifier) -> list[str]:
    metrics, record, thing = model.metrics, model.record, model.thing
    if metrics is None:
        score = record.cross_validation.get("accuracy")
        known = f"; cross-validated accuracy {score:.1%}" if score else ""
        return [f"No {thing}s were held out{known}", *_folds(record, thing), *_decision(record.task.decision, thing)]
    return [
        f"Accuracy on {metrics.n} held-out {thing}s ({record.data.held_out_split}): {as_percent(metrics.accuracy)}",
        *_unmeasured(metrics, thing),
        *_weakest(metrics),
        f"Macro-F1{_over(metrics)} {as_percent(metrics.macro_f1)}, log loss {metrics.log_loss.value:.3f}, "
        f"calibration error {metrics.ece.value:.1%}",
        *_folds(record, thing),
        *_sure(record),
        *_decision(record.task.decision, thing),
    ]


def _weakest(found: Evaluation) -> list[str]:
    """The class with the lowest recall and what it is taken for: nothing where every image is found."""
    place = found.weakest
    if place is None:
        return []
    recall, mistaken, name = found.per_class[place].recall, found.mistaken_for(place), printable(found.classes[place])
    assert recall is not None
    line = f"Weakest class: {name}, {found.found(place)} of {found.per_class[place].support} found "
    line += f"(recall {as_percent(recall)})"
    return [f"{line}, {mistaken[1]} taken for {printable(found.classes[mistaken[0]])}" if mistaken else line]


def _decision(decision: CriticalRecord | CostsRecord | None, thing: str) -> list[str]:
    """How the model decides where that is not by the most probable class alone, and what that costs."""
    return [] if decision is None else list(decision.sentences(printable, thing))


def _folds(record: ClassifierRecord, thing: str) -> list[str]:
    """What k folds said of the whole procedure."""
    found = record.task.folds
    if found is None:
        return []
    of = f"all {thing}s" if found.split == "all" else f"the training {thing}s"
    each = ", ".join(f"{fold.accuracy:.1%}" for fold in found.folds)
    chosen = list(dict.fromkeys(fold.strategy for fold in found.folds))
    strategies = f"; the folds chose {' and '.join(chosen)}" if len(chosen) > 1 else ""
    return [
        f"{len(found.folds)}-fold cross-validation on {of}: accuracy {as_percent(found.accuracy)}, macro-F1 "
        f"{as_percent(found.macro_f1)}; accuracy of each fold: {each}{strategies}"
    ]


def _unmeasured(found: Evaluation, thing: str) -> list[str]:
    """How many classes nobody measured."""
    missing = len(found.classes) - found.measured
    if not missing:
        return []
    return [f"Not measured: {missing} of the {len(found.classes)} classes, which have no {thing}s here"]


def _over(found: Evaluation) -> str:
    """What a macro average is over, where that is not every class."""
    if found.measured == len(found.classes):
        return ""
    return f" over the {found.measured} measured {'class' if found.measured == 1 else 'classes'}"


def _sure(record: ClassifierRecord) -> list[str]:
    """How many held-out images are answered at the highest accuracy that is promised, was measured and is kept."""
    from topwork.metrics import SelectiveReport

    measured = record.task.selective.measured if record.task.selective else ()
    reports = [SelectiveReport.from_dict(each) for each in measured]
    kept = [each for each in reports if each.answered and not each.refuted]
    lines = []
    if kept and kept[-1].answered:
        level, answered = kept[-1].level, kept[-1].answered
        right = f", {kept[-1].accuracy.value:.1%} of the answers correct" if kept[-1].accuracy else ""
        said = f"With predict --abstain {level:g} (expected accuracy {level:.0%})"
        lines = [f"{said}: {answered.value:.1%} of them answered{right}"]
    return [*lines, *_withdrawn(reports)]


def _withdrawn(reports: Sequence[SelectiveReport]) -> list[str]:
    """Which promises the images refute, and by what."""
    refuted = [each for each in reports if each.refuted]
    if not refuted:
        return []
    levels = ", ".join(f"{each.level:g}" for each in refuted)
    rights = ", ".join(dict.fromkeys(f"{each.accuracy.value:.1%}" for each in refuted if each.accuracy))
    return [f"Promise withdrawn: with predict --abstain {levels} only {rights} of the answers are correct"]


def predicted(prediction: Prediction | OwnAnswer) -> str:
    """One line: file, class, probability, with tabs between, and a mark where the image is unlike the training images.

    Of a network without a model, and of a prediction set, the next classes too; ``?`` where the model abstains.
    """
    mark = ["unlike"] if getattr(prediction, "unfamiliar", False) else []
    if hasattr(prediction, "top"):
        said = [(each.name, each.probability) for each in prediction.top]
    elif prediction.labels is not None:
        said = [(name, prediction.probabilities[name]) for name in prediction.labels]
    else:
        said = [(prediction.label if prediction.answered is not False else "?", prediction.probability)]
    return "\t".join(
        [printable(prediction.source), *(f"{printable(name)}\t{share:.4f}" for name, share in said), *mark]
    )


def rows(prediction: Prediction | OwnAnswer, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The row of a table: file, class, probability, whether it is unlike the training images, and why it has no class.

    ``classes`` are those whose probabilities are columns too. What is not known is None, an empty cell.
    """
    found: Any = prediction
    if hasattr(found, "top"):
        label, probability = (found.top[0].name, found.top[0].probability) if found.top else ("", None)
    else:
        label, probability = found.label if found.answered is not False else "?", found.probability
    typicality = getattr(found, "typicality", None)
    cells = {
        "file": found.source,
        "class": label,
        "probability": None if found.error else probability,
        "unlike": None if typicality is None else found.unfamiliar,
        "error": found.error,
    }
    probabilities = {name: found.probabilities.get(name) for name in classes}
    return [cells | {f"{name} (class)" if name in cells else name: value for name, value in probabilities.items()}]


def brief(prediction: Prediction) -> str:
    """``cat (93%)``."""
    return f"{prediction.label} ({prediction.probability:.0%})"


def fields(found: Evaluated) -> dict[str, Any]:
    """An evaluation, JSON-ready."""
    return {
        "split": found.split,
        "seen_in_training": found.seen_in_training,
        "trained": found.trained,
        "caveats": caveats(found),
        **found.evaluation.to_dict(),
        "selective": [each.to_dict() for each in found.selective],
        "decision": found.decision.model_dump(mode="json") if found.decision else None,
        "shift": found.shift.to_dict() if found.shift else None,
        "left_out": [{"path": item.path, "reason": item.reason} for item in found.left_out],
    }


def evaluated(found: Evaluated) -> list[str]:
    """Metrics, a row for each class, and what could not be read."""
    evaluation, thing = found.evaluation, found.dataset.thing
    rows = [
        (printable(report.name), str(report.support), _precision(report), as_percent(report.recall))
        for report in evaluation.per_class
    ]
    where = f" on {evaluation.n} {thing}s" + (f" ({found.split})" if found.split else "")
    lines = [
        *caveats(found),
        facts([(name, text + (where if name == "Accuracy" else "")) for name, text in _figures(evaluation)]),
        *_unmeasured(evaluation, thing),
        *_weakest(evaluation),
        *_decision(found.decision, thing),
        "95 % intervals in brackets.",
        "",
        table(("class", f"{thing}s", "precision", "recall"), rows[:_CLASSES]),
    ]
    if len(rows) > _CLASSES:
        lines.append(f"… and {len(rows) - _CLASSES} more classes; --json lists them all")
    return [*lines, *_mistakes(evaluation, thing), *_selective(found.selective, thing), *unread(found.left_out)]


def _precision(report: ClassReport) -> str:
    """It can be nothing but zero where no image is of the class."""
    return as_percent(report.precision if report.support else None)


def _figures(found: Evaluation) -> list[tuple[str, str]]:
    """Name and value of every figure that there is."""
    before = found.before_scaling
    figures = [
        ("Accuracy", as_percent(found.accuracy)),
        ("Top-5", as_percent(found.top5) if found.top5 else ""),
        ("Balanced accuracy", as_percent(found.balanced_accuracy) + _over(found) if found.balanced_accuracy else ""),
        ("Macro-F1", as_percent(found.macro_f1) + _over(found)),
        ("ROC-AUC", _number(found.roc_auc) + _over(found) if found.roc_auc else ""),
        ("Average precision", _number(found.average_precision) + _over(found) if found.average_precision else ""),
        ("Log loss", _number(found.log_loss)),
        ("Brier score", _number(found.brier)),
        ("ECE", as_percent(found.ece) + (f", {before.ece:.1%} before temperature scaling" if before else "")),
    ]
    return [(name, text) for name, text in figures if text]


def _number(estimate: Estimate | None) -> str:
    """``0.0412 (0.0310 to 0.0544)``."""
    return "" if estimate is None else f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"


def _selective(reports: Sequence[SelectiveReport], thing: str) -> list[str]:
    """What was promised, and what came of it."""
    if not reports:
        return []
    head = ("promised", "sets with the true class", "classes per set", "answered", "correct answers")
    rows = [
        (
            f"{each.level:.0%}",
            as_percent(each.coverage),
            f"{each.size:.2f}",
            f"{each.answered.value:.1%}" if each.answered else "–",
            as_percent(each.accuracy),
        )
        for each in reports
    ]
    how = "Sets: predict --coverage. Answers: predict --abstain."
    average = f"The promised levels hold on average, for {thing}s like the training {thing}s."
    return ["", table(head, rows), *_withdrawn(reports), f"{how} {average}"]


def _mistakes(evaluation: Evaluation, thing: str) -> list[str]:
    """The classes that are taken for each other most often."""
    from topwork.report.sections import kinds_of_mistakes

    worst = kinds_of_mistakes(evaluation)[:3]
    if not worst:
        return ["", f"All {thing}s were classified correctly."]
    counts, names = evaluation.confusion, [printable(name) for name in evaluation.classes]
    return ["", *(f"{counts[true, said]} × {names[true]} predicted as {names[said]}" for true, said in worst)]


def compared(names: Sequence[str], both: Compared) -> list[str]:
    """Two models side by side, and whether the difference may be chance."""
    from topwork.report.sections import p_value

    found: Comparison = both.comparison
    figures = [dict(_figures(each.evaluation)) for each in (both.first, both.second)]
    rows = [(name, *(each.get(name, "–") for each in figures)) for name in figures[0]]
    better = f"{names[found.accuracy.value > 0]} is better" if found.p_value < _CHANCE else "No significant difference"
    return [
        table((f"{found.n} {both.first.dataset.thing}s", *names), rows),
        "",
        f"Correct: both {found.both}, only {names[0]} {found.only_first}, only {names[1]} {found.only_second}, "
        f"neither {found.neither}",
        f"Difference ({names[1]} minus {names[0]}): accuracy {_difference(found.accuracy, 100, ' points')}, "
        f"log loss {_difference(found.log_loss, 1, '')}",
        f"{better} (McNemar {p_value(found.p_value)})",
        *unread(both.first.left_out),
    ]


def _difference(estimate: Estimate, times: float, unit: str) -> str:
    value, low, high = (times * each for each in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.2f}{unit} ({low:+.2f} to {high:+.2f})"


WORDS = Words(fitted, predicted, evaluated, fields, caveats, advised, compared, rows, brief)
