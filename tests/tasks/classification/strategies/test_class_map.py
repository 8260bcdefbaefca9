from __future__ import annotations

from typing import Any

import pytest

from topwork.backbones import imagenet_indices
from topwork.errors import DataError
from topwork.tasks.classification.strategies._as_is import groups_by_map, groups_by_name

DOGS, CATS = frozenset(range(151, 269)), frozenset(range(281, 294))


def test_names_are_met() -> None:
    assert groups_by_name(("Cats", "Dogs")) == (CATS, DOGS)


def test_the_more_specific_class_has_what_two_claim() -> None:
    dogs, beagle, animals, lion, cats = groups_by_name(("dog", "beagle", "animal", "lion", "cat"))
    assert beagle == {162}
    assert dogs == DOGS - {162}
    assert lion == {291}
    assert cats == CATS - {291}
    assert animals == imagenet_indices("animal") - DOGS - CATS


def test_big_cats_leave_the_others_to_cat() -> None:
    """The word cat has both meanings in WordNet; beside its own, the other is left."""
    cats, big = groups_by_name(("cat", "big cat"))
    assert big == frozenset(range(288, 294))
    assert cats == frozenset(range(281, 288))


def test_no_class_of_the_network_is_given_twice() -> None:
    groups = groups_by_name(("bird", "crane", "machine", "ship", "vehicle", "wheeled vehicle"))
    assert sum(map(len, groups)) == len(frozenset[int]().union(*groups))


def test_a_name_that_meets_nothing_is_named_with_the_nearest() -> None:
    with pytest.raises(
        DataError, match=r"2 of 3 class names match no ImageNet-1k class: 'retreiver', 'zebrra'"
    ) as caught:
        groups_by_name(("cat", "retreiver", "zebrra"))
    assert caught.value.hint.startswith("nearest to 'retreiver': retriever")


def test_a_name_that_resembles_nothing_has_a_hint_too() -> None:
    with pytest.raises(DataError, match="'qq\\\\nqq'") as caught:
        groups_by_name(("cat", "qq\nqq"))
    assert "\n" not in caught.value.message
    assert caught.value.hint == "give --map, or labelled images to learn from"


@pytest.mark.parametrize("classes", [("cat", "feline"), ("motor scooter", "scooter"), ("dog", "Dogs")])
def test_two_names_for_the_same_are_refused(classes: tuple[str, str]) -> None:
    with pytest.raises(DataError, match="match the same ImageNet classes") as caught:
        groups_by_name(classes)
    assert all(name in caught.value.message for name in classes)
    assert "one class" in caught.value.hint


def test_a_class_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(DataError, match="no ImageNet class is left for 'frog'"):
        groups_by_name(("frog", "bullfrog", "tree frog", "tailed frog"))


def test_a_given_map_takes_names_synsets_and_indices() -> None:
    given = {"pets": ["tabby", "n02123159", 283], "wild": ["big cats"]}
    assert groups_by_map(("pets", "wild"), given) == ({281, 282, 283}, frozenset(range(288, 294)))


def test_a_given_map_may_be_nested() -> None:
    dogs, beagles = groups_by_map(("a", "b"), {"a": ["dog"], "b": ["beagle"]})
    assert (dogs, beagles) == (DOGS - {162}, {162})


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"a": [1]}, "missing 'b', not expected none"),
        ({"a": [1], "b": [2], "c": [3]}, "missing none, not expected 'c'"),
        ({"a": [], "b": [2]}, "needs a list of ImageNet classes for 'a'"),
        ({"a": "dog", "b": [2]}, "needs a list of ImageNet classes for 'a', not 'dog'"),
        ({"a": ["dg"], "b": [2]}, r"'dg' \(for 'a'\) matches no ImageNet-1k class"),
        ({"a": [1000], "b": [2]}, r"nor an index in 0\.\.999"),
        ({"a": [-1], "b": [2]}, r"nor an index in 0\.\.999"),
        ({"a": [True], "b": [2]}, r"True \(for 'a'\) is neither a name nor an index"),
        ({"a": [1.5], "b": [2]}, "is neither a name nor an index"),
        ({"a": [[1]], "b": [2]}, "is neither a name nor an index"),
        ({"a": 7, "b": [2]}, "needs a list of ImageNet classes for 'a'"),
        ({"a": [7], "b": [7]}, "match the same ImageNet classes"),
    ],
)
def test_a_wrong_map_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        groups_by_map(("a", "b"), given)
