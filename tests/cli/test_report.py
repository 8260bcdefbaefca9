from __future__ import annotations

import itertools
import shlex
import shutil
from pathlib import Path

import pytest

from tests.model.samples import CLASSES, copied, easy_folder, photos, textiles
from tests.report.pages import Node, offered, parsed, pixels
from topwork.explain import TorchClassifier

from .conftest import Run

QUICK = ("--strategy", "probe", "--stages", "last", "--crop-mode", "crop")


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "model"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for label in CLASSES:
        copied(textiles(label)[40:50], tmp_path / "data" / label)
    return tmp_path / "data"


def test_a_fit_leaves_its_page_with_the_pictures_of_what_measured_it(
    run: Run, tmp_path: Path, shared_cache: Path
) -> None:
    done = run("fit", easy_folder(tmp_path / "data"), "-o", tmp_path / "m", *QUICK)
    assert f"Page:  {tmp_path / 'm' / 'report.html'}\n" in done.out
    page = parsed((tmp_path / "m" / "report.html").read_text("utf-8"))
    shown = {node.text for node in page.classed("file")}
    assert shown
    assert all((tmp_path / "data" / name).is_file() for name in shown)
    assert page.all("img")
    again = run("fit", tmp_path / "data", "-o", tmp_path / "m", *QUICK)  # its own page is no stranger in the folder
    assert again.code == 0


def test_the_commands_on_a_page_run_where_fit_ran(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_cache: Path
) -> None:
    """Whatever the folders are called: every command is pasted as it stands."""
    easy_folder(tmp_path / "my data's")
    monkeypatch.chdir(tmp_path)
    assert run("fit", "my data's", "-o", "the $model", *QUICK).code == 0
    page = parsed((tmp_path / "the $model" / "report.html").read_text("utf-8"))
    lines = [node.text for node in page.classed("line")]
    usual, python = lines[: lines.index("import topwork")], lines[lines.index("import topwork") :]
    assert len(usual) >= 3
    for line in usual:
        program, *given = shlex.split(line)
        assert program == "topwork"
        assert run(*given).code == 0, line
    exec("\n".join(python), {})
    for line in offered(page).values():
        program, command, *given = shlex.split(line)
        assert program == "topwork"
        assert {"the $model", "my data's"} & set(given), line
        if command == "report":
            assert run(command, *given).code == 0, line


def test_a_page_says_what_differs_from_the_defaults_first(
    run: Run, tmp_path: Path, textile: Path, shared_cache: Path
) -> None:
    assert run("fit", textile, "-o", tmp_path / "m", *QUICK).code == 0
    repeat = sections(tmp_path / "m" / "report.html")["repeat"]
    chosen, usual = ([node.text for node in each.all("dt")] for each in repeat.classed("options"))
    assert set(chosen) == {"strategy", "crop_mode", "stages"}
    assert "seed" in usual


def test_report_measures_and_shows_other_images(run: Run, folder: Path, data: Path) -> None:
    done = run("report", folder, "--data", data)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"Page: {folder / 'report.html'}\n"
    page = parsed((folder / "report.html").read_text("utf-8"))
    assert page.attributes["lang"] == "en"
    assert "measured on 30 held-out images" in page.text
    assert page.all("img")


def test_a_manifest_of_any_columns_and_links_are_data_of_a_page_and_a_picture(
    run: Run, folder: Path, data: Path, tmp_path: Path
) -> None:
    lines = [f"{path.relative_to(data)},{path.parent.name}" for path in sorted(data.rglob("*.jpg"))]
    (data / "d.csv").write_text("\n".join(["wo,was", *lines]))
    (tmp_path / "linked").mkdir()
    for name in {path.parent.name for path in data.rglob("*.jpg")}:
        (tmp_path / "linked" / name).symlink_to(data / name)
    for given in ((data / "d.csv", "--columns", "path=wo,label=was"), (tmp_path / "linked", "--follow-links")):
        done = run("report", folder, "--data", *given, "-o", tmp_path / "page.html")
        assert done.code == 0, done
        assert f" Images {len(lines)} " in sections(tmp_path / "page.html")["answer"].text
        (tmp_path / "page.html").unlink()
        done = run("explain", folder, "--what", "space", "--data", *given, "-o", tmp_path / "pictures")
        assert f"PCA of {len(lines)} images" in done.out


