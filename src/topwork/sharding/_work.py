"""The work: shards in, parts out. One pipeline runs through all shards, so that no core waits between two."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array
from topwork._system import Executor
from topwork.engines import Engine
from topwork.errors import TopworkError
from topwork.features import Item, reader_of
from topwork.sharding._parts import Cells, Writer
from topwork.sharding._plan import Plan, Shard, rows_in
from topwork.sharding._recipe import opened, unusable
from topwork.sharding._sources import Row

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Done:
    """What became of one shard.

    Attributes:
        shard: Which.
        rows: Images in its part.
        errors: Those that cannot be used.
        failure: Why there is no part; None where there is one.
    """

    shard: Shard
    rows: int = 0
    errors: int = 0
    failure: TopworkError | None = None


class _End(NamedTuple):
    """Behind the last row of a shard."""

    shard: Shard
    failure: TopworkError | None


class _Read(NamedTuple):
    row: Row
    item: Item


class _Batch(NamedTuple):
    """Rows of one shard for one call of the network, or the shard's end."""

    rows: list[_Read]
    end: _End | None = None


class _Made(NamedTuple):
    cells: list[Cells]
    end: _End | None


def work(plan: Plan, shard: Shard) -> Done:
    """Compute one shard and write its part.

    Raises:
        TopworkError: The part cannot be computed or written.
    """
    (done,) = work_all(plan, (shard,))
    if done.failure is not None:
        raise done.failure
    return done


def work_all(
    plan: Plan, shards: Sequence[Shard], progress: Progress | None = None, *, engine: Engine | None = None
) -> Iterator[Done]:
    """Compute shards one after another and write their parts; one that fails is told, and the others go on.

    A part's bytes depend on its shard alone, not on what is computed before or beside it: a batch never holds rows of
    two shards.

    Args:
        plan: Whose shards.
        shards: Which; those whose part is there already are left out by ``plan.missing()``, not here.
        progress: Called with (images done, images in all).
        engine: The recipe's, where the caller keeps it open.

    Raises:
        TopworkError: The network cannot be run, or nothing can be written.
    """
    with (
        tempfile.TemporaryDirectory(prefix="topwork-") as scratch,
        contextlib.closing(_made(plan, shards, Path(scratch), engine)) as made,
    ):
        total, before = rows_in(shards) or 0, 0
        for shard in shards:
            done = _write(plan, shard, made, progress, before, total)
            before += done.rows
            shutil.rmtree(Path(scratch, shard.name), ignore_errors=True)
            yield done


def _write(plan: Plan, shard: Shard, made: Iterator[_Made], progress: Progress | None, before: int, total: int) -> Done:
    """Take a shard's rows up to its end."""
    rows = errors = 0
    failed: TopworkError | None = None
    with contextlib.suppress(_FailedError), plan.place.written(shard.file) as path:
        writer = Writer(path, plan.recipe)
        try:
            for cells, end in made:
                for each in cells:
                    writer.add(each)
                    errors += each.error is not None
                rows += len(cells)
                if progress is not None and cells:
                    progress(before + rows, total)
                if end is not None:
                    failed = end.failure
                    break
        finally:
            writer.close()
        if failed is not None:
            raise _FailedError  # so that nothing appears
    return Done(shard, rows, errors, failed)


class _FailedError(Exception):
    """The draft is not to be kept."""


def _made(plan: Plan, shards: Sequence[Shard], scratch: Path, kept: Engine | None) -> Generator[_Made]:
    """Rows and ends of all shards, in order; reading, the network and writing overlap."""
    recipe = plan.recipe
    reader = reader_of(recipe.backbone)

    def read(row: Row | _End) -> _Read | _End:
        if isinstance(row, _End):
            return row
        if row.fault:
            return _Read(row, Item(0, b"", None, row.fault))
        return _Read(row, reader.read((row.source,), 0, lambda key: False))

    with Executor("decode") as decoders, contextlib.closing(_rows(plan, shards, scratch)) as source:
        rows = decoders.map_ordered(read, source, in_flight=reader.ahead, chunk=reader.chunk)
        first = next(rows, None)  # the decoders are at work while the network is opened
        if first is None:
            return
        engine = kept or opened(recipe)

        def call(batch: _Batch) -> _Made:
            usable = [read.item.content for read in batch.rows if read.item.content is not None]
            features = engine(reader.batch(usable)) if usable else np.zeros((0, 1), np.float32)
            return _Made(_cells(plan, batch.rows, features), batch.end)

        batches = _batches(chain([first], rows), engine.batch_size)
        with Executor("shards", engine.callers) as callers:
            yield from callers.map_ordered(call, batches, in_flight=2 * engine.callers + 1)


def _rows(plan: Plan, shards: Sequence[Shard], scratch: Path) -> Generator[Row | _End]:
    """The rows of each shard, then its end, with why it could not be read to there."""
    images = plan.images

    def begin(shard: Shard) -> Iterator[Row] | TopworkError:
        folder = scratch / shard.name
        folder.mkdir()
        try:
            return images.rows(shard.piece, folder)
        except TopworkError as error:
            return error

    with Executor("fetch", 1) as hand:  # the next shard is listed or fetched while this one is computed
        for shard, found in zip(shards, hand.map_ordered(begin, shards, in_flight=2), strict=True):
            failure = found if isinstance(found, TopworkError) else None
            try:
                yield from found if not isinstance(found, TopworkError) else ()
            except TopworkError as error:
                failure = error
            yield _End(shard, failure)


def _batches(rows: Iterator[_Read | _End], size: int) -> Iterator[_Batch]:
    waiting: list[_Read] = []
    usable = 0
    for each in rows:
        if isinstance(each, _End):
            yield _Batch(waiting, each)
        else:
            waiting.append(each)
            usable += each.item.content is not None
            if usable < size and len(waiting) < 8 * size:
                continue
            yield _Batch(waiting)
        waiting, usable = [], 0


def _cells(plan: Plan, rows: list[_Read], features: Float32Array) -> list[Cells]:
    values, answers = plan.recipe.values(features) if len(features) else (features, None)
    good: list[bool] = np.isfinite(np.asarray(values)).all(axis=1).tolist()
    made: list[Cells] = []
    place = 0
    for row, item in rows:
        key, split = item.key or None, row.split
        label = row.label if plan.recipe.column == "features" else None  # there it is the answer's column
        if item.content is None:
            made.append(Cells(row.id, None, key, label, split, item.reason))
            continue
        if good[place]:
            label = label if answers is None else answers[place]
            made.append(Cells(row.id, values[place], key, label, split, None))
        else:
            made.append(Cells(row.id, None, key, label, split, unusable(plan.recipe)))
        place += 1
    return made
