"""A detector that is already trained, as a backbone: its candidates are features, and what classes they are is a head.

Whatever its design, a detector looks at an image and ends with K candidates: a box each, and d numbers (a *query*) on
which one linear layer tells the class. That layer is left to the head, so that other classes need no other network:
COCO's own rows of it, words as OWLv2 understands them, or rows that were learnt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from topwork._system import require_torch
from topwork.backbones._backbone import Backbone, Pooling, told_apart
from topwork.backbones._detector_catalogue import Library
from topwork.backbones._preprocessing import Preprocessing
from topwork.backbones._weights import Weights
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

QUERIES = "queries"
"""The one output of a detector: K boxes (left, top, right, bottom, in shares of the square), then K queries."""

Scoring = Literal["sigmoid", "best", "softmax"]
"""How scores follow from a query's logits: each class for itself; the same, but the best class alone; or softmax with
one more logit, the last, for nothing at all, and the best class alone."""


@dataclass(frozen=True)
class DetectorNetwork(Backbone):
    """A trained detector without its class layer. It holds facts; ``module`` makes the network itself.

    Attributes:
        library: Which builds it.
        config: What the library builds it from: transformers' ``config.json``, or torchvision's name for it.
        classes: Names of the classes of its own class layer, in their order; empty where a place has none, and no
            names at all where words tell the classes.
        queries: K, candidates an image.
        channels: d, numbers a candidate.
        scoring: How scores follow from its logits.
    """

    library: Library = "transformers"
    config: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    queries: int = 0
    channels: int = 0
    scoring: Scoring = "sigmoid"

    def outputs(
        self, stages: Literal["last", "all"] | Sequence[str] = "last", pooling: Pooling = "mean+max"
    ) -> tuple[str, ...]:
        """The one output there is; nothing is chosen."""
        if stages not in ("last", "all") and list(stages) != [QUERIES]:
            raise BackboneError(f"{self.name} is a detector and has no stages", hint=f"its one output is {QUERIES}")
        return (QUERIES,)

    def width(self, output: str) -> int:
        """Numbers per image in one output.

        Raises:
            BackboneError: There is no such output.
        """
        if output != QUERIES:
            raise BackboneError(f"{self.name} has no output {output!r}", hint=f"its one output is {QUERIES}")
        return self.queries * (4 + self.channels)

    def side(self, stage: str) -> int:
        """Nothing: a detector's maps are its own affair.

        Raises:
            BackboneError: Always.
        """
        raise BackboneError(
            f"{self.name} is a detector and has no maps to build another on",
            hint="take --strategy as-is or probe, or a backbone of images such as lite0",
        )

    @property
    def by_itself(self) -> bool:
        """Its output is given as it is, one image a call: large networks are no faster in batches."""
        return True

    @property
    def identity(self) -> str:
        """Its name and what it is built from."""
        return told_apart(self.name, dict(self.config))

    def module(self) -> nn.Module:
        """The network with its weights: normalised images (N, 3, size, size) to a tuple of one (N, ``width``).

        Raises:
            BackboneError: The weights are missing, changed, or do not fit the network.
            MissingExtraError: PyTorch or transformers is not installed.
        """
        require_torch(f"the network {self.name}")
        from topwork.backbones import _detector_module

        return _detector_module.build(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"reads": "objects", **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> DetectorNetwork:
        """Inverse of ``to_dict``.

        Raises:
            BackboneError: A field is missing, unknown or of the wrong kind.
        """
        try:
            given = {name: value for name, value in fields.items() if name != "reads"}
            parsed: dict[str, Any] = {
                "weights": Weights(**fields["weights"]),
                "stages": (),
                "classes": tuple(map(str, fields["classes"])),
                "preprocessing": Preprocessing.from_dict(fields["preprocessing"]),
            }
            found = cls(**{**given, **parsed})
        except (TypeError, KeyError) as error:
            raise BackboneError(f"a detector's record is not as expected: {error}") from error
        sizes = (found.queries, found.channels)
        if not all(type(each) is int and 0 < each <= 10_000 for each in sizes):
            raise BackboneError(f"{found.name}: its sizes are not whole numbers that a detector can have: {sizes}")
        return found
