"""Extraction: images in, features out. Decoding and the network overlap, and nothing is computed twice."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.backbones import AnyBackbone, Preprocessing, TextBackbone
from topwork.data import Dataset, LeftOut, Source
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
from topwork.features._read_ahead import Item, Reader, read_ahead, reader_of
from topwork.features._store import FeatureStore, MemoryStore, rows_on_disk
from topwork.features._table import FeatureTable

Float32Array = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
OpenNetwork = Callable[[EngineChoice, int], Engine]
_Content = tuple[bytes, Any]  # an image's or a text's key, and what the network takes of it
_Batch = tuple[list[bytes], Any]  # several of them

NOT_FINITE = "the network gives NaN or infinity for this {}"
"""Why a row is refused; takes what it is called."""
_FORMAT = 3  # raise when decoding or resizing gives other pixels than before


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
    dataset: Dataset,
    backbone: AnyBackbone,
    *,
    outputs: Sequence[str] | None = None,
    engine: EngineName | None = None,
    choice: EngineChoice | None = None,
    cache: bool = True,
    progress: Progress | None = None,
) -> FeatureTable:
    """Features of every image or text of a data set.

    Args:
        dataset: The images; what cannot be decoded is listed in the table's data set under ``left_out``.
        backbone: Whose features, with which preprocessing.
        outputs: Which of them, see ``Backbone.outputs``; the network's own pooled features when None.
        engine: What runs the network; the best that is here when None.
        choice: Engine and precision, where a model demands those that trained it.
        cache: Whether features are looked up and kept on disk under the image's content.
        progress: Called with (images done, images in all).

    Raises:
        BackboneError: The weights are not available, or no engine runs the network.

    Example:
        >>> table = extract(read("photos"), load("lite0"))  # doctest: +SKIP
        >>> table.values.shape  # doctest: +SKIP
        (1000, 1280)
    """
    names = tuple(outputs) if outputs is not None else backbone.outputs("last")
    with contextlib.ExitStack() as stack:
        open_store = _disk_store(stack, backbone, names, cache)
        found = run(dataset.sources(), backbone, names, open_store, engine=engine, choice=choice, progress=progress)
    left_out = [LeftOut(dataset.paths[index], reason) for index, reason in found.refused]
    return FeatureTable(dataset.without(left_out), backbone, found.choice, names, found.values, found.digests)


def extract_few(
    sources: Sequence[Source],
    backbone: AnyBackbone,
    outputs: Sequence[str],
    *,
    engine: EngineName | None = None,
    choice: EngineChoice | None = None,
    open_network: OpenNetwork | None = None,
    cache: bool = False,
) -> Extraction:
    """Features of files, encoded bytes or pixels, held in memory; what gives NaN or infinity is refused.

    Args:
        sources: What to look at; the results' memory grows with their number.
        backbone: Whose features.
        outputs: Which of them.
        engine: What runs the network; the best that is here when None.
        choice: Engine and precision, where a model demands those that trained it.
        open_network: Gives an engine for (choice, images); for a caller that keeps engines from call to call.
        cache: Whether features are looked up and kept on disk under the image's content.
    """
    names = tuple(outputs)
    width = _width(backbone, names)
    how: Any = {"engine": engine, "choice": choice, "open_network": open_network}
    with contextlib.ExitStack() as stack:
        on_disk = _disk_store(stack, backbone, names, cache)
        found = run(sources, backbone, names, on_disk if cache else lambda choice: MemoryStore(width), **how)
    good = np.isfinite(found.values).all(axis=1)
    if good.all():
        return found
    why = NOT_FINITE.format("text" if isinstance(backbone, TextBackbone) else "image")
    refused = [*found.refused, *((int(place), why) for place in found.kept[~good])]
    return Extraction(found.values[good], found.digests[good], found.kept[good], tuple(sorted(refused)), found.choice)


def _disk_store(
    stack: contextlib.ExitStack, backbone: AnyBackbone, names: tuple[str, ...], cache: bool
) -> Callable[[EngineChoice], FeatureStore]:
    """Opens a store on the disk, closed with the stack: the cache's, or one that is gone with it."""

    def open_store(choice: EngineChoice) -> FeatureStore:
        rows = rows_on_disk(recipe_of(backbone, names, choice), _width(backbone, names), cache=cache)
        return stack.enter_context(rows)

    return open_store


