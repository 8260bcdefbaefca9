"""One model as it is served: warm, behind a batcher of its own, with the facts that a client may ask for."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from topwork._system import available_cores
from topwork.backbones import TextBackbone
from topwork.engines import Engine, open_engine
from topwork.errors import ImageError, ModelError
from topwork.model import no_model
from topwork.server._batcher import Batcher
from topwork.server._decoder import Decoded, as_bytes, whole
from topwork.tasks import Looking, Row, Wanted, load, task

_TEXTS = 32  # a call of the engine
Stamp = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of one input.

    Attributes:
        prediction: As ``predict`` gives it.
        row: What was answered.
    """

    prediction: Any
    row: Row


@dataclass(frozen=True, eq=False)
class _Item:
    """What waits for the engine: pixels as a decoder gives them, or a text."""

    content: Decoded | str
    name: str
    wanted: Wanted
    seen: Any = None


class Served:
    """A model folder in memory.

    Attributes:
        name: The folder's.
        path: The folder.
        stamp: Of its contents when they were read.
        kind: What it reads.
        model: What lies there.
        serving: What its task makes of it: what its answers are, and how they are sent.
        preprocessing: As a decoder is told of it; empty for texts.
    """

    def __init__(self, path: Path) -> None:
        """Read the folder; nothing is compiled yet.

        Raises:
            ModelError: It cannot be read, or its model cannot be served.
        """
        self.path, self.name = path, Path(os.path.abspath(path)).name  # a link may come to lead elsewhere
        self.stamp = stamp_of(path)
        self.model = load(path)
        room = task(self.model.record.task.name)
        if room.served is None:
            raise ModelError(
                f"{path}: models of the task {room.name} cannot be served yet", hint="`topwork predict` answers"
            )
        self.serving = room.served()(self.model)
        backbone: Any = self.model.backbone
        self.kind: Literal["image", "text"] = "text" if isinstance(backbone, TextBackbone) else "image"
        looking = self.serving.looking
        self.preprocessing = b"" if self.kind == "text" else as_bytes(backbone.preprocessing)
        self._looker: Batcher[Decoded, tuple[Any, Any]] | None = None
        if looking is not None:
            self.preprocessing = whole(looking.longest)
            self._looker = Batcher(functools.partial(_look, looking), size=1, callers=available_cores())
        self._batcher: Batcher[_Item, Answer] | None = None

    @property
    def ready(self) -> bool:
        """Whether it is warm."""
        return self._batcher is not None

    @property
    def width(self) -> int:
        """Features that the head reads."""
        return sum(map(self.model.backbone.width, self.model.record.outputs))

    @property
    def waiting(self) -> int:
        """Inputs that no engine has taken yet."""
        return 0 if self._batcher is None else self._batcher.waiting

    def warm(self, observe: Callable[[int], object]) -> None:
        """Compile the network and run it once; takes a moment, and may be done on any thread.

        Args:
            observe: Told how many inputs each call of the engine takes.

        Raises:
            BackboneError: The weights are missing, or the engine cannot run the network.
        """
        model = self.model
        engine = open_engine(model.backbone, model.record.outputs, model.engine_choice, many=True)
        size = _TEXTS if self.kind == "text" else engine.batch_size
        self._run(engine, [_Item(self._example(), "", Wanted())])
        how: Any = {"size": size, "callers": engine.callers, "observe": observe}
        self._batcher = Batcher(lambda items: self._run(engine, items), **how)

    async def answer(self, content: Decoded | str, name: str, wanted: Wanted) -> Answer:
        """What the model says.

        Args:
            content: An image as a decoder gives it, or a text.
            name: What the answer is called.
            wanted: Of it; the model can give that (``Serving.require``).

        Raises:
            ImageError: There is nothing in the picture that it answers to.
        """
        if self._batcher is None:
            raise RuntimeError(f"{self.name} is not warm")
        seen = None
        if self._looker is not None and isinstance(content, Decoded):
            square, seen = await self._looker(content)
            content = Decoded(square, content.height, content.width)
        return await self._batcher(_Item(content, name, wanted, seen))

    def close(self) -> None:
        """End the engine's threads, with the server; a model that was replaced goes with its last request."""
        for each in (self._looker, self._batcher):
            if each is not None:
                each.close()

    def facts(self, *, collect: bool, enroll: bool) -> dict[str, Any]:
        """What ``GET /models`` tells of it, and what may be done with it here."""
        may_enroll = enroll and self.serving.enrolling is not None
        return self.serving.facts(self.name) | {"collect": collect and self.serving.collects, "enroll": may_enroll}

    def _run(self, engine: Engine, items: Sequence[_Item]) -> list[Answer]:
        """Answers, none of which depends on what else is in the batch."""
        contents = [each.content for each in items]
        given: Any = [each.pixels if isinstance(each, Decoded) else each for each in contents]
        rows = [
            _row(item, features)
            for item, features in zip(items, engine(given if self.kind == "text" else np.stack(given)), strict=True)
        ]
        return [Answer(*each) for each in zip(self.serving.answers(rows), rows, strict=True)]

    def _example(self) -> Decoded | str:
        if self.kind == "text":
            return "warm"
        size = self.model.backbone.preprocessing.size
        return Decoded(np.zeros((size, size, 3), np.uint8), size, size)


