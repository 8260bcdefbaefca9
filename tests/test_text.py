"""Lines of plain text."""

from __future__ import annotations

from typing import Any

import pytest

from topwork._text import csv_cell, facts, first_of, table


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


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-photo.jpg", "'-photo.jpg"),
        ("  +cmd|calc", "'  +cmd|calc"),
        ("\t=1", "'\t=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("'=1+1", "''=1+1"),
        ("-1", "-1"),
        ("+0.5", "+0.5"),
        (-0.5, -0.5),
        (None, None),
        ("", ""),
        ("a=b", "a=b"),
        ("'quoted'", "'quoted'"),
        ("half \ud800", "half \ufffd"),
    ],
)
def test_no_cell_of_a_table_is_a_formula(given: Any, written: Any) -> None:
    assert csv_cell(given) == written


def test_what_was_put_before_a_cell_can_be_taken_away_again() -> None:
    for text in ("=1", "'=1", "''=1", "-1", "'-1", "it's", "'", "\n", "'\n"):
        found = csv_cell(text)
        bare = found[1:] if found[:1] == "'" and csv_cell(found[1:]) == found else found
        assert bare == text