def test_a_page_with_images_is_not_lost_for_one_without(run: Run, folder: Path, tmp_path: Path) -> None:
    """``folder`` has the page that the fit left."""
    page = (folder / "report.html").read_bytes()
    for more in ((), ("-o", folder / "report.html")):
        message, hint = run("report", folder, *more).failed()
        assert "report.html: this page shows images" in message
        assert "--data" in hint
        assert "-o" in hint
    assert "이 페이지에는 이미지가 있는데" in run("report", folder, "--lang", "ko").err
    assert (folder / "report.html").read_bytes() == page
    assert run("report", folder, "-o", tmp_path / "page.html").code == 0
    assert run("report", folder, "-o", tmp_path / "page.html").code == 0  # it has no images either


def test_the_data_of_the_fit_give_its_page_again(run: Run, folder: Path, textile: Path) -> None:
    def counts() -> dict[str, int]:
        return {name: len(node.all("img")) for name, node in sections(folder / "report.html").items()}

    left = counts()
    done = run("report", folder, "--data", textile, "--check", "--lang", "ko")
    assert done.code == 0
    again = counts()
    assert set(left) <= set(again)
    assert {name: again[name] for name in ("worst", "unsure") if name in left} == {
        name: left[name] for name in ("worst", "unsure") if name in left
    }


def test_report_without_images_shows_the_figures_of_the_fit_in_korean(run: Run, folder: Path, tmp_path: Path) -> None:
    fields = run("report", folder, "--lang", "ko", "-o", tmp_path / "page.html", "--json").json
    assert fields == {"model": str(folder), "data": None, "page": str(tmp_path / "page.html"), "left_out": []}
    page = parsed((tmp_path / "page.html").read_text("utf-8"))
    assert page.attributes["lang"] == "ko"
    assert "한눈에 보기" in page.text
    assert not page.all("img")


def test_what_cannot_be_read_is_told_and_counted(run: Run, folder: Path, data: Path) -> None:
    damaged = sorted(each for each in data.rglob("*") if each.is_file())[:7]
    for each in damaged:
        each.write_bytes(each.read_bytes()[:2000])
    names = [each.relative_to(data).as_posix() for each in damaged]
    done = run("report", folder, "--data", data)
    told = [line.removeprefix("note: left out: ") for line in done.err.splitlines() if "left out" in line]
    assert [line.partition(": ")[0] for line in told[:5]] == names[:5]
    assert told[5:] == ["… and 2 more; --json lists them all"]
    shown = sections(folder / "report.html")["data"]
    assert dict(zip((each.text for each in shown.all("dt")), (each.text for each in shown.all("dd")), strict=True)) == {
        "Training images": "48",
        "Test images": "23",
        "Files left out here": "7",
    }
    assert all(name in shown.text for name in names)
    assert "Nothing about the data stood out" not in shown.text
    again = run("report", folder, "--data", data, "--json", "--quiet")
    assert again.err == ""
    assert [each["path"] for each in again.json["left_out"]] == names


def test_report_warns_of_strange_and_of_known_images(run: Run, folder: Path, tmp_path: Path, textile: Path) -> None:
    copied(photos()[:12], tmp_path / "strange" / "local")
    assert "12 of 12 images are unlike" in run("report", folder, "--data", tmp_path / "strange").err
    assert "the 12 images that did not train it" in run("report", folder, "--data", textile).err
    page = parsed((folder / "report.html").read_text("utf-8"))
    assert "measured on 12 held-out images" in page.text


def test_a_file_of_the_users_is_left_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("<p>mine")
    message, _ = run("report", folder, "-o", tmp_path / "mine.html").failed()
    assert "it was not changed" in message
    assert (tmp_path / "mine.html").read_text() == "<p>mine"


def test_another_language_is_a_wrong_command(run: Run, folder: Path) -> None:
    assert run("report", folder, "--lang", "xx").code == 2
    assert run("report").code == 2


def test_figures_for_print_lie_in_a_folder_of_their_own(run: Run, folder: Path, data: Path, tmp_path: Path) -> None:
    done = run("report", folder, "--data", data, "--figures", tmp_path / "figures", "--json")
    names = {"confusion-matrix", "reliability", "risk-coverage"}
    assert {Path(file).stem for file in done.json["figures"]} == names
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("svg", "png", "pdf")
    }
    (tmp_path / "file").write_text("mine")
    message, hint = run("report", folder, "--data", data, "--figures", tmp_path / "file").failed()
    assert "the figures cannot be written" in message
    assert "--figures" in hint