def _row(item: _Item, features: Any) -> Row:
    row = Row(features, item.name, item.wanted, seen=item.seen)
    if isinstance(item.content, str):
        return row
    return dataclasses.replace(row, size=(item.content.height, item.content.width), square=item.content.pixels)


def _look(looking: Looking, pictures: Sequence[Decoded]) -> list[tuple[Any, Any] | Exception]:
    """The network's square of each, and what was seen; an error in the place of one in which there is nothing."""
    found: list[tuple[Any, Any] | Exception] = []
    for each in pictures:
        try:
            found.append(looking(each.pixels, (each.height, each.width)))
        except ImageError as error:
            found.append(error)
    return found


def stamp_of(path: Path) -> Stamp:
    """What tells a model folder from the one that stood there before.

    Raises:
        ModelError: There is none.
    """
    try:
        found = (path / "model.json").stat()
    except OSError as error:
        raise no_model(path) from error
    return found.st_mtime_ns, found.st_ino, found.st_size


class Models:
    """The models of a server by their names."""

    def __init__(self) -> None:
        self._served: dict[str, Served] = {}
        self._failed: dict[str, Stamp] = {}

    def __iter__(self) -> Any:
        return iter(list(self._served.values()))

    def __len__(self) -> int:
        return len(self._served)

    @property
    def ready(self) -> bool:
        """Whether all are warm."""
        return all(each.ready for each in self)

    def add(self, path: Path) -> Served:
        """Read a model folder; it is not warm yet.

        Raises:
            ModelError: It cannot be read, or one of that name is there.
        """
        new = Served(path)
        if new.name in self._served:
            raise ModelError(f"two models are called {new.name}", hint="rename one of the folders")
        self._served[new.name] = new
        return new

    def get(self, name: str | None) -> Served | None:
        """The model of a name; the first one where none is named; None where there is none."""
        if name is not None:
            return self._served.get(name)
        return next(iter(self._served.values()), None)

    async def reload(self, observe: Callable[[int], object]) -> list[tuple[str, str]]:
        """Read the folders that have changed. The old model answers until the new one is warm, and what it has begun.

        Returns:
            The name of each that changed, and why it could not be read; empty where it could.
        """
        told = []
        for old in self:
            try:
                stamp = stamp_of(old.path)
            except ModelError:  # it is being replaced, or gone: the one in memory answers
                continue
            if stamp in (old.stamp, self._failed.get(old.name)):
                continue
            try:
                self._served[old.name] = await asyncio.to_thread(_warm, old.path, observe)
            except Exception as error:  # whatever is wrong with it, the old one goes on
                self._failed[old.name] = stamp
                told.append((old.name, str(error) or type(error).__name__))
            else:
                told.append((old.name, ""))
        return told


def _warm(path: Path, observe: Callable[[int], object]) -> Served:
    new = Served(path)
    new.warm(observe)
    new.serving.warm()
    return new
