"""What one look at each text tells, against Python's own counts and patterns written by hand."""

from __future__ import annotations

import tracemalloc
import unicodedata

import numpy as np
import pytest

from topwork.tasks.text.checks import survey
from topwork.tasks.text.checks._characters import KINDS, SCRIPTS
from topwork.tasks.text.checks._survey import FACTS, LOOKED

from .conftest import dataset_of, sentences

MIXED = [
    "The QUICK brown fox, 12 years old!",
    "배송이 정말 빨라요~ 다음에 또 살게요 ㅎㅎ",
    "東京タワーへ行きました。とても楽しかった",
    "Привет, мир\nкак дела?",
    "مرحبا بالعالم שלום Γειά σου नमस्ते สวัสดี",
    "ＦＵＬＬ ｗｉｄｔｈ 😀👍 x\u200by\x07z\ud800",
    "a",
    "\t",
]


def test_characters_are_counted_as_unicode_names_them() -> None:
    seen = survey(dataset_of(MIXED), lambda done: None)
    for row, text in enumerate(MIXED):
        facts = seen.facts[row]
        assert facts["characters"] == facts["looked"] == len(text)
        assert facts["words"] == len(text.split())
        assert sum(int(facts[kind]) for kind in KINDS) == len(text)
        assert facts["upper"] == sum(unicodedata.category(each) == "Lu" for each in text)
        assert facts["digit"] == sum(map(str.isdigit, text))
        assert facts["punctuation"] == sum(unicodedata.category(each)[0] == "P" for each in text)
    scripts = [{SCRIPTS[place]: int(n) for place, n in enumerate(row) if n} for row in seen.letters()]
    assert scripts[0] == {"Latin": 24}
    assert set(scripts[1]) == {"Hangul"}
    assert set(scripts[2]) == {"Han", "Kana"}
    assert set(scripts[3]) == {"Cyrillic"}
    assert set(scripts[4]) == {"Arabic", "Hebrew", "Greek", "Devanagari", "Thai"}
    assert set(scripts[5]) == {"Latin"}
    assert (seen.facts[5]["symbol"], seen.facts[5]["invisible"], seen.facts[5]["control"]) == (2, 1, 2)
    assert seen.refused == {7: "the text is empty"}


def test_keys_are_equal_but_for_case_white_space_and_composition() -> None:
    texts = ["Café au  lait", " cafe\u0301 AU lait\n", "café au lait.", "카페", unicodedata.normalize("NFD", "카페")]
    keys = survey(dataset_of(texts), lambda done: None).keys
    assert [(keys[i] == keys[j]).all() for i, j in ((0, 1), (0, 2), (3, 4), (0, 3))] == [True, False, True, False]


@pytest.mark.parametrize("text", ["", " \n\t\u3000", "\u200b\ufeff", "\x00\x01", "\u3164"])
def test_a_text_in_which_nothing_can_be_seen_is_refused(text: str) -> None:
    seen = survey(dataset_of(["something", text]), lambda done: None)
    assert list(seen.refused) == [1]
    assert seen.usable.tolist() == [True, False]


def test_a_text_of_megabytes_is_looked_at_in_bounded_memory_and_its_end_counts() -> None:
    long = "all work and no play " * 100_000
    tracemalloc.start()
    seen = survey(dataset_of([long + "A", long + "B", "short"]), lambda done: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen.facts["characters"].tolist() == [len(long) + 1, len(long) + 1, 5]
    assert seen.facts["looked"].tolist() == [LOOKED, LOOKED, 5]
    assert (seen.keys[0] != seen.keys[1]).any()
    assert peak < 100e6
    assert FACTS.itemsize + seen.bands.itemsize * seen.bands.shape[1] + 16 <= 160


def test_progress_counts_every_text_and_batches_do_not_matter() -> None:
    texts, _ = sentences(700)
    told: list[int] = []
    seen = survey(dataset_of(texts), told.append)
    assert told == sorted(told)
    assert told[-1] == 700
    part = survey(dataset_of(texts[300:310]), lambda done: None)
    np.testing.assert_array_equal(part.bands, seen.bands[300:310])
    np.testing.assert_array_equal(part.facts, seen.facts[300:310])
    assert survey(dataset_of([]), told.append).facts.shape == (0,)
