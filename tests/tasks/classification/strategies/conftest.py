"""The feature tables that comparisons are tested on too."""

from __future__ import annotations

from tests.advising.conftest import MakeTable, make_table

__all__ = ["MakeTable", "make_table"]
