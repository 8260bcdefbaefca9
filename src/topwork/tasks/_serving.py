"""How a model answers over HTTP: what a task gives the server, which knows nothing of what an answer is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from topwork._arrays import Float32Array, UInt8Array
from topwork.errors import DataError


@dataclass(frozen=True)
class Wanted:
    """What a request wants of its answers. A task's models understand some of it (``Serving.require``).

    Attributes:
        top: Classes of each answer, the most probable first.
        coverage: Share of sets of classes that hold the true one.
        accuracy: Share of answers that are right.
        map: Whether with the evidence, as a picture.
        nearest: How many of the training images that are nearest.
        threshold: Score from which on an object is told of.
        mask: Whether with the class of each pixel, as a picture.
        certainty: Whether with the probability that the class of a pixel is right.
    """

    top: int = 5
    coverage: float | None = None
    accuracy: float | None = None
    map: bool = False
    nearest: int = 0
    threshold: float | None = None
    mask: bool = False
    certainty: bool = False

    def require_only(self, names: Sequence[str], said: str) -> None:
        """Refuse what makes no sense for a model.

        Args:
            names: Fields that do.
            said: Of what kind the model's answers are, a sentence.

        Raises:
            DataError: Another field is asked for.
        """
        for each in dataclasses.fields(self):
            if each.name not in names and getattr(self, each.name) != each.default:
                raise DataError(
                    f"{each.name} cannot be asked of this model: {said}",
                    hint=f"it takes: {', '.join(names)}",
                )


@dataclass(frozen=True, eq=False)
class Row:
    """One input behind the network.

    Attributes:
        features: (D,) float32, what the head reads.
        name: What its answer is called.
        wanted: Of it.
        size: Height and width of the image as it is shown; (0, 0) of a text.
        square: uint8 (size, size, 3), what the network saw of an image; None of a text.
        seen: What ``Looking`` told of the picture beside that; None where nothing looks.
    """

    features: Float32Array
    name: str
    wanted: Wanted
    size: tuple[int, int] = (0, 0)
    square: UInt8Array | None = None
    seen: Any = None


class Looking(Protocol):
    """Finds in a whole picture what the network is to see of it. Called from several threads at once.

    Attributes:
        longest: Side in pixels to which a larger picture may be made smaller before.
    """

    @property
    def longest(self) -> int: ...

    def __call__(self, pixels: UInt8Array, size: tuple[int, int]) -> tuple[UInt8Array, Any]:
        """Of pixels (height, width, 3) and the picture's own height and width: the network's square, and what was seen.

        Raises:
            ImageError: There is nothing to be answered.
        """


class Enrolling(Protocol):
    """The names that a model knows, which may change while it is served. What changes is on the disk at once."""

    def known(self) -> Mapping[str, int]:
        """Images of each name."""

    def enroll(self, name: str, rows: Sequence[Row], errors: Mapping[str, str]) -> dict[str, Any]:
        """Add rows to a name, beside why other inputs cannot be used, by their names; all of it or nothing.

        Raises:
            TopworkError: The name cannot be used, or none of the rows, or the disk cannot be written.
        """

    def forget(self, name: str) -> dict[str, Any]:
        """Remove a name and all that is kept of it.

        Raises:
            TopworkError: Nobody has it, or the disk cannot be written.
        """


class Serving(Protocol):
    """A model as the server has it.

    Attributes:
        collects: Whether a person's correction of its answer can be kept as an example (``--collect``).
        looking: What looks at whole pictures first; None where the network's square is made of the picture itself.
        enrolling: What it knows by name; None where it knows its classes and no more.
        slow: Whether telling an answer takes so long that nothing else should wait for it.
        formats: Media types in which one answer is given beside JSON, each with what writes it.
        tensors: Outputs of the Open Inference Protocol: name to datatype and shape, in which -1 is any length.
    """

    @property
    def collects(self) -> bool: ...
    @property
    def slow(self) -> bool: ...
    @property
    def looking(self) -> Looking | None: ...
    @property
    def enrolling(self) -> Enrolling | None: ...
    @property
    def formats(self) -> Mapping[str, Callable[[Any, Row], bytes]]: ...
    @property
    def tensors(self) -> Mapping[str, tuple[str, tuple[int, ...]]]: ...

    def facts(self, name: str) -> dict[str, Any]:
        """What ``GET /models`` tells of it under that name, and what the page goes by."""

    def require(self, wanted: Wanted) -> None:
        """Refuse, by a TopworkError, what the model cannot give."""

    def warm(self) -> None:
        """Make ready what is needed behind the answer alone; it may be slow, and what fails here fails again there."""

    def answers(self, rows: Sequence[Row]) -> Sequence[Any]:
        """Predictions as ``predict`` gives them, with an ``error``; none depends on the other rows."""

    def told(self, prediction: Any, row: Row) -> dict[str, Any]:
        """A prediction as it is sent, with what is wanted beside it."""

    def arrays(self, predictions: Sequence[Any]) -> Mapping[str, Any]:
        """The same as ``tensors``: an array each, or a list of texts."""
