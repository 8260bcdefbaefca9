"""Segmenters that are already trained, as backbones: what they make of an image is features, and kept like any other.

SAM's image encoder ends in maps on which prompts are decoded: the output ``image``. A network with classes of its own,
or one that is told words, ends in a map of logits for the user's classes: the output ``classes/map``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from topwork._system import require_torch
from topwork.backbones import _weights
from topwork.backbones._backbone import Backbone, Pooling, told_apart
from topwork.backbones._catalogue import MAP, Stage
from topwork.backbones._preprocessing import Preprocessing
from topwork.backbones._torch_file import Arrays
from topwork.backbones._weights import Weights
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

IMAGE = "image"
"""The one output of a network that takes prompts: its maps of the image, flattened to a row one after the other."""

CLASSES = f"classes/{MAP}"
"""The one output of a network that tells classes: logits (C, side, side), flattened to a row."""

MEANINGS = "topwork.meanings"
"""The tensor of a saved network that holds what words mean to it, (classes, d)."""

_MOST = 2**28  # numbers an image: a gigabyte


@dataclass(frozen=True)
class TrainedNetwork(Backbone):
    """What both kinds share: one output, given as it is, and a configuration that tells how the network is built."""

    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def by_itself(self) -> bool:
        """Its output is given as it is, one image a call: large networks are no faster in batches."""
        return True

    @property
    def output(self) -> str:
        """The one output there is."""
        raise NotImplementedError

    def outputs(
        self, stages: Literal["last", "all"] | Sequence[str] = "last", pooling: Pooling = "mean+max"
    ) -> tuple[str, ...]:
        """The one output there is; nothing is chosen."""
        if stages not in ("last", "all") and list(stages) != [self.output]:
            raise BackboneError(
                f"{self.name} is a segmenter and has no stages", hint=f"its one output is {self.output}"
            )
        return (self.output,)

    @property
    def identity(self) -> str:
        """Its name and what it is built from."""
        return told_apart(self.name, self._built_from())

    def _built_from(self) -> dict[str, Any]:
        return dict(self.config)

    def arrays(self) -> Arrays:
        """Every tensor of its weights, as they lie in the file: what a saved model holds.

        Raises:
            BackboneError: They are missing or changed.
        """
        return _weights.read_arrays(self.weights)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Inverse of ``to_dict``.

        Raises:
            BackboneError: A field is missing, unknown or of the wrong kind.
        """
        try:
            given = {name: value for name, value in fields.items() if name != "reads"}
            parsed: dict[str, Any] = {
                "weights": Weights(**fields["weights"]),
                "stages": tuple(Stage(**stage) for stage in fields["stages"]),
                "preprocessing": Preprocessing.from_dict(fields["preprocessing"]),
                **cls._parsed(fields),
            }
            found = cls(**{**given, **parsed})
            size = found.width(found.output)
        except (TypeError, KeyError, ValueError) as error:
            raise BackboneError(f"a segmenter's record is not as expected: {error}") from error
        if not 0 < size <= _MOST:
            raise BackboneError(f"{found.name}: no segmenter gives {size:,} numbers an image")
        return found

    @staticmethod
    def _parsed(fields: dict[str, Any]) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class PromptableNetwork(TrainedNetwork):
    """The image encoder of SAM or SAM 2. ``module`` makes it; the mask decoder is ``mask_decoder``'s.

    Attributes:
        config: transformers' ``config.json``.
        shapes: Channels, rows and columns of each map that it ends in, the finest first.
    """

    shapes: tuple[tuple[int, int, int], ...] = ()

    @property
    def output(self) -> str:
        """``image``."""
        return IMAGE

    def width(self, output: str) -> int:
        """Numbers per image in one output.

        Raises:
            BackboneError: There is no such output.
        """
        if output != IMAGE:
            raise BackboneError(f"{self.name} has no output {output!r}", hint=f"its one output is {IMAGE}")
        return sum(map(math.prod, self.shapes))

    def side(self, stage: str) -> int:
        """Nothing: its maps are for prompts.

        Raises:
            BackboneError: Always.
        """
        raise BackboneError(
            f"{self.name} takes prompts and has no maps to build another network on",
            hint="`topwork segment` uses it, or take a backbone of images such as lite0",
        )

    def module(self) -> nn.Module:
        """The image encoder: normalised images (N, 3, size, size) to a tuple of one (N, ``width``).

        Raises:
            BackboneError: The weights are missing, changed, or do not fit the network.
            MissingExtraError: PyTorch or transformers is not installed.
        """
        require_torch(f"the network {self.name}")
        from topwork.backbones import _promptable_module

        return _promptable_module.encoder(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"reads": "prompts", **dataclasses.asdict(self)}

    @staticmethod
    def _parsed(fields: dict[str, Any]) -> dict[str, Any]:
        shapes = tuple(tuple(map(int, each)) for each in fields["shapes"])
        if not all(len(each) == 3 for each in shapes):
            raise ValueError("a map has three sizes")
        return {"shapes": shapes}


