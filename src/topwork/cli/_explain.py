"""The command ``explain``: pictures of what a network sees."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork._options import seconds
from topwork.cli._console import Console
from topwork.cli._evaluate import unseen
from topwork.cli._explain_images import each_image, explain_boxes
from topwork.cli._explain_options import (
    KINDS,
    WHAT_HELP,
    ExplainOptions,
    MethodName,
    NormName,
    ProjectionName,
    WhatName,
    readers,
)
from topwork.cli._explain_texts import Asked, explain_texts, model_of_texts
from topwork.cli._fit import Pickle, Rules, Weights
from topwork.cli._options import CacheOption, Columns, FollowLinks, SeedOption, reading, require_heard, require_network
from topwork.cli._progress import Progress
from topwork.cli._shelf import Shelf
from topwork.cli._text import in_shell, no_model, printable
from topwork.errors import ExplainError

if TYPE_CHECKING:
    from topwork.backbones import Backbone
    from topwork.data import ImageDataset
    from topwork.explain import Result, TorchClassifier
    from topwork.model import Model
    from topwork.tasks import Task

    Step = Progress | None

_OUT = Path("explained")
_MOST_IDEAL = 20  # classes of a model that are painted without being named; each takes some seconds


def _option(field: str, *names: str, **limits: Any) -> Any:
    """An option of the command line, with the help of a field of ``ExplainOptions``."""
    hints = typing.get_type_hints(ExplainOptions, include_extras=True)
    return typer.Option(*names, help=hints[field].__metadata__[0], **limits)


def explain(
    console: Console,
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help="Model folder; leave it out when --backbone is given.")] = None,
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Image files, for evidence, features and attack; for a model of texts its data."),
    ] = None,
    what: Annotated[
        WhatName | None,
        typer.Option(metavar="WHAT", help=WHAT_HELP, show_default="evidence/words"),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(help="For words, neighbours, fewest: a text to explain, may be repeated.", show_default=False),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Use this pretrained network and its ImageNet classes instead of a model.")
    ] = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    preprocessing: Rules = "topwork",
    method: Annotated[MethodName | None, _option("method", show_default=False)] = None,
    label: Annotated[str | None, _option("label", "--class")] = ExplainOptions.label,
    data: Annotated[Path | None, typer.Option(help="Labelled images or texts, in the same form as for fit.")] = None,
    box: Annotated[int | None, _option("box", min=1, show_default=False)] = ExplainOptions.box,
    point: Annotated[str | None, _option("point", metavar="X,Y", show_default=False)] = None,
    stage: Annotated[str | None, _option("stage")] = ExplainOptions.stage,
    channel: Annotated[list[int] | None, _option("channel")] = None,
    norm: Annotated[NormName, _option("norm")] = ExplainOptions.norm,
    projection: Annotated[ProjectionName, _option("projection")] = ExplainOptions.projection,
    most: Annotated[int | None, _option("most", min=1)] = None,
    fine: Annotated[bool, _option("fine", "--fine")] = ExplainOptions.fine,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the image files.")] = _OUT,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Save the images in the model's folder, so that `topwork report` shows them."),
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--report", help="Also write an HTML page with the images and their numbers.")
    ] = None,
    budget: Annotated[str, _option("budget", metavar="TIME", callback=_time)] = "5m",
    seed: SeedOption = ExplainOptions.seed,
    cache: CacheOption = ExplainOptions.cache,
    columns: Columns = None,
    follow_links: FollowLinks = False,
) -> None:
    """Explain the predictions of a network with images and a short description of each."""
    from topwork import report
    from topwork.backbones import load as load_backbone
    from topwork.model import EXPLAINED

    if point is not None and box is not None:
        raise typer.BadParameter("give --point or --box, not both")
    texts = None if backbone is not None or model is None else model_of_texts(model)
    what = what or (WhatName.evidence if texts is None else WhatName.words)
    require_heard(context, "--what", what, readers(what))
    if texts is not None or KINDS[what].of == "text":
        asked = Asked(
            what, text or [], images or [], data, reading(columns, follow_links), method, label, most, seed, cache
        )
        explain_texts(console, texts, asked, model or "", page)
        return
    if what == WhatName.transfer:
        model, data, backbone = _of_transfer(model, data, backbone)
    if backbone is not None and model is not None:  # no model: every argument is an image
        images, model = [model, *(images or [])], None
    made_by: Any = {"weights": weights, "allow_pickle": allow_pickle, "preprocessing": preprocessing}
    require_network(model, backbone, **made_by)
    if keep and (backbone is not None or out != _OUT):
        raise typer.BadParameter("--keep saves to the folder of a model, so it cannot be used with --backbone or -o")
    _require_what_it_needs(what, images, data, bool(label) or backbone is None, no_model(model, backbone))
    if page is not None:
        report.require_free(page)
    options = ExplainOptions(
        method or ExplainOptions.method,
        label,
        box,
        None if point is None else _point(point),
        stage,
        tuple(channel or ()),
        norm,
        projection,
        most or ExplainOptions.most,
        fine,
        seconds(budget),
        seed,
        cache,
    )
    shelf = Shelf(Path(model or "") / EXPLAINED if keep else out, what, page=page is not None)
    with console.progress():
        shelf.try_place("make that folder writable" if keep else "choose a writable folder with -o")
        classless = KINDS[what].headless and data is None  # pictures of data tell the images' classes
        own = None if model is None else _own(model, what, classless)
        room = _room_of_images(own, data)
        if point is not None and not (own is not None and room.explains_points):
            raise typer.BadParameter(f"--point is for models that segment images, and this is of {room.name}")
        finds = what == WhatName.evidence and own is not None and room.evidence is not None
        dataset = None if data is None else room.read(data, **reading(columns, follow_links))
        network = None if backbone is None else load_backbone(backbone, **made_by)
        classifier = None if what == WhatName.space or finds else _classifier(own, network, what)
        given = None if dataset is None else _rows(console, own, dataset, what)
        if finds:
            failed = explain_boxes(console, shelf, room, own, images or [], options, method)
        elif classifier is None:
            failed = _keep_space(console, shelf, network if own is None else own.backbone, given, options)
        elif what == WhatName.transfer:
            failed = _keep_transfer(console, shelf, room, classifier.backbone, given, options)
        else:
            failed = _draw(console, shelf, classifier, images or [], given, options)
    if page is not None:
        report.write_page(report.explained_page(shelf.results, name=backbone or model or "", dataset=dataset), page)
    if keep:
        shelf.lines.append(
            f"Next:  topwork report {in_shell(Path(model or ''))} --data DATA    (shows it on the model's page)"
        )
    console.result(shelf.to_dict(), shelf.lines)
    console.require_none_failed(failed)


def _point(text: str) -> tuple[int, int]:
    try:
        x, y = (int(each) for each in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--point takes x and y in pixels, such as 120,45, not {text!r}") from None
    return x, y


def _time(text: str) -> str:
    try:
        seconds(text)
    except ValueError:
        raise typer.BadParameter(f"it takes a time such as 90s, 5m or 1h, not {text!r}") from None
    return text


def _own(model: str, what: WhatName, classless: bool) -> Model:
    """The model; a ModelError where its classes are asked about and it tells none apart."""
    from topwork.model import Classifier
    from topwork.tasks import load, task

    found = load(model)
    finds = what == WhatName.evidence and task(found.record.task.name).evidence is not None
    return found if classless or finds or isinstance(found, Classifier) else load(model, Classifier)


def _room_of_images(model: Model | None, data: Path | None) -> Task:
    """The task of a model, or of data; an ExplainError where it is one of texts, whose explanations are no pictures."""
    from topwork.tasks import DEFAULT, task, told_by

    told = DEFAULT if data is None else told_by(data)
    room = task(told if model is None else model.record.task.name)
    if room.written is not None:
        raise ExplainError(
            "explain draws what a network sees in images, and this is about texts",
            hint="`topwork explain MODEL --text TEXT` shows which words an answer rests on",
        )
    return room


def _of_transfer(
    model: str | None, data: Path | None, backbone: str | None
) -> tuple[str | None, Path | None, str | None]:
    """``explain DATA --what transfer`` needs no model: the network is the one named, a model's, or the default."""
    from topwork.backbones import DEFAULT

    if model is not None and data is None and not (Path(model) / "model.json").is_file():
        return None, Path(model), backbone or DEFAULT
    return model, data, backbone or (DEFAULT if model is None else None)


