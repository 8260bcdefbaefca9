"""What a command says to somebody in a hurry: hints that help, commands that can be copied, and cheap checks first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.model.samples import easy_folder
from topwork.cli._console import Console


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_next_command_can_be_copied_though_a_name_has_spaces(run: Run, tmp_path: Path, lang: str) -> None:
    data, out = easy_folder(tmp_path / "my photos", count=4), tmp_path / "나의 모델"
    done = run("fit", data, "-o", out, "--strategy", "probe", "--stages", "last", "--lang", lang)
    assert done.code == 0, done
    assert f"topwork predict '{out}' " in done.out.splitlines()[-1]


def test_segment_looks_for_the_image_before_it_loads_a_network(run: Run, tmp_path: Path) -> None:
    said = run("segment", tmp_path / "none.png", "--point", "3,3", "--offline").failed()
    assert said == (f"{tmp_path}/none.png: no such file", "check the path")


def test_a_command_that_made_nothing_prints_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    done = run("explain", "--backbone", "lite0", tmp_path / "empty.png", "-o", tmp_path / "out")
    assert (done.code, done.out) == (1, "")
    assert f"{tmp_path}/empty.png: an empty file (0 bytes)" in done.err


def test_help_says_how_masks_are_given(run: Run) -> None:
    for command in ("fit", "check"):
        assert "For masks: the folders images/ and masks/" in " ".join(run(command, "--help").out.split())
        assert "images/와 masks/ 폴더" in " ".join(run(command, "--help", "--lang", "ko").out.split())


def test_help_names_no_task_as_the_default_where_the_data_tell_it(run: Run) -> None:
    told = " ".join(run("fit", "--help").out.split())
    assert "Task to learn; told by the data if not given." in told
    assert "[default: classification]" not in told


def test_a_field_that_is_none_is_answered_with_fields_in_korean(run: Run) -> None:
    told = run("models", "--domain", "medica", "--lang", "ko").err.splitlines()
    assert told[1] == "해결 방법: 다음 중에서 고르세요: satellite, medical, legal, microscopy"


def test_every_task_in_the_list_of_data_is_in_korean(run: Run) -> None:
    told = run("data", "list", "--lang", "ko").out
    assert all(word in told for word in ("분류", "검출", "분할", "텍스트"))
    assert "classification" not in told
    assert "detection" not in told


SAVED = (
    "a folder with model.safetensors, config.json and preprocessor_config.json, "
    "as transformers' save_pretrained makes it"
)
URL = "https://huggingface.co/o/n/resolve/main/config.json"
MASKS = (
    "topwork reads images/ and masks/ with files of the same names (PNG or TIFF of indices, of colours with a "
    "legend, of 16-bit labels of objects, .npy), X_mask.png beside X.png, a folder of masks for each class or image, "
    "COCO JSON with polygons or RLE, a table with the columns path,mask, and a Hugging Face data set "
    "with two images a row"
)


@pytest.mark.parametrize(
    "text",
    [
        f"hint: download {URL} on another machine and pass with --weights {SAVED}",
        f"hint: give with --weights {SAVED}",
        "error: no segmenter is called 'nope'",
        "error: no detector is called 'nope'",
        "hint: `topwork models --task segmentation` lists those that work",
        "hint: `topwork models --task detection` lists those that work",
        f"hint: {MASKS}",
        "error: a.html: already exists and is not a page of topwork's; it was not changed",
        "error: a.csv: already exists and is not a manifest; it was not changed",
        "error: a.geojson: already exists and is not a file of outlines by topwork; it was not changed",
        "hint: choose a writable folder with -o",
        "error: nothing was enrolled as 'Anna': a.png: an empty file (0 bytes)",
        "error: nothing was enrolled as 'Anna': no image was given",
        "error: there is no setting 'foo'; see --set help",
        "error: tf_efficientnet_lite0 needs a text model for this, and none is known that was trained with it",
        "hint: these have one: clip-rn50; for others give --text with a folder or repository that contains a",
        "error: a segmenter cannot be exported to web: "
        "the page that answers in a browser tells classes and draws no masks",
        "error: a segmenter cannot be exported to torch: timm's networks end in classes and draw no masks",
        "error: Invalid value: --int8 needs --data, and --data is for --int8 alone",
        "hint: choose another folder for --collect",
        "error: nope: no such folder or file",
        "hint: check that the file is there and whole",
        "error: zero-shot needs a trained segmenter, and tf_efficientnet_lite0 is a network that only sees",
        "hint: --backbone segformer-b0, or another of `topwork models --task segmentation`",
    ],
)
def test_what_a_hurry_ends_in_is_said_in_korean(text: str) -> None:
    console = Console(as_json=False, quiet=False, language="ko")
    told = console.said(text.replace("Invalid value: ", ""))
    assert told.startswith(("오류: ", "해결 방법: "))
    assert not re.search(r"\b[a-z]{2,}(?: [a-z]{2,}){2,}", re.sub("`[^`]*`", "", told))


IMPORTED = (
    "class Impatient:\n"
    "    def find_spec(self, name, path, target=None):\n"
    "        if name == 'topwork.cli._fit':\n"
    "            signal.raise_signal(signal.SIGINT)\n"
    "sys.meta_path.insert(0, Impatient())\n"
)
MADE = "import topwork.cli._app\ntopwork.cli._app.app = lambda: signal.raise_signal(signal.SIGINT)\n"


@pytest.mark.parametrize("when", [IMPORTED, MADE], ids=["imported", "made"])
def test_ctrl_c_before_a_command_has_begun_leaves_no_traceback(when: str) -> None:
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"{when}"
        "from topwork.cli import main\n"
        "sys.argv = ['topwork', '--version']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
