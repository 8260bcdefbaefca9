"""What a model answers, as a recipe: probabilities of every class, and the class that it says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork.backbones import Backbone
from topwork.engines import EngineChoice
from topwork.errors import ModelError
from topwork.features import recipe_of
from topwork.metrics import decide
from topwork.model import Classifier
from topwork.sharding._recipe import Values


@dataclass(frozen=True, eq=False)
class Predicting:
    """A classifier's probabilities, in float32; the column ``label`` of a part is its answer.

    Args:
        model: A classifier of images.

    Raises:
        ModelError: It is of something else.
    """

    model: Classifier

    column = "probabilities"
    type = np.float32

    def __post_init__(self) -> None:
        if not isinstance(self.model, Classifier) or self.model.thing != "image":
            raise ModelError(
                "shards are predicted by models with classes of images", hint="use predict without --shards"
            )

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Everything that changes a part: the network, the head's numbers, how they become an answer."""
        made = recipe_of(self.backbone, self.outputs, self.choice)
        return {"command": "predict", "model": self._digest(), **made, "classes": list(self.model.classes)}

    def _digest(self) -> str:
        digest = hashlib.sha256(json.dumps([self.model.classes, str(self.model.rule)]).encode())
        for name, array in sorted(self.model.tensors()["head"].items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def backbone(self) -> Backbone:
        """The model's network."""
        assert isinstance(self.model.backbone, Backbone)
        return self.model.backbone

    @property
    def outputs(self) -> tuple[str, ...]:
        """What its head reads."""
        return tuple(self.model.record.outputs)

    @property
    def choice(self) -> EngineChoice:
        """What trained it."""
        return self.model.engine_choice

    @property
    def width(self) -> int:
        """Its classes."""
        return len(self.model.classes)

    def values(self, features: Float32Array) -> tuple[Values, list[str | None]]:
        """Probabilities and answers."""
        with np.errstate(over="ignore", invalid="ignore"):  # features may be finite and their products not
            probabilities = self.model.head.probabilities(features).astype(np.float32)
        answers = decide(np.nan_to_num(probabilities), self.model.rule)  # a row that is not finite gets none
        return probabilities, [self.model.classes[each] for each in answers]
