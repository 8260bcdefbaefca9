"""``fit --from OUT/``: a model from the features in a folder of shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from topwork.cli import _text
from topwork.cli._console import Console
from topwork.cli._options import CommandLine, reading

FromShards = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="OUT/",
        help="Fit on the features in this folder of shards, which `topwork embed DATA -o OUT/` has filled, however "
        "many there are. DATA is then left out, or a table of ids with their labels.",
        show_default=False,
    ),
]

_HEARD = {"out", "data", "shards", "backbone", "weights", "allow_pickle", "test", "self_contained", "columns", "track"}
_HEARD |= {"trust", "strategy", "settings", "seed", "task", "as_json", "quiet", "debug", "offline", "lang"}
_METHODS = {"auto": "logistic", "logistic": "logistic", "lda": "lda"}
_READ = ("seed", "method", "class_weight")  # fields of the probe's options


def fit_from(
    console: Console,
    context: typer.Context,
    shards: str,
    out: Path,
    labels: Path | None,
    command_line: CommandLine,
    given: Mapping[str, Any],
    **how: Any,
) -> None:
    """Fit, save, and say what came out; ``how`` has the network's options, ``test``, ``columns`` and the like."""
    from topwork import fitting, model
    from topwork.tasks import task
    from topwork.tracking import Tracking, tracker

    room = task(given["task"])
    trackers = [tracker(each) for each in how["track"]]
    _require_heard(context, room.name, given)
    options = command_line.options(console, context, {**given, "strategy": "probe"})
    method = _method(options)
    columns = reading(how["columns"], False).get("columns")
    if columns is not None and labels is None:
        raise typer.BadParameter("--columns is for a table of labels: name it as DATA")
    model.require_free(out, room.model.block.files)
    with console.progress(), Tracking(trackers) as tracking:
        asked = {"task": room.name, "strategy": "probe", "method": method, "test": how["test"]}
        asked |= {"class_weight": options.class_weight, "seed": options.seed}
        told_of = fitting.Tracked(tracking, out.resolve().name, asked)
        console.step("looking at the shards")
        made = fitting.fit_shards(
            shards,
            None if labels is None else str(labels),
            columns=columns,
            backbone=_network(shards, how),
            method=method,
            class_weight=options.class_weight,
            test=how["test"],
            seed=options.seed,
            announce=console.step,
        )
        console.step("saving the model and its page")
        made.save(out, self_contained=how["self_contained"])
        told_of.finish(made, [fitting.write_report(made, out, language=console.language)])
    console.notes([*tracking.notes, *made.record.data.notes])
    fields = {"model": str(out), **made.record.model_dump(mode="json")}
    console.result(fields, [*room.words.fitted(made), *_text.saved(out, "IMAGE...")])


def _network(shards: str, how: Mapping[str, Any]) -> Any:
    """The network that the user names; None where the plan's is taken."""
    if how["backbone"] is None and how["weights"] == "pretrained" and not how["allow_pickle"]:
        return None
    from topwork.fitting import network_of
    from topwork.sharding import Parts

    recipe = Parts(shards).recipe
    return network_of(recipe, how["backbone"], weights=how["weights"], allow_pickle=how["allow_pickle"])[0]


def _require_heard(context: typer.Context, task: str, given: Mapping[str, Any]) -> None:
    """Refuse what would not be read."""
    if task != "classification":
        raise typer.BadParameter("--from is for classes of images: --task classification")
    if given.get("strategy", "auto") not in ("auto", "probe"):
        raise typer.BadParameter(f"--from fits a head on features: --strategy probe, not {given['strategy']}")
    for each in context.command.params:
        source = context.get_parameter_source(each.name or "")
        if each.name not in _HEARD and source is not None and source.name != "DEFAULT":
            raise typer.BadParameter(f"{each.opts[0]} cannot be used with --from")


def _method(options: Any) -> Any:
    """How the head is fitted; refuses settings that were made when the features were computed, or are not for these."""
    plain = type(options)()
    changed = [each.name for each in dataclasses.fields(options) if each.name not in _READ]
    wrong = next((name for name in changed if getattr(options, name) != getattr(plain, name)), None)
    if wrong is not None:
        raise typer.BadParameter(f"--set {wrong} cannot be used with --from")
    if options.method not in _METHODS:
        raise typer.BadParameter(f"with --from head.method is {' or '.join(_METHODS)}, not {options.method}")
    return _METHODS[options.method]
