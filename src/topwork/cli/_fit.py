"""The commands ``fit`` and ``advise``, whose options are the strategies'."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from topwork.cli import _text
from topwork.cli._commands import ARGS
from topwork.cli._console import Console
from topwork.cli._from_shards import FromShards, fit_from
from topwork.cli._on_ray import FitOn, fit_on_ray, require_on
from topwork.cli._options import Columns, CommandLine, FollowLinks, Setting, reading, settings, strategies

if TYPE_CHECKING:
    from topwork.checking import Checkup
    from topwork.tasks import Strategy, Task

Data = Annotated[
    Path,
    typer.Argument(
        help="Labelled images or texts: a folder with one folder per class (optionally under train/, val/, test/), or "
        "a table (CSV, TSV, JSONL, Parquet) of image paths or texts with their labels. For objects: COCO JSON, a "
        "folder in the form of Pascal VOC or YOLO, or a table of image paths with labels and boxes. For masks: the "
        "folders images/ and masks/, COCO JSON with outlines, or a table of image paths with masks."
    ),
]
DataOrLabels = Annotated[
    Path | None,
    typer.Argument(
        help="Labelled images or texts: a folder with one folder per class (optionally under train/, val/, test/), or "
        "a table (CSV, TSV, JSONL, Parquet) of image paths or texts with their labels. For objects: COCO JSON, a "
        "folder in the form of Pascal VOC or YOLO, or a table of image paths with labels and boxes. For masks: the "
        "folders images/ and masks/, COCO JSON with outlines, or a table of image paths with masks. Not needed for "
        "zero-shot with --labels.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder to save the model in.")]
Backbones = Annotated[
    str | None,
    typer.Option(
        help="Pretrained network: a name from `topwork models`, timm or the hub; lite0 for images and minilm for texts "
        "if not given. Of several, separated by commas, the best is used.",
        show_default=False,
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        help="Weights of the network: pretrained, random[:SEED], a .safetensors file, a folder that contains one, or "
        "a .h5 or .keras file of a network of keras.applications."
    ),
]
Pickle = Annotated[
    bool,
    typer.Option("--allow-pickle", help="Allow --weights to be a .pth, .pt or .bin file. Only its tensors are read."),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Let the code of a network of torch.hub (torchhub:OWNER/REPO:NAME@COMMIT) run on this machine, now and "
        "later. It could do anything.",
    ),
]
Rules = Annotated[
    Literal["topwork", "timm"],
    typer.Option(
        "--preprocessing",
        help="How images are decoded and resized: timm exactly as in timm's own evaluation of the network; topwork "
        "faster, with other pixels and the same accuracy on photographs.",
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        help="Side of the network's input in pixels, or tokens read of a text; the pretrained size if not given."
    ),
]
HeldOut = Annotated[
    float, typer.Option(help="Share of the data held out for testing when DATA has no test/ or val/.", min=0, max=0.9)
]
Allowed = Annotated[
    list[str] | None, typer.Option(help="Continue despite this finding of `topwork check`, such as leakage.")
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--cv",
        min=2,
        metavar="K",
        help="Also measure by K-fold cross-validation: the whole fit is done K times more, everything that it chooses "
        "included, with features from the cache. The saved model stays the same.",
        show_default=False,
    ),
]
Thumbnails = Annotated[
    bool,
    typer.Option(
        "--thumbnails",
        help="Save small pictures of training images, or the beginnings of texts, with the model, so that the nearest "
        "can be shown. Whoever gets the model sees them.",
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="NAME[=WHERE]",
        help="Also tell a tracker of epochs, figures and the page: mlflow, tensorboard, wandb or trackio. WHERE is a "
        "tracking URI, a folder or a project. May be repeated. Without it nothing is sent anywhere.",
        show_default=False,
    ),
]
SelfContained = Annotated[bool, typer.Option("--self-contained", help="Save the backbone's weights with the model.")]


def fit_options(task: str | None = None) -> CommandLine:
    """The options of all strategies; ``describe`` is for ``advise``, whose choice is the same without."""
    return CommandLine(strategies(task), own=("checkpoint",), describe=False)


def decision_settings(task_name: str | None = None) -> list[Setting]:
    """How a model of the task decides on an answer, whatever the strategy."""
    from topwork.tasks import DEFAULT, task

    kind = task(task_name or DEFAULT).decision
    return settings(kind()) if kind is not None else []


def fit_parameters(task_name: str | None = None) -> list[inspect.Parameter]:
    """The options of ``fit`` that the task and its strategies have."""
    own = [each.parameter(flag, each.help, None) for each in decision_settings(task_name) for flag in each.flags]
    return [*fit_options(task_name).parameters(), *own]


def _decision(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the command line says of how the model decides, by the names of ``fit``'s arguments."""
    named = ((each.path[0], each.flags[0], each) for each in decision_settings(given["task"]))
    return {name: each.read(given[name], flag) for name, flag, each in named if given.get(name)}


