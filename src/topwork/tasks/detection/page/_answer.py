"""The first screen of a detector's page, and what is told of its data and its use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from topwork.metrics import error_report
from topwork.report import PageContext, isolated, percent, sections
from topwork.tasks.detection.page._drawn import examples
from topwork.tasks.detection.page._facts import given_of, operating_of, report_of

GOOD = 0.8
"""AP50 from which the verdict is a good one."""

_CONFIDENT = 0.9  # an invention with a higher score than that is often a box that is missing


class Step(NamedTuple):
    """What to do next: a sentence, and the section that it is about or the command that does it."""

    sentence: str
    section: str = ""
    command: str = ""


def answer(page: PageContext) -> dict[str, Any]:
    """How good the model is in plain words, some real examples, and the one thing to do next."""
    report, found = report_of(page), page.evaluated
    seen = found is not None and found.seen_in_training
    good = report is not None and report.ap50 is not None and report.ap50.value >= GOOD and not seen
    return {
        "report": report,
        "classes": len(page.record.task.classes),
        "good": good,
        "sentences": list(_sentences(page)),
        "examples": examples(page),
        "next": next(_steps(page)),
    }


def _sentences(page: PageContext) -> Iterator[str]:
    t, report, operating = page.t, report_of(page), operating_of(page)
    if report is None or report.ap50 is None:
        yield t("found_unmeasured")
        return
    if operating is not None and (recall := operating.overall.recall) is not None:
        precision = operating.overall.precision
        shares = {
            "recall": f"{100 * recall.value:.0f}",
            "precision": f"{100 * precision.value:.0f}" if precision else "",
        }
        yield t("found_shares" if precision else "found_nothing", **shares)
    ap50 = {"value": percent(report.ap50.value), "low": _points(report.ap50.low), "high": _points(report.ap50.high)}
    counts = {"images": f"{report.images:,}", "boxes": f"{report.boxes:,}"}
    seen = page.evaluated is not None and page.evaluated.seen_in_training
    yield t("found_seen" if seen else "found_ap50", **ap50, **counts)
    if report.measured > 1:
        known = [(each.ap50.value, each.name) for each in report.per_class if each.ap50 is not None]
        yield t("found_weakest", name=isolated(min(known)[1], 60), value=percent(min(known)[0]))
    if report.measured < len(report.per_class):
        yield t("found_missing", count=len(report.per_class) - report.measured)
    most = error_report(*given_of(page), resamples=1).most if page.evaluated is not None else None
    if most is not None and most.gain is not None:
        yield t("found_most", kind=t(f"kind_{most.kind}"), gain=_points(most.gain.value))


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _steps(page: PageContext) -> Iterator[Step]:
    """What could be done, the most urgent first."""
    t, report, found = page.t, report_of(page), page.evaluated
    if report is None:
        yield Step(t("next_measure"), command=page.command("topwork report {model} --data {data}"))
        return
    if found is not None and found.seen_in_training:
        yield Step(t("next_unseen"), command=page.command("topwork report {model} --data NEW_IMAGES"))
    serious = [each for each in page.checkup.findings if each.severity != "note"] if page.checkup else []
    if serious:
        name = t.named("finding", serious[0].name).replace("-", " ")
        yield Step(t("next_findings", count=len(serious), name=name), "findings")
    if found is None:
        yield Step(t("next_images"), command=page.without_images.command)
        return
    shown = dict(examples(page))
    sure = [each for each in shown.get("unsure_answers", ()) if each.score and each.score > _CONFIDENT]
    if sure:
        yield Step(t("next_inventions"), "inventions")
    if "wrong_answers" in shown:
        yield Step(t("next_misses"), "misses")
    yield Step(t("next_use"), command=page.command("topwork predict {model} --draw found ") + page.model.kind.argument)


def data(page: PageContext) -> dict[str, Any]:
    """What trained and what measured it, boxes among them, and what was noticed."""
    told, report = sections.data(page), report_of(page)
    figures = dict(told["figures"])
    trained = [("data_boxes", sum(page.record.task.training)), ("data_empty", page.record.task.empty)]
    measured = [("data_measured", report.images), ("data_measured_boxes", report.boxes)] if report else []
    others = [(key, count) for key, count in figures.items() if key not in ("data_training", "data_measured")]
    return told | {"figures": [("data_training", figures["data_training"]), *trained, *measured, *others]}


def use(page: PageContext) -> dict[str, Any]:
    """Lines to copy: they run where the page was made, on its own data where those are known."""
    argument, example = sections.example(page)
    predict = page.command("topwork predict {model} ") + argument
    return {
        "command": [predict, f"{predict} --draw found", page.command("topwork evaluate {model} {data}")],
        "python": [
            "import topwork",
            "",
            f"model = topwork.load({page.place or page.name!r})",
            f"for found in model.predict([{example!r}])[0]:",
            "    print(found.label, found.score, found.corners)",
        ],
    }
