"""A segment of a gallery: embeddings that were written together, as one file that never changes."""

from __future__ import annotations

import json
import os
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, IntpArray, UInt8Array
from topwork.errors import ModelError

SUFFIX = ".safetensors"
DAMAGED = "take a copy of the folder, or delete it and enrol again"
_ZERO = 128  # the code of 0
_CHECKED_BYTES = 32 * 2**20  # larger files are not read through when they are opened
_CHUNK = 65_536  # rows


@dataclass(frozen=True, eq=False)
class Segment:
    """Embeddings of N images, K numbers each.

    The codes are what a search goes through; no code is further from its embedding than ``error``, so that a search may
    tell which rows it has to look at exactly.

    Attributes:
        codes: uint8 (N, K): 128 + embedding / scale, rounded.
        rows: float16 (N, K): the embeddings.
        owners: int32 (N,): which of the names.
        title: The names as JSON, as uint8.
        scale: What a step of a code is worth.
        error: The largest distance of a row from its code.
        path: The file; None where it is in memory alone.
    """

    codes: UInt8Array
    rows: AnyArray
    owners: AnyArray
    title: UInt8Array
    scale: float
    error: float
    path: Path | None = None
    _opened: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.owners)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of those whose images these are."""
        return tuple(json.loads(self.title.tobytes()))

    @cached_property
    def folded(self) -> dict[str, str]:
        """The names by what is equal of those that differ only by case or by the form of their letters."""
        return {folded(name): name for name in self.names}

    @property
    def counts(self) -> dict[str, int]:
        """Images of each name."""
        found = np.bincount(self.owners, minlength=len(self.names)).tolist()
        return dict(zip(self.names, found, strict=True))

    def exact(self, queries: Float32Array, rows: IntpArray) -> Float32Array:
        """Cosines of queries (B, K) and their own rows (B, M): (B, M)."""
        found: Float32Array = np.einsum("bk,bmk->bm", queries, self.rows[rows].astype(np.float32))
        return found

    def keep(self, kept: BoolArray) -> Segment:
        """Some rows, and only the names that they need."""
        owners, renumbered = np.unique(self.owners[kept], return_inverse=True)
        names = [self.names[owner] for owner in owners]
        return made(self.rows[kept].astype(np.float32), names, renumbered)


def folded(name: str) -> str:
    """A name without its case and the form of its letters."""
    return unicodedata.normalize("NFKC", name).casefold()


def made(rows: Float32Array, names: Sequence[str], owners: AnyArray) -> Segment:
    """A segment of embeddings (N, K) of length one, whose owners (N,) are places in the names."""
    kept = rows.astype(np.float16)
    scale = max(float(np.abs(kept).max(initial=0)) / 127, float(np.finfo(np.float32).tiny))
    codes, error = np.empty(kept.shape, np.uint8), 0.0
    for start in range(0, len(kept), _CHUNK):
        part = kept[start : start + _CHUNK].astype(np.float32)
        steps = np.rint(part / scale)
        codes[start : start + _CHUNK] = steps + _ZERO
        error = max(error, float(np.linalg.norm(part - steps * scale, axis=1).max()))
    title = np.frombuffer(json.dumps(list(names)).encode(), np.uint8)
    return Segment(codes, kept, np.asarray(owners, np.int32), title, scale, error)


def joined(segments: Sequence[Segment]) -> Segment:
    """One segment of several."""
    names = list(dict.fromkeys(name for each in segments for name in each.names))
    place = {name: index for index, name in enumerate(names)}
    owners = [np.array([place[name] for name in each.names], np.int32)[each.owners] for each in segments]
    rows = np.concatenate([each.rows for each in segments]).astype(np.float32)
    return made(rows, names, np.concatenate(owners))


def write(segment: Segment, path: Path) -> int:
    """Write a segment to a new file that its owner alone can read, and push it to the disk; gives its CRC-32.

    Raises:
        OSError: The disk is full or may not be written; nothing is left behind.
    """
    from safetensors.numpy import save

    tensors = {"codes": segment.codes, "rows": segment.rows, "owners": segment.owners, "title": segment.title}
    tensors |= {"scale": np.array([segment.scale], np.float32), "error": np.array([segment.error], np.float32)}
    content = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return zlib.crc32(content)


def opened(path: Path, rows: int, width: int, checksum: int) -> Segment:
    """A segment of a file, memory-mapped.

    Raises:
        FileNotFoundError: It is gone: another process has joined it with others.
        ModelError: It is damaged.
    """
    try:
        if path.stat().st_size <= _CHECKED_BYTES and zlib.crc32(path.read_bytes()) != checksum:
            raise ValueError("its checksum is another")
        found = _mapped(path)
        shapes = {name: (found[name].dtype.str, found[name].shape) for name in ("codes", "rows", "owners")}
        expected = {"codes": ("|u1", (rows, width)), "rows": ("<f2", (rows, width)), "owners": ("<i4", (rows,))}
        if shapes != expected:
            raise ValueError(f"it holds {shapes}")
        scale, error = float(found["scale"][0]), float(found["error"][0])
        segment = Segment(found["codes"], found["rows"], found["owners"], found["title"], scale, error, path)
        if not 0 <= segment.owners.min(initial=0) <= segment.owners.max(initial=0) < len(segment.names):
            raise ValueError("it holds images of nobody")
        return segment
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: this part of the gallery is damaged: {error}", hint=DAMAGED) from error


_TYPES = {"U8": np.uint8, "F16": np.float16, "F32": np.float32, "I32": np.int32}


def _mapped(path: Path) -> dict[str, AnyArray]:
    """The tensors of a safetensors file, left on the disk until they are looked at."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= size - 8:
            raise ValueError("its header is cut off")
        header = json.loads(file.read(length))
    found: dict[str, AnyArray] = {}
    for name, facts in header.items():
        if name == "__metadata__":
            continue
        start, end = facts["data_offsets"]
        kind, shape = np.dtype(_TYPES[facts["dtype"]]), tuple(facts["shape"])
        if not 0 <= start <= end <= size - 8 - length or end - start != kind.itemsize * int(np.prod(shape)):
            raise ValueError(f"{name} lies outside of it")
        found[name] = np.memmap(path, kind, "r", 8 + length + start, shape) if end > start else np.empty(shape, kind)
    return found
