"""Findings on single texts: planted faults are found, and what only looks like one is not."""

from __future__ import annotations

import pytest

from topwork._texts import Texts
from topwork.report import checkup_page
from topwork.tasks.text.checks._patterns import count_broken, count_markup, find_personal, masked

from .conftest import checked, dataset_of, found, sentences


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Café Müller à la carte", "cp1252"),
        ("naïve — “quoted” text…", "cp1252"),
        ("정말 재미있는 영화였어요", "latin-1"),
        ("다시는 안 삽니다", "latin-1"),
        ("Очень хороший фильм", "latin-1"),
        ("Costs 5 € and 20 °C", "cp1252"),
    ],
)
def test_utf8_read_as_something_else_is_broken(right: str, wrong: str) -> None:
    assert count_broken(right) == 0
    assert count_broken(right.encode().decode(wrong, "ignore")) > 0


def test_other_ways_to_break_a_text() -> None:
    assert count_broken("정말 재미있는".encode("euc-kr").decode("latin-1")) > 0
    assert count_broken("재미".encode("euc-kr").decode("utf-8", "replace")) > 0
    assert count_broken("占쏙옙 is what U+FFFD becomes in Korea") == 1


@pytest.mark.parametrize(
    "text",
    [
        "„So ein Spaß”, sagte er",
        "« la même… » et l'été…”",
        "NÃO É ASSIM",
        "SÃO PAULO",
        "20 °C ± 1 µm",
        "ÄÖÜäöüß",
        "Ça va, Île-de-France",
        "Ñandú ÑUÑOA",
        "ÉÉÉ",
        "Íñigo",
    ],
)
def test_what_is_well_written_is_not_broken(text: str) -> None:
    assert count_broken(text) == 0


def test_markup_is_counted_by_kind() -> None:
    text = "<p>Nice<br/>&amp; warm</P> https://a.example/x?y=1 www.b.example **bold** [c](http://d.example)\n# Title"
    assert count_markup(text) == (3, 1, 3, 3)
    for plain in (
        "1 < 2 and 3 > 2",
        "a <- b <3",
        "AT&T; R&D",
        "5 * 3 ** 2",
        "#1 in the list",
        "e.g. this",
        "[sic] (really)",
    ):
        assert count_markup(plain) == (0, 0, 0, 0)


def test_faults_of_single_texts_are_told() -> None:
    texts, labels = sentences(300)
    texts[3], texts[4], texts[5], texts[6] = "?!...", "x", "Ca\x00rd \x1b[0m", texts[6] + " cafÃ© crÃ¨me"
    texts[7] += "<br /><br />See www.example.org for more"
    told = found(dataset_of(texts, labels))
    assert told == {
        "near-empty-texts": ["row 3", "row 4"],
        "broken-encoding": ["row 6"],
        "control-characters": ["row 5"],
        "markup": ["row 7"],
    }
    checkup = checked(dataset_of(texts, labels))
    assert {each.severity for each in checkup.findings} == {"note"}
    markup, broken = checkup.finding("markup"), checkup.finding("broken-encoding")
    assert markup is not None
    assert broken is not None
    assert markup.what == "1 of 300 texts have markup left in them: HTML tags, web addresses."
    assert markup.cases[0].detail == "HTML tags: 2, web addresses: 1"
    assert "Ã©" in broken.cases[0].detail


def test_one_sign_of_korean_or_an_emoji_is_not_next_to_nothing() -> None:
    texts, labels = sentences(100)
    assert "near-empty-texts" not in found(dataset_of([*texts, "굿", "好", "👍", "ok", "10"], [*labels, 0, 1, 0, 1, 0]))


def test_a_fault_of_many_texts_warns() -> None:
    texts, labels = sentences(100)
    checkup = checked(dataset_of([text + " \ufffd" if row < 5 else text for row, text in enumerate(texts)], labels))
    assert [(each.name, each.count, each.severity) for each in checkup.findings] == [("broken-encoding", 5, "warning")]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jane.doe+x@mail.example.com now", "emails"),
        ("call +49 (0)30 1234-5678", "phones"),
        ("전화 010-1234-5678 주세요", "phones"),
        ("02-123-4567로 문의", "phones"),
        ("call (415) 555-2671 or", "phones"),
        ("card 4111 1111 1111 1111 was charged", "cards"),
        ("card 4012888888881881", "cards"),
        ("주민번호 900101-1234568", "residents"),
    ],
)
def test_personal_data_is_found_and_masked(text: str, kind: str) -> None:
    (only,) = find_personal(text)
    assert only.kind == kind
    shown = masked(text, only)
    assert len(shown) < 12
    assert text[only.start + 2 : only.end] not in shown


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "order 1234567890123456",
        "900101-1234567",
        "991301-1234567",
        "in 2010-2011 and 2012",
        "1,000,000,000",
        "@home and a@b",
        "v1.2.3.4-5678",
        "555-2671",
        "3.14159265358979",
        "0000 0000 0000 0000",
        "ISBN 978-3-16-148410-0",
    ],
)
def test_numbers_of_other_things_are_not_personal(text: str) -> None:
    assert find_personal(text) == []


def test_personal_data_is_a_caution_and_never_shown_whole() -> None:
    texts, labels = sentences(200)
    secrets = ("jane.doe@mail.example", "010-1234-5678", "4111 1111 1111 1111", "900101-1234568")
    for row, secret in enumerate(secrets):
        texts[row] += f" Write to {secret} please."
    checkup = checked(dataset_of(texts, labels))
    (personal,) = checkup.findings
    assert (personal.name, personal.severity, personal.count) == ("personal-data", "warning", 4)
    assert personal.what == (
        "4 of 200 texts may hold personal data: e-mail address: 1, phone number: 1, card number: 1, "
        "Korean resident registration number: 1."
    )
    shown = str(checkup.to_dict())
    assert not any(secret[:5] in shown or secret[-5:] in shown for secret in secrets)


def test_all_that_is_found_is_said_in_korean_too() -> None:
    texts, labels = sentences(400)
    long = " ".join(texts[:20])
    texts = [
        f"[src-web] {text} see https://x.example/{row}" if row % 2 else text.upper() for row, text in enumerate(texts)
    ]
    faulty = [
        "?!",
        "Ca\x00rd control",
        "cafÃ© crÃ¨me",
        "<p>Hi</p> &amp; **yes** there",
        "Очень хорошая гостиница",
        "",
        "me a@b.example",
    ]
    faulty += [
        "010-1234-5678 call",
        "4111 1111 1111 1111 card",
        "900101-1234568 is it",
        long,
        texts[50],
        texts[51].lower(),
    ]
    texts += faulty
    labels += [0] * len(faulty)
    splits = ["train"] * 200 + ["test"] * 200 + ["train"] * len(faulty)
    korean = [
        f"{number}번째로 주문했는데 배송이 정말 빨랐고 포장도 꼼꼼해서 다음에도 여기에서 꼭 다시 주문하려고 합니다"
        for number in range(1000, 1030)
    ]
    said = Texts("ko", ("topwork", "topwork.report", "topwork.tasks.text"))
    names = set()
    for dataset in (dataset_of(texts, labels, splits), dataset_of(korean)):
        for finding in checked(dataset).findings:
            names.add(finding.name)
            assert said.named("finding", finding.name) != finding.name
            for english in (finding.what, finding.advice, *(case.detail for case in finding.cases)):
                assert said.said(english) != english or not english
    assert len(names) >= 14
    page = checkup_page(checked(dataset_of(korean)), language="ko", packages=("topwork.tasks.text",))
    assert "기본 네트워크는 영어로 학습되었습니다." in page
