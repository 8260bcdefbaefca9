"""Optional packages: imported where they are needed, and a missing one names its pip line."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from topwork.errors import MissingExtraError

WITH_TORCH = "pip install 'topwork[torch]'"
"""The line that installs what fine-tuning and most networks need."""


def has_torch() -> bool:
    """Whether PyTorch, torchvision and timm are installed; imports none of them."""
    return all(importlib.util.find_spec(module) is not None for module in ("torch", "torchvision", "timm"))


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
