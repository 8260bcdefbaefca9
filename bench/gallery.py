"""A gallery of a million embeddings: how long a search takes beside plain ways, and what adding and opening take.

    OMP_NUM_THREADS=2 python bench/gallery.py [--rows 1000000] [--width 128] [--repeats 15] [--folder DIR]

Embeddings are random and of length one, the hardest for a search that has to be exact: none of them lie together. Half
of the queries are near one of the rows, half are nobody's. All ways are asked in turns for the ten most similar rows:
a blocked product of float32, the same of codes of 8 bits made floats, usearch's exact search on these codes, and ours,
whose answers must be those of the product. Times are those of one query.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from _report import header, spread, table
from topwork.tasks.recognition.gallery import Gallery
from topwork.tasks.recognition.gallery._search import _index, nearest

_BLOCK = 16_384
_TOP = 10
_ADDED = 50  # images that are added one by one


def unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def product(rows: Any, query: Any, zero: float = 0.0) -> Any:
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float32, copy=False)
        np.matmul(block - np.float32(zero) if zero else block, query, out=found[start : start + _BLOCK])
    best = np.argpartition(found, -_TOP)[-_TOP:]
    return best[np.argsort(-found[best])]


def timed(ways: dict[str, Callable[[Any], Any]], queries: Any) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {name: [] for name in ways}
    for query in queries:
        for name, way in ways.items():
            start = time.perf_counter()
            way(query)
            took[name].append(1e3 * (time.perf_counter() - start))
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    from usearch.index import MetricKind, search

    rng = np.random.default_rng(0)
    rows = unit(rng.standard_normal((asked.rows, asked.width), np.float32))
    names = [f"person {number}" for number in range(asked.rows)]
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        folder = Path(place) / "gallery"
        gallery, facts = Gallery(asked.width, "bench", folder), []
        start = time.perf_counter()
        gallery.add_all(names, rows)
        facts.append(("enrolling all at once", f"{time.perf_counter() - start:.1f} s"))
        size = sum(path.stat().st_size for path in folder.iterdir())
        facts.append(("on the disk", f"{size / 2**20:.0f} MiB"))
        start = time.perf_counter()
        again = Gallery(asked.width, "bench", folder)
        facts.append(("opening", f"{1e3 * (time.perf_counter() - start):.1f} ms"))
        start = time.perf_counter()
        segment = again._segments[0]
        _index(segment)
        facts.append(("codes into memory, at the first search", f"{1e3 * (time.perf_counter() - start):.0f} ms"))
        near = rows[rng.integers(0, asked.rows, asked.repeats)]
        queries = unit(np.concatenate([near, 0 * near]) + 0.05 * rng.standard_normal((2 * len(near), asked.width)))
        codes = (np.asarray(segment.codes).astype(np.int16) - 128).astype(np.int8)
        ways: dict[str, Callable[[Any], Any]] = {
            "product of float32": lambda query: product(rows, query),
            "product of codes": lambda query: product(segment.codes, query, 128.0),
            "usearch, exact, codes": lambda query: search(
                codes, np.rint(query * 127).astype(np.int8)[None], _TOP, MetricKind.IP, exact=True, threads=2
            ),
            "ours": lambda query: nearest(segment, query[None], _TOP),
            "ours, with names": lambda query: again.search(query[None], _TOP),
        }
        kept = rows.astype(np.float16).astype(np.float32)
        for query in queries[:: max(1, len(queries) // 6)]:
            best = np.sort(kept @ query)[: -_TOP - 1 : -1]
            np.testing.assert_allclose(nearest(segment, query[None], _TOP)[0][0], best, atol=1e-5)
        took = timed(ways, queries)
        adds = []
        for number in range(_ADDED):
            start = time.perf_counter()
            gallery.add(f"new {number}", rows[number : number + 1])
            adds.append(1e3 * (time.perf_counter() - start))
        facts.append(("adding one image, the first in a process", f"{adds[0]:.0f} ms"))
        facts.append(("adding one image, the others", f"{np.median(adds[1:]):.1f} ms ({max(adds[1:]):.1f} at most)"))
    print(header(f"A gallery of {asked.rows:,} embeddings of {asked.width} numbers"))
    print(table(("way", "ms a query"), [(name, spread(found)) for name, found in took.items()]))
    print()
    print(table(("what", "found"), facts))


if __name__ == "__main__":
    main()
