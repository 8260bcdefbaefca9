"""Optional packages: imported where they are needed, and a missing one names its pip line."""

from __future__ import annotations

import importlib
from typing import Any

from topwork.errors import MissingExtraError


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
