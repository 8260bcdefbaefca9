"""The command ``fit``: what may be asked of each rung of the ladder."""

from __future__ import annotations

import json
from collections.abc import Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli import _text
from topwork.cli._choices import (
    STRATEGIES_OF,
    AugmentName,
    CacheOption,
    ClassWeightName,
    ClassWeightOption,
    CropModeName,
    CropModeOption,
    EngineKind,
    EngineOption,
    HeadName,
    HeldOutOption,
    OrientName,
    PoolingName,
    SeedOption,
    StrategyName,
    engine_named,
    require_heard,
    seconds,
)
from topwork.cli._console import Console
from topwork.cli._evaluate import unlike
from topwork.cli._report import write_report

if TYPE_CHECKING:
    from topwork.checking import Checkup


def fit(
    console: Console,
    context: typer.Context,
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
            help="The rung: as-is and zero-shot train nothing, probe a head, finetune the backbone too; "
            "auto climbs while it pays."
        ),
    ] = StrategyName.auto,
    backbone: Annotated[
        str, typer.Option(help="A name that `topwork models` or timm knows; of several with commas, the best is kept.")
    ] = "lite0",
    weights: Annotated[
        str, typer.Option(help="pretrained; a .safetensors file, or a folder that holds one; or random[:SEED].")
    ] = "pretrained",
    allow_pickle: Annotated[
        bool,
        typer.Option("--allow-pickle", help="Let --weights be a .pth, .pt or .bin file: its tensors are read."),
    ] = False,
    size: Annotated[
        int | None, typer.Option(help="Side of the network's input in pixels; its own if not given.")
    ] = None,
    stages: Annotated[str, typer.Option(help="auto, last, all, or names of stages with commas.")] = "auto",
    pooling: Annotated[PoolingName, typer.Option(help="How a stage's map is pooled.")] = PoolingName.both,
    crop_mode: CropModeOption = CropModeName.auto,
    head: Annotated[HeadName, typer.Option(help="What is trained on the features.")] = HeadName.linear,
    class_weight: ClassWeightOption = ClassWeightName.auto,
    unfreeze: Annotated[
        str, typer.Option(help="How many stages finetune trains, counted from the last; all; or auto.")
    ] = "auto",
    augment: Annotated[
        AugmentName, typer.Option(help="For finetune: what is done to a training image.")
    ] = AugmentName.auto,
    orient: Annotated[
        OrientName, typer.Option(help="For finetune: mirror images, turn them at will (any), or neither.")
    ] = OrientName.auto,
    epochs: Annotated[int, typer.Option(help="For finetune: passes over the training images.", min=1)] = 8,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Time, such as 90s or 5m: for auto of everything (5m if not given), for finetune of the training."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="For finetune: any setting of `topwork.train.TrainConfig`."),
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
    engine: EngineOption = EngineKind.auto,
    test: HeldOutOption = 0.2,
    allow: Annotated[
        list[str] | None, typer.Option(help="Train in spite of this finding of `topwork check`, such as leakage.")
    ] = None,
    seed: SeedOption = 0,
    cache: CacheOption = True,
    self_contained: Annotated[
        bool, typer.Option("--self-contained", help="Put the backbone's weights into the model.")
    ] = False,
) -> None:
    """Train a classifier on DATA and measure it on images it has not seen."""
    from topwork import fitting, model
    from topwork.backbones import load
    from topwork.tasks.classification import from_words
    from topwork.tasks.classification.ladder import BUDGET, AdviceOptions
    from topwork.tasks.classification.strategies import (
        INTERRUPTED,
        AsIsOptions,
        FinetuneOptions,
        ProbeOptions,
        default_config,
        read_class_map,
    )
    from topwork.train import joined, remove_checkpoints, require_own, started_by_torchrun

    require_heard(context, "--strategy", strategy, STRATEGIES_OF)
    if started_by_torchrun() and strategy is not StrategyName.finetune:
        raise typer.BadParameter(f"several processes train --strategy finetune together, not {strategy.value}")
    model.require_free(out)
    common: Any = {
        "crop_mode": crop_mode.value,
        "engine": engine_named(engine),
        "cache": cache,
        "seed": seed,
    }
    probe = ProbeOptions(
        stages=_names(stages), pooling=pooling.value, head=head.value, class_weight=class_weight.value, **common
    )
    training = out.resolve().with_name(f"{out.resolve().name}.training")
    how: Any = {"unfreeze": _stage_count(unfreeze), "augment": augment.value, "orient": orient.value, "probe": probe}
    config: dict[str, Any] = {"epochs": epochs, "seed": seed, **_settings(settings or ())}
    options: Any = probe
    if strategy is StrategyName.auto:
        tuning = FinetuneOptions(**how, config=default_config(**config))
        options = AdviceOptions(budget_seconds=seconds(budget) or BUDGET, describe=False, finetune=tuning)
    if strategy is StrategyName.as_is:
        options = AsIsOptions(class_map=read_class_map(class_map) if class_map else None, **common)
    if strategy is StrategyName.finetune:
        require_own(training)
        config = {"budget_seconds": seconds(budget), **config}
        options = FinetuneOptions(**how, config=default_config(**config), checkpoint=training, resume=resume)
    if strategy is StrategyName.zero_shot:
        options = _zero_shot_options(labels, descriptions, prompts, text, blend, common)
    names = [name.strip() for name in backbone.split(",")]
    words = _labels_alone(strategy, labels, names) if data is None else []  # told before anything is fetched
    networks = [load(name, weights=weights, size=size, allow_pickle=allow_pickle) for name in names]
    if data is None:
        made = from_words(words, networks[0], options)
        made.save(out, self_contained=self_contained)
        write_report(made, out)
        console.notes(made.record.data.notes)
        return console.result({"model": str(out), **made.record.model_dump(mode="json")}, _text.fitted(made, out))
    checkups: list[Checkup] = []
    with joined() as first:
        voice = console if first else Console(as_json=False, quiet=True)
        with voice.progress():
            fitted = fitting.fit(
                data,
                strategy=strategy.value,
                backbone=networks,
                options=options,
                test=test,
                allow=allow or (),
                announce=voice.step,
                vetted=checkups.append,
            )
            assert isinstance(fitted, model.Classifier)
            if not first:
                return None
            fitted.save(out, self_contained=self_contained)
            write_report(fitted, out, *checkups)
    if strategy is StrategyName.finetune and not any(INTERRUPTED in note for note in fitted.record.data.notes):
        remove_checkpoints(training)
    console.notes([*fitted.record.data.notes, *unlike(fitted.held_out.shift if fitted.held_out else None)])
    return console.result({"model": str(out), **fitted.record.model_dump(mode="json")}, _text.fitted(fitted, out))


