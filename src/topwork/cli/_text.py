"""The commands' results in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from topwork.cli._console import table

if TYPE_CHECKING:
    from topwork.advising import Advice, Forecast, Rung
    from topwork.backbones import Backbone, CatalogueRow
    from topwork.checking import Case, Checkup
    from topwork.doctor import Health
    from topwork.metrics import Estimate
    from topwork.model import Classifier, ClassifierRecord, Prediction, TrialRecord, WordsRecord
    from topwork.tasks.classification.strategies import OwnAnswer

_CLASSES = 30  # named on the terminal; --json has them all
_CASES = 3  # of a finding
_SOUND = "Nothing here would make a model's figures untrue."


def printable(name: str) -> str:
    """A name from the disk on one line, whatever it holds."""
    from topwork import data

    return data.printable(name)


def percent(estimate: Estimate | None) -> str:
    """``98.1 %  (97.0 to 98.8)``."""
    if estimate is None:
        return "–"
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def fitted(model: Classifier, out: Path) -> str:
    """What a fit gave: how good, chosen how, where it is, what to do next."""
    record = model.record
    lines = [*_choices(record), *_quality(model), f"Model: {printable(str(out))}"]
    lines.append(f"Page:  {printable(str(out / 'report.html'))}")
    lines.append(f"Next:  topwork predict {printable(str(out))} IMAGE...")
    return "\n".join(lines)


def _choices(record: ClassifierRecord) -> list[str]:
    lines = [
        f"{record.data.training} training images in {len(record.task.classes)} classes"
        + (f"; {_files(record.data.left_out)} left out" if record.data.left_out else "")
    ]
    questions = (
        ("rung", "Of the ladder's rungs"),
        ("backbone", "By cross-validation the backbone is"),
        ("crop_mode", "By cross-validation the image is taken by"),
        ("stages", "By cross-validation the head reads"),
        ("blend", "By cross-validation what answers is"),
        ("orient", "A probe learns best from training images that are turned:"),
        ("strategy", "On validation images the better one of"),
    )
    for question, words in questions:
        trials = [trial for trial in record.trials if trial.question == question]
        if trials:
            lines.append(f"{words} " + ", ".join(map(_trial, trials)))
    if record.task.mapping is not None:
        lines.append(_met(record))
    if record.task.words is not None:
        lines.append(_said(record.task.words))
    return lines


_WAYS = {"given": "by the given map", "names": "by their names", "learnt": "by a map learnt from the training images"}


def _met(record: ClassifierRecord) -> str:
    """How the network's classes met the user's: ``… by their names: cat 13, dog 118``."""
    assert record.task.mapping is not None
    pairs = [f"{printable(name)} {n}" for name, n in zip(record.task.classes, record.task.mapping.covers, strict=True)]
    shown = ", ".join(pairs[:_CLASSES]) + (", …" if len(pairs) > _CLASSES else "")
    return f"The network's own classes answer, met {_WAYS[record.task.mapping.way]}: {shown}"


def _said(words: WordsRecord) -> str:
    """What stands for a class: ``Texts of the first class, as X was asked: cat; a photo of a cat.; …``."""
    shown = "; ".join(printable(prompt) for prompt in words.prompts[0][:3])
    return f"Texts of the first class, as {printable(words.source)} was asked: {shown}" + (
        "; …" if len(words.prompts[0]) > 3 else ""
    )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _trial(trial: TrialRecord) -> str:
    score = "not measured" if trial.accuracy is None else f"{trial.accuracy:.1%} of {trial.images}"
    return f"{trial.answer} ({score}{', chosen' if trial.chosen else ''})"


def _quality(model: Classifier) -> list[str]:
    metrics, record = model.metrics, model.record
    if metrics is None:
        score = record.cross_validation.get("accuracy")
        return ["No images were held out" + (f"; accuracy by cross-validation {score:.1%}" if score else "")]
    return [
        f"Accuracy on {metrics.n} held-out images ({record.data.held_out_split}): {percent(metrics.accuracy)}",
        f"Macro-F1 {percent(metrics.macro_f1)}, log loss {metrics.log_loss.value:.3f}, "
        f"calibration error {metrics.ece.value:.1%}",
        *_sure(record),
    ]


def _sure(record: ClassifierRecord) -> list[str]:
    """How many held-out images are answered at the highest accuracy that can be promised and was measured."""
    kept = [each for each in (record.task.selective.measured if record.task.selective else ()) if each["answered"]]
    if not kept:
        return []
    best = kept[-1]
    return [
        f"Sure enough for {best['level']:.0%} accuracy (predict --abstain {best['level']:g}): "
        f"{best['answered']['value']:.1%} of them"
    ]


def advised(advice: Advice) -> str:
    """The ladder as a table, the choice, what would change it, and what more images would bring."""
    head = ("rung", "what is read or trained", "accuracy (95 %)", "judged on", "seconds", "ms an image")
    lines = [
        *_described(advice),
        *_backbones(advice),
        "",
        table(head, [_rung(rung, advice) for rung in advice.rungs]),
        *(f"  {rung.name}: {printable(rung.note)}" for rung in advice.rungs if rung.note),
        "",
        _choice(advice),
        *(f"  {note}" for note in advice.changes),
        *_forecast(advice.forecast),
        f"It took {advice.seconds:.0f} of {advice.budget:.0f} seconds. "
        f"Next:  topwork fit DATA -o MODEL    (with the same options it goes on from here)",
    ]
    return "\n".join(lines)


def _described(advice: Advice) -> list[str]:
    told = advice.description
    lines = [
        f"{told.images} training images in {told.classes} classes of {told.smallest} to {told.largest}, "
        f"about {told.width} x {told.height} pixels; {advice.backbone}"
    ]
    if told.distance is not None:
        lines.append(
            f"In the network they lie {told.distance:.2f} standard deviations from its own training images "
            "(ImageNet's pictures 0.14, other photographs about 0.2)"
        )
    if told.entropy is not None and told.spread is not None:
        lines.append(
            f"Its own classes answer with {told.entropy:.0%} of the greatest entropy, and amount to {told.spread:.0f} "
            "of them"
        )
    if told.separation:
        stages = ", ".join(f"{name} {accuracy:.0%}" for name, accuracy in told.separation)
        lines.append(f"Nearest neighbours tell the classes apart at {stages}")
    return lines


def _backbones(advice: Advice) -> list[str]:
    if not advice.shortlist:
        return []
    rows = []
    for each in advice.shortlist:
        shares = ("–" if score is None else f"{score:.1%}" for score in (each.knn, each.probe))
        name = f"{'+' if each.finalist else ' '} {printable(each.backbone)}"
        rows.append((name, f"{each.logme:.3f}", f"{each.h_score:.2f}", *shares))
    return ["", table(("backbone (+ tried on all images)", "LogME", "H-score", "kNN", "probe"), rows)]


def _rung(rung: Rung, advice: Advice) -> tuple[str, ...]:
    mark = "*" if rung is advice.chosen else " "
    if rung.accuracy is None:
        return (f"{mark} {rung.name}", "not climbed", "–", "–", f"{rung.seconds:.1f}", "–")
    return (
        f"{mark} {rung.name}",
        printable(rung.detail),
        percent(rung.accuracy),
        f"{rung.images} {rung.measured}",
        f"{rung.seconds:.1f}",
        "–" if rung.milliseconds is None else f"{rung.milliseconds:.0f}",
    )


def _choice(advice: Advice) -> str:
    chosen = advice.chosen
    score = "not measured" if chosen.accuracy is None else f"{percent(chosen.accuracy)} expected on new images"
    return f"Choice: {chosen.name}{' (a tie)' if advice.tie else ''}: {score}."


def _forecast(forecast: Forecast | None) -> list[str]:
    if forecast is None:
        return []
    shown = "; ".join(f"at {each.images:,} images {percent(each.accuracy)}" for each in forecast.ahead)
    low, high = forecast.needed
    if low is None:
        needed = "never at this rung"
    elif high is None:
        needed = f"about {low:,} images, or never at this rung"
    else:
        needed = f"{low:,} to {high:,} images"
    lines = [f"More images: expect {shown}. For {forecast.target:.1%}: {needed}."]
    if forecast.classes:
        gains = ", ".join(
            f"{printable(each.name)} (+{100 * each.gain:.1f} points by the last doubling)" for each in forecast.classes
        )
        lines.append(f"Most would be gained by more images of {gains}.")
    return lines


def checked(found: Checkup, *, manifest: Path | None, page: Path | None) -> str:
    """The doctor's findings on a data set, each with its worst cases and what to do."""
    usable = len(found.dataset) - len(found.unusable)
    lines = [f"{usable} of {len(found.dataset)} images in {len(found.dataset.classes)} classes can be used"]
    for finding in found.findings:
        mark = {"blocks": "!!", "warning": "! ", "note": "  "}[finding.severity]
        lines += ["", f"{mark} {finding.name}: {finding.what}"]
        lines += [f"       {_case(case)}" for case in finding.cases[:_CASES]]
        if finding.count > _CASES < len(finding.cases):
            lines.append(f"       … and {len(finding.cases) - _CASES} more; --json has them")
        lines.append(f"   {finding.advice}")
    blocking = [finding.name for finding in found.blocking()]
    lines += ["", f"A model's figures would be untrue because of {', '.join(blocking)}." if blocking else _SOUND]
    if manifest is not None:
        lines.append(f"Without the rows that can only do harm: {printable(str(manifest))}")
    if page is not None:
        lines.append(f"Page with the pictures: {printable(str(page))}")
    return "\n".join(lines)


