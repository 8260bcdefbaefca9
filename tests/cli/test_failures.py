"""How the program fails: exit code, two plain lines, no traceback, nothing destroyed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.model.samples import easy_folder, textile_folder, textiles

from .conftest import TOPWORK, Run, without_progress


@pytest.mark.parametrize(
    "given",
    [
        ("fit", "DATA"),
        ("fit", "-o", "OUT"),
        ("fit", "DATA", "-o", "OUT", "--test", "2"),
        ("fit", "DATA", "-o", "OUT", "--head", "forest"),
        ("fit", "DATA", "-o", "OUT", "--seed", "x"),
        ("predict", "MODEL"),
        ("predict", "MODEL", "--stdin", "a.jpg"),
        ("evaluate", "MODEL"),
        ("models", "a", "b"),
        ("doctor", "--bogus"),
        ("bogus",),
        (),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_2_and_touches_nothing(run: Run, given: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*given)
    assert done.code == 2
    assert "Usage: " in done.out + done.err
    assert "Traceback" not in done.err
    assert not Path("OUT").exists()


@pytest.mark.parametrize(
    ("given", "whose"),
    [
        (("--labels", "a,b"), "zero-shot, not for auto"),
        (("--strategy", "probe", "--epochs", "6"), "auto, finetune, scratch, not for probe"),  # the default
        (("--strategy", "probe", "--resume"), "finetune, scratch, not for probe"),
        (("--strategy", "finetune", "--blend"), "zero-shot, not for finetune"),
        (("--strategy", "zero-shot", "--map", "map.json"), "as-is, not for zero-shot"),
        (("--strategy", "as-is", "--class-weight", "none"), "auto, probe, finetune, scratch, not for as-is"),
    ],
    ids=str,
)
def test_an_option_of_another_strategy_is_2_and_names_whose_it_is(run: Run, given: tuple[str, ...], whose: str) -> None:
    done = run("fit", "no such data", "-o", "OUT", *given)
    option = next(text for text in given[::-1] if text.startswith("--"))
    assert (done.code, done.out) == (2, "")
    assert f"{option} is for --strategy {whose}" in done.err


def test_a_value_that_is_none_of_several_is_told_in_our_words_alone(run: Run) -> None:
    err = run("fit", "DATA", "-o", "OUT", "--strategy", "nope").err
    assert "Invalid value for '--strategy': 'nope' is not one of 'auto', 'probe'" in err


def test_predict_says_what_it_wants(run: Run, model: Path) -> None:
    done = run("predict", model)
    assert (done.code, done.out) == (2, "")
    assert "name images: files, folders" in done.err
    assert "--stdin" not in done.err
    assert "give only one of files, --text and --stdin" in run("predict", "MODEL", "a.jpg", "--stdin").err


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_model_that_is_missing_is_told_where_images_are_too(run: Run, photos: list[Path], command: str) -> None:
    """Whoever forgets the model has named an image in its place."""
    done = run(command, photos[0])
    assert (done.code, done.out) == (2, "")
    assert f"there is no model folder {photos[0]}; name one first, then the images" in " ".join(done.err.split())


def test_where_the_model_is_there_only_the_images_are_missing(run: Run, tmp_path: Path) -> None:
    for command in ("predict", "explain"):
        done = run(command, tmp_path)
        assert done.code == 2
        assert "there is no model folder" not in done.err


@pytest.mark.parametrize("command", ["fit", "advise"])
def test_a_setting_that_is_not_there_is_2(run: Run, textile: Path, tmp_path: Path, command: str) -> None:
    out = ("-o", tmp_path / "out") if command == "fit" else ()
    done = run(command, textile, *out, "--set", "foo=1")
    assert (done.code, done.out) == (2, "")
    assert "there is no setting 'foo'; see --set help" in done.err
    assert not (tmp_path / "out").exists()


def test_a_failure_of_the_real_program(spawn: Run) -> None:
    assert spawn("predict", "none", "a.jpg", "--json").failed()[0] == "none: there is no such model folder"


@pytest.mark.parametrize(
    ("given", "error", "hint"),
    [
        (("fit", "none", "-o", "out"), "none: no such folder or manifest", "check the path"),
        (
            ("predict", "none", "a.jpg"),
            "none: there is no such model folder",
            "create one with `topwork fit DATA -o MODEL`",
        ),
        (
            ("evaluate", ".", "a"),
            ".: is not a topwork model (it has no model.json)",
            "create one with `topwork fit DATA -o MODEL`",
        ),
        (("fit", "d", "-o", "m", "--weights", "w.pth"), "w.pth: no such weights file", ""),
        (("fit", "d", "-o", "m", "--size", "3"), "size must be", ""),
        (
            ("fit", "two", "-o", "m", "--strategy", "probe", "--stages", "blocks.9"),
            "has no stage 'blocks.9'",
            "its stages are bn1, ",
        ),
        (("fit", "two", "-o", "m", "--strategy", "probe", "--stages", ""), "has no stage ''", "its stages are bn1, "),
        (
            ("fit", "one", "-o", "m"),
            "only one class, 'photo', in one: at least two classes are needed",
            "add images that do not belong to it",
        ),
        (("fit", "two/photo", "-o", "m"), "no class folders in two/photo", "put each class's images in a folder"),
    ],
)
@pytest.mark.parametrize("flag", [(), ("--json",)], ids=["text", "json"])
def test_work_that_failed_is_1_with_two_lines(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[str, ...],
    error: str,
    hint: str,
    flag: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    easy_folder(tmp_path / "two", count=3)
    easy_folder(tmp_path / "one", count=3)
    shutil.rmtree(tmp_path / "one" / "textile")
    said = run(*given, *flag).failed()
    assert error in said[0]
    assert said[1].startswith(hint)
    assert not (tmp_path / "m").exists()


def test_an_error_that_quotes_a_name_stays_on_its_line(run: Run, tmp_path: Path) -> None:
    error, _ = run("predict", f"{tmp_path}/\x1b[31mred\nhint: rm -r", "a.jpg").failed()
    assert error == f"{tmp_path}/\\x1b[31mred hint: rm -r: there is no such model folder"


def test_debug_gives_the_traceback(spawn: Run) -> None:
    done = spawn("predict", "none", "a.jpg", "--debug")
    assert done.code == 1
    assert "Traceback (most recent call last)" in done.err
    assert "ModelError: none: there is no such model folder" in done.err


@pytest.mark.slow
def test_an_engine_that_this_machine_lacks_fails_plainly(run: Run, textile: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    error, _ = run("fit", textile, "-o", tmp_path / "m", "--engine", "torch-cuda").failed()
    assert error


def test_a_fault_of_ours_is_still_one_line() -> None:
    kinds = ("RuntimeError", "ValueError", "AssertionError", "MemoryError", "KeyError")
    code = (
        "import sys, topwork.doctor\n"
        "from topwork.cli import main\n"
        "sys.argv = ['topwork', 'doctor', *sys.argv[1:]]\n"
        f"for raised in ({', '.join(kinds)}):\n"
        "    def broken():\n        raise raised('first\\nsecond \\x1b[31m')\n"
        "    topwork.doctor.examine = broken\n"
        "    try:\n        main()\n"
        "    except SystemExit as end:\n        print(end.code, 'end', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    told = without_progress(done.stderr).split("1 end\n")
    assert told.pop() == ""
    for kind, lines in zip(kinds, told, strict=True):
        assert [line.split(":")[0] for line in lines.splitlines()] == ["error", "hint"], kind
        assert kind in lines
    debug = subprocess.run([sys.executable, "-c", code, "--debug"], capture_output=True, text=True, check=False)
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr


@pytest.mark.parametrize("place", ["folder", "file", "below a file", "model with a note"])
def test_fault_32_a_wrong_place_is_refused_before_any_work(run: Run, model: Path, tmp_path: Path, place: str) -> None:
    out = {"folder": tmp_path / "photos", "file": tmp_path / "file", "below a file": tmp_path / "file" / "m"}.get(
        place, tmp_path / "model"
    )
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    shutil.copytree(model, tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_bytes(b"precious")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    error, hint = run("fit", "no such data", "-o", out).failed()  # the data would be the next complaint
    assert error.startswith(f"{out}: ")
    assert hint.startswith("choose another folder")
    assert run("demo", "-o", out).failed()[0] == error
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_broken_pipe_is_quiet(model: Path, tmp_path: Path, shared_cache: Path) -> None:
    (tmp_path / "names").write_text(f"{textiles('local')[30]}\n" * 200)
    with (
        (tmp_path / "names").open("rb") as names,
        subprocess.Popen([*TOPWORK, "predict", model, "--stdin"], stdin=names, stdout=-1, stderr=-1) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # the reader is gone before the first line
        assert without_progress(process.stderr.read().decode()) == ""
    assert process.returncode == 0


def test_closed_streams_do_no_harm(model: Path, tmp_path: Path, shared_cache: Path) -> None:
    file = str(textiles("local")[30])
    for closing in (">&-", ">&- 2>&-", "<&-"):
        command = f'exec "$@" {closing}'
        given = ["bash", "-c", command, "bash", *TOPWORK, "predict", str(model), file]
        done = subprocess.run(given, capture_output=True, text=True, check=False)
        assert (done.returncode, without_progress(done.stderr)) == (0, "")
        assert (done.stdout == "") == (">&-" in closing.split())
    data = easy_folder(tmp_path / "data", count=3)
    given = [
        "bash",
        "-c",
        'exec "$@" 2>&-',
        "bash",
        *TOPWORK,
        "fit",
        str(data),
        "-o",
        str(tmp_path / "m"),
        "--strategy=probe",
        "--stages=last",
    ]
    assert subprocess.run(given, capture_output=True, check=False).returncode == 0


def test_fault_32_a_full_disk_behind_stdout_is_an_error(model: Path, shared_cache: Path) -> None:
    with open("/dev/full", "wb") as full:
        given = [*TOPWORK, "predict", str(model), str(textiles("local")[30])]
        done = subprocess.run(given, stdout=full, stderr=-1, text=True, check=False)
    assert done.returncode == 1
    assert without_progress(done.stderr).startswith("error: OSError: [Errno 28] No space left on device\nhint: ")
    assert "Traceback" not in done.stderr


def _interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it printed after Ctrl-C, pressed again as an impatient person does, or where a library swallowed it."""
    while True:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=5)


