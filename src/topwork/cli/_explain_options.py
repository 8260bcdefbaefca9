"""What ``explain`` can draw, and the options that shape each picture."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

from topwork.cli._options import CacheOption, SeedOption

WhatName = StrEnum(
    "WhatName",
    [
        "evidence",
        "features",
        "attack",
        "filters",
        "ideal",
        "channels",
        "space",
        "robustness",
        "corruptions",
        "transfer",
        "words",
        "neighbours",
        "fewest",
    ],
)


class MethodName(StrEnum):
    """Ways to find the parts of an image or a text that support a class."""

    grad_cam = "grad-cam"
    attention = "attention"
    rollout = "rollout"
    occlusion = "occlusion"
    integrated_gradients = "integrated-gradients"
    contributions = "contributions"


NormName = StrEnum("NormName", {"linf": "linf", "l2": "l2"})
ProjectionName = StrEnum("ProjectionName", {"pca": "pca", "tsne": "tsne", "umap": "umap"})


@dataclass(frozen=True)
class ExplainOptions:
    """What shapes a picture; each field says which pictures it is for, and ``KINDS`` holds it."""

    method: Annotated[MethodName, "For evidence, words: the attribution method."] = MethodName.grad_cam
    label: Annotated[
        str | None,
        "For evidence, words: explain this class instead of the predicted one. For attack: target class. For ideal: "
        "only this class.",
    ] = None
    box: Annotated[
        int | None,
        "For evidence: number of the box or region to explain where the model finds objects; 1 is the surest box or "
        "the largest region, and the default.",
    ] = None
    point: Annotated[
        tuple[int, int] | None,
        "For evidence: X and y of the pixel to explain where the model segments images, such as 120,45.",
    ] = None
    stage: Annotated[str | None, "For channels: the stage to show; the last one if not given."] = None
    channel: Annotated[
        tuple[int, ...],
        "For channels: number of a channel to show, may be repeated; the most discriminative ones if not given.",
    ] = ()
    norm: Annotated[NormName, "For attack, robustness: the norm that measures the size of a change."] = NormName.linf
    projection: Annotated[ProjectionName, "For space: the projection to two dimensions."] = ProjectionName.pca
    most: Annotated[
        int,
        "For robustness, corruptions: number of images sampled from the data, 50 if not given. For words, neighbours, "
        "fewest: number of mistakes in the data, 10 if not given.",
    ] = 50
    fine: Annotated[bool, "For ideal: take three times as long for a richer image."] = False
    budget: Annotated[float, "For transfer: time for all trainings."] = 300.0
    seed: SeedOption = 0
    cache: CacheOption = True


class Kind(NamedTuple):
    """What can be drawn.

    Attributes:
        of: What it is of; of ``unseen`` data where a model must not be measured on what trained it, of ``splits`` where
            images to train on are wanted beside those; of ``text``, what models of texts alone can tell.
        help: What it shows.
        hears: Options that shape it, and ``data`` where it is of that.
        step: What is counted while it is made; empty where nothing is.
        headless: Whether it asks of no class, so that any network will do.
    """

    of: Literal["image", "class", "network", "data", "unseen", "splits", "text"]
    help: str
    hears: tuple[str, ...] = ()
    step: str = ""
    headless: bool = False


KINDS = {
    WhatName.evidence: Kind("image", "the parts of an image that support a class", ("method", "label", "box", "point")),
    WhatName.features: Kind("image", "the strongest feature maps of each stage", headless=True),
    WhatName.attack: Kind(
        "image", "the smallest change that turns the prediction into another class", ("label", "norm"), "attack"
    ),
    WhatName.filters: Kind("network", "the filters of the first layer", headless=True),
    WhatName.ideal: Kind("class", "an image that maximises the score of --class", ("label", "fine", "seed")),
    WhatName.channels: Kind(
        "data",
        "the images of --data that activate each channel most",
        ("data", "stage", "channel", "cache"),
        "features",
        True,
    ),
    WhatName.space: Kind(
        "data", "a 2-D map of the features of --data", ("data", "projection", "seed", "cache"), "features", True
    ),
    WhatName.robustness: Kind(
        "unseen", "accuracy on --data under adversarial attack", ("data", "norm", "most", "seed"), "attacks"
    ),
    WhatName.corruptions: Kind(
        "unseen",
        "accuracy on blurred, noisy, compressed and brightened images",
        ("data", "most", "seed"),
        "corruptions",
    ),
    WhatName.transfer: Kind(
        "splits",
        "accuracy and seconds of the network from random weights, as a probe and fine-tuned, at several numbers of "
        "images of --data",
        ("data", "budget", "seed", "cache"),
        headless=True,
    ),
    WhatName.words: Kind(
        "text",
        "the words that speak for a class, in --text or in the worst mistakes of the data",
        ("text", "data", "method", "label", "most", "seed"),
    ),
    WhatName.neighbours: Kind(
        "text", "the most similar training texts of the data", ("text", "data", "most", "cache"), "features of texts"
    ),
    WhatName.fewest: Kind(
        "text", "the fewest words without which a text gets another class", ("text", "data", "most", "seed")
    ),
}
WHAT_HELP = "; ".join(f"{what}: {kind.help}" for what, kind in KINDS.items()) + "."
_HEARD = {
    option: [what for what, kind in KINDS.items() if option in kind.hears]
    for option in itertools.chain.from_iterable(kind.hears for kind in KINDS.values())
}
_HEARD |= {
    option: [what for what, kind in KINDS.items() if kind.of != "text"] for option in ("out", "keep", "backbone")
}


def readers(what: WhatName) -> dict[str, list[WhatName]]:
    """Which pictures hear an option, by its parameter's name; all of them, where it is not here.

    Named are those that are of texts, or of images, as this one is; the others where no such one hears it.
    """
    texts = KINDS[what].of == "text"
    return {option: [x for x in heard if (KINDS[x].of == "text") == texts] or heard for option, heard in _HEARD.items()}
