from __future__ import annotations

import pytest

from topwork.data import printable
from topwork.data._names import nearest


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("naïve 猫.jpg", "naïve 猫.jpg"),
        ("<b>x</b>", "<b>x</b>"),
        ("two\nlines\t", "two\\nlines\\t"),
        ("caf\udce9", "caf\\xe9"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("a\u2028b", "a\\u2028b"),
    ],
)
def test_fault_9_a_name_is_shown_on_one_line(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert len(printable(name).splitlines()) == 1
    printable(name).encode("utf-8")


def test_nearest_puts_the_likeliest_first_and_falls_back_to_all() -> None:
    assert nearest("lable", ["path", "label", "group"]).startswith("'label'")
    assert nearest("zzz", ["path", "label"]) == "'label', 'path'"
