"""Every hint that names an option is found in the source, and the option in the commands where the hint can appear."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import topwork

from .conftest import Run

SOURCE = Path(topwork.__file__).parent
COMMANDS = (
    "check",
    "advise",
    "fit",
    "evaluate",
    "embed",
    "predict",
    "explain",
    "models",
    "doctor",
    "report",
    "demo",
    "push",
    "convert",
    "data",
    "segment",
    "enroll",
    "forget",
    "verify",
    "group",
    "watch",
    "export",
    "serve",
    "ui",
)
OPTION = re.compile(r"(?<![\w/-])--[a-z][a-z-]*[a-z]")
NAMED = re.compile(rf"(?:topwork |^|: |[Ww]ith |\()({'|'.join(COMMANDS)}) (?:[A-Z.a-z{{}}-]+ )*$")
"""A command that a text names right before an option."""

NETWORKS = ("fit", "advise", "check", "predict", "explain")
LADDER = ("fit", "advise")
DATA = ("check", "advise", "fit", "evaluate", "embed", "report", "explain")
WHERE: dict[str, tuple[str, ...]] = {
    "_options.py": LADDER,
    "_system/_cache.py": COMMANDS,
    "_web/_download.py": ("data", "models"),
    "backbones/_backbone.py": ("fit",),
    "backbones/_detector.py": ("fit",),
    "backbones/_detector_files.py": ("fit",),
    "backbones/_detector_module.py": ("fit",),
    "backbones/_detector_words.py": ("fit",),
    "backbones/_faces.py": ("fit",),
    "backbones/_hub.py": NETWORKS,
    "backbones/_keras": ("fit",),
    "backbones/_torchhub.py": ("models",),
    "backbones/_torchhub_module.py": ("fit", "models"),
    "backbones/_segmenter.py": ("fit",),
    "backbones/_segmenter_files.py": ("fit",),
    "backbones/_segmenter_module.py": ("fit",),
    "backbones/_text.py": ("fit",),
    "backbones/_text_files.py": ("fit", "advise", "check", "embed"),
    "backbones/_transformers.py": ("fit",),
    "backbones/_weights.py": NETWORKS,
    "checking/_pictures.py": ("fit",),  # what the network's user may set, told by the doctor
    "cli/_app.py:check": ("check",),
    "cli/_app.py:models": ("models",),
    "cli/_cleaned.py": ("check",),
    "cli/_commands.py": COMMANDS,
    "cli/_commands.py:_each_set": LADDER,
    "cli/_convert.py": ("convert",),
    "cli/_embed.py": ("embed",),
    "cli/_evaluate.py": ("evaluate",),
    "cli/_explain.py": ("explain",),
    "cli/_explain_images.py": ("explain",),
    "cli/_explain_options.py": ("explain",),
    "cli/_explain_texts.py": ("explain",),
    "cli/_export.py": ("export",),
    "cli/_fit.py": ("fit",),
    "cli/_from_shards.py": ("fit",),
    "cli/_on_ray.py": ("fit",),
    "cli/_language.py": COMMANDS,
    "cli/_options.py:": DATA,
    "cli/_options.py:_list_settings": LADDER,
    "cli/_options.py:_set": LADDER,
    "cli/_options.py:_unknown": ("fit",),
    "cli/_options.py:options": ("fit",),
    "cli/_options.py:parameters": LADDER,
    "cli/_options.py:reading": DATA,
    "cli/_options.py:require_network": ("predict", "explain"),
    "cli/_predict.py": ("predict",),
    "cli/_push.py": ("push",),
    "cli/_recognise.py": ("group",),
    "cli/_recognise.py:enroll": ("fit",),
    "cli/_report.py": ("report",),
    "cli/_segment.py": ("segment",),
    "cli/_serve.py": ("serve",),
    "cli/_shards.py": ("embed", "predict"),
    "cli/_shards.py:require_plain": ("embed",),
    "cli/_sources.py": ("predict",),
    "cli/_tasks.py": (),  # shown once there are several tasks
    "cli/_text.py": ("fit", "check", "evaluate"),
    "cli/_text.py:detector": ("fit",),
    "cli/_text.py:face": ("fit",),
    "cli/_text.py:segmenters": ("fit",),
    "cli/_text.py:faces": ("fit",),
    "cli/_ui.py": ("ui",),
    "cli/_watch.py": ("watch",),
    "cli/_data.py": ("data",),
    "data/_columns.py": (*DATA, "predict"),
    "data/_folder.py": DATA,
    "data/_given_texts.py": ("predict",),
    "data/_listing.py": DATA,
    "data/_manifest.py": (*DATA, "predict"),
    "data/_text_huggingface.py": DATA,
    "data/_text_rows.py": (*DATA, "predict"),
    "explain/_attention.py": ("explain",),
    "exporting": ("export",),
    "explain/_classifier.py": ("explain",),
    "exporting/_texts.py": ("fit",),
    "features/_squares.py": ("fit",),
    "features/_store.py": COMMANDS,
    "fitting/_fit.py": ("fit",),
    "fitting/_from_shards.py": ("fit",),
    "data/_labels.py": ("fit",),
    "fitting/_prepare.py": LADDER,
    "model/_classifier_card.py": ("predict",),
    "model/_hub.py": ("push",),
    "model/_kind.py": ("predict",),
    "report/_figures.py": ("report",),
    "report/_page.py": ("report",),
    "report/sections/_explained.py": ("explain",),
    "report/sections/_record.py": ("predict",),
    "server": ("serve",),
    "sharding": ("embed", "predict"),
    "sharding/_predicting.py": ("predict",),
    "tracking": ("fit",),
    "tasks/_classes/_decision.py": ("fit",),
    "tasks/_classes/_finetuned.py": ("fit",),
    "tasks/_classes/_names.py": ("fit",),
    "tasks/_classes/_prompts.py": ("fit",),
    "tasks/_classes/_words.py": ("evaluate",),
    "tasks/_export.py": ("export",),
    "tasks/_said.py": ("fit", "evaluate"),
    "tasks/_maps/_training.py": ("fit",),
    "tasks/_maps/_words.py": ("evaluate",),
    "tasks/classification/_transfer.py": ("explain",),
    "tasks/classification/ladder/_climb.py": LADDER,
    "tasks/classification/strategies": ("fit",),
    "tasks/segmentation/decoder": ("fit",),
    "tasks/recognition/_finder.py": ("fit",),
    "tasks/recognition/faces": ("fit",),
    "tasks/detection/_words.py": ("predict",),
    "tasks/detection/checks/_boxes.py": ("fit",),
    "tasks/detection/explain/_explain.py": ("explain",),
    "tasks/detection/page/_answer.py": ("predict",),
    "tasks/detection/strategies": ("fit",),
    "tasks/segmentation/_strategies.py": ("fit",),
    "tasks/segmentation/_words.py": ("evaluate",),
    "tasks/segmentation/page": ("predict",),
    "tasks/segmentation/promptable": ("segment",),
    "tasks/segmentation/strategies": ("fit",),
    "tasks/text/_ladder.py": ("fit",),
    "tasks/text/_load.py": ("fit", "embed"),
    "tasks/text/_tuning.py": LADDER,
    "tasks/text/explain": ("explain",),
    "tasks/text/strategies": ("fit",),
    "train/_checkpoint.py": ("fit",),
    "train/_config.py": LADDER,
    "train/_loop.py": LADDER,
    "train/_run.py": ("fit",),
    "ui": ("ui",),
    "watching": ("watch",),
}
"""The commands whose user may read a text: by the file, by the file and function, or by the folder."""

NO_HINTS = {
    "cli/__init__.py:main": ("--debug",),
    "cli/_app.py:_main": ("--version",),
    "backbones/_transformers_files.py:parsed_config": ("--upgrade",),
    "data/_listing.py:class_texts": ("--notest",),
    "engines/_transformer/_converted.py": ("--upgrade",),
    "exporting/_runtime.py": ("--ignore-scripts", "--silent"),
    "exporting/_web.py": ("--directory",),
    "cli/_export.py": ("--directory",),
    "model/_migrations.py": ("--upgrade",),
}
"""What is an option of the whole program, or of another."""


@functools.cache
def texts() -> list[tuple[str, str, str]]:
    """File, innermost function, and every string in it that is no docstring."""
    return [
        found
        for file in sorted(SOURCE.rglob("*.py"))
        for found in _strings(ast.parse(file.read_text("utf-8")), file.relative_to(SOURCE).as_posix(), "")
    ]


def _strings(node: ast.AST, file: str, function: str) -> Iterator[tuple[str, str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        if isinstance(child, ast.JoinedStr):
            words = [each.value if isinstance(each, ast.Constant) else "X" for each in child.values]
            yield file, function, "".join(map(str, words))
            for each in child.values:
                if isinstance(each, ast.FormattedValue):
                    yield from _strings(each, file, function)
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield file, function, child.value
        inner = child.name if isinstance(child, ast.FunctionDef) else function
        yield from _strings(child, file, inner)


def hints() -> list[tuple[str, str, str, tuple[str, ...]]]:
    """File, text, option, and the commands whose option it must be."""
    found = []
    for file, function, text in texts():
        for match in OPTION.finditer(text):
            places = (f"{file}:{function}", file, file.rpartition("/")[0])
            if any(match.group() in NO_HINTS.get(place, ()) for place in places):
                continue
            named = NAMED.search(text[: match.start()])
            known = [WHERE[place] for place in places if place in WHERE]
            commands = (named.group(1),) if named else known[0] if known else None
            assert commands is not None, f"{file}, {function}: which command says {text!r}? Tell it in WHERE."
            found.append((file, text, match.group(), commands))
    return found


def test_an_option_that_a_hint_names_is_one_of_the_command(run: Run) -> None:
    options = {command: set(OPTION.findall(run(command, "--help").out)) for command in COMMANDS}
    options["fit"] |= {"--fit"}  # an old name, which its help leaves out
    for task in ("recognition", "segmentation"):
        options["fit"] |= set(OPTION.findall(run("fit", "--task", task, "--help").out))
    found = hints()
    missing = [
        f"{command} has no {option}: {file}: {text!r}"
        for file, text, option, commands in found
        for command in commands
        if option not in options[command] and option != "--task"  # hidden while there is but one
    ]
    assert missing == []
    assert {"--weights", "--allow-pickle", "--text", "--engine", "--resume", "--set"} <= {each[2] for each in found}


def test_a_table_row_that_nothing_needs_is_found() -> None:
    used = {place for file, function, _ in texts() for place in (f"{file}:{function}", file, file.rpartition("/")[0])}
    assert set(WHERE) <= used


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("`topwork check --write a.csv`", "check"),
        ("Sets: predict --coverage", "predict"),
        ("topwork report {model} --data {data} --check", "report"),
        ("a model with --data", None),
    ],
)
def test_which_command_a_text_names(text: str, command: str | None) -> None:
    named = NAMED.search(text[: OPTION.search(text).start()])  # type: ignore[union-attr]
    assert (named.group(1) if named else None) == command


@pytest.mark.parametrize("command", ["predict", "explain"])
@pytest.mark.parametrize("given", [("--weights", "random"), ("--allow-pickle",)])
def test_weights_of_a_model_are_its_own(run: Run, command: str, given: tuple[str, ...]) -> None:
    done = run(command, "MODEL", "a.jpg", *given)
    assert (done.code, done.out) == (2, "")
    assert f"{given[0]} is for --backbone; a model has its own weights" in done.err


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_preprocessing_of_a_model_is_its_own(run: Run, command: str) -> None:
    done = run(command, "MODEL", "a.jpg", "--preprocessing", "timm")
    assert (done.code, done.out) == (2, "")
    assert "--preprocessing is for --backbone; a model has its own preprocessing" in done.err


@pytest.mark.parametrize("command", ["predict", "explain", "check", "advise"])
def test_weights_that_are_not_there_are_told(run: Run, textile: Path, command: str) -> None:
    image = next(textile.rglob("*.jpg"))
    what = image if command in ("predict", "explain") else textile
    error, _ = run(command, "--backbone", "lite0", what, "--weights", "none.safetensors").failed()
    assert error == "none.safetensors: no such weights file"
    error, hint = run(command, "--backbone", "lite0", what, "--weights", __file__).failed()
    assert "weights are only read from .safetensors files" in error
    assert hint


@pytest.mark.parametrize("command", ["predict", "explain", "check", "advise"])
def test_a_pickle_is_read_where_that_is_allowed(run: Run, textile: Path, tmp_path: Path, command: str) -> None:
    """A pickle that is damaged is refused as such, and without the option as a pickle."""
    file = tmp_path / "weights.pth"
    file.write_bytes(b"no pickle")
    what = next(textile.rglob("*.jpg")) if command in ("predict", "explain") else textile
    given = (command, "--backbone", "lite0", what, "--weights", file)
    _, hint = run(*given).failed()
    assert hint.startswith("--allow-pickle reads only the weights in it")
    error, hint = run(*given, "--allow-pickle").failed()
    assert "--allow-pickle" not in error + hint


def test_a_text_tower_that_is_not_here_is_asked_for_by_its_own_option() -> None:
    from topwork.backbones import _hub, _text

    with pytest.raises(topwork.errors.TopworkError) as caught:
        _hub.fetch("nobody/nothing", _text.CONFIG, offline=True, option=_text._OPTION)
    assert "with --text the folder that holds it" in (caught.value.hint or "")
    assert "--weights" not in (caught.value.hint or "")
