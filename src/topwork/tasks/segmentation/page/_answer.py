"""The first screen of a segmenter's page, and what is told of its data and its use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from topwork.metrics import Estimate
from topwork.report import PageContext, isolated, percent, sections
from topwork.tasks.segmentation.page._drawn import differences, examples
from topwork.tasks.segmentation.page._facts import ranked, report_of

GOOD = 0.8
"""Mean IoU from which the verdict is a good one."""

_POOR = 0.5  # IoU of an image below which its mask is worth a look


class Step(NamedTuple):
    """What to do next: a sentence, and the section that it is about or the command that does it."""

    sentence: str
    section: str = ""
    command: str = ""


def answer(page: PageContext) -> dict[str, Any]:
    """How good the model is in plain words, some real images, and the one thing to do next."""
    report, seen = report_of(page), _seen(page)
    shown = examples(page)
    return {
        "report": report,
        "classes": len(page.record.task.classes) - page.record.task.has_background,
        "good": report is not None and report.iou is not None and report.iou.value >= GOOD and not seen,
        "sentences": list(_sentences(page)),
        "examples": shown,
        "kinds": differences(page) if shown else [],
        "next": next(_steps(page)),
    }


def _seen(page: PageContext) -> bool:
    return page.evaluated is not None and page.evaluated.seen_in_training


def _sentences(page: PageContext) -> Iterator[str]:
    t, report = page.t, report_of(page)
    if report is None or report.iou is None:
        yield t("found_unmeasured")
        return
    yield t("found_seen" if _seen(page) else "found_iou", images=f"{report.images:,}", **_told(report.iou))
    of = report.objects
    if of is not None and of.ap50 is not None:
        yield t("found_objects", objects=f"{of.objects:,}", found=f"{of.found:,}", **_told(of.ap50))
    known = [(each.iou.value, each.name) for each in report.per_class[int(report.has_background) :] if each.iou]
    if len(known) > 1:
        yield t("found_weakest", name=isolated(min(known)[1], 60), value=percent(min(known)[0]))
    missing = len(report.classes) - report.has_background - report.measured
    if missing:
        yield t("found_missing", count=missing)


def _told(found: Estimate) -> dict[str, str]:
    return {"value": percent(found.value), "low": f"{100 * found.low:.1f}", "high": f"{100 * found.high:.1f}"}


def _steps(page: PageContext) -> Iterator[Step]:
    """What could be done, the most urgent first."""
    t, report, found = page.t, report_of(page), page.evaluated
    if report is None:
        yield Step(t("next_measure"), command=page.command("topwork report {model} --data {data}"))
        return
    if _seen(page):
        yield Step(t("next_unseen"), command=page.command("topwork report {model} --data NEW_IMAGES"))
    serious = [each for each in page.checkup.findings if each.severity != "note"] if page.checkup else []
    if serious:
        name = t.named("finding", serious[0].name).replace("-", " ")
        yield Step(t("next_findings", count=len(serious), name=name), "findings")
    if found is None:
        yield Step(t("next_images"), command=page.without_images.command)
        return
    poor = sum(each.iou < _POOR for each in ranked(page))
    if poor:
        yield Step(t("next_poor", count=f"{poor:,}"), "worst")
    yield Step(t("next_use"), command=page.command("topwork predict {model} --draw found ") + page.model.kind.argument)


def data(page: PageContext) -> dict[str, Any]:
    """What trained and what measured it, pixels and objects among them, and what was noticed."""
    told, report, block = sections.data(page), report_of(page), page.record.task
    figures = dict(told["figures"])
    trained = [("data_objects", block.objects)] if block.objects is not None else []
    measured = [("data_measured", report.images)] if report else []
    if report is not None and report.objects is not None:
        measured.append(("data_measured_objects", report.objects.objects))
    others = [(key, count) for key, count in figures.items() if key not in ("data_training", "data_measured")]
    return told | {"figures": [("data_training", figures["data_training"]), *trained, *measured, *others]}


def use(page: PageContext) -> dict[str, Any]:
    """Lines to copy: they run where the page was made, on its own data where those are known."""
    argument, example = sections.example(page)
    predict = page.command("topwork predict {model} ") + argument
    lines = [predict, f"{predict} --draw found", f"{predict} --masks found"]
    return {
        "command": [*lines, page.command("topwork evaluate {model} {data}")],
        "python": [
            "import topwork",
            "",
            f"model = topwork.load({page.place or page.name!r})",
            f"found = model.predict([{example!r}])[0]",
            "print(found.shares(), found.labels.shape)",
        ],
    }
