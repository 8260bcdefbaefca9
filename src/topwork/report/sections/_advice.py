"""What the advice that chose a strategy has to say: the ladder, what more images would bring, and what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from topwork.advising import Advice, Forecast, Plan, Rung
from topwork.metrics import Estimate
from topwork.model import ClassifierRecord, TrialRecord
from topwork.report._charts import Spot, accuracy_plot
from topwork.report._model import Missing, PageContext
from topwork.report._page import brief, isolated, percent
from topwork.report._texts import Texts

_SOONEST = 0.05  # seconds; what took less is drawn there
_LONG = 500  # characters of a reason
_MANY = 1e12  # images or seconds, beyond any real ones


def ladder(page: PageContext) -> dict[str, Any] | None:
    """The rungs with what they gained and cost, the choice, and what would change it."""
    advice = advice_of(page.record)
    if advice is None:
        return None
    spots = [
        Spot(max(rung.seconds, _SOONEST), rung.accuracy, "chosen" if rung is advice.chosen else "other", str(number))
        for number, rung in enumerate(advice.rungs, start=1)
        if rung.accuracy is not None
    ]
    return {
        "steps": [_step(page, advice, place) for place in range(len(advice.rungs))],
        "plot": accuracy_plot(spots) if spots else None,
        "sentences": list(_choice(page, advice)),
        "changes": list(_changes(page, advice)),
    }


def _step(page: PageContext, advice: Advice, place: int) -> dict[str, Any]:
    rung = advice.rungs[place]
    measured = page.t(f"judged_{rung.measured.replace(' ', '_')}") if rung.measured else ""
    return {"number": place + 1, "rung": rung, "measured": measured, "chosen": place == advice.choice}


def forecast(page: PageContext) -> dict[str, Any] | Missing | None:
    """What more images would bring on the same rung; no curve is drawn of trained networks, nor without data."""
    advice = advice_of(page.record)
    told = advice.forecast if advice is not None else None
    if told is not None:
        return _curve(page, told)
    if not page.record.data.fingerprint or (advice is not None and advice.chosen.strategy != "probe"):
        return None
    return Missing(page.command("topwork fit {data} -o {model} --budget 10m"))


def _curve(page: PageContext, told: Forecast) -> dict[str, Any]:
    """The learning curve: its numbers with an interval where there is one, the plot, and what it says."""
    spots = [Spot(point.images, Estimate(*(point.accuracy,) * 3), "measured") for point in told.points]
    spots += [Spot(each.images, each.accuracy, "ahead") for each in told.ahead]
    rows = [(point.images, point.accuracy, None) for point in told.points]
    ahead = [(each.images, each.accuracy.value, each.accuracy) for each in told.ahead]
    plot = accuracy_plot(spots, told.target) if spots else None
    return {"rows": [*rows, *ahead], "plot": plot, "sentences": list(_ahead(page, told))}


def advice_of(record: ClassifierRecord) -> Advice | None:
    """The advice of a model; None where it has none, or one of another topwork that this one cannot read."""
    try:
        found = TypeAdapter(Advice).validate_python(record.advice) if record.advice is not None else None
    except ValidationError:
        return None
    return found if found is not None and _can_be_drawn(found) else None


def _can_be_drawn(advice: Advice) -> bool:
    """Whether places and numbers are such as a climb gives: a file may hold any, and a plot must end."""
    told = advice.forecast
    points, ahead = (told.points, told.ahead) if told is not None else ((), ())
    rungs = [rung.accuracy for rung in advice.rungs if rung.accuracy is not None]
    estimates = [*rungs, *(each.accuracy for each in ahead)]
    shares = [*(point.accuracy for point in points), *((told.target,) if told else ())]
    shares += [end for each in estimates for end in (each.low, each.high)]
    return (
        all(0 <= place < len(advice.rungs) for place in (advice.choice, advice.runner_up or 0))
        and all(0 <= share <= 1 for share in shares)
        and all(0 < images < _MANY for images in (*(each.images for each in points), *(each.images for each in ahead)))
        and all(0 <= rung.seconds < _MANY for rung in advice.rungs)
        and all(0 <= each < _MANY for plan in advice.plans for each in (plan.seconds, plan.budget, abs(plan.gain)))
    )


def _choice(page: PageContext, advice: Advice) -> Iterator[str]:
    t, chosen = page.t, advice.chosen
    if chosen.accuracy is None:
        yield t("ladder_choice_alone", name=_name(t, chosen))
    else:
        yield t("ladder_choice", name=_name(t, chosen), **_shares(chosen.accuracy))
    if line := kept(advice, t):
        yield line
    other = advice.rungs[advice.runner_up] if advice.runner_up is not None else None
    if other is not None and other.accuracy is not None:
        yield t("ladder_runner_up", name=_name(t, other), **_shares(other.accuracy))
    if (found := page.model.figure) is not None:
        yield t("ladder_kept", **_shares(found))


def _changes(page: PageContext, advice: Advice) -> Iterator[str]:
    """``Advice.changes``, from the same values, in the page's language; only the reason stays as it was given."""
    t, chosen = page.t, advice.chosen
    if not advice.learnable:
        yield t("ladder_unlearnable", name=_name(t, chosen), chance=percent(advice.chance))
    if advice.tie and advice.runner_up is not None:
        other = advice.rungs[advice.runner_up]
        yield t("ladder_tie", name=_name(t, other), images=f"{min(other.images, chosen.images):,}")
    if not any(rung.note and rung.note in advice.stopped for rung in advice.rungs):
        yield t("ladder_stopped", reason=brief(t.named("reason", advice.stopped), _LONG))
    if advice.enough is not None:
        yield t("ladder_enough", images=f"{advice.enough:,}")
    yield from (_more_time(page, plan) for plan in advice.plans if not plan.tried)
    if advice.cut_short and all(plan.tried for plan in advice.plans):
        yield t("ladder_time", budget=f"{advice.budget:.0f}")


