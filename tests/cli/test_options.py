"""The command line of the options: made from the classes where they stand, complete, and heard by whom it says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from topwork.cli._commands import _each_set
from topwork.cli._fit import advise_options, fit_options
from topwork.cli._options import Option, fields, settings, strategies
from topwork.tasks.classification.ladder import AdviceOptions
from topwork.tasks.classification.strategies import (
    TEMPLATES,
    AsIsOptions,
    FinetuneOptions,
    ProbeOptions,
    ScratchOptions,
    ZeroShotOptions,
    default_config,
)
from topwork.train import TrainConfig

from .conftest import Run

ALL = ("auto", "probe", "finetune", "scratch", "as-is", "zero-shot")
TRAINERS = ("auto", "finetune", "scratch")
CLIMBERS = ("auto", "finetune")
PROBES = ("probe", "finetune")
CLASSES = (
    AdviceOptions(),
    FinetuneOptions(),
    ScratchOptions(),
    ProbeOptions(),
    AsIsOptions(),
    ZeroShotOptions(),
    TrainConfig(),
)

# Flag, a value in text, the fields that it sets of one strategy's options, the value, and whose it is.
FLAGS: list[tuple[str, str, str, list[str], Any, tuple[str, ...]]] = [
    ("--crop-mode", "pad", "auto", ["finetune.probe.crop_mode"], "pad", ALL),
    ("--crop-mode", "crop", "as-is", ["crop_mode"], "crop", ALL),
    ("--engine", "torch-cpu", "probe", ["engine"], "torch-cpu", ALL),
    ("--engine", "auto", "zero-shot", ["engine"], None, ALL),
    ("--cache", "", "finetune", ["probe.cache"], True, ALL),
    ("--no-cache", "", "finetune", ["probe.cache"], False, ALL),
    ("--seed", "7", "finetune", ["probe.seed", "config.seed"], 7, ALL),
    ("--seed", "7", "auto", ["finetune.probe.seed", "finetune.config.seed"], 7, ALL),
    ("--class-weight", "none", "auto", ["finetune.probe.class_weight"], "none", ("auto", *PROBES, "scratch")),
    ("--stages", "all", "probe", ["stages"], "all", PROBES),
    ("--stages", "a.1, b", "finetune", ["probe.stages"], ("a.1", "b"), PROBES),
    ("--pooling", "max", "probe", ["pooling"], "max", PROBES),
    ("--head", "knn", "probe", ["head"], "knn", PROBES),
    ("--unfreeze", "3", "finetune", ["unfreeze"], 3, CLIMBERS),
    ("--unfreeze", "all", "auto", ["finetune.unfreeze"], "all", CLIMBERS),
    ("--augment", "colour", "auto", ["finetune.augment"], "colour", TRAINERS),
    ("--orient", "any", "finetune", ["orient"], "any", TRAINERS),
    ("--epochs", "5", "auto", ["finetune.config.epochs"], 5, TRAINERS),
    ("--schedule", "plateau", "auto", ["finetune.config.schedule"], "plateau", TRAINERS),
    ("--budget", "2m", "auto", ["budget_seconds"], 120.0, TRAINERS),
    ("--budget", "1.5", "finetune", ["config.budget_seconds"], 1.5, TRAINERS),
    ("--resume", "", "finetune", ["resume"], True, ("finetune", "scratch")),
    ("--map", '{"a": ["cat", 3]}', "as-is", ["class_map"], {"a": ["cat", 3]}, ("as-is",)),
    ("--labels", "a cat,a dog", "zero-shot", ["labels"], ("a cat", "a dog"), ("zero-shot",)),
    ("--descriptions", "a: b", "zero-shot", ["descriptions"], {"a": ("b",)}, ("zero-shot",)),
    ("--prompts", "a {}.", "zero-shot", ["templates"], ("a {}.",), ("zero-shot",)),
    ("--text", "somewhere", "zero-shot", ["text"], "somewhere", ("zero-shot",)),
    ("--blend", "", "zero-shot", ["blend"], True, ("zero-shot",)),
]
OWNERS = {flag: owners for flag, *_, owners in FLAGS if flag != "--no-cache"}


@pytest.fixture
def asked(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The options that a command line comes to; nothing is fitted."""

    def asked(*given: object, command: str = "fit") -> Any:
        taken: dict[str, Any] = {}

        def take(data: object, **more: Any) -> None:
            taken.update(more)
            raise SystemExit(7)

        monkeypatch.setattr(f"topwork.fitting.{command}", take)
        out = ("-o", tmp_path / "model") if command == "fit" else ()
        done = run(command, "no such data", *out, *given)
        assert done.code == 7, done
        return taken["options"]

    return asked


