from __future__ import annotations

from pathlib import Path

import pytest

import topwork.backbones
from topwork.backbones import imagenet_indices, imagenet_labels, imagenet_near


def named(*words: str) -> set[str]:
    return {imagenet_labels()[index].name for word in words for index in imagenet_indices(word)}


def test_the_classes_are_timms() -> None:
    """timm took names, words and definitions from WordNet too, by another way."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    assert [label.synset for label in imagenet_labels()] == info.label_names()
    assert [", ".join(label.lemmas) for label in imagenet_labels()] == info.label_descriptions()
    told = [f"{', '.join(label.lemmas)}: {label.definition}" for label in imagenet_labels()]
    assert told == info.label_descriptions(detailed=True)


# Known of ImageNet-1k from elsewhere: its dogs are 151 to 268, its birds 7 to 24, 80 to 100 and 127 to 146, ...
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dog", {*range(151, 269)}),
        ("domestic cat", {*range(281, 286)}),
        ("big cat", {*range(288, 294)}),
        ("cat", {*range(281, 294)}),
        ("feline", {*range(281, 294)}),
        ("fish", {*range(0, 7), *range(389, 398)}),
        ("bird", {*range(7, 25), *range(80, 101), *range(127, 147)}),
        ("snake", {*range(52, 69)}),
        ("insect", {*range(300, 327)}),
        ("spider", {*range(72, 78)}),
        ("frog", {30, 31, 32}),
        ("bear", {294, 295, 296, 297}),
        ("ant", {310}),
        ("bee", {309}),
        ("entity", {*range(1000)}),
    ],
)
def test_a_word_covers_everything_that_is_it(word: str, expected: set[int]) -> None:
    assert imagenet_indices(word) == expected


def test_vehicles_move_and_nothing_else_does() -> None:
    found = named("vehicle")
    assert {"airliner", "ambulance", "canoe", "container ship", "mountain bike", "tank"} <= found
    assert not found & {"car wheel", "seat belt", "traffic light", "horse cart driver", "golden retriever", "harbor"}


@pytest.mark.parametrize(
    "name",
    ["golden retriever", "Golden Retrievers", "golden_retriever", "GOLDEN-RETRIEVER", "GoldenRetriever", "n02099601"],
)
def test_spelling_does_not_count(name: str) -> None:
    assert imagenet_indices(name) == {207}


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("dogs", "dog"),
        ("foxes", "fox"),
        ("wolves", "wolf"),
        ("butterflies", "butterfly"),
        ("geese", "goose"),
        ("mice", "mouse"),
        ("jack-o'-lanterns", "jack o lantern"),
    ],
)
def test_a_plural_is_taken_for_its_singular(plural: str, singular: str) -> None:
    assert imagenet_indices(plural) == imagenet_indices(singular) != frozenset()


def test_a_word_that_ends_like_a_plural_is_itself() -> None:
    assert imagenet_indices("sunglass") == {836}
    assert imagenet_indices("sunglasses") == {837}  # a class of its own, not many of 836


def test_a_word_with_two_meanings_covers_both() -> None:
    assert imagenet_indices("crane") == {134, 517}
    assert imagenet_indices("n02012849") == {134}  # the bird


def test_a_synset_above_the_classes_is_known_by_its_own_name() -> None:
    assert imagenet_indices("n02084071") == imagenet_indices("dog")


@pytest.mark.parametrize("name", ["deer", "", " ", "_-_", "s", "class 0", "нет", "n99999999", "dogg", "0"])
def test_what_is_no_word_for_a_class_meets_nothing(name: str) -> None:
    assert imagenet_indices(name) == frozenset()


def test_the_nearest_words_are_told() -> None:
    assert imagenet_near("retreiver")[0] == "retriever"
    assert "siamese cat" in [word.lower() for word in imagenet_near("siameze cat")]
    assert imagenet_near("qqqq") == []
    assert imagenet_near("") == []


def test_the_table_carries_wordnets_licence() -> None:
    """Its holder asks for that on all copies."""
    path = Path(topwork.backbones.__file__).with_name("imagenet-1k.tsv")
    text = path.read_text("utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University.  All rights reserved." in text
    assert 'THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS"' in text
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 1860
