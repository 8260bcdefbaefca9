"""What a model whose head reads maps is, whatever the head tells of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone
from topwork.data import Held, in_chunks, several
from topwork.engines import BATCH, Engines
from topwork.metrics import as_percent
from topwork.model import DIGESTS, Model, ModelRecord, Parts, head_in, require_fit, trained_of

Seen = TypeVar("Seen")

_NAMED = 20  # classes, in a notebook


class MapsModel(Model):
    """A trained detector or segmenter.

    Attributes:
        head: Maps of the backbone's stages to what is at each place.
        trained: uint64, ascending: 8 bytes of a hash of each image that it has learnt from, so that these are known
            again; None where nothing was learnt.
        at_once: Images whose maps an engine makes together.
        held_out: What the held-out images said, image by image; it is not saved, so a loaded model has none.
    """

    head: Any
    backbone: Backbone
    at_once: ClassVar[int] = BATCH

    def __init__(
        self,
        record: ModelRecord[Any],
        head: Any,
        backbone: Backbone,
        history: Sequence[dict[str, Any]] = (),
        trained: npt.NDArray[np.uint64] | None = None,
        held_out: Any = None,
    ) -> None:
        super().__init__(record, backbone, history)
        self._engines = Engines(backbone, record.outputs, self.at_once)
        self.head = head
        self.trained = trained
        self.held_out = held_out

    @staticmethod
    def head_from(tensors: Mapping[str, Any], fields: dict[str, Any]) -> Any:
        """The head of a saved model: of its tensors, and of what its spec's ``to_dict`` gave."""
        raise NotImplementedError

    @classmethod
    def from_parts(cls, parts: Parts, where: str) -> Self:
        """The model of a folder's contents, checked that they belong together."""
        head = head_in(parts, where, lambda tensors: cls.head_from(tensors, parts.record.task.head))
        require_fit(parts, head.spec.n_classes, head.spec.n_features, where)
        return cls(parts.record, head, parts.backbone, parts.history, trained_of(parts, where))

    def tensors(self) -> Mapping[str, Mapping[str, npt.NDArray[Any]]]:
        """The head's, and the digests of the training images."""
        learnt = {} if self.trained is None else {"training": {DIGESTS: self.trained}}
        return {"head": self.head.to_tensors(), **learnt}

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        classes: tuple[str, ...] = self.record.task.classes
        return classes

    @property
    def metrics(self) -> Any:
        """What held-out images said when the model was made; None where none were held out."""
        return self.record.task.report

    def _figures(self) -> dict[str, Any]:
        """What a notebook shows of the figures: each by its name."""
        raise NotImplementedError

    def _facts(self) -> list[tuple[str, str]]:
        names = ", ".join(self.classes[:_NAMED]) + (", …" if len(self.classes) > _NAMED else "")
        figures = self._figures() if self.metrics else {}
        return [("classes", names), *((name, as_percent(found)) for name, found in figures.items())]

    @staticmethod
    def _looked_at(
        sources: Iterable[Any], size: int, look: Callable[[Held], Iterable[Seen]]
    ) -> Iterator[tuple[str, Seen]]:
        """What each image is called, and what is seen in it; so many are looked at together."""
        for chunk, names in in_chunks(several(sources), size):
            yield from zip(names, look(Held(chunk)), strict=True)
