"""Extraction: images in, features out. Decoding and the network overlap, and nothing is computed twice."""

from __future__ import annotations

import contextlib
import functools
import itertools
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.backbones import (
    PARITY_IMAGES,
    Backbone,
    Engine,
    EngineChoice,
    EngineName,
    decide,
    default_engine,
    open_engine,
    recorded_choice,
)
from topwork.data import ImageDataset, LeftOut, Source
from topwork.features._read_ahead import Item, read_ahead
from topwork.features._store import DiskStore, MemoryStore, Store, recipe_folder
from topwork.features._table import FeatureTable

Float32Array = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
OpenNetwork = Callable[[EngineChoice, int], Engine]

NOT_FINITE = "the network gives NaN or infinity for it"
_FORMAT = 2  # raise when decoding or resizing gives other pixels than before


@dataclass(frozen=True, eq=False)
class Extraction:
    """Features of a row of sources.

    Attributes:
        values: float32 (M, D), one row for each source that could be used.
        digests: uint64 (M,), 8 bytes that name those sources' content.
        kept: int (M,), those sources' places.
        refused: Place and reason of every other one.
        choice: Engine and precision that made the features.
    """

    values: Float32Array
    digests: npt.NDArray[np.uint64]
    kept: npt.NDArray[np.intp]
    refused: tuple[tuple[int, str], ...]
    choice: EngineChoice


