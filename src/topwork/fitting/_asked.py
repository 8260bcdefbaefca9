"""Options as plain JSON, so that a model tells what was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

_OF_ONE_RUN = {"checkpoint", "resume", "offline"}  # they change nothing in what comes out


def as_json(options: Any) -> Any:
    """Data classes and configurations as dictionaries, paths as texts; without what is of one run alone."""
    if isinstance(options, BaseModel):
        return options.model_dump(mode="json")
    if dataclasses.is_dataclass(options):
        names = [field.name for field in dataclasses.fields(options) if field.name not in _OF_ONE_RUN]
        return {name: as_json(getattr(options, name)) for name in names}
    if isinstance(options, Mapping):
        return {str(name): as_json(value) for name, value in options.items()}
    if isinstance(options, Sequence) and not isinstance(options, str):
        return [as_json(value) for value in options]
    return options if options is None or isinstance(options, bool | int | float | str) else str(options)
