"""The reference is made of the docstrings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).parents[1] / "tools" / "api_reference.py"


def test_it_tells_every_public_name_with_its_docstring() -> None:
    import topwork

    spec = importlib.util.spec_from_file_location("api_reference", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.reference()
    for name in topwork.__all__:
        assert name.startswith("__") or f"### topwork.{name}\n" in text
    for room in tool.ROOMS:
        assert f"## {room}\n" in text
    assert "\n```text\n```\n" not in text  # a public name without a docstring
