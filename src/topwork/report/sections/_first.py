"""What stands beneath the answer on the first screen: some real examples, and the one thing to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork.report._model import PageContext
from topwork.report._page import isolated
from topwork.report.sections._answers import Answered, answered

MOST_EXAMPLES = 3  # of each kind
_CONFIDENT = 0.9  # a mistake with more confidence than that is often a wrong label
_NAMED = 3  # classes


class Step(NamedTuple):
    """What to do next: a sentence, and the section that it is about or the command that does it."""

    sentence: str
    section: str = ""
    command: str = ""


def examples(page: PageContext) -> list[tuple[str, tuple[Answered, ...]]]:
    """Right, wrong and unsure answers, each kind with its key in the texts; no kind that there is none of."""
    if page.evaluated is None:
        return []
    labels = page.evaluated.dataset.labels
    confidence, right = page.evaluated.confidence, page.evaluated.answers == labels
    surest = np.argsort(-confidence, kind="stable")
    wrong = surest[~right[surest]][:MOST_EXAMPLES]
    rights = _of_each_class(surest[right[surest]], labels)
    unsure = [row for row in surest[::-1].tolist() if row not in {*wrong.tolist(), *rights.tolist()}][:MOST_EXAMPLES]
    kinds = (("right_answers", rights), ("wrong_answers", wrong), ("unsure_answers", np.array(unsure, np.intp)))
    return [(key, answered(page, rows, page.album)) for key, rows in kinds if len(rows)]


def _of_each_class(rows: npt.NDArray[np.intp], labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.intp]:
    """The first rows, one of each class before a second of any."""
    first = np.unique(labels[rows], return_index=True)[1]
    others = np.setdiff1d(np.arange(len(rows)), first)
    chosen: npt.NDArray[np.intp] = rows[np.concatenate([np.sort(first), others])[:MOST_EXAMPLES]]
    return chosen


def next_step(page: PageContext) -> Step:
    """The first thing to do of all that could be done."""
    return next(_steps(page))


def _steps(page: PageContext) -> Iterator[Step]:
    t, found, metrics = page.t, page.evaluated, page.metrics
    if metrics is None:
        yield Step(t("next_measure"), command=page.command("topwork report {model} --data {data}"))
        return
    if found is not None and found.seen_in_training:
        yield Step(
            t("next_unseen"),
            command=page.command("topwork report {model} --data ") + f"NEW_{page.model.kind.things.upper()}",
        )
    if found is not None and found.shift and found.shift.alarm:
        yield Step(t("next_shift"), "shift")
    if metrics.measured < len(metrics.classes):
        yield Step(t("next_missing", classes=_unmeasured(page)), "per_class")
    serious = [each for each in page.checkup.findings if each.severity != "note"] if page.checkup else []
    if serious:
        name = t.named("finding", serious[0].name).replace("-", " ")
        yield Step(t("next_findings", count=len(serious), name=name), "findings")
    if found is None:
        yield Step(t("next_images"), command=page.without_images.command)
        return
    wrong = found.answers != found.dataset.labels
    confident = int((found.confidence[wrong] > _CONFIDENT).sum())
    if confident:
        yield Step(t("next_labels", count=confident), "worst")
    if wrong.any():
        yield Step(t("next_more"), "unsure")
    yield Step(t("next_use"), command=page.command("topwork predict {model} ") + page.model.kind.argument)


def _unmeasured(page: PageContext) -> str:
    names = [isolated(each.name, 60) for each in page.metrics.per_class if not each.support]
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