def extract(
    dataset: ImageDataset,
    backbone: Backbone,
    *,
    outputs: Sequence[str] | None = None,
    engine: EngineName | None = None,
    choice: EngineChoice | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> FeatureTable:
    """Features of every image of a data set.

    Args:
        dataset: The images; what cannot be decoded is listed in the table's data set under ``left_out``.
        backbone: Whose features, with which preprocessing.
        outputs: Which of them, see ``Backbone.outputs``; the network's own pooled features when None.
        engine: What runs the network; the best that is here when None.
        choice: Engine and precision, where a model demands those that trained it.
        cache: Whether features are looked up and kept on disk under the image's content.
        progress: Called with (images done, images in all).

    Raises:
        BackboneError: The weights are not to be had, or no engine runs the network.

    Example:
        >>> table = extract(read("photos"), load("lite0"))  # doctest: +SKIP
        >>> table.values.shape  # doctest: +SKIP
        (1000, 1280)
    """
    names = tuple(outputs) if outputs is not None else backbone.outputs("last")
    with contextlib.ExitStack() as stack:

        def open_store(choice: EngineChoice) -> Store:
            folder = recipe_folder(_recipe(backbone, names, choice)) if cache else _temporary(stack)
            return stack.enter_context(DiskStore(folder, _width(backbone, names)))

        found = run(dataset.sources(), backbone, names, open_store, engine=engine, choice=choice, progress=progress)
    left_out = [LeftOut(dataset.paths[index], reason) for index, reason in found.refused]
    return FeatureTable(dataset.without(left_out), backbone, found.choice, names, found.values, found.digests)


def extract_few(
    sources: Sequence[Source],
    backbone: Backbone,
    outputs: Sequence[str],
    *,
    engine: EngineName | None = None,
    choice: EngineChoice | None = None,
    open_network: OpenNetwork | None = None,
) -> Extraction:
    """Features of files, encoded bytes or pixels, kept in memory alone.

    Args:
        sources: What to look at; the results' memory grows with their number.
        backbone: Whose features.
        outputs: Which of them.
        engine: What runs the network; the best that is here when None.
        choice: Engine and precision, where a model demands those that trained it.
        open_network: Gives an engine for (choice, images); for a caller that keeps engines from call to call.
    """
    names = tuple(outputs)
    width = _width(backbone, names)
    found = run(
        sources,
        backbone,
        names,
        lambda choice: MemoryStore(width),
        engine=engine,
        choice=choice,
        open_network=open_network,
    )
    return _finite(found)


def _finite(found: Extraction) -> Extraction:
    """An extraction without the rows that hold NaN or infinity; these are refused."""
    good = np.isfinite(found.values).all(axis=1)
    if good.all():
        return found
    refused = [*found.refused, *((int(place), NOT_FINITE) for place in found.kept[~good])]
    return Extraction(found.values[good], found.digests[good], found.kept[good], tuple(sorted(refused)), found.choice)


def run(
    sources: Sequence[Source],
    backbone: Backbone,
    outputs: tuple[str, ...],
    open_store: Callable[[EngineChoice], Store],
    *,
    engine: EngineName | None = None,
    choice: EngineChoice | None = None,
    open_network: OpenNetwork | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Features of the sources, through a store that knows some of them already.

    Where no earlier run has chosen the precision, the first images decide it; the others are decoded meanwhile.
    """
    name = choice.name if choice else engine or default_engine()
    choice = choice or recorded_choice(backbone, name)
    store = open_store(choice) if choice else None
    items = read_ahead(sources, backbone.preprocessing, store.__contains__ if store is not None else lambda key: False)
    with contextlib.closing(items):
        ahead: list[Item] = []
        if choice is None or store is None:
            ahead = _first_pixels(items)
            choice = _decided(backbone, name, ahead)
            store = open_store(choice)
        counted = _counted(itertools.chain(ahead, items), len(sources), progress)
        opener = open_network or (lambda choice, count: open_engine(backbone, outputs, choice, images=count))
        keys, kept, refused = _compute(counted, store, functools.partial(opener, choice, len(sources)))
    return Extraction(store.gather(keys), _digests(keys), np.array(kept, np.intp), tuple(refused), choice)


def _digests(keys: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """The first half of each key, the same number on every machine."""
    return np.frombuffer(b"".join(keys), "<u8")[::2].astype(np.uint64)


def _first_pixels(items: Iterator[Item]) -> list[Item]:
    """Items up to the first few that can be used."""
    ahead: list[Item] = []
    usable = 0
    for item in items:
        ahead.append(item)
        usable += item.pixels is not None
        if usable == PARITY_IMAGES:
            break
    return ahead


def _decided(backbone: Backbone, engine: EngineName, ahead: list[Item]) -> EngineChoice:
    pixels = [item.pixels for item in ahead if item.pixels is not None]
    if not pixels:  # nothing to compute, nothing to decide
        return EngineChoice(engine, "f32")
    return decide(backbone, engine, np.stack(pixels))


def _counted(items: Iterable[Item], total: int, progress: Progress | None) -> Iterator[Item]:
    for done, item in enumerate(items, start=1):
        yield item
        if progress is not None:
            progress(done, total)


def _compute(
    items: Iterable[Item], store: Store, open_network: Callable[[], Engine]
) -> tuple[list[bytes], list[int], list[tuple[int, str]]]:
    """Send what the store does not know through the network, in batches, while the next are decoded."""
    keys: list[bytes] = []
    kept: list[int] = []
    refused: list[tuple[int, str]] = []
    with contextlib.closing(_Batches(store, open_network)) as batches:
        for item in items:
            if item.reason:
                refused.append((item.index, item.reason))
                continue
            keys.append(item.key)
            kept.append(item.index)
            if item.pixels is not None:
                batches.add(item.key, item.pixels)
        batches.finish()
    return keys, kept, refused


class _Batches:
    """Collects images into batches and keeps the engine's callers busy; results reach the store in order."""

    def __init__(self, store: Store, open_network: Callable[[], Engine]) -> None:
        self._store = store
        self._open_network = open_network
        self._engine: Engine | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[bytes, npt.NDArray[np.uint8]] = {}
        self._running: deque[tuple[list[bytes], Future[Float32Array]]] = deque()
        self._sent: set[bytes] = set()

    def add(self, key: bytes, pixels: npt.NDArray[np.uint8]) -> None:
        """Queue an image, unless its like was computed or is on its way."""
        if key in self._store or key in self._sent:
            return
        self._waiting[key] = pixels
        if len(self._waiting) == self._network().batch_size:
            self._send()

    def _network(self) -> Engine:
        if self._engine is None:  # only now: a run that finds everything in the store needs no network
            self._engine = self._open_network()
            self._pool = ThreadPoolExecutor(self._engine.callers, "topwork-engine")
        return self._engine

    def _send(self) -> None:
        engine = self._network()
        assert self._pool is not None
        keys, images = list(self._waiting), np.stack(list(self._waiting.values()))
        self._waiting.clear()
        self._sent.update(keys)
        self._running.append((keys, self._pool.submit(engine, images)))
        while len(self._running) > 2 * engine.callers:
            self._receive()

    def _receive(self) -> None:
        keys, future = self._running[0]  # it stays there while it is computed: `close` waits for it
        found = future.result()
        self._running.popleft()
        self._store.add(keys, found)
        self._sent.difference_update(keys)

    def finish(self) -> None:
        """Send what is left and wait for everything."""
        if self._waiting:
            self._send()
        while self._running:
            self._receive()

    def close(self) -> None:
        """End the threads; what was not received is dropped.

        A batch that is being computed is waited for, however often Ctrl-C is pressed: where Python (3.11) is kept from
        awaiting a thread's end it takes it for ended, and C++ code that still runs in it aborts the whole process.
        """
        if self._pool is None:
            return
        running = [future for _, future in self._running if not future.cancel()]
        while any(not future.done() for future in running):
            with contextlib.suppress(KeyboardInterrupt):
                wait(running)
        self._pool.shutdown()


def _width(backbone: Backbone, outputs: Sequence[str]) -> int:
    return sum(map(backbone.width, outputs))


def _recipe(backbone: Backbone, outputs: tuple[str, ...], choice: EngineChoice) -> dict[str, Any]:
    """Everything that changes the features of an image."""
    return {
        "format": _FORMAT,
        "backbone": backbone.name,
        "weights": backbone.weights.sha256,
        "preprocessing": backbone.preprocessing.to_dict(),
        "outputs": outputs,
        "engine": choice.name,
        "precision": choice.precision,
    }


def _temporary(stack: contextlib.ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="topwork-")))
