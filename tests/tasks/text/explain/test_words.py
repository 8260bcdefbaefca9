"""A text's words, and the text without some of them."""

from __future__ import annotations

import pytest

from topwork.tasks.text.explain._words import NOTHING, without, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop -- it's 3.5!", ["Don't", "stop", "--", "it's", "3", ".", "5", "!"]),
        ("정말 재미있는 영화였어요.", ["정말", "재미있는", "영화였어요", "."]),
        ("हिन्दी cafe\u0301", ["हिन्दी", "cafe\u0301"]),
        ("東京 は", ["東", "京", "は"]),
        ("שלום, עולם", ["שלום", ",", "עולם"]),
        ("a\x00b \ud800", ["a", "b", "\ud800"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words_are_what_a_person_would_call_words(text: str, words: list[str]) -> None:
    assert [text[start:stop] for start, stop in words_of(text)] == words


def test_what_is_left_has_no_double_spaces() -> None:
    text = "one two, three"
    words = words_of(text)
    assert without(text, words, ()) == text
    assert without(text, words, [0]) == "two, three"
    assert without(text, words, [1]) == "one , three"
    assert without(text, words, [1, 2]) == "one three"
    assert without(text, words, [3]) == "one two,"
    assert without(text, words, [0, 1, 2, 3]) == NOTHING