def run(
    sources: Sequence[Source],
    backbone: AnyBackbone,
    outputs: tuple[str, ...],
    open_store: Callable[[EngineChoice], FeatureStore],
    *,
    engine: EngineName | None = None,
    choice: EngineChoice | None = None,
    open_network: OpenNetwork | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Features of the sources, through a store that knows some of them already.

    Where no earlier run has chosen the precision, the first images decide it; the others are decoded meanwhile.
    """
    name = choice.name if choice else engine_for(backbone, engine)
    choice = choice or recorded_choice(backbone, name)
    reader = reader_of(backbone)
    store = open_store(choice) if choice else None
    items = read_ahead(sources, reader, store.__contains__ if store is not None else lambda key: False)
    with contextlib.closing(items):
        ahead: list[Item] = []
        if choice is None or store is None:
            ahead = _first_usable(items)
            contents = [item.content for item in ahead if item.content is not None]
            # without one that can be used there is nothing to compute, and nothing to decide
            choice = decide(backbone, name, reader.batch(contents)) if contents else EngineChoice(name, "f32")
            store = open_store(choice)
        opener = open_network or (lambda choice, count: open_engine(backbone, outputs, choice, images=count))
        rows = _Rows()
        unknown = rows.unknown(_counted(itertools.chain(ahead, items), len(sources), progress), store)
        _compute(unknown, reader, rows, store, lambda: opener(choice, len(sources)))
    refused = tuple(rows.refused)
    digests = np.frombuffer(b"".join(rows.keys), "<u8")[::2].astype(np.uint64)  # half a key, on any machine the same
    return Extraction(store.gather(rows.keys), digests, np.array(rows.kept, np.intp), refused, choice)


def _first_usable(items: Iterator[Item]) -> list[Item]:
    """Items up to the first few that can be used."""
    ahead: list[Item] = []
    usable = 0
    for item in items:
        ahead.append(item)
        usable += item.content is not None
        if usable == PARITY_IMAGES:
            break
    return ahead


def _counted(items: Iterable[Item], total: int, progress: Progress | None) -> Iterator[Item]:
    for done, item in enumerate(items, start=1):
        yield item
        if progress is not None:
            progress(done, total)


@dataclass(eq=False)
class _Rows:
    """What became of each item."""

    keys: list[bytes] = field(default_factory=list)  # of those that could be used, in their order
    kept: list[int] = field(default_factory=list)  # their places
    refused: list[tuple[int, str]] = field(default_factory=list)  # place and reason of every other one
    on_their_way: set[bytes] = field(default_factory=set)  # keys whose features are being computed

    def unknown(self, items: Iterable[Item], store: FeatureStore) -> Iterator[_Content]:
        """Note every item; give key and pixels of those whose features are neither there nor on their way."""
        for item in items:
            if item.reason:
                self.refused.append((item.index, item.reason))
                continue
            self.keys.append(item.key)
            self.kept.append(item.index)
            if item.content is not None and item.key not in store and item.key not in self.on_their_way:
                self.on_their_way.add(item.key)
                yield item.key, item.content


def _compute(
    unknown: Iterator[_Content], reader: Reader, rows: _Rows, store: FeatureStore, open_network: Callable[[], Engine]
) -> None:
    """Send contents through the network, in batches, while the next are decoded; features reach the store in order."""
    first = next(unknown, None)
    if first is None:  # a run that finds everything in the store needs no network
        return
    engine = open_network()

    def call(batch: _Batch) -> tuple[list[bytes], Float32Array]:
        return batch[0], engine(batch[1])

    with Executor("engine", engine.callers) as callers:
        batches = _batches(itertools.chain([first], unknown), reader, engine.batch_size)
        for keys, features in callers.map_ordered(call, batches, in_flight=2 * engine.callers + 1):
            store.add(keys, features)
            rows.on_their_way.difference_update(keys)


def _batches(unknown: Iterator[_Content], reader: Reader, size: int) -> Iterator[_Batch]:
    while waiting := list(itertools.islice(unknown, size)):
        keys, contents = [key for key, _ in waiting], reader.batch([content for _, content in waiting])
        waiting.clear()  # or pixels would be held twice while the batch waits
        yield keys, contents


def _width(backbone: AnyBackbone, outputs: Sequence[str]) -> int:
    return sum(map(backbone.width, outputs))


def recipe_of(backbone: AnyBackbone, outputs: tuple[str, ...], choice: EngineChoice) -> dict[str, Any]:
    """Everything that changes the features of an image, in words that stay, or what users have cached would be lost."""
    if isinstance(backbone, TextBackbone):
        network = backbone.identity
    else:
        read = _as_cached(backbone.preprocessing)
        network = {"backbone": backbone.identity, "weights": backbone.weights.sha256, "preprocessing": read}
    return {
        "format": _FORMAT,
        **network,
        "outputs": outputs,
        "engine": choice.name,
        "precision": choice.precision,
    }


def _as_cached(preprocessing: Preprocessing) -> dict[str, Any]:
    fields = preprocessing.to_dict()
    fields["fit"] = fields.pop("crop_mode")  # its name when the first features were cached
    return fields
