"""The tools that the documentation is made and run by, as modules."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def tool(name: str) -> ModuleType:
    """A file of ``tools/`` as a module."""
    spec = importlib.util.spec_from_file_location(f"{name}_tool", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def lessons() -> ModuleType:
    return tool("lessons")


@pytest.fixture(scope="module")
def float32() -> Iterator[None]:
    """Readers of the model folder compute in float32 or better; features in bfloat16 differ in the third digit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOPWORK_PRECISION", "f32")
        yield