def at(options: Any, path: str) -> Any:
    """The value at the end of a path of fields."""
    for name in path.split("."):
        options = getattr(options, name)
    return options


@pytest.mark.parametrize("options", CLASSES, ids=lambda options: type(options).__name__)
def test_every_field_of_every_options_class_has_help(options: Any) -> None:
    told = list(fields(options))
    names = type(options).model_fields if isinstance(options, TrainConfig) else dataclasses.fields(options)
    assert len(told) == len(names)
    for name, _, more, description in told:
        helps = [each.help for each in more if isinstance(each, Option)]
        assert description or all(helps), name
        assert description or len(helps) == 1, name


def test_the_strategies_and_whose_each_flag_is() -> None:
    assert tuple(each.name for each in strategies()) == ALL
    flags = {flag: tuple(who) for flag, who in fit_options()._flags.items()}
    assert flags.pop("--fit") == ALL
    assert flags == OWNERS


@pytest.mark.parametrize(("flag", "text", "strategy", "paths", "value", "owners"), FLAGS)
def test_a_flag_reaches_its_fields_and_no_others(
    asked: Any, tmp_path: Path, flag: str, text: str, strategy: str, paths: list[str], value: Any, owners: Any
) -> None:
    if flag in ("--map", "--descriptions", "--prompts"):
        (tmp_path / "file").write_text(text, "utf-8")
        text = str(tmp_path / "file")
    options = asked("--strategy", strategy, flag, *([text] if text else []))
    plain = asked("--strategy", strategy)
    unused = next(each.unused for each in strategies() if each.name == strategy)
    for each in settings(options, unused):
        path = ".".join(each.path)
        assert at(options, path) == (value if path in paths else at(plain, path)), path
    assert strategy in owners


@pytest.mark.parametrize("flag", OWNERS)
@pytest.mark.parametrize("strategy", ALL)
def test_a_flag_is_refused_by_whoever_does_not_read_it(run: Run, flag: str, strategy: str) -> None:
    if strategy in OWNERS[flag]:
        return
    text = {
        "--epochs": "3",
        "--schedule": "cosine",
        "--head": "knn",
        "--pooling": "max",
        "--augment": "none",
        "--orient": "none",
    }
    value = () if flag in ("--resume", "--blend") else (text.get(flag, "none"),)
    done = run("fit", "no such data", "-o", "OUT", "--strategy", strategy, flag, *value)
    assert done.code == 2
    assert f"{flag} is for --strategy {', '.join(OWNERS[flag])}, not for {strategy}" in done.err


def test_without_flags_the_options_are_the_classes_own(asked: Any, tmp_path: Path) -> None:
    training = tmp_path / "model.training"
    assert asked() == AdviceOptions(describe=False)
    assert asked("--strategy", "probe") == ProbeOptions()
    assert asked("--strategy", "finetune") == FinetuneOptions(checkpoint=training)
    assert asked("--strategy", "as-is") == AsIsOptions()
    assert asked("--strategy", "zero-shot") == ZeroShotOptions()
    assert asked(command="advise") == AdviceOptions()


def test_what_belongs_together_comes_together(asked: Any) -> None:
    options = asked("--seed", 3, "--budget", "1h", "--augment", "none", "--set", "learning_rate=3e-4", command="advise")
    config = default_config(seed=3, learning_rate=3e-4)
    tuning = FinetuneOptions(augment="none", config=config, probe=ProbeOptions(seed=3))
    assert options == AdviceOptions(budget_seconds=3600.0, finetune=tuning)


@pytest.mark.parametrize("command", ["fit", "advise"])
def test_the_former_name_of_a_flag_works_with_a_note(run: Run, asked: Any, command: str) -> None:
    assert asked("--fit", "pad", command=command) == asked("--crop-mode", "pad", command=command)
    out = ("-o", "OUT") if command == "fit" else ()
    said = "note: --fit is now called --crop-mode; the next version accepts only the new name\n"
    assert run(command, "no such data", *out, "--fit", "pad").err.startswith(said)
    assert said not in run(command, "no such data", *out, "--fit", "pad", "--quiet").err
    assert said not in run(command, "no such data", *out, "--crop-mode", "pad").err
    assert "--fit" not in run(command, "--help").out


@pytest.mark.parametrize("command", ["fit", "advise"])
def test_both_names_of_one_setting_are_a_wrong_command_line(run: Run, command: str) -> None:
    out = ("-o", "OUT") if command == "fit" else ()
    for given in (("--fit", "crop", "--crop-mode", "pad"), ("--crop-mode", "pad", "--fit", "crop")):
        done = run(command, "no such data", *out, *given)
        assert (done.code, done.out) == (2, "")
        assert "--fit is the old name of --crop-mode; give only --crop-mode" in done.err


