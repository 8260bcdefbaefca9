"""Copies and near copies of texts, against a comparison of each with each."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from topwork.tasks.text.checks import duplicates, survey
from topwork.tasks.text.checks._duplicates import NEAR
from topwork.tasks.text.checks._shingles import BANDS, bands_of, normalised, shingles_of

from .conftest import checked, dataset_of, found, sentences


def jaccard(one: str, other: str) -> float:
    first, second = shingles_of(normalised(one)), shingles_of(normalised(other))
    return len(first & second) / len(first | second)


def changed(text: str, words: int, rng: np.random.Generator) -> str:
    parts = text.split()
    for place in rng.choice(len(parts), min(words, len(parts)), replace=False):
        parts[place] = "word"
    return " ".join(parts)


def test_bands_agree_as_often_as_sets_overlap() -> None:
    """A band of four minima is equal with probability J^4 (Broder 1997)."""
    rng = np.random.default_rng(0)
    texts = [normalised(text) for text in sentences(400)[0]]
    pairs = [(text, normalised(changed(text, int(rng.integers(1, 6)), rng))) for text in texts]
    first, second = (bands_of([pair[side] for pair in pairs]) for side in (0, 1))
    equal = (first == second).mean(axis=1)
    expected = np.array([jaccard(*pair) ** 4 for pair in pairs])
    assert abs(float((equal - expected).mean())) < 0.05  # the permutations are the same for all texts
    assert float(np.sqrt(((equal - expected) ** 2).mean())) < 1.2 * float(
        np.sqrt((expected * (1 - expected) / BANDS).mean())
    )


def test_near_copies_are_those_that_a_comparison_of_all_pairs_finds() -> None:
    rng = np.random.default_rng(1)
    texts = sentences(150)[0]
    texts += [changed(text, 1 + place % 3, rng) for place, text in enumerate(texts[:60])]
    copies = duplicates(survey(dataset_of(texts), lambda done: None), None)
    near = {(i, j) for i, j in itertools.combinations(range(len(texts)), 2) if jaccard(texts[i], texts[j]) >= NEAR}
    told = {tuple(sorted(pair)) for pair in copies.near.tolist()}
    assert len(near) > 20
    assert told <= near
    cluster = {row: rows for rows in copies.clusters for row in rows}
    assert sum(j in cluster.get(i, ()) for i, j in near) >= 0.99 * len(near)
    for (i, j), alike in zip(copies.near.tolist(), copies.similarity, strict=True):
        assert alike == pytest.approx(jaccard(texts[i], texts[j]))


def test_thousands_of_one_form_take_linear_time_and_may_be_split() -> None:
    """Kept together, they would be a class that no test split can hold; their exact copies are kept together."""
    form = "Dear customer, your parcel number {} has been handed over to the carrier and will arrive within two days."
    texts = [form.format(number) for number in range(10_000, 13_000)]
    checkup = checked(dataset_of([*texts, texts[7].upper()]))
    assert checkup.clusters == ((7, 3000),)
    told = checkup.finding("filled-in-forms")
    assert told is not None
    assert told.what == "3,000 texts fill in 1 form, more than 20 each."
    assert duplicates(survey(dataset_of(texts), lambda done: None), None).near.shape == (2999, 2)
    few = duplicates(survey(dataset_of(texts[:20]), lambda done: None), None)
    assert [len(rows) for rows in few.clusters] == [20]


def test_clean_texts_give_no_finding() -> None:
    texts, labels = sentences(400)
    assert found(dataset_of(texts, labels)) == {}


def test_planted_copies_leaks_and_conflicts_are_told() -> None:
    texts, labels = sentences(400)
    texts += [texts[0].upper(), f"  {texts[1]}\n", texts[2], texts[4].replace("the", "that", 1), texts[5] + " Really."]
    labels += [labels[0], labels[1], 1 - labels[2], labels[4], 1 - labels[5]]
    splits = ["train"] * 400 + ["train", "test", "train", "test", "train"]
    told = found(dataset_of(texts, labels, [*splits[:300], *["test"] * 100, *splits[400:]]))
    assert told == {
        "exact-duplicates": ["row 0", "row 400", "row 1", "row 401", "row 2", "row 402"],
        "label-conflicts": ["row 2", "row 402"],
        "near-label-conflicts": ["row 5", "row 404"],
        "leakage": ["row 1", "row 401"],
        "near-leakage": ["row 4", "row 403"],
        "near-duplicates": told["near-duplicates"],
    }
    assert sorted(told["near-duplicates"]) == ["row 4", "row 403", "row 404", "row 5"]


@pytest.mark.parametrize(("text", "severity"), [("Really good!", "warning"), (sentences(1, seed=9)[0][0], "blocks")])
def test_what_several_people_may_write_leaks_but_does_not_block(text: str, severity: str) -> None:
    """A short review comes again by itself; a long text does not."""
    texts, labels = sentences(100)
    checkup = checked(dataset_of([*texts, text, text], [*labels, 0, 0], ["train"] * 60 + ["test"] * 41 + ["train"]))
    leak = checkup.finding("leakage")
    assert leak is not None
    assert (leak.count, leak.severity) == (1, severity)
    assert leak.what == "1 held-out text with an exact copy in another split (up to 2.4% of a split)."


def test_short_texts_that_differ_are_not_near() -> None:
    texts = ["no good", "so good", "망한 영화", "민망한 영화", "Can I reset it?", "How can I reset it?"]
    assert not checked(dataset_of(texts)).clusters


def test_empty_texts_are_no_copies_of_each_other() -> None:
    texts, labels = sentences(60)
    told = found(dataset_of([*texts, "", " ", "\u200b"], [*labels, 0, 1, 0]))
    assert told == {"empty-texts": ["row 60", "row 61", "row 62"]}