def advise_options(task: str | None = None) -> CommandLine:
    """The options of the strategy that advises alone; where none does, ``fitting.advise`` says so."""
    found = strategies(task)
    return CommandLine([each for each in found if each.advise is not None][:1] or found[:1])


def fit(
    console: Console,
    context: typer.Context,
    out: Out,
    data: DataOrLabels = None,
    backbone: Backbones = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    trust: Trust = False,
    size: Size = None,
    preprocessing: Rules = "topwork",
    test: HeldOut = 0.2,
    allow: Allowed = None,
    cv: Folds = None,
    self_contained: SelfContained = False,
    thumbnails: Thumbnails = False,
    columns: Columns = None,
    follow_links: FollowLinks = False,
    shards: FromShards = None,
    track: Track = None,
    on: FitOn = "local",
    **given: Any,
) -> None:
    """Train a model on DATA and measure it on held-out data."""
    made_by: Any = {"weights": weights, "allow_pickle": allow_pickle, "preprocessing": preprocessing}
    let_run([name.strip() for name in (backbone or "").split(",")], trust=trust)
    if shards is not None:
        how: Any = {**made_by, "backbone": backbone, "test": test, "columns": columns, "self_contained": self_contained}
        how["track"] = track or ()
        return fit_from(console, context, shards, out, data, fit_options(given["task"]), given, **how)
    from topwork import fitting, model
    from topwork.tasks import task
    from topwork.tracking import Tracking, tracker
    from topwork.train import joined, remove_checkpoints, require_own

    beside = out.resolve().parent / f"{out.resolve().name}.training"
    options = fit_options(given["task"]).options(console, context, given, checkpoint=beside)
    training = getattr(options, "checkpoint", None)
    room = task(given["task"])
    names = [name.strip() for name in (backbone or room.backbone).split(",")]
    how = reading(columns, follow_links)
    strategy = room.strategy(given.get("strategy", room.strategies()[0].name))
    _require_one_process(room, strategy, cv)
    decision = _decision(given)
    trackers = [tracker(each) for each in track or ()]
    if data is None and cv is not None:
        raise typer.BadParameter("--cv needs DATA: without images there is nothing to measure")
    if data is None and thumbnails:
        raise typer.BadParameter("--thumbnails needs DATA: without images there is nothing to show")
    if data is None:
        _require_dataless(room, strategy, options, names)  # told before anything is fetched
        if decision:
            raise typer.BadParameter(
                "without DATA the model predicts the most probable class, and nothing else can be set"
            )
    model.require_free(out, room.model.block.files)
    if training:
        require_own(training)
    if on != "local":
        _require_ray(on, strategy, cv)
        assert training is not None
        fit_on_ray(console, on, context.meta[ARGS], training, resume=options.resume)
    networks = [room.load(name, size=size, **made_by) for name in names]
    shared: Any = {"task": room, "strategy": strategy.name, "backbone": networks, "options": options, "test": test}
    checkups: list[Checkup] = []

    def vetted(checkup: Checkup) -> None:
        checkups.append(checkup)
        if cv is not None:
            console.note(f"note: --cv {cv} does the whole fit {cv + 1} times: for the model, and once for each fold")

    with joined() as first:
        console.quiet |= not first  # one voice for all processes
        console.within(getattr(options, "budget_seconds", None))
        with console.progress(), Tracking(trackers if first else ()) as tracking:
            asked = {"task": room.name, "strategy": strategy.name, "backbone": ", ".join(names), "options": options}
            told_of = fitting.Tracked(tracking, out.resolve().name, asked)
            if data is None:
                assert strategy.dataless is not None
                made = strategy.dataless(networks, options)
            else:
                given_data = room.read(data, **how) if how else data
                shared |= {"announce": told_of.announced(console.step), "vetted": vetted, **decision}
                made = fitting.fit(given_data, allow=allow or (), cv=cv, thumbnails=thumbnails, **shared)
            if not first:
                return
            console.step("saving the model and its page")
            made.save(out, self_contained=self_contained)
            told: Any = {"checkup": checkups[0] if checkups else None, "language": console.language}
            page = fitting.write_report(made, out, data=str(data) if data is not None else "", **told)
            told_of.finish(made, [page])
    if training and not strategy.was_broken_off(made.record):
        remove_checkpoints(training)
    console.notes(
        [*tracking.notes, *made.record.data.notes, *_text.unlike(getattr(made.held_out, "shift", None), made.thing)]
    )
    fields = {"model": str(out), **made.record.model_dump(mode="json")}
    console.result(
        fields, [*room.words.fitted(made), *_text.saved(out, made.kind.argument if room.written else "IMAGE...")]
    )