@pytest.mark.parametrize(
    ("strategy", "text", "path", "value"),
    [
        ("finetune", "views=4", "views", 4),
        ("finetune", "validation=0.2", "validation", 0.2),
        ("auto", "validation=0.2", "finetune.validation", 0.2),
        ("finetune", "learning_rate=3e-4", "config.learning_rate", 3e-4),
        ("auto", "schedule=constant", "finetune.config.schedule", "constant"),
        ("finetune", "ema_decay=0.99", "config.ema_decay", 0.99),
        ("finetune", "clip=null", "config.clip", None),
        ("finetune", "clip=none", "config.clip", None),
        ("finetune", "patience=3", "config.patience", 3),
        ("finetune", "channels_last=false", "config.channels_last", False),
        ("finetune", "seed=5", "config.seed", 5),
        ("finetune", "probe.seed=5", "probe.seed", 5),
        ("finetune", "config.seed=5", "config.seed", 5),
        ("finetune", "budget_seconds=60", "config.budget_seconds", 60.0),
        ("auto", "budget_seconds=1m", "budget_seconds", 60.0),
        ("auto", "describe=true", "describe", True),
        ("finetune", "stages=blocks.2,blocks.4", "probe.stages", ("blocks.2", "blocks.4")),
        ("as-is", "way=learnt", "way", "learnt"),
        ("as-is", "engine=auto", "engine", None),
        ("zero-shot", "calibrate=false", "calibrate", False),
        ("zero-shot", "labels=a cat,a dog", "labels", ("a cat", "a dog")),
        ("probe", "seed=5", "seed", 5),
    ],
)
def test_any_setting_can_be_set_by_its_name(
    asked: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, strategy: str, text: str, path: str, value: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    options = asked("--strategy", strategy, "--set", text)
    plain = asked("--strategy", strategy)
    assert at(options, path) == value
    different = [each.path for each in settings(options) if each.default != at(plain, ".".join(each.path))]
    assert different in ([], [tuple(path.split("."))])


def test_a_setting_goes_before_a_flag(asked: Any) -> None:
    options = asked("--strategy", "finetune", "--epochs", 3, "--seed", 3, "--set", "epochs=5", "--set", "seed=5")
    assert (options.config.epochs, options.config.seed, options.probe.seed) == (5, 5, 3)


@pytest.mark.parametrize(
    ("strategy", "text", "said"),
    [
        ("auto", "learning_rat=1", "there is no setting 'learning_rat'; did you mean learning_rate?"),
        ("finetune", "weight_dcay=1", "did you mean weight_decay"),
        ("auto", "foo=1", "there is no setting 'foo'; see --set help"),
        ("auto", "=1", "there is no setting ''; see --set help"),
        ("auto", "stages=last", "--set stages is for --strategy probe, finetune, not for auto"),
        ("probe", "learning_rate=1", "--set learning_rate is for --strategy auto, finetune, scratch, not for probe"),
        ("auto", "config.budget_seconds=1", "is for --strategy finetune, scratch, not for auto"),
        ("auto", "views", "--set takes NAME=VALUE, or help, not 'views'"),
        ("auto", "learning_rate=-1", "--set learning_rate takes a number, more than 0, not '-1'"),
        ("auto", "learning_rate=inf", "--set learning_rate takes a number, more than 0, not 'inf'"),
        ("auto", "learning_rate=nan", "not 'nan'"),
        ("auto", "learning_rate=", "not ''"),
        ("auto", "epochs=1.5", "--set epochs takes a whole number, 1 or more, not '1.5'"),
        ("auto", "epochs=0", "--set epochs takes a whole number, 1 or more, not '0'"),
        ("auto", "momentum=1", "--set momentum takes a number, 0 or more and less than 1, not '1'"),
        ("auto", "validation=1", "--set validation takes a number, more than 0 and less than 1, not '1'"),
        ("auto", "views=-1", "--set views takes a whole number, 0 or more, not '-1'"),
        ("auto", "ema_decay=much", "--set ema_decay takes a number, more than 0 and less than 1, or none, not 'much'"),
        ("auto", "schedule=cosin", "--set schedule takes cosine, constant, one-cycle or plateau, not 'cosin'"),
        ("scratch", "unfreeze=2", "--set unfreeze is for --strategy auto, finetune, not for scratch"),
        ("scratch", "head.hidden=2", "--set head.hidden is for --strategy probe, finetune, not for scratch"),
        ("scratch", "stages=all", "--set stages is for --strategy probe, finetune, not for scratch"),
        ("auto", "schedule.factor=2", "--set schedule.factor takes a number, more than 0 and less than 1, not '2'"),
        ("auto", "schedule.patience=-1", "--set schedule.patience takes a whole number, 0 or more, not '-1'"),
        ("finetune", "schedule.factor=0.2", "schedule.factor is for --schedule plateau"),
        ("finetune", "schedule.facto=0.2", "did you mean schedule.factor"),
        ("auto", "cache=perhaps", "--set cache takes true or false, not 'perhaps'"),
        ("auto", "unfreeze=-1", "--set unfreeze takes a number of stages, all or auto, not '-1'"),
        ("auto", "budget_seconds=soon", "--set budget_seconds takes a time such as 90s, 5m or 1h, not 'soon'"),
        ("finetune", "checkpoint=elsewhere", "there is no setting 'checkpoint'"),
        ("auto", "\x1b[31m=1", "there is no setting '\\x1b[31m'"),
    ],
)
def test_a_wrong_setting_is_a_wrong_command_line(run: Run, strategy: str, text: str, said: str) -> None:
    done = run("fit", "no such data", "-o", "OUT", "--strategy", strategy, "--set", text)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not Path("OUT").exists()


def test_one_set_takes_several_settings() -> None:
    given = ["--schedule", "plateau", "--set", "schedule.factor=0.2", "schedule.patience=5", "--resume", "a=b"]
    assert _each_set(given) == [*given[:4], "--set", *given[4:]]
    assert _each_set(["a=b", "--set", "help", "c=d"]) == ["a=b", "--set", "help", "c=d"]


def test_set_help_lists_every_setting_and_needs_nothing_else(run: Run) -> None:
    done, told = run("fit", "--set", "help"), run("fit", "--set", "help", "--json").json["settings"]
    assert (done.code, done.err) == (0, "")
    assert "learning_rate = 0.001                       a number, more than 0\n" in done.out
    assert "Peak learning rate of the layer nearest the output. For auto, finetune, scratch.\n" in done.out
    assert "ema_decay = none " in done.out
    by_name = {name: [row for row in told if row["name"] == name] for name in (row["name"] for row in told)}
    for options in CLASSES:
        for each in settings(options, ("checkpoint",)):  # the command line's own: it removes that folder
            name = each.option.name or each.path[-1]
            rows = by_name[name] + by_name.get("probe.seed", [])
            assert any(row["help"] and row["values"] == each.takes for row in rows), each.path
            assert f"{name} = " in done.out
    plain = {name for name in TrainConfig.model_fields if not name.startswith("plateau_")}
    assert plain | {"schedule.factor", "schedule.patience"} <= set(by_name)
    told_epochs = [(row["default"], row["strategies"], row["values"]) for row in by_name["epochs"]]
    kind = "a whole number, 1 or more"
    assert told_epochs == [(8, ["auto", "finetune"], kind), (30, ["scratch"], kind)]
    assert [row["strategies"] for row in by_name["crop_mode"]] == [list(ALL)]
    assert by_name["engine"][0]["default"] == "auto"
    assert by_name["templates"][0]["default"] == list(TEMPLATES)
    assert by_name["describe"][0]["default"] is False


def test_set_help_of_advice_has_what_the_climb_reads(run: Run) -> None:
    told = run("advise", "--json", "--set", "help").json["settings"]
    assert {row["name"] for row in told} >= {"budget_seconds", "views", "learning_rate", "crop_mode"}
    assert not {row["name"] for row in told} & {"stages", "head", "resume", "labels"}
    assert next(row["default"] for row in told if row["name"] == "describe") is True


@pytest.mark.parametrize(("command", "line"), [("fit", fit_options), ("advise", advise_options)])
def test_the_help_names_every_flag_with_its_choices(run: Run, command: str, line: Any) -> None:
    text = " ".join(run(command, "--help").out.split())
    for flag, readers in line()._flags.items():
        first = next(iter(readers.values()))[0]
        assert (f"{flag} " in text) == (flag != "--fit"), flag
        assert flag == "--fit" or "|".join(first.choices) in text, flag
    assert "--strategy <auto|probe|finetune|scratch|as-is|zero-shot>" in text or command == "advise"
    assert "[default: 8; x>=1]" in text or command == "fit"  # scratch has another


def test_thumbnails_are_kept_on_request_and_need_data(run: Run, textile: Path, tmp_path: Path) -> None:
    done = run("fit", textile, "-o", tmp_path / "model", "--strategy", "probe", "--thumbnails", "--lang", "ko")
    assert done.code == 0
    assert "섬네일이 모델 폴더에 있습니다" in done.err
    assert (tmp_path / "model" / "neighbours.safetensors").exists()
    refused = run("fit", "-o", tmp_path / "other", "--strategy", "zero-shot", "--labels", "a,b", "--thumbnails")
    assert refused.code == 2
    assert "--thumbnails needs DATA" in refused.err