def _names(stages: str) -> Any:
    return stages if stages in ("auto", "last", "all") else tuple(map(str.strip, stages.split(",")))


def _stage_count(text: str) -> Any:
    if text in ("auto", "all"):
        return text
    if not text.isdecimal():
        raise typer.BadParameter(f"--unfreeze takes a number of stages, all or auto, not {text!r}")
    return int(text)


def _settings(texts: Sequence[str]) -> dict[str, Any]:
    """``learning_rate=3e-4`` and the like; numbers and ``null`` as in JSON, all else is text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set takes NAME=VALUE, not {text!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _zero_shot_options(
    labels: str | None, descriptions: Path | None, prompts: Path | None, text: str | None, blend: bool, common: Any
) -> Any:
    from topwork.tasks.classification.strategies import TEMPLATES, ZeroShotOptions, read_descriptions, read_templates

    return ZeroShotOptions(
        labels=tuple(labels.split(",")) if labels is not None else None,
        descriptions=read_descriptions(descriptions) if descriptions else None,
        templates=read_templates(prompts) if prompts else TEMPLATES,
        text=text,
        blend=blend,
        **common,
    )


def _labels_alone(strategy: StrategyName, labels: str | None, backbones: Sized) -> list[str]:
    """The labels of a fit without data."""
    if strategy is not StrategyName.zero_shot or labels is None or len(backbones) != 1:
        raise typer.BadParameter("DATA may be left out only with --strategy zero-shot, --labels and one backbone")
    return labels.split(",")
