"""The ladder and the learning curve on a model's page: the advice's numbers, in both languages, and no damaged ones."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from topwork._system import WITH_TORCH
from topwork.advising import Advice, Description, FeatureSpec, Forecast, Plan, Rung
from topwork.advising._budget import of_finetuning, of_specs
from topwork.metrics import Estimate
from topwork.model import ClassesRecord, ClassifierRecord, parse_record
from topwork.report import model_page
from topwork.report._charts import Spot, accuracy_plot
from topwork.report._texts import Texts
from topwork.tasks.classification._page import SECTIONS
from topwork.tasks.classification.ladder._ladder import ORDER

from .pages import Node, offered, parsed
from .test_model import HOSTILE, NAMES, evaluated, images, model, section

FORECAST = Forecast.from_dict(
    {
        "points": [{"images": 10, "accuracy": 0.6}, {"images": 20, "accuracy": 0.7}, {"images": 40, "accuracy": 0.75}],
        "ahead": [
            {"images": 100, "accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}},
            {"images": 2000, "accuracy": {"value": 0.85, "low": 0.72, "high": 0.95}},
        ],
        "target": 0.875,
        "needed": [300, 4000],
        "classes": [{"name": HOSTILE, "gain": 0.123}],
    }
)
ADVICE = Advice(
    backbone="lite0",
    rungs=(
        Rung("as-is", "as-is", note=HOSTILE),
        Rung("kNN", "knn", "last", Estimate(0.7, 0.6, 0.8), 0.9, 50, "cross-validated", 0.0, 18.4),
        Rung("probe", "probe", "all", Estimate(0.75, 0.65, 0.84), 0.8, 50, "cross-validated", 3.0, 18.4),
        Rung("fine-tuning", "finetune", "top", Estimate(0.7, 0.5, 0.9), 0.8, 9, "held out", 300.0, 20.0),
    ),
    choice=2,
    runner_up=1,
    tie=True,
    spec=FeatureSpec(224, "pad"),
    cut_short=True,
    stopped="it is dear",
    enough=4000,
    chance=0.34,
    learnable=False,
    description=Description(50, 3, 10, 20, 12, 12),
    forecast=FORECAST,
    shortlist=(),
    changes=("as it was told",),
    budget=20,
    seconds=12,
)


def page_of(advice: Any, language: str = "en") -> Node:
    found = evaluated(images(NAMES, 30))
    return parsed(model_page(model(found, NAMES, advice=advice), "m", SECTIONS, found, language=language))  # type: ignore[arg-type]


def shown(page: Node) -> list[str]:
    return [node.attributes["aria-labelledby"] for node in page.all("section")]


@pytest.mark.parametrize("saved", [False, True], ids=["just made", "from its file"])
def test_the_ladders_rows_are_the_rungs(saved: bool) -> None:
    advice = ADVICE.to_dict()
    ladder = section(page_of(json.loads(json.dumps(advice)) if saved else advice), "ladder")
    rows = [[cell.text for cell in row.all("th", "td")] for row in ladder.one("tbody").all("tr")]
    assert rows == [
        ["1. as-is", "–", "0.0", "–", "–"],
        ["2. kNN last", "70.0 % (60.0–80.0)", "0.0", "18", "50 cross-validated"],
        ["3. probe chosen all", "75.0 % (65.0–84.0)", "3.0", "18", "50 cross-validated"],
        ["4. fine-tuning top", "70.0 % (50.0–90.0)", "300.0", "20", "9 held out"],
    ]
    assert [mark.one("text").text for mark in ladder.one("svg").all("g")] == ["2", "3", "4"]
    assert [mark.one("text").text for mark in ladder.one("svg").classed("chosen")] == ["3"]
    assert f"as-is: {HOSTILE}" in ladder.text


def test_the_choice_and_what_would_change_it_are_said() -> None:
    ladder = section(page_of(ADVICE.to_dict()), "ladder").text
    for told in (
        "Chosen: probe. Expected accuracy on new images: 75.0 % (65.0 to 84.0).",
        "Next best: kNN, 70.0 % (60.0 to 80.0).",
        "Measured on the held-out images:",
        "probe is not significantly better than always predicting the largest class (34.0 %)",
        "does not differ significantly from kNN on 50 images",
        "No further strategy was tried: it is dear.",
        "With about 4,000 training images",
        "More time than the given 20 seconds",
    ):
        assert told in ladder
    sure = dataclasses.replace(ADVICE, tie=False, cut_short=False, enough=None, learnable=True, stopped=HOSTILE)
    assert "What could change the choice" not in section(page_of(sure.to_dict()), "ladder").text


PLANS = (Plan("fine-tuning, last stages", 5, 224, 3, 0.01, 90.0, 100.0, tried=True),)
PLANS += (Plan("fine-tuning, last stages", 5, 320, 4, 0.0251, 180.4, 301.0),)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "fine-tuning, last stages (5 stages, 320 px, 4 epochs) is expected to gain 2.5 points for 180 seconds"),
        ("ko", "미세 조정, 마지막 스테이지들(스테이지 5개, 320 px, 4에포크): 약 180초를 더 계산하면 2.5%p"),
    ],
)
def test_what_a_larger_budget_would_buy_is_told_with_its_command(language: str, told: str) -> None:
    advice = dataclasses.replace(ADVICE, plans=PLANS)
    ladder = section(page_of(json.loads(json.dumps(advice.to_dict())), language), "ladder").text
    assert told in ladder
    assert "topwork fit DATA -o m --budget 6m" in ladder
    assert "224 px, 3" not in ladder  # it was tried
    assert "20 seconds" not in ladder
    assert Advice.from_dict(advice.to_dict()) == advice


def test_the_forecast_says_what_is_expected_and_draws_the_bounds() -> None:
    page = section(page_of(ADVICE.to_dict()), "forecast")
    assert "Expected accuracy with 100 training images: 80.0 % (70.0 to 90.0)." in page.text
    assert "Images needed for 87.5 %: probably 300 to 4,000." in page.text
    assert f"{HOSTILE} (+12.3)" in page.text
    svg = page.one("svg")
    assert [len(mark.all("path")) for mark in svg.all("g")] == [0, 0, 0, 1, 1]  # only what is expected has bounds
    assert len(svg.classed("ideal")) == 1
    assert len(page.one("tbody").all("tr")) == 5


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"needed": (2000, None)}, ("forecast_more", {"aim": "87.5 %", "least": "2,000"})),
        ({"ahead": (), "needed": (None, None)}, ("forecast_unknown", {})),
        ({"points": (), "ahead": (), "needed": (None, None), "classes": ()}, ("forecast_unknown", {})),
    ],
    ids=["more than can be told", "vague", "too few to measure"],
)
def test_a_forecast_says_what_cannot_be_told(
    changes: dict[str, Any], said: tuple[str, dict[str, str]], language: str
) -> None:
    told = dataclasses.replace(ADVICE, forecast=dataclasses.replace(FORECAST, **changes))
    page = section(page_of(told.to_dict(), language), "forecast")
    name, values = said
    assert Texts(language)(name, **values) in page.text
    assert bool(page.all("svg")) == bool(changes.get("points", True))
    assert "None" not in page.text
    assert "never" not in page.text


def test_where_no_error_is_left_no_number_is_asked_for() -> None:
    told = dataclasses.replace(ADVICE, forecast=dataclasses.replace(FORECAST, needed=(None, None)))
    assert "needed" not in section(page_of(told.to_dict()), "forecast").text


def test_both_are_korean_on_a_korean_page() -> None:
    page = page_of(ADVICE.to_dict(), "ko")
    for name in ("ladder", "forecast"):
        prose = [node.text for node in section(page, name).all("p", "h2")]
        assert all(any("가" <= letter <= "힣" for letter in text) for text in prose)
    assert "학습 이미지가 2,000장이면 85.0 %(72.0~95.0)로 예상됩니다." in section(page, "forecast").text


def test_without_a_forecast_its_commands_are_named_where_there_can_be_one() -> None:
    for advice in (None, dataclasses.replace(ADVICE, forecast=None).to_dict()):
        page = page_of(advice)
        assert ("ladder" in shown(page)) == (advice is not None)
        assert offered(page)["Effect of more images"] == "topwork fit DATA -o m --budget 10m"
        assert "forecast" not in shown(page)
    assert "Effect of more images" not in offered(page_of(ADVICE.to_dict()))
    bare = dataclasses.replace(ADVICE, forecast=None, rungs=ADVICE.rungs[:1], choice=0, runner_up=None)
    page = page_of(bare.to_dict())
    assert {"ladder", "forecast"} & set(shown(page)) == {"ladder"}  # no curve is drawn of this rung
    assert not section(page, "ladder").all("svg")  # nothing was measured
    assert "Chosen: as-is. It was not measured." in section(page, "ladder").text


@pytest.mark.parametrize(
    "damage",
    [
        lambda advice: advice.clear(),
        lambda advice: advice.update(choice=9),
        lambda advice: advice.update(runner_up=-1),
        lambda advice: advice.update(rungs="all"),
        lambda advice: advice["rungs"][1].update(accuracy={"value": 2, "low": 3, "high": 1}),
        lambda advice: advice["rungs"][1].update(measured="by eye"),
        lambda advice: advice["rungs"][1].update(seconds=HOSTILE),
        lambda advice: advice["forecast"]["ahead"][0].update(images=0),
        lambda advice: advice["forecast"]["points"][0].update(accuracy=math.nan),
        lambda advice: advice["forecast"].update(target=1e300),
        lambda advice: advice["rungs"][1].update(seconds=1e300),
    ],
)
def test_advice_that_cannot_be_read_is_left_out(damage: Callable[[dict[str, Any]], None]) -> None:
    advice = json.loads(json.dumps(ADVICE.to_dict()))
    damage(advice)
    page = page_of(advice)
    assert "ladder" not in shown(page)
    assert "forecast" not in shown(page)


def test_a_record_keeps_its_advice_and_an_older_one_has_none() -> None:
    record = model(None, NAMES, advice=ADVICE.to_dict()).record
    again = parse_record(record.model_dump_json(), "model.json", lambda name: ClassesRecord)
    assert again.advice is not None
    assert Advice.from_dict(again.advice) == ADVICE
    older = json.loads(record.model_dump_json(exclude={"advice"}))
    assert ClassifierRecord.model_validate(older).advice is None


@pytest.mark.parametrize("accuracies", [[1.0], [0.0, 1.0], [0.5, 0.5], [0.9991, 0.9992], [0.0]])
@pytest.mark.parametrize("over", [[1.0, 1.0], [0.05, 90_000.0], [192.0, 384.0]])
def test_every_mark_lies_between_the_axes(accuracies: list[float], over: list[float]) -> None:
    spots = [Spot(place, Estimate(*[accuracy] * 3), "x") for place, accuracy in zip(over, accuracies, strict=False)]
    plot = accuracy_plot(spots)
    axes = plot.axes
    for mark in plot.marks:
        assert axes.left < mark.x < axes.right
        assert axes.top <= mark.y <= axes.bottom
    assert 1 <= len(axes.across) <= 9
    assert 2 <= len(axes.up) <= 7
    assert all(axes.left <= place <= axes.right for place, _ in axes.across)
    heights = [place for place, _ in axes.up]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("over", [[1.0, 1.02, 1.04, 60.0], [1.0, 60.0, 61.0, 62.0], [5.0] * 7])
def test_numbers_that_would_overlap_are_parted(over: list[float]) -> None:
    marks = accuracy_plot([Spot(place, Estimate(0.5, 0.4, 0.6), "other", "1") for place in over]).marks
    axes = accuracy_plot([Spot(place, Estimate(0.5, 0.4, 0.6), "other", "1") for place in over]).axes
    places = [mark.beside for mark in marks]
    assert places == sorted(places)
    assert min(after - before for before, after in itertools.pairwise(places)) >= 18  # the discs' diameter
    assert axes.left <= places[0] <= places[-1] <= axes.right
    far = accuracy_plot([Spot(place, Estimate(0.5, 0.4, 0.6), "other", "1") for place in (1.0, 100.0)]).marks
    assert all(mark.beside == mark.x for mark in far)


def test_places_follow_the_logarithm() -> None:
    plot = accuracy_plot([Spot(over, Estimate(0.5, 0.4, 0.6), "x") for over in (1.0, 10.0, 100.0)])
    first, second, third = (mark.x for mark in plot.marks)
    assert second - first == pytest.approx(third - second, abs=0.11)
    mark = plot.marks[0]
    assert mark.high < mark.y < mark.low


STOPPED = (
    "fine-tuning, last stages: expected gain 0.4 points, no more than the 1.2 points that can be measured on 49 images "
    "(12% of the 3.9% errors that remain; other features corrected 25% of the plain probe's errors, and there are 244 "
    "training images)"
)


@pytest.mark.parametrize(
    ("kind", "english", "korean"),
    [
        ("rung", "probe, last features", "프로브, 마지막 특징"),
        ("rung", "fine-tuning, all stages", "미세 조정, 전체 스테이지"),
        ("rung", "a rung of another topwork", "a rung of another topwork"),
        ("reason", "the time was used up", "시간이 다 됨"),
        (
            "reason",
            STOPPED,
            "미세 조정, 마지막 스테이지들: 예상 이득이 0.4%p로, 이미지 49장으로 확인할 수 있는 1.2%p를 넘지 못함"
            "(남은 오류 3.9% 중 12%: 다른 특징이 기본 프로브 오류의 25%를 바로잡았고 학습 이미지는 244장)",
        ),
        (
            "reason",
            f"{STOPPED}; but it needs PyTorch, which is not installed ({WITH_TORCH})",
            "미세 조정, 마지막 스테이지들: 예상 이득이 0.4%p로, 이미지 49장으로 확인할 수 있는 1.2%p를 넘지 못함"
            "(남은 오류 3.9% 중 12%: 다른 특징이 기본 프로브 오류의 25%를 바로잡았고 학습 이미지는 244장). "
            "다만 PyTorch가 설치되어 있지 않아 시도하지 않음(pip install 'topwork[torch]')",
        ),
        ("reason", "kNN: <b>{x}</b> {y}", "최근접 이웃(kNN): <b>{x}</b> {y}"),
        ("reason", "x" * 601, "x" * 601),
    ],
)
def test_what_topwork_says_is_said_in_korean(kind: str, english: str, korean: str) -> None:
    assert Texts("en").named(kind, english) == english
    assert Texts("ko").named(kind, english) == korean


def test_details_are_said_piece_by_piece() -> None:
    t = Texts("ko")
    assert t.listed("detail", "all 9 stages, max, 256 px, squash") == "전체 9개 스테이지, 최댓값, 256 px, 눌러 맞추기"
    assert (
        t.listed("detail", "finetune 3 of 9 stages, 224 px, crop")
        == "9개 중 3개 스테이지 미세 조정, 224 px, 가운데 자르기"
    )
    assert Texts("en").listed("detail", "all 9 stages, max") == "all 9 stages, max"


def test_every_rung_of_the_ladder_has_a_korean_name() -> None:
    for name in ORDER:
        assert Texts("ko").named("rung", name) != name


def test_every_outlook_is_said_in_korean() -> None:
    """The sentences come from where they are made: a change there must not leave English behind."""
    outlooks = [
        of_specs(0.1, 30),
        of_specs(0.1, 3000),
        *(
            of_finetuning(0.3, 0.1, 500, judges, seconds, again=False)
            for judges in (5, 100_000)
            for seconds in (30, 900)
        ),
    ]
    for outlook in outlooks:
        said = Texts("ko").named("reason", outlook.words)
        assert not re.search("[a-z]{2}", said), said


def test_a_korean_ladder_has_no_english_names() -> None:
    told = dataclasses.replace(
        ADVICE,
        rungs=(
            Rung("as-is", "as-is", note="the time was used up"),
            Rung("kNN", "knn", "last features, 224 px, crop", Estimate(0.7, 0.6, 0.8), 0.9, 50, "cross-validated"),
            Rung("probe, best features", "probe", "all 9 stages, max", Estimate(0.75, 0.7, 0.8), 0.8, 50, "held out"),
            Rung("fine-tuning, last stages", "finetune", note=STOPPED.partition(": ")[2]),
        ),
        stopped=STOPPED,
    )
    ladder = section(page_of(told.to_dict(), "ko"), "ladder")
    english = set(re.findall(r"[A-Za-z]+", ladder.text)) - {"as", "is", "kNN", "px", "p", "ms"}
    assert english == set()