@dataclass(frozen=True)
class SegmenterNetwork(TrainedNetwork):
    """A network that tells the class of each place, as logits for the user's classes.

    Attributes:
        library: ``transformers``, or ``onnx`` for a file of the user's that OpenVINO runs.
        config: transformers' ``config.json``; of an ONNX file whether its answer is a probability.
        classes: Names of its own classes in the order of its logits; none where words tell them.
        groups: For each of the user's classes, places among the network's own whose probabilities together are its;
            of nothing where the network has none for it. Not chosen yet where empty: then each of its own.
        words: For each of the user's classes what is said of it; empty for what is left over (background).
    """

    library: Literal["transformers", "onnx"] = "transformers"
    classes: tuple[str, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    words: tuple[tuple[str, ...], ...] = ()

    @property
    def output(self) -> str:
        """``classes/map``."""
        return CLASSES

    @property
    def by_words(self) -> bool:
        """Whether words tell it what to look for."""
        return not self.classes

    def answering(self, groups: Sequence[Sequence[int]] = (), words: Sequence[Sequence[str]] = ()) -> SegmenterNetwork:
        """The same network, which gives logits for the user's classes.

        Args:
            groups: For each class the places among the network's own; of a network with classes of its own.
            words: For each class what is said of it, nothing for what is left over; of a network that is told words.

        Raises:
            BackboneError: It is a network of the other kind, or has no such place.
        """
        if bool(words) != self.by_words:
            raise BackboneError(
                f"{self.name} {'is told its classes in words' if self.by_words else 'has classes of its own'}",
                hint="take --strategy zero-shot" if self.by_words else "take --strategy as-is",
            )
        chosen = tuple(tuple(map(int, each)) for each in groups)
        if any(not 0 <= place < len(self.classes) for each in chosen for place in each):
            raise BackboneError(f"{self.name} has {len(self.classes)} classes")
        stage = dataclasses.replace(self.stages[0], channels=len(chosen or words))
        return dataclasses.replace(self, groups=chosen, words=tuple(map(tuple, words)), stages=(stage,))

    def width(self, output: str) -> int:
        """Numbers per image in one output.

        Raises:
            BackboneError: There is no such output.
        """
        if output != CLASSES:
            raise BackboneError(f"{self.name} has no output {output!r}", hint=f"its one output is {CLASSES}")
        return super().width(output)

    def module(self) -> nn.Module:
        """The network: normalised images (N, 3, size, size) to a tuple of one (N, ``width``).

        Raises:
            BackboneError: The weights are missing, changed, or do not fit; or words are told in vain.
            MissingExtraError: PyTorch or transformers is not installed.
        """
        if self.library == "onnx":
            raise BackboneError(f"{self.name} is no torch network", hint="OpenVINO runs it: leave out --engine")
        require_torch(f"the network {self.name}")
        from topwork.backbones import _segmenter_module

        return _segmenter_module.build(self)

    def arrays(self) -> Arrays:
        """The same, with what the words mean to it, so that a saved model needs no tokenizer."""
        if not any(self.words):
            return super().arrays()
        from topwork.backbones import _segmenter_module

        return {**super().arrays(), MEANINGS: _segmenter_module.meanings(self)}

    def _built_from(self) -> dict[str, Any]:
        return {"config": dict(self.config), "groups": self.groups, "words": self.words}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"reads": "pixels", **dataclasses.asdict(self)}

    @staticmethod
    def _parsed(fields: dict[str, Any]) -> dict[str, Any]:
        return {
            "classes": tuple(map(str, fields["classes"])),
            "groups": tuple(tuple(map(int, each)) for each in fields["groups"]),
            "words": tuple(tuple(map(str, each)) for each in fields["words"]),
        }
