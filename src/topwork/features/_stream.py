"""Features that are too large to be kept: each image's are used at once, where they are made, and let go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from topwork._arrays import Float32Array
from topwork._system import Executor
from topwork.backbones import AnyBackbone, Backbone
from topwork.data import Source
from topwork.engines import (
    PARITY_IMAGES,
    Engine,
    EngineChoice,
    EngineName,
    decide,
    engine_for,
    open_engine,
    recorded_choice,
)
from topwork.features._extract import NOT_FINITE, OpenNetwork, Progress
from topwork.features._read_ahead import ImageReader, Item, read_ahead, reader_of

Result = TypeVar("Result")

AT_ONCE = 2
"""Images a call: maps of more would only take memory."""


class Streamed(NamedTuple, Generic[Result]):
    """What became of one source.

    Attributes:
        place: Which one it is.
        digest: 8 bytes that name its content; 0 where it cannot be used.
        result: What was made of its features; None where it cannot be used, or they were not wanted.
        reason: Why it cannot be used; empty where it can.
    """

    place: int
    digest: int
    result: Result | None
    reason: str = ""


def streamed(
    sources: Sequence[Source],
    backbone: Backbone,
    outputs: tuple[str, ...],
    choice: EngineChoice,
    then: Callable[[int, Float32Array], Result],
    *,
    wanted: Callable[[int], bool] = lambda index: True,
    open_network: OpenNetwork | None = None,
    progress: Progress | None = None,
) -> Iterator[Streamed[Result]]:
    """Make something of each image's features, in the order of the images; memory stays flat however many there are.

    Args:
        sources: Each is read once, and decoded whether or not it is wanted.
        backbone: What makes the features.
        outputs: Which of them.
        choice: Engine and precision.
        then: A source's place and its features (D,) to what is wanted of them; called in several threads at once.
        wanted: Of a source's place, whether the network is to see it; the others are only decoded.
        open_network: Gives an engine for (choice, images); for a caller that keeps engines from call to call.
        progress: Called with (images done, images in all).
    """
    opener = open_network or (
        lambda choice, count: open_engine(backbone, outputs, choice, images=count, at_once=AT_ONCE)
    )
    engine: Engine | None = None
    items = read_ahead(sources, ImageReader(backbone.preprocessing), lambda key: False)

    def call(batch: Sequence[Item]) -> list[Streamed[Result]]:
        seen = [item for item in batch if item.content is not None and wanted(item.index)]
        assert engine is not None or not seen
        rows = engine(np.stack([item.content for item in seen])) if engine is not None and seen else ()
        made = {item.index: _made(item.index, row, then) for item, row in zip(seen, rows, strict=True)}
        return [_told(item, *made.get(item.index, (None, ""))) for item in batch]

    with contextlib.closing(items):
        first = list(islice(items, AT_ONCE))
        if any(wanted(index) for index in range(len(sources))):
            engine = opener(choice, len(sources))
        callers = 1 if engine is None else engine.callers
        with Executor("stream", callers) as pool:
            done = 0
            for found in pool.map_ordered(call, _batches(first, items), in_flight=callers + 1):
                yield from found
                done += len(found)
                if progress is not None:
                    progress(done, len(sources))


def choose(sources: Sequence[Source], backbone: AnyBackbone, engine: EngineName | None = None) -> EngineChoice:
    """Engine and precision for images or texts; the first of them decide where no earlier run has."""
    name = engine_for(backbone, engine)
    choice = recorded_choice(backbone, name)
    if choice is not None:
        return choice
    reader = reader_of(backbone)
    with contextlib.closing(read_ahead(sources, reader, lambda key: False)) as items:
        contents = list(islice((item.content for item in items if item.content is not None), PARITY_IMAGES))
    return decide(backbone, name, reader.batch(contents)) if contents else EngineChoice(name, "f32")


def _batches(first: list[Item], items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while first:
        yield first
        first = list(islice(rest, AT_ONCE))


def _made(index: int, row: Float32Array, then: Callable[[int, Float32Array], Any]) -> tuple[Any, str]:
    if not np.isfinite(row).all():
        return None, NOT_FINITE.format("image")
    return then(index, row), ""


def _told(item: Item, result: Any, why: str) -> Streamed[Any]:
    reason = item.reason or why
    return Streamed(item.index, 0 if reason else int.from_bytes(item.key[:8], "little"), result, reason)
