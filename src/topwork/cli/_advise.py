"""The command ``advise``, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from topwork.cli._choices import AugmentName, ClassWeightName, EngineOption, FitName, OrientName, seconds
from topwork.cli._console import Console, table
from topwork.cli._text import percent

if TYPE_CHECKING:
    from topwork.advising import Advice, Rung
    from topwork.backbones import EngineName


def advise(
    console: Console,
    data: Annotated[
        Path, typer.Argument(help="Folder of class folders (perhaps under train/, val/, test/) or CSV manifest.")
    ],
    backbone: Annotated[
        str, typer.Option(help="A name that `topwork models` or timm knows; or several with commas.")
    ] = "lite0",
    budget: Annotated[str, typer.Option(help="Time for all of it, such as 90s or 5m.")] = "5m",
    fit: Annotated[FitName, typer.Option("--fit", help="How an image fits into the square.")] = FitName.auto,
    class_weight: Annotated[
        ClassWeightName, typer.Option(help="Whether rare classes weigh more.")
    ] = ClassWeightName.auto,
    augment: Annotated[AugmentName, typer.Option(help="What fine-tuning does to an image.")] = AugmentName.light,
    orient: Annotated[OrientName, typer.Option(help="How fine-tuning turns images.")] = OrientName.auto,
    engine: Annotated[EngineOption, typer.Option(help="What runs the network.")] = EngineOption.auto,
    test: Annotated[float, typer.Option(help="Share held out where DATA has no test/ or val/.", min=0, max=0.9)] = 0.2,
    allow: Annotated[
        list[str] | None, typer.Option(help="Go on in spite of this finding of `topwork check`, such as leakage.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    cache: Annotated[bool, typer.Option(help="Keep features on disk for the next run.")] = True,
) -> None:
    """Measure how much of a pretrained network to keep for DATA: the ladder, the choice, and why."""
    from topwork import fitting
    from topwork.advising import AdviceOptions
    from topwork.strategies import FinetuneOptions, ProbeOptions, default_config

    probe = ProbeOptions(
        fit=fit.value,
        class_weight=class_weight.value,
        engine=None if engine is EngineOption.auto else cast("EngineName", engine.value),
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
    """The ladder as a table, the choice, and what would change it."""
    told = advice.description
    lines = [
        f"{told.images} training images in {told.classes} classes of {told.smallest} to {told.largest}, "
        f"about {told.width} x {told.height} pixels; {advice.backbone}",
        "",
        table(
            ("rung", "what is read or trained", "accuracy % (95 %)", "judged by", "seconds", "ms an image"),
            [_row(rung, advice) for rung in advice.rungs],
        ),
        "",
        _choice(advice),
        *(f"  {note}" for note in advice.changes),
        f"It took {advice.seconds:.0f} of {advice.budget:.0f} seconds.",
    ]
    return "\n".join(lines)


def _row(rung: Rung, advice: Advice) -> tuple[str, ...]:
    mark = "*" if rung is advice.chosen else " "
    if rung.accuracy is None:
        return (f"{mark} {rung.name}", "not climbed", "–", "–", f"{rung.seconds:.1f}", "–")
    return (
        f"{mark} {rung.name}",
        rung.detail,
        percent(rung.accuracy),
        f"{rung.images} {rung.measured}",
        f"{rung.seconds:.1f}",
        "–" if rung.milliseconds is None else f"{rung.milliseconds:.0f}",
    )


def _choice(advice: Advice) -> str:
    chosen = advice.chosen
    score = "not measured" if chosen.accuracy is None else percent(chosen.accuracy)
    return f"Choice: {chosen.name}{', a tie' if advice.tie else ''}: {score} expected on new images."
