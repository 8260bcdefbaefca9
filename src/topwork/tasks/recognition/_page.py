"""The sections of a recogniser's page, in order. Of nobody is there a picture, but where the user shows the data."""

from __future__ import annotations

from typing import Any, NamedTuple

from topwork.checking import Finding
from topwork.drawing import Axes, logarithmic_axis, share_axis
from topwork.metrics import AcceptPoint, Verification
from topwork.report import Missing, PageContext, in_order, percent, sections
from topwork.tasks.recognition._measured import FEW, Measured

PACKAGE = "topwork.tasks.recognition"
GOOD = 0.05
"""Equal error rate up to which the verdict is a good one."""

_LEAST = 1e-4  # of the false-accept rates on the chart
_FINE = 2  # digits of a rate behind the first that is not 0


def answer(page: PageContext) -> dict[str, Any]:
    """How good it is in plain words, and what to do next."""
    found: Measured | None = page.metrics
    seen = getattr(page.evaluated, "seen_in_training", False)
    good = found is not None and found.verification.eer.value <= GOOD and not seen and not found.few
    return {"found": found, "good": good, "sentences": _sentences(page, found, seen), "next": _next(page, found)}


def _sentences(page: PageContext, found: Measured | None, seen: bool) -> list[str]:
    t, promise = page.t, page.record.task.promise
    if found is None:
        return [t("known_unmeasured")]
    verified, named = found.verification, found.identification
    known = {"share": f"{100 * named.rank_1.value:.0f}", "identities": f"{named.identities:,}"}
    told = [t("known_named", low=_points(named.rank_1.low), high=_points(named.rank_1.high), **known)]
    if seen:
        told.append(t("known_seen"))
    if found.few:
        told.append(t("known_few", count=verified.identities, least=FEW))
    if (at := verified.promised) is not None:
        accepted = {"threshold": f"{at.threshold:.3f}", "promised": rate(promise.false_accept)}
        measured = {"false": rate(at.false_accept.value), "low": rate(at.false_accept.low)}
        told.append(t("known_promise", high=rate(at.false_accept.high), **accepted, **measured))
    if (strangers := named.promised) is not None:
        told.append(t("known_strangers", share=percent(strangers.strangers.value), count=max(1, named.identities // 2)))
    if found.untrained is not None:
        figures = {"before": percent(found.untrained.eer.value), "after": percent(verified.eer.value)}
        told.append(t("known_before", **figures))
    return told


def _next(page: PageContext, found: Measured | None) -> tuple[str, str]:
    """A sentence and a command."""
    t = page.t
    if found is None:
        return t("known_next_measure"), page.command("topwork evaluate {model} {data}")
    if any(each.differs for each in found.groups):
        return t("known_next_groups"), page.command("topwork evaluate {model} {data}")
    return t("known_next_enroll"), page.command("topwork enroll {model} NAME photo.jpg")


def rate(share: float) -> str:
    """A small share with the digits that it needs: ``0.012 %``."""
    return f"{100 * share:.{_FINE}g} %" if 0 < share < _LEAST * 10 else percent(share)


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def roc(page: PageContext) -> dict[str, Any] | None:
    """True accepts over false accepts, with the model's own threshold."""
    found: Measured | None = page.metrics
    if found is None:
        return None
    verified = found.verification
    axes = Axes(440.0, 300.0, 44.0, 424.0, 20.0, 256.0, logarithmic_axis([_LEAST, 1.0]), share_axis(5), digits=1)
    points = [axes.at(false, true) for false, true in verified.curve if false >= _LEAST]
    at = verified.promised
    mark = axes.at(max(at.false_accept.value, _LEAST), at.true_accept.value) if at else None
    return {"axes": axes, "points": points, "at": mark, "eer": verified.eer}


class Cost(NamedTuple):
    """A row of the table of thresholds."""

    point: AcceptPoint
    own: bool


def thresholds(page: PageContext) -> dict[str, Any] | None:
    """What other thresholds would cost."""
    found: Measured | None = page.metrics
    if found is None:
        return None
    rows = _costs(found.verification)
    return {"rows": rows, "open": found.identification.open_set, "pairs": found.verification.impostor}


def _costs(verified: Verification) -> list[Cost]:
    own = [Cost(verified.promised, True)] if verified.promised else []
    return sorted([*(Cost(point, False) for point in verified.points), *own], key=lambda each: each.point.threshold)


def groups(page: PageContext) -> dict[str, Any] | None:
    """Errors by group, and whether one differs."""
    found: Measured | None = page.metrics
    if found is None or not found.groups:
        return None
    return {"rows": found.groups, "of_identities": found.of_identities, "differ": any(g.differs for g in found.groups)}


def confusions(page: PageContext) -> dict[str, Any] | Missing | None:
    """Pairs on the wrong side of the threshold, with pictures: only of data that the user shows."""
    found = page.evaluated
    if found is None or found.dataset is None or page.album is None:
        return Missing(page.command("topwork report {model} --data {data}"))
    dataset, album = found.dataset, page.album
    pairs = [
        {
            "same": each.same,
            "similarity": each.similarity,
            "pictures": [album.picture(row) for row in (each.first, each.second)],
            "names": [dataset.classes[int(dataset.labels[row])] for row in (each.first, each.second)],
        }
        for each in found.confusions
    ]
    return {"pairs": pairs, "threshold": page.record.task.promise.threshold} if pairs else None


def checked(page: PageContext) -> list[Finding] | None:
    """What the data doctor found, without the images and names that it is about."""
    found = page.checkup.findings if page.checkup is not None else ()
    return [each for each in found if each.severity != "note"] or None


def misuse(page: PageContext) -> dict[str, Any]:
    """What it may be used for and what not: the same on every page, since it is always true."""
    return {"forget": page.command("topwork forget {model} NAME")}


def use(page: PageContext) -> dict[str, Any]:
    """Lines to copy."""
    lines = ("enroll {model} NAME photo.jpg", "predict {model} photo.jpg", "verify {model} one.jpg other.jpg")
    load = f"model = topwork.load({page.place or page.name!r})"
    ask = ['model.enroll("Anna", ["photo.jpg"])', 'print(model.predict(["other.jpg"])[0].name)']
    return {
        "command": [page.command(f"topwork {line}") for line in (*lines, "forget {model} NAME")],
        "python": ["import topwork", "", load, *ask],
    }


_OWN = (answer, roc, thresholds, groups, confusions, checked, misuse)

SECTIONS = in_order(
    (
        answer,
        use,
        sections.data,
        misuse,
        checked,
        roc,
        thresholds,
        groups,
        confusions,
        sections.trials,
        sections.repeat,
        sections.cite,
    ),
    package=PACKAGE,
    own=_OWN,
    of_images=(confusions,),
    narrow=(use, sections.data),
)