def _draw(
    console: Console,
    shelf: Shelf,
    classifier: TorchClassifier,
    images: list[str],
    dataset: ImageDataset | None,
    options: ExplainOptions,
) -> int:
    """Put what was asked for on the shelf; gives the number of images that could not be used."""
    what = shelf.what
    if KINDS[what].of == "image":
        return _each_image(console, shelf, classifier, images, options)
    if KINDS[what].of == "class":
        _each_class(console, shelf, classifier, options)
    else:
        shelf.keep(_drawn(what, classifier, dataset, options, _step(console, what)), what)
    return 0


def _keep_space(console: Console, shelf: Shelf, backbone: Any, dataset: Any, options: ExplainOptions) -> int:
    """Lay the images out by their features, which come from the engine: nothing of the network is looked into."""
    from topwork.explain import feature_space

    how: Any = {"projection": options.projection.value, "seed": options.seed, "cache": options.cache}
    shelf.keep(feature_space(dataset, backbone, **how, progress=_step(console, shelf.what)), shelf.what)
    return 0


def _keep_transfer(
    console: Console, shelf: Shelf, room: Task, backbone: Backbone, dataset: Any, options: ExplainOptions
) -> int:
    """Compare the pretrained network with random weights, and print the table above the picture's name."""
    from topwork.backbones import load as load_backbone

    if room.transfer is None:
        raise ExplainError(f"--what transfer is not there for task {room.name}")
    if backbone.weights.source == "file":  # a tuned one: what it was tuned from is asked about
        backbone = load_backbone(backbone.name, size=backbone.preprocessing.size)
    how: Any = {"budget": options.budget, "seed": options.seed, "cache": options.cache}
    found = room.transfer(dataset, backbone, **how, announce=console.step)
    shelf.keep(found, shelf.what)
    shelf.lines[:0] = found.lines
    return 0


