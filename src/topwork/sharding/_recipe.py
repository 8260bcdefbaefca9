"""What is computed of each image: everything that changes a part's bytes, and what makes them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.backbones import AnyBackbone, TextBackbone
from topwork.engines import Engine, EngineChoice, open_engine, precisions
from topwork.errors import BackboneError
from topwork.features import NOT_FINITE, choose, recipe_of
from topwork.sharding._sources import Images

Values = npt.NDArray[np.float16] | npt.NDArray[np.float32]

_LOOK = 64  # images among which the first few that can be used decide the precision


class Recipe(Protocol):
    """What is computed of each image; frozen, and told by its ``fields``.

    Attributes:
        backbone: The network that sees the images, with its preprocessing.
        choice: Engine and precision.
        outputs: Which of its outputs are read.
        column: What the values are called in a part: ``features`` or ``probabilities``.
        width: How many an image.
        type: Their type.
    """

    @property
    def fields(self) -> dict[str, Any]: ...
    @property
    def backbone(self) -> AnyBackbone: ...
    @property
    def choice(self) -> EngineChoice: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def column(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def type(self) -> npt.DTypeLike: ...

    def values(self, features: Float32Array) -> tuple[Values, list[str | None] | None]:
        """Of features (N, D) the values (N, width) that are kept, and the answers where it gives any."""


@dataclass(frozen=True)
class Embedding:
    """A network's features, in float16.

    Args:
        backbone: The network.
        outputs: Which of its outputs, in this order.
        choice: Engine and precision.
    """

    backbone: AnyBackbone
    outputs: tuple[str, ...]
    choice: EngineChoice

    column = "features"
    type = np.float16

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Everything that changes a part."""
        return {"command": "embed", **recipe_of(self.backbone, self.outputs, self.choice)}

    @property
    def width(self) -> int:
        """Features an image."""
        return sum(map(self.backbone.width, self.outputs))

    def values(self, features: Float32Array) -> tuple[Values, None]:
        """The features themselves; what float16 cannot hold becomes infinite."""
        with np.errstate(over="ignore"):
            return features.astype(np.float16), None


def embedding(backbone: AnyBackbone, outputs: tuple[str, ...]) -> Callable[[Images, dict[str, Any]], Embedding]:
    """Gives the recipe of a network's features for a source.

    Engine and precision are those of the plan that is there, so that all workers use the same; or what the first images
    of the source decide.
    """

    def made(images: Images, before: dict[str, Any]) -> Embedding:
        return Embedding(backbone, outputs, _choice(images, backbone, before))

    return made


def _choice(images: Images, backbone: AnyBackbone, before: dict[str, Any]) -> EngineChoice:
    with contextlib.suppress(KeyError, BackboneError):
        return EngineChoice(before["engine"], before["precision"])
    with tempfile.TemporaryDirectory(prefix="topwork-") as scratch:
        rows = islice(images.first(Path(scratch)), _LOOK)
        return choose([row.source for row in rows if not row.fault], backbone)


def opened(recipe: Recipe) -> Engine:
    """The engine of a recipe.

    Raises:
        BackboneError: This machine does not compute in its precision, or cannot run the network.
    """
    choice = recipe.choice
    if choice.precision not in precisions(choice.name):
        raise BackboneError(
            f"the plan asks for {choice.name} in {choice.precision}, in which this machine does not compute",
            hint="use machines of one kind for one folder, or TOPWORK_PRECISION=f32 from the first run on",
        )
    return open_engine(recipe.backbone, recipe.outputs, choice)


def unusable(recipe: Recipe) -> str:
    """Why a row has no values though what it holds can be read."""
    return NOT_FINITE.format(thing_of(recipe))


def thing_of(recipe: Recipe) -> str:
    """What a row is: an ``image`` or a ``text``."""
    return "text" if isinstance(recipe.backbone, TextBackbone) else "image"
