"""Recognition on the command line, in two languages, and its page, which shows nobody."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run, run  # noqa: F401
from tests.report.pages import parsed
from tests.tasks.detection.made import made as detector
from topwork.checking import check, vet
from topwork.data import read
from topwork.report import model_page
from topwork.tasks.recognition import TASK, Recognizer
from topwork.tasks.recognition.checks import CHECKS, QUICK_CHECKS

from .conftest import views


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


ENGLISH = re.compile(r"\b[a-z]{2,}(?: [a-z]{2,}){2,}")


def test_the_whole_way(run: Run, people: Path, strangers: list[list[Path]], tmp_path: Path) -> None:  # noqa: F811
    model = tmp_path / "model"
    asked = ("--task", "recognition", "--test", "0.4", "--crop-mode", "squash", "--false-accept", "0.02")
    done = run("fit", people, "-o", model, *asked)
    assert done.code == 0, done
    assert "never seen: equal error rate" in done.out
    assert "The gallery is empty: topwork enroll fills it" in done.out
    assert "<img" not in (model / "report.html").read_text("utf-8")
    done = run("enroll", model, "../<b>Anna</b>", *strangers[0][:3])
    assert done.out.splitlines() == ["Enrolled: ../<b>Anna</b>, 3 images", "In the gallery: 1"]
    done = run("predict", model, strangers[0][4], strangers[2][0])
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[0] for line in lines] == [str(strangers[0][4]), str(strangers[2][0])]
    assert float(lines[0][2].split()[-1]) > float(lines[1][2].split()[-1])
    table = tmp_path / "found.csv"
    run("predict", model, strangers[0][0], "--csv", table)
    (row,) = rows_of(table)
    assert (row["name"], row["error"]) == ("../<b>Anna</b>", "")
    told = run("verify", model, strangers[0][0], strangers[0][0], "--json").json
    assert (told["same"], told["similarity"]) == (True, 1.0)
    assert run("verify", model, strangers[0][0], strangers[0][0]).out.startswith("the same\tsimilarity 1.0000")
    groups = tmp_path / "groups.csv"
    folder = strangers[1][0].parent
    assert run("group", model, folder, "--csv", groups).code == 0
    assert {row["path"] for row in rows_of(groups)} == {str(path) for path in strangers[1]}
    assert run("evaluate", model, people, "--json").json["verification"]["identities"] == 6
    done = run("enroll", model, "../<B>Anna</B>", strangers[1][0])
    assert "differ only by case" in done.failed()[0]
    done = run("forget", model, "../<b>Anna</b>", "--lang", "ko")
    assert done.out.splitlines() == ["삭제: ../<b>Anna</b>, 이미지 3장", "갤러리: 0"]
    assert "nobody in the gallery" in run("forget", model, "Anna").failed()[0]


def test_it_is_said_in_korean_too(run: Run, people: Path, tmp_path: Path) -> None:  # noqa: F811
    model = tmp_path / "model"
    asked = ("--task", "recognition", "--test", "0.4", "--stages", "blocks.5", "--lang", "ko")
    done = run("fit", people, "-o", model, *asked)
    done2 = run("evaluate", model, people, "--lang", "ko")
    for out in (done.out, done.err, done2.out, done2.err):
        lines = [line for line in out.splitlines() if not line.startswith("진행")]
        assert [line for line in lines if ENGLISH.search(re.sub(r"topwork \w+|/\S+", "", line))] == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_its_page_shows_pictures_only_of_data_that_are_shown(fitted: Recognizer, people: Path, language: str) -> None:
    sections = TASK.sections()
    plain = parsed(model_page(fitted, "m", sections, language=language, data=str(people)))  # type: ignore[arg-type]
    assert not plain.all("img")
    names = [node.attributes["id"] for node in plain.all("h2")]
    assert names[:4] == ["answer", "use", "data", "misuse"]
    assert {"roc", "thresholds", "trials", "repeat"} <= set(names)
    (chart,) = (node for node in plain.all("svg") if "plot" in node.attributes.get("class", ""))
    heights = sorted(float(node.attributes["y"]) for node in chart.all("text"))
    assert heights[1] - heights[0] >= 12, "what goes up is written above the highest mark"
    judged = fitted.evaluate(people)
    assert judged.seen_in_training
    html = model_page(fitted, "m", sections, judged, language=language)  # type: ignore[arg-type]
    assert ("confusions" in [node.attributes.get("id") for node in parsed(html).all("h2")]) == bool(judged.confusions)
    if language == "en":
        assert "The model was made from these images" in html


def test_the_doctor_finds_what_is_wrong_with_identities(photos: list[Path], people: Path, tmp_path: Path) -> None:
    folder = tmp_path / "people"
    for number in range(8):
        shutil.copytree(people / f"person {number:02}", folder / f"person {number:02}")
    views(photos[0], folder / "person 00 again", 50)
    mixed = folder / "person 05"
    for place, path in enumerate(views(photos[12], tmp_path / "other", 60)):
        shutil.copy(path, mixed / f"other {place}.jpg")
    (folder / "alone").mkdir()
    shutil.copy(views(photos[13], tmp_path / "alone", 3, 1)[0], folder / "alone")
    found = {each.name: each for each in check(read(folder), checks=CHECKS).findings}
    assert found["single-image-identities"].count == 1
    assert "'person 00' and 'person 00 again'" in found["lookalike-identities"].cases[0].detail
    assert [case.detail for case in found["mixed-identities"].cases] == ["'person 05': two kinds of images"]
    sound = {each.name for each in check(read(people), checks=CHECKS).findings}
    assert not sound & {"lookalike-identities", "mixed-identities", "single-image-identities"}
    json.dumps([each.to_dict() for each in found.values()])


def test_identities_on_both_sides_stop_a_fit(run: Run, people: Path, tmp_path: Path) -> None:  # noqa: F811
    folder = tmp_path / "people"
    for split, images in (("train", range(4)), ("test", range(4, 5))):
        for number in range(6):
            (folder / split / f"p{number}").mkdir(parents=True)
            for image in images:
                shutil.copy(people / f"person {number:02}" / f"{image}.jpg", folder / split / f"p{number}")
    found = vet(read(folder), checks=QUICK_CHECKS).finding("identity-in-two-splits")
    assert found is not None
    assert (found.severity, found.count) == ("blocks", 6)
    error, hint = run("fit", folder, "-o", tmp_path / "m", "--task", "recognition").failed()
    assert "6 identities in the training split and in a held-out one" in error
    assert "--allow identity-in-two-splits" in hint


def test_sessions_are_not_compared_with_themselves(people: Path, tmp_path: Path) -> None:
    rows = ["path,label,group"]
    for path in sorted(people.rglob("*.jpg")):
        session = "monday" if path.parent.name == "person 00" or int(path.stem) < 3 else "tuesday"
        rows.append(f"{path.relative_to(people)},{path.parent.name},{session}")
    manifest = people / "sessions.csv"
    manifest.write_text("\n".join(rows))
    try:
        dataset = read(manifest)
        found = vet(dataset, checks=QUICK_CHECKS).finding("one-session-identities")
        assert found is not None
        assert [case.detail for case in found.cases] == ["'person 00'"]
    finally:
        manifest.unlink()


def test_a_model_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:  # noqa: F811
    error, _ = run("enroll", tmp_path / "none", "a", tmp_path / "a.jpg").failed()
    assert "there is no such model folder" in error


def test_hints_speak_of_identities_and_of_the_right_models(
    run: Run,  # noqa: F811
    people: Path,
    fitted: Recognizer,
    strangers: list[list[Path]],
    tmp_path: Path,
) -> None:
    error, hint = run("fit", strangers[0][0].parent, "-o", tmp_path / "m", "--task", "recognition").failed()
    assert "no class folders" in error
    assert "DATA/anna/1.jpg" in hint
    shutil.copytree(people / "person 00", tmp_path / "one" / "person 00")
    error, hint = run("fit", tmp_path / "one", "-o", tmp_path / "m", "--task", "recognition").failed()
    assert "only one identity" in error
    assert (
        "대상을 더하세요"
        in run("fit", tmp_path / "one", "-o", tmp_path / "m", "--task", "recognition", "--lang", "ko").err
    )
    detector().save(tmp_path / "boxes")
    error, hint = run("enroll", tmp_path / "boxes", "a", strangers[0][0]).failed()
    assert "cannot use a model of the task detection" in error
    assert hint == "it is for models of recognition"
    html = model_page(fitted, "m", TASK.sections())
    assert "Log loss" not in html