def advise(
    console: Console,
    context: typer.Context,
    data: Data,
    backbone: Backbones = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    preprocessing: Rules = "topwork",
    test: HeldOut = 0.2,
    allow: Allowed = None,
    columns: Columns = None,
    follow_links: FollowLinks = False,
    **given: Any,
) -> None:
    """Measure which strategy suits DATA, from using the network as it is to fine-tuning all of it, and say why."""
    from topwork import fitting
    from topwork.tasks import task

    options = advise_options(given["task"]).options(console, context, given)
    room = task(given["task"])
    how = reading(columns, follow_links)
    made_by: Any = {"weights": weights, "allow_pickle": allow_pickle, "preprocessing": preprocessing}
    networks = [room.load(name.strip(), **made_by) for name in (backbone or room.backbone).split(",")]
    console.within(getattr(options, "budget_seconds", None))
    with console.progress():
        found = fitting.advise(
            room.read(data, **how) if how else data,
            task=room,
            backbone=networks,
            options=options,
            test=test,
            allow=allow or (),
            announce=console.step,
        )
    console.result({"data": str(data), **found.to_dict()}, room.words.advised(found))


def let_run(names: Sequence[str], *, trust: bool) -> None:
    """Remember that the code of the networks of torch.hub may run; ``BadParameter`` where there is none of them."""
    from topwork.backbones import is_torchhub
    from topwork.backbones import trust as remember

    if not trust:
        return
    if not any(map(is_torchhub, names)):
        raise typer.BadParameter("--trust is for a network of torch.hub: torchhub:OWNER/REPO:NAME@COMMIT")
    for name in filter(is_torchhub, names):
        remember(name)


def _require_one_process(room: Task, strategy: Strategy, cv: int | None) -> None:
    from topwork.train import started_by_torchrun

    if started_by_torchrun() and cv is not None:
        raise typer.BadParameter("--cv works in one process, not with torchrun")
    if started_by_torchrun() and not strategy.distributed:
        together = ", ".join(each.name for each in room.strategies() if each.distributed)
        raise typer.BadParameter(
            f"training in several processes (torchrun) works with --strategy {together}, not with {strategy.name}"
        )


def _require_ray(on: str, strategy: Strategy, cv: int | None) -> None:
    require_on(on)
    if cv is not None:
        raise typer.BadParameter("--cv works in one process, not with --on")
    if not strategy.distributed:
        raise typer.BadParameter(f"--on ray trains the network: --strategy finetune, not {strategy.name}")


def _require_dataless(room: Task, strategy: Strategy, options: Any, backbones: Sequence[str]) -> None:
    """Refuse a command line without DATA that does not say what there is to go by instead."""
    if strategy.dataless is None or not options.labels or len(backbones) != 1:
        able = ", ".join(each.name for each in room.strategies() if each.dataless is not None)
        instead = f"may be left out only with --strategy {able}, --labels and one backbone" if able else "is missing"
        raise typer.BadParameter(f"DATA {instead}")
