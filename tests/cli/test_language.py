"""The command line in Korean: the same figures, and no English sentence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Done, Run
from topwork import tasks
from topwork.cli._language import language_of, screen_texts
from topwork.cli._options import settings, strategies

ENGLISH = re.compile(r"\b[a-z]{2,}(?: [a-z]{2,}){2,}")  # three words one after the other
COMMANDS = ("check", "advise", "fit", "evaluate", "embed", "report", "predict", "explain", "models", "doctor", "demo")


@pytest.mark.parametrize(
    ("given", "locale", "language"),
    [
        ([], {}, "en"),
        ([], {"LANG": "ko_KR.UTF-8"}, "ko"),
        ([], {"LANG": "ko"}, "ko"),
        ([], {"LANG": "kok_IN.UTF-8"}, "en"),
        ([], {"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ([], {"LANG": "C", "LC_ALL": "ko_KR.EUC-KR"}, "ko"),
        ([], {"LC_ALL": "", "LANG": "ko_KR"}, "ko"),
        (["check", "x", "--lang", "en"], {"LC_ALL": "ko_KR"}, "en"),
        (["--lang=ko", "check", "x"], {}, "ko"),
        (["--lang", "en", "check", "x", "--lang", "ko"], {}, "ko"),
        (["check", "--lang"], {}, "en"),
        (["check", "--lang", "fr"], {}, "en"),
        (["predict", "m", "--", "--lang", "ko"], {}, "en"),
    ],
)
def test_the_option_goes_before_the_locale(
    given: list[str], locale: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.setenv(name, locale.get(name, ""))
    assert language_of(given) == language


def numbers(text: str) -> list[str]:
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", text))


def korean(english: Done, told: Done, *, timed: bool = False) -> None:
    """Two runs of a command say the same: the same figures, the second without a sentence in English.

    Of what is ``timed``, figures are seconds too, and no two runs take the same.
    """
    assert (told.code, english.code) == (english.code, english.code), told
    for plain, said in ((english.out, told.out), (english.err, told.err)):
        lines = [line for line in said.splitlines() if not line.startswith("진행: ")]
        assert [line for line in lines if ENGLISH.search(re.sub(r"topwork [^(]*|`[^`]*`", "", line))] == []
        assert timed or numbers(plain) == numbers("\n".join(lines))
        assert timed or len(plain.splitlines()) == len(lines)


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with many of the faults that the doctor looks for."""
    root, rng = tmp_path_factory.mktemp("sick"), np.random.default_rng(0)

    def save(name: str, pixels: np.ndarray, **how: object) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **how)  # type: ignore[arg-type]
        return path

    def noise(height: int = 80, width: int = 90) -> np.ndarray:
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))

    for label, count in (("cat", 25), ("dog", 12), ("eel", 2)):
        for place in range(count):
            save(f"train/{label}/{place}.png", noise())
    copy = noise()
    for name in ("train/cat/a.png", "train/cat/b.png", "train/dog/a.png", "test/cat/c.png"):
        save(name, copy)
    save("test/dog/d.png", noise())
    save("train/cat/dark.png", noise() // 20)
    save("train/cat/bright.png", 240 + noise() // 20)
    save("train/cat/blank.png", np.full((80, 80, 3), 120, np.uint8))
    save("train/cat/small.png", noise(12, 12))
    save("train/cat/long.png", noise(40, 300))
    save("train/dog/grey.png", noise()[..., 0])
    save("train/dog/lies.jpg", noise(), format="PNG")
    cut = save("train/dog/cut.png", noise())
    cut.write_bytes(cut.read_bytes()[:300])
    (root / "train/dog/notes.txt").write_text("no image")
    (root / "train/dog/empty.png").write_bytes(b"")
    (root / "train/dog/.DS_Store").write_bytes(b"x")
    return root


def test_check_says_its_findings_in_korean(run: Run, sick: Path, tmp_path: Path) -> None:
    korean(run("check", sick), run("check", sick, "--lang", "ko"))
    page = tmp_path / "page.html"
    found = run("check", sick, "--json", "--report", page, LANG="ko_KR.UTF-8").json
    plain = run("check", sick, "--json").json
    assert len(plain["findings"]) >= 12
    for one, other in zip(found["findings"], plain["findings"], strict=True):
        assert {**one, "what": "", "advice": "", "cases": []} == {**other, "what": "", "advice": "", "cases": []}
        assert re.search("[가-힣]", one["what"])
        assert numbers(one["what"]) == numbers(other["what"])
    html = page.read_text("utf-8")
    assert '<html lang="ko">' in html
    assert 'lang="en"' not in re.sub(r"<span lang=\"en\">[A-Z]*</span>", "", html)
    assert all(each["what"].split("'")[0][:20] not in html for each in plain["findings"])


def test_a_fit_that_is_refused_says_so_in_korean(run: Run, sick: Path, tmp_path: Path) -> None:
    asked = ("fit", sick, "-o", tmp_path / "model", "--strategy", "probe")
    korean(run(*asked), run("--lang", "ko", *asked))


@pytest.mark.slow  # two fits with cross-validation
def test_results_are_in_korean(run: Run, textile: Path, model: Path, tmp_path: Path) -> None:
    """Of fit, advise, evaluate, the comparison of two models, and predict."""
    fit = (
        "fit",
        textile,
        "--strategy",
        "probe",
        *("--crop-mode", "crop", "--stages", "last"),
        "--cv",
        "2",
        "--min-recall",
        f"{sorted(textile.iterdir())[0].name}=0.9",
    )
    first, second = run(*fit, "-o", tmp_path / "m"), run(*fit, "-o", tmp_path / "k", "--lang", "ko")
    assert first.code == 0, first
    second = Done(second.code, second.out.replace(str(tmp_path / "k"), str(tmp_path / "m")), second.err)
    korean(first, second)
    assert '<html lang="ko">' in (tmp_path / "k" / "report.html").read_text("utf-8")
    image = next(textile.rglob("*.png"), None) or next(textile.rglob("*.jpg"))
    for asked in (
        ("advise", textile, "--budget", "0.001"),  # the first strategy, however fast the machine is
        ("evaluate", model, textile),
        ("evaluate", model, tmp_path / "m", textile),
        ("predict", model, image, tmp_path / "none.png"),
        ("doctor",),
        ("models",),
    ):
        korean(run(*asked), run(*asked, "--lang", "ko"), timed=asked[0] in ("advise", "doctor"))


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_in_korean(run: Run, name: str) -> None:
    asked = ((name,) if name else ()) + ("--help",)
    told = run(*asked, LANG="ko_KR.UTF-8")
    korean(Done(0, told.out, ""), told)
    assert "사용법: " in told.out
    assert all(len(line) <= 100 for line in told.out.splitlines())
    english = run(*asked, "--lang", "en", LANG="ko_KR.UTF-8")
    assert english == run(*asked)
    assert not re.search("[가-힣]", english.out)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["fit", "x"], "오류: 옵션 '-o' / '--out'이(가) 없습니다."),
        (
            ["fit", "x", "-o", "m", "--strategy", "y"],
            "오류: '--strategy'의 값이 잘못되었습니다: 'y'은(는) 다음 중 하나가 아닙니다: "
            "'auto', 'probe', 'finetune', 'scratch', 'as-is', 'zero-shot'.",
        ),
        (["frob"], "오류: 그런 명령이 없습니다: 'frob'."),
        (["fit", "x", "-o", "m", "--test", "2"], "오류: '--test'의 값이 잘못되었습니다: 0.9 이하여야 합니다"),
        (["evaluate", "m"], "오류: 잘못된 값: 모델 폴더를 하나나 둘 주고, 그다음에 라벨 있는 데이터를 주세요"),
        (["predict"], "오류: 잘못된 값: 모델 폴더나, --backbone으로 네트워크를 지정하세요"),
        (
            ["predict", "m", "x", "--shards", "s", "--csv", "f"],  # what is said begins with the option's name
            "오류: 잘못된 값: --csv은(는) 샤드 폴더와 함께 쓸 수 없습니다",
        ),
    ],
)
def test_a_command_line_that_cannot_be_read_is_refused_in_korean(run: Run, given: list[str], said: str) -> None:
    done = run("--lang", "ko", *given)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == said
    assert run(*given).code == 2


def test_an_unknown_language_is_refused(run: Run) -> None:
    assert run("check", "x", "--lang", "fr").code == 2


def test_what_an_option_takes_is_said_in_korean() -> None:
    korean = screen_texts("ko")
    taken = {
        each.takes
        for task in tasks.names()
        for strategy in strategies(task)
        if strategy.options is not None
        for each in settings(strategy.options(), strategy.unused)
    }
    assert len(taken) > 20
    for takes in taken:
        said = korean.said(f"--set x takes {takes}, not 'y'")
        assert not re.search(r"\b(or|and|a|whole|number|words|such)\b", said), said
    told = korean.said("--set epochs takes a whole number, 1 or more, or none, not 'many'")
    assert told.endswith("줄 수 있는 값: 정수(1 이상) 또는 none")