def test_ctrl_c_while_python_ends_changes_no_exit_code() -> None:
    """Freeing torch takes seconds where others compute too; this stands for it."""
    code = (
        "import atexit, os, sys, time\n"
        "@atexit.register\n"
        "def slow():\n"
        "    os.write(2, b'ending')\n"
        "    time.sleep(1)\n"
        "from topwork.cli import main\n"
        "sys.argv = ['topwork', 'models', 'lite0', '--json']\n"
        "main()\n"
    )
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, preexec_fn=heard) as process:
        assert process.stderr is not None
        assert process.stderr.read(6) == b"ending"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert json.loads(out)["alias"] == "lite0"


def test_the_program_as_a_function_leaves_ctrl_c_as_it_is() -> None:
    code = (
        "import signal, sys, threading\n"
        "from topwork.cli import main\n"
        "sys.argv = ['topwork', '--version']\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert signal.getsignal(signal.SIGINT) is before\n"
        "thread = threading.Thread(target=main)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.slow
def test_ctrl_c_ends_a_fit_plainly_and_leaves_nothing_half(tmp_path: Path, shared_cache: Path) -> None:
    data, temporary = textile_folder(tmp_path / "data", per_class=400), tmp_path / "temporary"
    temporary.mkdir()
    given = [
        *TOPWORK,
        "fit",
        str(data),
        "-o",
        str(tmp_path / "m"),
        "--engine",
        "torch-cpu",
        "--no-cache",
        "--strategy",
        "probe",
    ]
    environ = {**os.environ, "TMPDIR": str(temporary)}
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # whoever runs tests in the background ignores it
    with subprocess.Popen(given, stdout=-1, stderr=-1, text=True, env=environ, preexec_fn=heard) as process:
        # The first features are there, all take torch a minute. Before, libraries are imported; some swallow a Ctrl-C.
        while not any(path.stat().st_size for path in temporary.glob("topwork-*/*")):
            assert process.poll() is None
            time.sleep(0.05)
        out, err = map(without_progress, _interrupted(process))
    assert (process.returncode, out) == (1, "")
    assert err.startswith("error: interrupted\nhint: ")
    assert len(err.splitlines()) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "temporary"]
    assert not any(temporary.glob("topwork-*"))


def test_progress_is_shown_to_a_person_alone(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    """stderr is a terminal here, and only here; --quiet silences it there too."""
    data = easy_folder(tmp_path / "data", count=4)
    seen = {}
    for flag in ("--cache", "--quiet"):
        leader, follower = pty.openpty()
        given = [
            *TOPWORK,
            "fit",
            data,
            "-o",
            tmp_path / "m",
            *("--strategy", "probe", "--stages", "last"),
            "--no-cache",
            flag,
        ]
        with subprocess.Popen(given, stdout=-1, stderr=follower, env={**os.environ, "TERM": "xterm"}) as process:
            os.close(follower)
            seen[flag] = _drained(leader)
            assert process.wait() == 0
    assert b"features" in seen["--cache"]
    assert seen["--quiet"] == b""


def _drained(descriptor: int) -> bytes:
    content = b""
    try:
        while block := os.read(descriptor, 4096):
            content += block
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(descriptor)
    return content