def _more_time(page: PageContext, plan: Plan) -> str:
    """What a larger budget would buy."""
    sizes = {"stages": plan.stages, "size": plan.size, "epochs": plan.epochs}
    told = {"gain": f"{100 * plan.gain:.1f}", "seconds": f"{plan.seconds:.0f}"}
    command = page.command(f"topwork fit {{data}} -o {{model}} --budget {plan.budget_words}")
    return page.t("ladder_plan", name=brief(page.t.named("rung", plan.rung)), **sizes, **told, command=command)


def _ahead(page: PageContext, told: Forecast) -> Iterator[str]:
    t = page.t
    for each in told.ahead:
        yield t("forecast_ahead", images=f"{each.images:,}", **_shares(each.accuracy))
    if not told.ahead:
        yield t("forecast_unknown")
        return
    least, most = told.needed
    aim = percent(told.target)
    if least is not None:
        yield (
            t("forecast_more", aim=aim, least=f"{least:,}")
            if most is None
            else t("forecast_needed", aim=aim, least=f"{least:,}", most=f"{most:,}")
        )
    if told.classes:
        gains = ", ".join(f"{isolated(each.name, 60)} (+{100 * each.gain:.1f})" for each in told.classes)
        yield t("forecast_classes", classes=gains)


def kept(advice: Advice, t: Texts | None = None) -> str:
    """Why the choice is kept over a way with a higher accuracy, in one line, English where no texts are given.

    It is empty where there is no such way.
    """
    found, chosen, t = advice.kept, advice.chosen, t or Texts("en")
    if found is None or chosen.accuracy is None or found.over.accuracy is None:
        return ""
    p, losses = found.over.p_value, (chosen.log_loss or 0.0, found.over.log_loss or 0.0)
    told = {"p": "" if p is None else p_value(p), "loss": f"{losses[0]:.3f}", "other_loss": f"{losses[1]:.3f}"}
    names = {"name": _name(t, chosen), "other": _name(t, found.over)}
    scores = {"accuracy": percent(chosen.accuracy.value), "higher": percent(found.over.accuracy.value)}
    besides = t(f"kept_{found.advantage}", **names, times=f"{found.times:.1f}") if found.advantage else ""
    return t("kept", **names, **scores, why=t(f"kept_{found.why}", **names, **told), besides=besides)


def p_value(value: float) -> str:
    """``p = 0.62``, ``p = 0.0031``, ``p < 0.001``."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}" if value < 0.1 else f"p = {value:.2f}"


def _name(t: Texts, rung: Rung) -> str:
    return brief(t.named("rung", rung.name))


def _shares(accuracy: Estimate) -> dict[str, str]:
    low, high = (f"{100 * each:.1f}" for each in (accuracy.low, accuracy.high))
    return {"accuracy": percent(accuracy.value), "low": low, "high": high}


def trials(page: PageContext) -> list[tuple[str, TrialRecord]] | None:
    """What was compared on the way, each with its question in words where those are known."""
    t = page.t
    return [(t.of(f"question_{trial.question}", trial.question), trial) for trial in page.record.trials] or None