def _case(case: Case) -> str:
    names = ", ".join(map(printable, case.paths[:2])) + (", …" if len(case.paths) > 2 else "")
    return f"{names}: {printable(case.detail)}" if case.detail else names


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


def refused(prediction: Prediction | OwnAnswer) -> str:
    """Which image could not be used, and why."""
    name = printable(prediction.source)
    return prediction.error if prediction.error.startswith(f"{name}:") else f"{name}: {prediction.error}"


def catalogue(rows: Sequence[CatalogueRow]) -> str:
    """The catalogue as a table."""
    if not rows:
        return "No row of the catalogue meets all of these conditions."
    cells = [
        (
            row.alias,
            row.family.name,
            f"{row.parameters:g}",
            f"{row.gmacs:g}",
            str(row.size),
            f"{row.top1:.1f}" if row.top1 else "-",
            row.method,
            row.licence if row.free else f"{row.licence} (!)",
        )
        for row in rows
    ]
    head = ("name", "family", "M params", "GMACs", "pixels", "top-1 %", "pretraining", "licence")
    notes = ["", "`topwork models NAME` tells one whole. Any other timm model works by its name too."]
    if not all(row.free for row in rows):
        notes.insert(1, "(!) a licence with terms of its own: read it before commercial use.")
    return "\n".join([table(head, cells), *notes])


