"""Writes `docs/api.md`, the reference of topwork's public names, from their docstrings.

    python tools/api_reference.py

A name is public where the package, or one of the rooms below, has it in its `__all__`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

ROOMS = (
    "topwork",
    "topwork.data",
    "topwork.checking",
    "topwork.backbones",
    "topwork.engines",
    "topwork.features",
    "topwork.heads",
    "topwork.metrics",
    "topwork.advising",
    "topwork.train",
    "topwork.model",
    "topwork.tasks",
    "topwork.tasks.detection",
    "topwork.fitting",
    "topwork.report",
    "topwork.explain",
    "topwork.drawing",
    "topwork.errors",
)
FILE = Path(__file__).parents[1] / "docs" / "api.md"


def reference() -> str:
    """The whole page."""
    parts = ["# API reference", "", "Made by `make api` from the docstrings."]
    for room in ROOMS:
        module = importlib.import_module(room)
        parts += ["", f"## {room}", "", first_paragraph(module)]
        for name in public(module):
            parts += ["", *told(room, name, getattr(module, name))]
    return "\n".join(parts) + "\n"


def public(module: Any) -> list[str]:
    """The module's public names, sorted."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module.__name__
        ]
    return sorted(name for name in names if not name.startswith("__"))


def told(room: str, name: str, value: Any) -> list[str]:
    """A heading, the signature where there is one, and the docstring."""
    lines = [f"### {room}.{name}", ""]
    if inspect.isfunction(value):
        lines += ["```python", f"{name}{signature(value)}", "```", ""]
    if inspect.isclass(value) or inspect.isfunction(value):
        doc = inspect.getdoc(value) or ""
        return [*lines, *indented(doc)]
    return [*lines, f"A value of type `{type(value).__name__}`."]


def signature(function: Any) -> str:
    """Parameters as they are written, without addresses of defaults."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(function)))


def indented(doc: str) -> list[str]:
    """The docstring as a block that Markdown leaves alone."""
    return ["```text", *doc.replace("```", "'''").splitlines(), "```"]


def first_paragraph(module: Any) -> str:
    """What the room is for."""
    return (inspect.getdoc(module) or "").split("\n\n")[0]


if __name__ == "__main__":
    FILE.write_text(reference(), "utf-8")
