"""The command ``advise``, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli._choices import (
    AugmentName,
    CacheOption,
    ClassWeightName,
    ClassWeightOption,
    CropModeName,
    CropModeOption,
    EngineKind,
    EngineOption,
    HeldOutOption,
    OrientName,
    SeedOption,
    engine_named,
    seconds,
)
from topwork.cli._console import Console, table
from topwork.cli._text import percent, printable

if TYPE_CHECKING:
    from topwork.advising import Advice, Forecast, Rung


def advise(
    console: Console,
    data: Annotated[
        Path, typer.Argument(help="Folder of class folders (perhaps under train/, val/, test/) or CSV manifest.")
    ],
    backbone: Annotated[
        str, typer.Option(help="A name that `topwork models` or timm knows; or several with commas.")
    ] = "lite0",
    budget: Annotated[str, typer.Option(help="Time for all of it, such as 90s or 5m.")] = "5m",
    crop_mode: CropModeOption = CropModeName.auto,
    class_weight: ClassWeightOption = ClassWeightName.auto,
    augment: Annotated[AugmentName, typer.Option(help="What fine-tuning does to an image.")] = AugmentName.auto,
    orient: Annotated[OrientName, typer.Option(help="How fine-tuning turns images.")] = OrientName.auto,
    engine: EngineOption = EngineKind.auto,
    test: HeldOutOption = 0.2,
    allow: Annotated[
        list[str] | None, typer.Option(help="Go on in spite of this finding of `topwork check`, such as leakage.")
    ] = None,
    seed: SeedOption = 0,
    cache: CacheOption = True,
) -> None:
    """Measure how much of a pretrained network to keep for DATA: the ladder, the choice, and why."""
    from topwork import fitting
    from topwork.tasks.classification.ladder import AdviceOptions
    from topwork.tasks.classification.strategies import FinetuneOptions, ProbeOptions, default_config

    probe = ProbeOptions(
        crop_mode=crop_mode.value,
        class_weight=class_weight.value,
        engine=engine_named(engine),
        cache=cache,
        seed=seed,
    )
    how: Any = {"augment": augment.value, "orient": orient.value}
    tuning = FinetuneOptions(**how, probe=probe, config=default_config(seed=seed))
    options = AdviceOptions(budget_seconds=seconds(budget) or 0.0, finetune=tuning)
    names = [name.strip() for name in backbone.split(",")]
    with console.progress():
        found = fitting.advise(
            data, backbone=names, options=options, test=test, allow=allow or (), announce=console.step
        )
    console.result({"data": str(data), **found.to_dict()}, card(found))


def card(advice: Advice) -> str:
    """The ladder as a table, the choice, what would change it, and what more images would bring."""
    head = ("rung", "what is read or trained", "accuracy (95 %)", "judged on", "seconds", "ms an image")
    lines = [
        *_data(advice),
        *_backbones(advice),
        "",
        table(head, [_row(rung, advice) for rung in advice.rungs]),
        *(f"  {rung.name}: {printable(rung.note)}" for rung in advice.rungs if rung.note),
        "",
        _choice(advice),
        *(f"  {note}" for note in advice.changes),
        *_ahead(advice.forecast),
        f"It took {advice.seconds:.0f} of {advice.budget:.0f} seconds. "
        f"Next:  topwork fit DATA -o MODEL    (with the same options it goes on from here)",
    ]
    return "\n".join(lines)


def _data(advice: Advice) -> list[str]:
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


def _row(rung: Rung, advice: Advice) -> tuple[str, ...]:
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


def _ahead(forecast: Forecast | None) -> list[str]:
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