def backbone(found: Backbone, row: CatalogueRow | None) -> str:
    """One backbone told whole."""
    facts = [
        ("pretrained on", row.pretrained_on if row else found.pretrained_on),
        ("licence", row.licence if row else found.licence),
        ("input", f"{found.preprocessing.size} pixels"),
        ("features", str(found.embedding)),
    ]
    lines = [found.name]
    if row is not None:
        lines.append(row.advice)
        if not row.free:
            lines.append(f"Mind the licence ({row.licence}): it has terms of its own; read it before commercial use.")
        facts = _row_facts(row) + facts
    width = max(len(name) for name, _ in facts) + 2
    lines += ["", *(f"{name.ljust(width)}{value}" for name, value in facts), ""]
    lines.append(
        table(("stage", "channels", "stride"), [(s.name, str(s.channels), str(s.stride)) for s in found.stages])
    )
    return "\n".join(lines)


def _row_facts(row: CatalogueRow) -> list[tuple[str, str]]:
    source = f"the package {row.package}" if row.package else f"the hub: {row.hub}"
    top1 = f"{row.top1:.1f} % (timm's table of results)" if row.top1 else "no ImageNet classifier comes with it"
    return [
        ("name", row.alias),
        ("family", f"{row.family.name}, {row.family.year}"),
        ("paper", row.family.paper),
        ("parameters", f"{row.parameters:g} million"),
        ("operations", f"{row.gmacs:g} GMACs an image"),
        ("ImageNet top-1", top1),
        ("pretraining", row.method),
        ("weights", source),
    ]


def health(found: Health) -> str:
    """The doctor's findings, one a line."""
    width = max(len(finding.subject) for finding in found.findings)
    return "\n".join(
        f"{' ' if finding.well else '!'} {finding.subject.ljust(width)}  {finding.text}" for finding in found.findings
    )


def demonstrated(model: Classifier, out: Path, folder: Path, predictions: Sequence[Prediction]) -> str:
    """What the demo did, and how to go on with one's own images."""
    shown = [
        f"  {Path(each.source).parent.name}/{Path(each.source).name}: {each.label} ({each.probability:.0%})"
        for each in predictions
    ]
    return "\n".join(
        [
            *_choices(model.record),
            *_quality(model),
            "Three of the held-out pictures, predicted with the saved model:",
            *shown,
            f"Data:  {folder}",
            f"Model: {out.resolve()}",
            f"Page:  {out.resolve() / 'report.html'}",
            "Yours: topwork fit PHOTOS -o MODEL    (PHOTOS: a folder with one folder for each class)",
        ]
    )
