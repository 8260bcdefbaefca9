"""The reference in the docs is what the docstrings say today."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "api_reference.py"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="signatures are printed otherwise by other versions")
def test_the_reference_is_up_to_date_and_names_what_is_public() -> None:
    import topwork

    spec = importlib.util.spec_from_file_location("api_reference", TOOL)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    text = tool.FILE.read_text("utf-8")
    assert text == tool.reference(), "run `make api`"
    for name in topwork.__all__:
        assert name.startswith("__") or f"### topwork.{name}\n" in text
