"""The commands. Each parses, calls one library function, and prints."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from topwork.cli import _text
from topwork.cli._console import Console, command, fail

if TYPE_CHECKING:
    from topwork.backbones import EngineName
    from topwork.model import Prediction
    from topwork.strategies import OwnAnswer

app = typer.Typer(
    name="topwork",
    help="Turn a folder of labelled images into a trained, measured, usable classifier.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class StrategyName(StrEnum):
    """Rungs that exist."""

    auto = "auto"
    probe = "probe"
    finetune = "finetune"
    as_is = "as-is"
    zero_shot = "zero-shot"


class FitName(StrEnum):
    """Ways to bring an image into the network's square."""

    auto = "auto"
    crop = "crop"
    squash = "squash"
    pad = "pad"


class AugmentName(StrEnum):
    """Levels of augmentation."""

    none = "none"
    light = "light"
    colour = "colour"
    rand = "rand"


class OrientName(StrEnum):
    """Ways to turn training images."""

    auto = "auto"
    none = "none"
    mirror = "mirror"
    any = "any"


class HeadName(StrEnum):
    """Heads."""

    linear = "linear"
    knn = "knn"


class PoolingName(StrEnum):
    """Ways to pool a stage's map."""

    mean = "mean"
    max = "max"
    both = "mean+max"


class ClassWeightName(StrEnum):
    """Ways to weigh classes."""

    auto = "auto"
    none = "none"
    balanced = "balanced"


class EngineOption(StrEnum):
    """Engines."""

    auto = "auto"
    openvino = "openvino"
    torch_cpu = "torch-cpu"
    torch_cuda = "torch-cuda"


Data = Annotated[
    Path, typer.Argument(help="Folder of class folders (perhaps under train/, val/, test/) or CSV manifest.")
]
ModelFolder = Annotated[Path, typer.Argument(help="Model folder.")]


