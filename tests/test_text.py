"""Lines of plain text."""

from __future__ import annotations

from topwork._text import facts, first_of, table


def test_a_table_has_its_numbers_to_the_right() -> None:
    assert table(("name", "n"), [("a", "10"), ("longer", "9")]) == "name     n\na       10\nlonger   9"


def test_of_many_lines_the_first_and_how_many_more() -> None:
    assert first_of(["a", "b", "c"], 2, "… and {} more") == ["a", "b", "… and 1 more"]
    assert first_of(["a", "b"], 2, "… and {} more") == ["a", "b"]
    assert first_of([], 2, "{}") == []


def test_a_table_is_laid_out_anew_for_what_its_cells_say() -> None:
    """A letter of Korean takes two columns of a terminal."""
    words = {"name": "이름", "kept": "유지", "n": "n"}
    found = table(("name", "n"), [("* kept", "10"), ("  café", "9")])
    assert found == "name     n\n* kept  10\n  café   9"
    assert found.said(lambda cell: words.get(cell, cell)) == "이름     n\n* 유지  10\n  café   9"
    assert facts([("name", "1"), ("n", "kept")]).said(lambda cell: words.get(cell, cell)) == "이름  1\nn     유지"
    assert table((), []) == ""
