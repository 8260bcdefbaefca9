"""Texts in another script than most, and data that the default network was not trained for."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from topwork._texts import Texts
from topwork.checking import Examined
from topwork.tasks.text.checks import check_scripts, duplicates, survey

from .conftest import checked, dataset_of, sentences

KOREAN = (
    "배송이 정말 빨라요,포장이 엉망이었어요,가격에 비해 괜찮네요,다시는 안 삽니다,"
    "색이 화면과 달라요,설명서가 없어요,선물하기 좋아요"
)
MORE = "어제 받았는데,친구가 추천해서,두 번째 주문인데,기대를 많이 했지만,급하게 샀는데"


def korean() -> list[str]:
    return [
        f"{first} {one}, {other}"
        for first in MORE.split(",")
        for one in KOREAN.split(",")
        for other in KOREAN.split(",")
        if one != other
    ]


@dataclass
class Network:
    name: str
    languages: str


def test_korean_texts_are_told_that_the_default_network_is_english() -> None:
    texts = korean()
    (found,) = [each for each in checked(dataset_of(texts)).findings if "near" not in each.name]
    assert (found.name, found.severity, found.count) == ("network-of-another-language", "warning", len(texts))
    assert found.what == "210 of 210 texts are in Hangul, and the default network was trained on English."


@pytest.mark.parametrize(
    ("languages", "names"), [("English", ["network-of-another-language"]), ("Korean", []), ("unknown", [])]
)
def test_a_named_network_is_judged_by_its_own_languages(languages: str, names: list[str]) -> None:
    seen = survey(dataset_of(korean()), lambda done: None)
    found = list(check_scripts(Examined(seen, duplicates(seen, None), Network("some-net", languages), thing="text")))
    assert [each.name for each in found] == names
    assert all("the network some-net was" in each.what for each in found)


def test_the_few_of_another_script_are_told() -> None:
    texts, labels = sentences(200)
    texts[7], texts[9], texts[11] = "Очень хорошая гостиница", "정말 편안한 기차 여행", "ok 굿"
    (found,) = checked(dataset_of(texts, labels)).findings
    assert (found.name, found.severity) == ("mixed-scripts", "note")
    assert found.what == "2 of 200 texts are in another script than most, which are in Latin: Cyrillic: 1, Hangul: 1."
    assert [(case.paths, case.detail) for case in found.cases] == [(("row 7",), "Cyrillic"), (("row 9",), "Hangul")]


def test_han_and_kana_are_one_script_where_the_texts_are_japanese() -> None:
    texts = [
        f"東京駅から{place}まで電車で{minutes}分かかりました"
        for place in ("大阪", "京都", "横浜")
        for minutes in range(10, 30)
    ]
    found = [each.name for each in checked(dataset_of([*texts, "東京都新宿区", "日本国憲法"])).findings]
    assert "mixed-scripts" not in found
    assert "network-of-another-language" in found


GERMAN = "Das Zimmer war klein und das Bett nicht bequem, aber wir waren mit dem Personal sehr zufrieden"
FRENCH = "Le petit hôtel est vieux et le lit n'est pas bon, mais nous sommes très contents du service"
SPANISH = "La habitación es pequeña y la cama no es cómoda, pero el personal del hotel es muy amable con los niños"


@pytest.mark.parametrize(("text", "name"), [(GERMAN, "German"), (FRENCH, "French"), (SPANISH, "Spanish")])
def test_the_few_of_another_language_are_told(text: str, name: str) -> None:
    texts, labels = sentences(200)
    (found,) = checked(dataset_of([*texts, text, "la la la la", "die hard"], [*labels, 0, 1, 0])).findings
    assert (found.name, found.severity) == ("mixed-languages", "note")
    assert found.what == f"1 of 203 texts are in another language than most, which are in English: {name}: 1."
    assert found.cases[0].paths == ("row 200",)


def test_german_texts_are_told_that_the_default_network_is_english() -> None:
    found = checked(dataset_of([f"{GERMAN}, auch wenn es Nummer {row} nicht war" for row in range(40)]))
    told = found.finding("network-of-another-language")
    assert told is not None
    assert told.what == "40 of 40 texts are in German, and the default network was trained on English."
    assert Texts("ko", ("topwork", "topwork.tasks.text")).said(told.what).endswith("영어로 학습되었습니다.")