def _version(wanted: bool) -> None:
    if wanted:
        from topwork._version import __version__

        typer.echo(f"topwork {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@command(app, "check")
def check(
    console: Console,
    data: Data,
    backbone: Annotated[str | None, typer.Option(help="Whose features judge the images; lite0 if not given.")] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="CSV manifest to write: the rows that can do no harm.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="HTML page to write: every finding with its pictures.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the folds.", min=0)] = 0,
    cache: Annotated[bool, typer.Option(help="Keep features on disk for the next run.")] = True,
) -> None:
    """Look for what would spoil a model trained on DATA, or make its figures untrue."""
    from topwork import checking, report
    from topwork.backbones import load
    from topwork.data import read, write_manifest

    dataset = read(data)
    network = load(backbone) if backbone else None
    with console.progress():
        found = checking.check(dataset, network, cache=cache, seed=seed, progress=console.step("images"))
    if write is not None:
        write_manifest(found.clean(), write)
    if page is not None:
        report.write_page(report.checkup_page(found), page)
    console.result({"data": str(data), **found.to_dict()}, _text.checked(found, manifest=write, page=page))


@command(app, "fit")
def fit(
    console: Console,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the model folder goes.")],
    data: Annotated[
        Path | None,
        typer.Argument(
            help="As of the other commands; zero-shot needs none where there are --labels.", show_default=False
        ),
    ] = None,
    strategy: Annotated[
        StrategyName,
        typer.Option(
            help="The rung: as-is and zero-shot train nothing, probe a head, finetune the backbone too; auto: probe."
        ),
    ] = StrategyName.auto,
    backbone: Annotated[
        str, typer.Option(help="A name that `topwork models` or timm knows; of several with commas, the best is kept.")
    ] = "lite0",
    weights: Annotated[str, typer.Option(help="pretrained, a .safetensors file, or random[:SEED].")] = "pretrained",
    size: Annotated[
        int | None, typer.Option(help="Side of the network's input in pixels; its own if not given.")
    ] = None,
    stages: Annotated[str, typer.Option(help="auto, last, all, or names of stages with commas.")] = "auto",
    pooling: Annotated[PoolingName, typer.Option(help="How a stage's map is pooled.")] = PoolingName.both,
    fit: Annotated[FitName, typer.Option("--fit", help="How an image fits into the square.")] = FitName.auto,
    head: Annotated[HeadName, typer.Option(help="What is trained on the features.")] = HeadName.linear,
    class_weight: Annotated[
        ClassWeightName, typer.Option(help="Whether rare classes weigh more.")
    ] = ClassWeightName.auto,
    unfreeze: Annotated[
        str, typer.Option(help="For finetune: how many stages to train, counted from the last; all; or auto.")
    ] = "auto",
    augment: Annotated[
        AugmentName, typer.Option(help="For finetune: what is done to a training image.")
    ] = AugmentName.light,
    orient: Annotated[
        OrientName, typer.Option(help="For finetune: mirror images, turn them at will (any), or neither.")
    ] = OrientName.auto,
    epochs: Annotated[int, typer.Option(help="For finetune: passes over the training images.", min=1)] = 6,
    budget: Annotated[
        str | None, typer.Option(help="For finetune: time for the training, such as 90s or 5m; the schedule fits it.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="For finetune: go on where a run with the same -o was broken off.")
    ] = False,
    class_map: Annotated[
        Path | None, typer.Option("--map", help='For as-is: JSON file of {"class": ["ImageNet name" or index, ...]}.')
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help='For zero-shot: words for the classes, with commas: "a cat,a dog".')
    ] = None,
    descriptions: Annotated[
        Path | None, typer.Option(help="For zero-shot: file of `class: description` lines, or JSON.")
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(help='For zero-shot: file of sentences such as "a photo of a {}.", one a line.')
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(help="For zero-shot: folder or hub repository of the text tower; the catalogue's if not given."),
    ] = None,
    blend: Annotated[
        bool, typer.Option("--blend", help="For zero-shot: let a probe join in, as far as it helps.")
    ] = False,
    engine: Annotated[EngineOption, typer.Option(help="What runs the network.")] = EngineOption.auto,
    test: Annotated[float, typer.Option(help="Share held out where DATA has no test/ or val/.", min=0, max=0.9)] = 0.2,
    allow: Annotated[
        list[str] | None, typer.Option(help="Train in spite of this finding of `topwork check`, such as leakage.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    cache: Annotated[bool, typer.Option(help="Keep features on disk for the next run.")] = True,
    self_contained: Annotated[
        bool, typer.Option("--self-contained", help="Put the backbone's weights into the model.")
    ] = False,
) -> None:
    """Train a classifier on DATA and measure it on images it has not seen."""
    from topwork import fitting, model
    from topwork.backbones import load
    from topwork.strategies import AsIsOptions, FinetuneOptions, ProbeOptions, default_config, read_class_map

    model.require_free(out)
    names: Any = stages if stages in ("auto", "last", "all") else tuple(map(str.strip, stages.split(",")))
    common: Any = {
        "fit": fit.value,
        "engine": None if engine is EngineOption.auto else cast("EngineName", engine.value),
        "cache": cache,
        "seed": seed,
    }
    probe = ProbeOptions(
        stages=names, pooling=pooling.value, head=head.value, class_weight=class_weight.value, **common
    )
    training = out.with_name(f"{out.name}.training")
    options: Any = probe
    if strategy is StrategyName.as_is:
        options = AsIsOptions(class_map=read_class_map(class_map) if class_map else None, **common)
    if strategy is StrategyName.finetune:
        options = FinetuneOptions(
            unfreeze=_stage_count(unfreeze),
            augment=augment.value,
            orient=orient.value,
            config=default_config(epochs=epochs, seed=seed, budget_seconds=_seconds(budget)),
            probe=probe,
            checkpoint=training,
            resume=resume,
        )
    if strategy is StrategyName.zero_shot:
        options = _zero_shot_options(labels, descriptions, prompts, text, blend, common)
    networks = [load(name.strip(), weights=weights, size=size) for name in backbone.split(",")]
    if data is None:
        made = fitting.from_words(_labels_alone(strategy, labels, networks), networks[0], options)
        made.save(out, self_contained=self_contained)
        _say_notes(console, made.record.data.notes)
        return console.result({"model": str(out), **made.record.model_dump(mode="json")}, _text.fitted(made, out))
    with console.progress():
        fitted = fitting.fit(
            data,
            strategy=strategy.value,
            backbone=networks,
            options=options,
            test=test,
            allow=allow or (),
            announce=console.step,
        )
        fitted.save(out, self_contained=self_contained)
    shutil.rmtree(training, ignore_errors=True)  # checkpoints of a training that is done
    _say_notes(console, fitted.record.data.notes)
    console.result({"model": str(out), **fitted.record.model_dump(mode="json")}, _text.fitted(fitted, out))


def _stage_count(text: str) -> Any:
    if text in ("auto", "all"):
        return text
    if not text.isdecimal():
        raise typer.BadParameter(f"--unfreeze takes a number of stages, all or auto, not {text!r}")
    return int(text)


def _seconds(text: str | None) -> float | None:
    """``90s``, ``5m``, ``1h`` or seconds as a number."""
    if text is None:
        return None
    number, unit = (text[:-1], text[-1]) if text[-1:] in "smh" else (text, "s")
    try:
        seconds = float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise typer.BadParameter(f"--budget takes a time such as 90s, 5m or 1h, not {text!r}")
    return seconds


def _zero_shot_options(
    labels: str | None, descriptions: Path | None, prompts: Path | None, text: str | None, blend: bool, common: Any
) -> Any:
    from topwork.strategies import TEMPLATES, ZeroShotOptions, read_descriptions, read_templates

    return ZeroShotOptions(
        labels=tuple(labels.split(",")) if labels is not None else None,
        descriptions=read_descriptions(descriptions) if descriptions else None,
        templates=read_templates(prompts) if prompts else TEMPLATES,
        text=text,
        blend=blend,
        **common,
    )


def _labels_alone(strategy: StrategyName, labels: str | None, networks: Sized) -> list[str]:
    """The labels of a fit without data."""
    if strategy is not StrategyName.zero_shot or labels is None or len(networks) != 1:
        raise typer.BadParameter("DATA may be left out only with --strategy zero-shot, --labels and one backbone")
    return labels.split(",")


@command(app, "evaluate")
def evaluate(
    console: Console,
    model: ModelFolder,
    data: Data,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    cache: Annotated[bool, typer.Option(help="Keep features on disk for the next run.")] = True,
) -> None:
    """Measure MODEL on labelled images: metrics with 95 % intervals."""
    from topwork.data import read
    from topwork.model import load

    loaded = load(model)
    dataset = read(data, classes=loaded.classes)
    with console.progress():
        found = loaded.evaluate(dataset, seed=seed, cache=cache, progress=console.step("features"))
    _say_notes(console, dataset.notes)
    left_out = [{"path": item.path, "reason": item.reason} for item in found.left_out]
    fields = {
        "model": str(model),
        "data": str(data),
        "part": found.part,
        "seen_in_training": found.seen_in_training,
        **found.evaluation.to_dict(),
        "left_out": left_out,
    }
    console.result(fields, _text.evaluated(found))


@command(app, "predict")
def predict(
    console: Console,
    model: Annotated[str | None, typer.Argument(help="Model folder; left out with --backbone.")] = None,
    images: Annotated[list[str] | None, typer.Argument(help="Image files.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="No model, but this network's own classes: the 5 most probable of ImageNet's.")
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read file names from stdin, one a line.")] = False,
) -> None:
    """Classify images: one line, or with --json one object, for each."""
    if backbone is not None and model is not None:  # no model: every argument is an image
        images = [model, *(images or [])]
    if backbone is None and model is None:
        raise typer.BadParameter("name a model folder, or a network with --backbone")
    if stdin == bool(images):
        raise typer.BadParameter("name images, or pass --stdin: one of the two")
    predict_each = _predictor(model or "", backbone)
    failed = 0
    for names in _lines_as_they_come() if stdin else iter([images or []]):
        for prediction in predict_each(names):
            if prediction.error:
                failed += 1
                if not console.as_json:
                    console.failure(_text.refused(prediction))
                    continue
            console.result(prediction.to_dict(), _text.predicted(prediction))
        sys.stdout.flush()
    if failed:
        fail(
            f"{failed} {'image' if failed == 1 else 'images'} could not be used",
            "each one's line says why; the others are not affected",
        )


def _predictor(model: str, backbone: str | None) -> Callable[[list[str]], Iterator[Prediction | OwnAnswer]]:
    """What answers: a model, or a network without one."""
    if backbone is None:
        from topwork.model import load

        return load(model).predict_each
    from topwork.backbones import load as load_backbone
    from topwork.strategies import OwnClasses

    return OwnClasses(load_backbone(backbone)).top


def _lines_as_they_come() -> Iterator[list[str]]:
    """File names from stdin in batches of what is there: whole files fast, a typing person without delay."""
    rest = b""
    while block := sys.stdin.buffer.read1(65536):  # type: ignore[union-attr]
        *lines, rest = (rest + block).split(b"\n")
        yield _names(lines)
    yield _names([rest])


def _names(lines: Iterable[bytes]) -> list[str]:
    return [os.fsdecode(line.rstrip(b"\r")) for line in lines if line.strip()]


@command(app, "models")
def models(
    console: Console,
    name: Annotated[str | None, typer.Argument(help="One backbone, told whole.")] = None,
    family: Annotated[str | None, typer.Option(help="Only of this family, such as resnet or vit.")] = None,
    method: Annotated[
        str | None, typer.Option(help="Only pretrained so: supervised, self-supervised, image-text or segmentation.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Only under this licence, or free: no terms of its own.")] = None,
    max_params: Annotated[float | None, typer.Option(help="Only up to so many million parameters.")] = None,
    max_gmacs: Annotated[
        float | None, typer.Option(help="Only up to so many billion multiplications an image.")
    ] = None,
) -> None:
    """List the backbones that topwork knows by itself; any other timm name works too."""
    from topwork.backbones import load, row, select

    if name is None:
        rows = select(family=family, method=method, licence=licence, max_params=max_params, max_gmacs=max_gmacs)
        console.result({"models": [entry.to_dict() for entry in rows]}, _text.catalogue(rows))
        return
    entry = row(name)
    backbone = load(name, weights="random")  # its facts alone: nothing is fetched
    fields = entry.to_dict() if entry else backbone.to_dict()
    console.result(fields, _text.backbone(backbone, entry))


@command(app, "doctor")
def doctor(console: Console) -> None:
    """Tell what is installed and works here: versions, devices, engines, cache."""
    from topwork.doctor import examine

    health = examine()
    console.result(health.to_dict(), _text.health(health))
    if not health.well:
        fail("something that topwork needs does not work here", "the lines marked with ! say what")


@command(app, "demo")
def demo(
    console: Console,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the model folder goes.")] = Path("topwork-demo"),
) -> None:
    """Do the whole job on the sample data set: read, split, train, measure, save, predict."""
    from topwork import fitting, model
    from topwork.data import read, split

    model.require_free(out)
    folder = fitting.sample_folder()
    dataset = split(read(folder), test=0.5)
    console.note(f"The sample: pictures of woven textile in three classes, in {folder}")
    console.note("Half of them train the model, the other half measure it. This takes about half a minute.")
    with console.progress():
        fitted = fitting.fit(dataset, announce=console.step)
        fitted.save(out)
    unseen = dataset.part("test")
    examples = [unseen.full_path(int((unseen.labels == label).argmax())) for label in range(len(unseen.classes))]
    predictions = model.load(out).predict(examples)
    fields = {
        "model": str(out),
        **fitted.record.model_dump(mode="json"),
        "predictions": [prediction.to_dict() for prediction in predictions],
    }
    console.result(fields, _text.demonstrated(fitted, out, folder, predictions))


def _say_notes(console: Console, notes: Iterable[str]) -> None:
    for note in notes:
        console.note(f"note: {note}")


def main() -> None:
    """Run the program ``topwork``."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us, as in `topwork fit … 2>&-`
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    app()
