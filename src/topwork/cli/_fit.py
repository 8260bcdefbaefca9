"""The commands ``fit`` and ``advise``, whose options are the strategies', and ``demo``, which does it all once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli import _text
from topwork.cli._console import Console
from topwork.cli._evaluate import unlike
from topwork.cli._options import CommandLine, strategies
from topwork.cli._report import write_report

if TYPE_CHECKING:
    from topwork.checking import Checkup
    from topwork.model import Classifier

_DEMO_SECONDS = 110.0  # for the ladder, fine-tuning included; with all else it makes three minutes at most
_TRAIN, _TEST = 1000, 500  # pictures of the sample's 2,000

Data = Annotated[
    Path, typer.Argument(help="Folder of class folders (perhaps under train/, val/, test/) or CSV manifest.")
]
DataOrLabels = Annotated[
    Path | None,
    typer.Argument(help="As of the other commands; zero-shot needs none where there are --labels.", show_default=False),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where the model folder goes.")]
Backbones = Annotated[
    str, typer.Option(help="A name that `topwork models` or timm knows; of several with commas, the best is kept.")
]
Weights = Annotated[
    str, typer.Option(help="pretrained; a .safetensors file, or a folder that holds one; or random[:SEED].")
]
Pickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Let --weights be a .pth, .pt or .bin file: its tensors are read.")
]
Size = Annotated[int | None, typer.Option(help="Side of the network's input in pixels; its own if not given.")]
HeldOut = Annotated[float, typer.Option(help="Share held out where DATA has no test/ or val/.", min=0, max=0.9)]
Allowed = Annotated[
    list[str] | None, typer.Option(help="Go on in spite of this finding of `topwork check`, such as leakage.")
]
SelfContained = Annotated[bool, typer.Option("--self-contained", help="Put the backbone's weights into the model.")]


@functools.cache
def fit_options() -> CommandLine:
    """The options of all strategies; ``describe`` is for ``advise``, whose choice is the same without."""
    return CommandLine(strategies(), own=("checkpoint",), describe=False)


@functools.cache
def advise_options() -> CommandLine:
    """The options of the climb alone."""
    return CommandLine(strategies()[:1])


def fit(
    console: Console,
    context: typer.Context,
    out: Out,
    data: DataOrLabels = None,
    backbone: Backbones = "lite0",
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    size: Size = None,
    test: HeldOut = 0.2,
    allow: Allowed = None,
    self_contained: SelfContained = False,
    **given: Any,
) -> None:
    """Train a classifier on DATA and measure it on images it has not seen."""
    from topwork import fitting, model
    from topwork.backbones import load
    from topwork.tasks.classification import from_words
    from topwork.train import joined, require_own

    beside = out.resolve().with_name(f"{out.resolve().name}.training")
    options = fit_options().options(console, context, given, checkpoint=beside)
    names = [name.strip() for name in backbone.split(",")]
    _require_one_process(given["strategy"])
    labels, training = getattr(options, "labels", None) or (), getattr(options, "checkpoint", None)
    if data is None and not (labels and len(names) == 1):  # told before anything is fetched
        raise typer.BadParameter("DATA may be left out only with --strategy zero-shot, --labels and one backbone")
    model.require_free(out)
    if training:
        require_own(training)
    networks = [load(name, weights=weights, size=size, allow_pickle=allow_pickle) for name in names]
    if data is None:
        worded = from_words(labels, networks[0], options)
        _save(worded, out, self_contained)
        return _tell(console, worded, out)
    shared: Any = {"strategy": given["strategy"], "backbone": networks, "options": options, "test": test}
    checkups: list[Checkup] = []
    with joined() as first:
        voice = console if first else Console(as_json=False, quiet=True)
        with voice.progress():
            made = fitting.fit(data, allow=allow or (), announce=voice.step, vetted=checkups.append, **shared)
            assert isinstance(made, model.Classifier)
            if not first:
                return None
            _save(made, out, self_contained, *checkups)
    _clear(training, made)
    return _tell(console, made, out)


def advise(
    console: Console,
    context: typer.Context,
    data: Data,
    backbone: Backbones = "lite0",
    test: HeldOut = 0.2,
    allow: Allowed = None,
    **given: Any,
) -> None:
    """Measure how much of a pretrained network to keep for DATA: the ladder, the choice, and why."""
    from topwork import fitting

    options = advise_options().options(console, context, given)
    names = [name.strip() for name in backbone.split(",")]
    with console.progress():
        found = fitting.advise(
            data, backbone=names, options=options, test=test, allow=allow or (), announce=console.step
        )
    console.result({"data": str(data), **found.to_dict()}, _text.advised(found))


def _require_one_process(strategy: str) -> None:
    from topwork.train import started_by_torchrun

    if started_by_torchrun() and strategy != "finetune":
        raise typer.BadParameter(f"several processes train --strategy finetune together, not {strategy}")


def _save(made: Classifier, out: Path, self_contained: bool, *checkups: Checkup) -> None:
    made.save(out, self_contained=self_contained)
    write_report(made, out, *checkups)


def _clear(training: Path | None, made: Classifier) -> None:
    """Checkpoints are kept only where Ctrl-C broke the training off."""
    from topwork.tasks.classification.strategies import INTERRUPTED
    from topwork.train import remove_checkpoints

    if training and not any(INTERRUPTED in note for note in made.record.data.notes):
        remove_checkpoints(training)


def _tell(console: Console, made: Classifier, out: Path) -> None:
    console.notes([*made.record.data.notes, *unlike(made.held_out.shift if made.held_out else None)])
    console.result({"model": str(out), **made.record.model_dump(mode="json")}, _text.fitted(made, out))


def demo(console: Console, out: Out = Path("topwork-demo")) -> None:
    """Do the whole job on the sample data set: check, advise, train, measure, save, predict."""
    from topwork import checking, fitting, model
    from topwork.data import read, split
    from topwork.tasks import load
    from topwork.tasks.classification.ladder import AdviceOptions

    model.require_free(out)
    folder = fitting.sample_folder()
    halves = split(read(folder), test=0.5)
    unseen = split(halves.split("test"), test=_TEST / _TRAIN).split("test")
    dataset = halves.select([*(halves.splits == "train").nonzero()[0], *_rows(halves.paths, unseen.paths)])
    console.note(f"The sample: pictures of woven textile in three classes, in {folder}")
    console.note(
        f"{_TRAIN} of them train the model, {_TEST} others measure it, and {_TEST} are left out to save time. "
        "This takes up to three minutes."
    )
    options = AdviceOptions(budget_seconds=_DEMO_SECONDS)
    with console.progress():
        checkup = checking.check(dataset, progress=console.step("images"))
        advice = fitting.advise(dataset, options=options, announce=console.step)
        fitted = fitting.fit(dataset, options=options, announce=console.step)
        assert isinstance(fitted, model.Classifier)
        fitted.save(out)
        write_report(fitted, out, checkup)
    examples = [unseen.full_path(int((unseen.labels == label).argmax())) for label in range(len(unseen.classes))]
    predictions = load(out).predict(examples)
    fields = {
        "model": str(out),
        **fitted.record.model_dump(mode="json"),
        "check": checkup.to_dict(),
        "advice": advice.to_dict(),
        "predictions": [prediction.to_dict() for prediction in predictions],
    }
    parts = (
        ("1. The data doctor (topwork check)", _text.checked(checkup, manifest=None, page=None)),
        ("2. How much of the network to keep (topwork advise)", _text.advised(advice)),
        ("3. The model (topwork fit, topwork predict)", _text.demonstrated(fitted, out, folder, predictions)),
    )
    console.result(fields, "\n\n".join(f"{title}\n\n{text}" for title, text in parts))


def _rows(paths: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    places = {path: row for row, path in enumerate(paths)}
    return [places[path] for path in wanted]