def _require_what_it_needs(
    asked: WhatName, images: list[str] | None, data: Path | None, classes: bool, missing: str
) -> None:
    """Refuse a command line that lacks what a picture is made of, or names what it is not made of."""
    of_image, of_data = KINDS[asked].of == "image", "data" in KINDS[asked].hears
    if of_image and not images:
        raise typer.BadParameter(missing or f"--what {asked} needs an image")
    if images and not of_image:
        raise typer.BadParameter(f"--what {asked} takes no image files" + ("; give --data instead" if of_data else ""))
    if of_data and data is None:
        raise typer.BadParameter(f"--what {asked} needs --data")
    if KINDS[asked].of == "class" and not classes:
        raise typer.BadParameter(f"--what {asked} needs --class")


def _classifier(model: Model | None, backbone: Backbone | None, what: WhatName) -> TorchClassifier:
    from topwork.explain import TorchClassifier
    from topwork.model import Classifier

    if isinstance(model, Classifier):
        return TorchClassifier.of_model(model)
    network = backbone if model is None else model.backbone
    assert network is not None
    return (TorchClassifier.without_head if KINDS[what].headless else TorchClassifier.of_backbone)(network)


def _step(console: Console, what: WhatName) -> Step:
    """The progress of a picture."""
    return console.step(KINDS[what].step or what)


