"""Lines of plain text."""

from __future__ import annotations

from topwork._text import first_of, table


def test_a_table_has_its_numbers_to_the_right() -> None:
    assert table(("name", "n"), [("a", "10"), ("longer", "9")]) == "name     n\na       10\nlonger   9"


def test_of_many_lines_the_first_and_how_many_more() -> None:
    assert first_of(["a", "b", "c"], 2, "… and {} more") == ["a", "b", "… and 1 more"]
    assert first_of(["a", "b"], 2, "… and {} more") == ["a", "b"]
    assert first_of([], 2, "{}") == []
