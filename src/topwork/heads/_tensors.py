"""Named tensors: how heads are stored, what is checked when they come back, and the file that holds them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from topwork._arrays import AnyArray
from topwork.errors import ModelError

_MODE = 0o644  # safetensors makes its files private; a model is to be shared
_DTYPES: dict[Any, str] = {float: "float32", int: "int64", bool: "bool"}


class Stored:
    """Base of frozen data classes that go to named tensors and come back.

    A field that is a ``float`` is a float32 tensor of shape (1,), an ``int`` an int64 one; arrays are tensors as they
    are, and a field that is itself ``Stored`` gives its tensors with its name and a dot in front. A ``bool`` is a bool
    tensor, which is left out where it is False, so that a head from before the field was there still loads. What a
    class demands of its values, its ``__post_init__`` checks, with `_require_shapes` and `_require_positive`.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def n_features(self) -> int:
        """Number of features it reads: the first field has a row for each."""
        return len(getattr(self, dataclasses.fields(self)[0].name))

    @classmethod
    def _types(cls) -> dict[str, Any]:
        """The type of each field, in order."""
        hints = typing.get_type_hints(cls)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}

    def to_tensors(self) -> dict[str, AnyArray]:
        """Everything that builds the same value again, as named tensors fit for safetensors."""
        found: dict[str, AnyArray] = {}
        for name, kind in self._types().items():
            value = getattr(self, name)
            if value is False:
                continue
            if isinstance(value, Stored):
                found |= {f"{name}.{inner}": tensor for inner, tensor in value.to_tensors().items()}
            else:
                found[name] = np.array([value], _DTYPES[kind]) if kind in _DTYPES else value
        return found

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, AnyArray]) -> Self:
        """The value that `to_tensors` wrote.

        Raises:
            ModelError: A tensor is missing, extra, misshapen, not finite or out of range.
        """
        types = cls._types()
        parts = {name: kind for name, kind in types.items() if isinstance(kind, type) and issubclass(kind, Stored)}
        own = {name for name in tensors if not name.startswith(tuple(f"{part}." for part in parts))}
        expected = types.keys() - parts.keys()
        missing, extra = sorted(name for name in expected - own if types[name] is not bool), sorted(own - expected)
        if missing or extra:
            raise ModelError(f"head tensors: missing {missing or 'none'}, not expected {extra or 'none'}")
        values: dict[str, Any] = {}
        for name, kind in types.items():
            if name in parts:
                inner = {key.removeprefix(f"{name}."): tensors[key] for key in tensors if key.startswith(f"{name}.")}
                values[name] = parts[name].from_tensors(inner)
            elif name not in tensors:
                values[name] = False
            elif kind in _DTYPES:
                _check_array(name, tensors[name], (1,), _DTYPES[kind])
                values[name] = tensors[name].item()
            else:
                values[name] = tensors[name]
        return cls(**values)

    def _require_shapes(self, dtype: str = "float32", **shapes: tuple[int, ...]) -> None:
        """Raise ModelError unless each of these arrays has this shape and type, and finite numbers only."""
        for name, shape in shapes.items():
            _check_array(name, getattr(self, name), shape, dtype)

    def _require_positive(self, *names: str) -> None:
        """Raise ModelError unless all of these arrays and numbers are finite and above zero."""
        for name in names:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                if not (value > 0).all():
                    raise ModelError(f"{name}: expected positive numbers only")
            elif not (np.isfinite(value) and value > 0):
                raise ModelError(f"{name}: expected a positive number, got {value}")


def _check_array(name: str, array: AnyArray, shape: tuple[int, ...], dtype: str) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ModelError(f"{name}: expected {dtype} {shape}, got {array.dtype} {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ModelError(f"{name}: {int(np.sum(~np.isfinite(array)))} of {array.size} numbers are NaN or Inf")


def write_tensors(tensors: Mapping[str, AnyArray], path: Path) -> None:
    """Write named tensors to a .safetensors file that others may read too.

    Raises:
        OSError: The file cannot be written; SafetensorError where safetensors itself cannot, as on a full disk.
    """
    from safetensors.numpy import save_file

    save_file({name: np.asarray(value, order="C") for name, value in tensors.items()}, path)
    path.chmod(_MODE)


def read_tensors(path: Path) -> dict[str, AnyArray]:
    """The named tensors of a .safetensors file.

    Raises:
        ModelError: There is no such file, or it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: not a readable .safetensors file: {error}") from error
