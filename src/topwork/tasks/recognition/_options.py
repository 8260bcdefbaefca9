"""How a recogniser is fitted, as the library and the command line take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from topwork._options import CACHE, ENGINE, SEED, Option
from topwork.backbones import CropMode
from topwork.engines import EngineName
from topwork.heads import ProjectionMethod


@dataclass(frozen=True)
class RecognitionOptions:
    """How to fit a recogniser; the defaults measure what suits the data, on identities that are held out of it."""

    stages: Annotated[
        Literal["auto", "last", "all"] | tuple[str, ...],
        Option("Stages whose features are compared; auto chooses among the last ones and the network's own features."),
    ] = "auto"
    projection: Annotated[
        Literal["auto"] | ProjectionMethod,
        Option(
            "What is made of the features before they are compared: cosine nothing, standardised, whitened, within "
            "(what differs between images of one identity counts less), discriminant; auto chooses."
        ),
    ] = "auto"
    crop_mode: Annotated[
        Literal["auto"] | CropMode,
        Option("How an image is made square; auto chooses between the whole image and its centre."),
    ] = "auto"
    finder: Annotated[
        str | None,
        Option(
            "Find and align this in every image first, such as faces. If not given, a network of faces finds faces, "
            "any other compares the whole image. none: the images are aligned crops already. A file such as yunet.onnx "
            "or det_10g.onnx: faces, found by this detector (YuNet, SCRFD)."
        ),
    ] = None
    false_accept: Annotated[
        float | None,
        Option(
            "Share of pairs of different identities that may be taken for one: the threshold is set to promise it; "
            "0.01 if not given, or more where the pairs are too few to tell.",
            gt=0,
            lt=1,
        ),
    ] = None
    enroll: Annotated[bool, Option("Put everybody in DATA into the gallery, so that the model knows them at once.")] = (
        False
    )
    engine: Annotated[EngineName | None, ENGINE] = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0