def test_report_of_no_model(run: Run, tmp_path: Path) -> None:
    message, hint = run("report", tmp_path / "none").failed()
    assert "there is no such model folder" in message
    assert hint


def test_evidence_lies_beside_the_worst_mistakes(
    run: Run, folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = CLASSES[0]
    (data / label).rename(tmp_path / "aside")
    (data / CLASSES[1]).rename(data / label)  # so that there are mistakes
    (tmp_path / "aside").rename(data / CLASSES[1])
    done = run("report", folder, "--data", data, "--evidence", "-o", tmp_path / "page.html")
    assert (done.code, done.out) == (0, f"Page: {tmp_path / 'page.html'}\n")
    page = parsed((tmp_path / "page.html").read_text("utf-8"))
    (worst,) = [node for node in page.all("section") if node.attributes["aria-labelledby"] == "worst"]
    cases = worst.classed("wrong")
    assert cases
    for case in cases:
        is_, said, _ = (node.text for node in case.all("dd"))
        pictures = case.all("img")
        assert [each.attributes["alt"] for each in pictures[1:]] == [f"Evidence for {said}", f"Evidence for {is_}"]
        own, other = (pixels(each.attributes["src"]) for each in pictures[1:])
        assert own.shape == other.shape
        assert (own != other).any()
    (unsure,) = [node for node in page.all("section") if node.attributes["aria-labelledby"] == "unsure"]
    for case in unsure.classed("pictured"):
        _, said, _ = (node.text for node in case.all("dd"))
        first, second = (each.attributes["alt"] for each in case.all("img")[1:])
        assert first == f"Evidence for {said}" != second
    with monkeypatch.context() as patch:  # a second run finds the maps, and opens no network for them
        patch.setattr(TorchClassifier, "of_model", lambda model: pytest.fail("the model was opened in torch again"))
        run("report", folder, "--data", data, "--evidence", "-o", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "page.html").read_bytes()


@pytest.mark.parametrize("option", ["--evidence", "--check"])
def test_what_is_of_images_needs_images(run: Run, folder: Path, option: str) -> None:
    done = run("report", folder, option)
    assert done.code == 2
    assert "--data" in done.err


def sections(page: Path) -> dict[str, Node]:
    return {node.attributes["aria-labelledby"]: node for node in parsed(page.read_text("utf-8")).all("section")}


def test_the_doctor_looks_at_the_images_that_are_shown(run: Run, folder: Path, data: Path) -> None:
    (first, second), *_ = itertools.pairwise(sorted((data / CLASSES[0]).iterdir()))
    shutil.copyfile(first, data / CLASSES[1] / "copy.png")
    second.write_bytes(second.read_bytes()[:2000])
    assert run("report", folder, "--data", data, "--check").code == 0
    findings = sections(folder / "report.html")["findings"]
    assert {"Label conflicts", "Exact duplicates"} <= {node.text for node in findings.all("h3")}
    assert {f"{CLASSES[1]}/copy.png", f"{CLASSES[0]}/{second.name}"} <= {node.text for node in findings.classed("file")}
    assert findings.all("img")
    assert run("report", folder, "--data", data).code == 0
    assert "findings" not in sections(folder / "report.html")


def test_a_fit_shows_what_the_doctor_found_and_where_the_images_lie(run: Run, tmp_path: Path) -> None:
    data = easy_folder(tmp_path / "data", count=30)
    one = sorted((data / "photo").iterdir())[0]
    shutil.copyfile(one, data / "photo" / "again.jpg")
    (data / "photo" / "cut.jpg").write_bytes(one.read_bytes()[:2000])
    done = run("fit", data, "-o", tmp_path / "m", *QUICK, "--test", "0.4")
    assert done.code == 0, done
    assert done.err.count("cut.jpg") == 1
    shown = sections(tmp_path / "m" / "report.html")
    assert {"photo/again.jpg", "photo/cut.jpg"} <= {node.text for node in shown["findings"].classed("file")}
    assert "exact-duplicates" not in shown["data"].text  # it is told in its own section
    dots = shown["space"].all("g")
    assert len(dots) == int(shown["data"].all("dd")[1].text)
    assert len(shown["space"].all("image")) == len(dots)
