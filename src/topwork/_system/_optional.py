"""Optional packages: imported where they are needed, and a missing one names its pip line."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from typing import Any

from topwork.errors import MissingExtraError

WITH_TORCH = "pip install 'topwork[torch]'"
"""The line that installs what fine-tuning and most networks need."""


def has_torch() -> bool:
    """Whether PyTorch, torchvision and timm are installed; imports none of them."""
    return all(importlib.util.find_spec(module) is not None for module in ("torch", "torchvision", "timm"))


def has_module(name: str) -> bool:
    """Whether a module is installed; it is not imported."""
    return importlib.util.find_spec(name) is not None


def require_torch(what: str) -> None:
    """Refuse what needs PyTorch where it is not installed.

    Args:
        what: What needs it, as a sentence's beginning: ``"fine-tuning"``.

    Raises:
        MissingExtraError: It is not installed.
    """
    if not has_torch():
        raise MissingExtraError(f"{what} needs PyTorch, which is not installed", hint=WITH_TORCH)


def optional(module: str, *, extra: str, what: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: For example ``"pyarrow.parquet"``.
        extra: The extra of topwork that brings it.
        what: What it is needed for, as a sentence's beginning: ``"a Parquet manifest"``.

    Raises:
        MissingExtraError: It is not installed.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed", hint=f"pip install 'topwork[{extra}]'"
        ) from error


@contextlib.contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Without transformers' bars and its report, whose important lines become errors."""
    told = transformers.utils.logging
    level, bars = told.get_verbosity(), told.is_progress_bar_enabled()
    told.set_verbosity_error()
    told.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        told.set_verbosity(level)
        if bars:
            told.enable_progress_bar()
