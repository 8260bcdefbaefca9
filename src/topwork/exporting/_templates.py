"""Templates of what is written beside a model: scripts and the README."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def rendered(template: str, **values: Any) -> str:
    """A template of this room, filled; it is plain text, in which a value left out is an error."""
    return _environment().get_template(template).render(**values)


def filled(text: str, **values: Any) -> str:
    """The same of a text that is a template itself."""
    return _environment().from_string(text).render(**values)


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(loader=PackageLoader("topwork.exporting", "templates"), undefined=StrictUndefined)