def _each_image(
    console: Console, shelf: Shelf, classifier: TorchClassifier, images: list[str], options: ExplainOptions
) -> int:
    """Draw what was asked for of each image; gives the number of those that could not be used."""
    what, label, several = shelf.what, options.label, len(images) > 1
    place = None if label is None else classifier.index(label)  # what is wrong for all is said once
    wanted = place if several and what == WhatName.attack else None
    if options.box is not None:
        raise ExplainError("--box is for models that find objects", hint="--class chooses what is explained here")
    step = None if several else _step(console, what)

    def draw(source: str) -> None:
        square = classifier.squares([source])
        if wanted is not None and classifier.probabilities(square)[0].argmax() == wanted:
            shelf.skipped.append({"source": source, "reason": f"already predicted as {label!r}"})
            console.note(f"note: {source}: skipped: already predicted as {label!r}")
        else:
            name = f"{Path(source).stem}-{options.method if what == WhatName.evidence else what}"
            shelf.keep(_drawn(what, classifier, square, options, step), name, source)

    failed = each_image(console, images, draw)
    if shelf.skipped and not shelf.fields and not failed:
        console.fail(f"no image was attacked: each is already predicted as {label!r}", "choose another class")
    return failed


def _each_class(console: Console, shelf: Shelf, classifier: TorchClassifier, options: ExplainOptions) -> None:
    """Draw what was asked for of one class, or of each that the model has."""
    if not options.label and len(classifier.classes) > _MOST_IDEAL:
        raise ExplainError(
            f"an ideal image takes about ten seconds per class, and there are {len(classifier.classes)} classes",
            hint="choose one with --class",
        )
    for label in (options.label,) if options.label else classifier.classes:
        bar = console.step(f"ideal image of {printable(label)}")
        try:
            found = _drawn(shelf.what, classifier, label, options, bar)
        except ExplainError as error:
            if options.label:
                raise
            console.note(f"note: {printable(label)}: skipped: {error.message}")
        else:
            shelf.keep(found, f"{shelf.what}-{label}")


def _rows(console: Console, model: Model | None, dataset: ImageDataset, what: WhatName) -> ImageDataset:
    """The images of the data that are drawn from: accuracy is measured on those that did not train the model."""
    if KINDS[what].of == "splits":
        return dataset
    if KINDS[what].of == "data":
        return dataset.split("train") if (dataset.splits == "train").any() else dataset
    if dataset.held_out_split:
        return dataset.split(dataset.held_out_split)
    return dataset if model is None else unseen(console, model, dataset)


def _drawn(what: WhatName, classifier: TorchClassifier, given: Any, options: ExplainOptions, step: Step) -> Result:
    """Draw a classifier and what the picture is of: an image's square, a class's name, a data set, or nothing more."""
    from topwork import explain

    match what:
        case WhatName.evidence:
            if options.method == MethodName.contributions:
                raise ExplainError("--method contributions is for models of texts", hint="use grad-cam or occlusion")
            methods = {
                MethodName.grad_cam: explain.grad_cam,
                MethodName.attention: explain.weighted_attention,
                MethodName.rollout: explain.attention_rollout,
                MethodName.occlusion: explain.occlusion,
                MethodName.integrated_gradients: explain.integrated_gradients,
            }
            return methods[options.method](classifier, given, options.label)[0]
        case WhatName.features:
            return explain.feature_maps(classifier, given[0])
        case WhatName.attack:
            return explain.fool(classifier, given[0], options.label, norm=options.norm.value, progress=step)
        case WhatName.filters:
            return explain.filters(classifier)
        case WhatName.ideal:
            steps = explain.FINE_STEPS if options.fine else explain.QUICK_STEPS
            return explain.ideal_image(classifier, given, steps=steps, seed=options.seed, progress=step)
        case WhatName.channels:
            how: Any = {"stage": options.stage, "channels": options.channel or None, "cache": options.cache}
            return explain.exciting(classifier, given, **how, progress=step)
        case WhatName.robustness:
            images, labels = explain.labelled_squares(classifier, given, options.most, seed=options.seed)
            attack = explain.AttackOptions(norm=options.norm.value, seed=options.seed)
            return explain.robust_accuracy(classifier, images, labels, options=attack, progress=step)
        case WhatName.corruptions:
            images, labels = explain.labelled_squares(classifier, given, options.most, seed=options.seed)
            return explain.corruption_accuracy(classifier, images, labels, seed=options.seed, progress=step)
        case _:
            raise ValueError(what)  # drawn by functions of their own, which look into no network
