"""What each command does, says and gives as JSON."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import CLASSES, copied, easy_folder, photos, textiles
from topwork import __version__, load_backbone
from topwork.data import read
from topwork.fitting import held_out_again
from topwork.tasks import load
from topwork.tasks.classification._sample import sample

from .conftest import TOPWORK, Run

COMMANDS = ("check", "advise", "fit", "evaluate", "embed", "report", "predict", "models", "doctor", "demo", "embed")
QUICK = ("--strategy", "probe", "--stages", "last", "--crop-mode", "crop")


def test_help_and_version(spawn: Run) -> None:
    assert spawn("--version").out == f"topwork {__version__}\n"
    text = spawn("--help")
    assert (text.code, text.err) == (0, "")
    assert all(name in text.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_the_common_options(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert all(option in done.out for option in ("--json", "--quiet", "--debug"))


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'timm', 'openvino', 'sklearn', 'numpy.random', 'pydantic', 'PIL'}"
    code = f"import sys, topwork.cli; print(sorted({heavy} & set(sys.modules) - {{'numpy.random'}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_fit_says_how_good_where_and_what_next(run: Run, textile: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    done = run("fit", textile, "-o", out, "--strategy", "probe")
    assert (done.code, done.err) == (0, "")  # no notes, and no progress where nobody watches
    assert done.out.startswith("48 training images in 3 classes\n")
    assert "Accuracy on 12 held-out images (test): " in done.out
    assert done.out.endswith(f"Model: {out}\nPage:  {out / 'report.html'}\nNext:  topwork predict {out} IMAGE...\n")
    assert load(out).classes == CLASSES


def test_fit_compares_backbones(run: Run, textile: Path, tmp_path: Path) -> None:
    done = run(
        *("fit", textile, "-o", tmp_path / "model", *QUICK, "--size", "64"),
        *("--backbone", "lite0, lite1"),
    )
    assert "Backbone, by cross-validation: tf_efficientnet_lite0 (" in done.out
    assert done.out.splitlines()[1].count("chosen") == 1


def test_fit_refuses_what_would_be_a_lie_and_may_be_told_to_go_on(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data", count=10)
    shutil.copyfile(sorted((data / "photo").iterdir())[0], data / "textile" / "again.jpg")
    asked = ("fit", data, "-o", tmp_path / "model", *QUICK)
    done = run(*asked)
    assert (done.code, done.out) == (1, "")
    assert (
        "error: the measured accuracy would be misleading: 2 images are exact copies under different labels."
        in done.err
    )
    assert "--allow label-conflicts trains anyway" in done.err
    allowed = run(*asked, "--allow", "label-conflicts", "--allow", "leakage")
    assert allowed.code == 0
    assert "note: label-conflicts: 2 images are exact copies" in allowed.err


def test_fit_as_json_is_the_record(run: Run, textile: Path, tmp_path: Path) -> None:
    done = run("fit", textile, "-o", tmp_path / "model", "--json", *QUICK)
    record = json.loads((tmp_path / "model" / "model.json").read_text("utf-8"))
    assert done.err == ""
    assert done.json == {"model": str(tmp_path / "model"), **record}


def test_the_options_of_fit_reach_the_model(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data")
    given = ["--head", "knn", "--stages", "blocks.2, blocks.4", "--pooling", "max", "--crop-mode", "pad", "--seed", "5"]
    given += ["--test", "0.5", "--size", "96", "--engine", "torch-cpu", "--no-cache", "--class-weight", "none"]
    record = run("fit", data, "-o", tmp_path / "m", "--json", "--strategy", "probe", *given).json
    assert (record["head"], record["seed"], record["outputs"]) == ("knn", 5, ["blocks.2/max", "blocks.4/max"])
    assert record["backbone"]["preprocessing"]["crop_mode"] == "pad"
    assert record["backbone"]["preprocessing"]["size"] == 96
    assert record["engine"] == {"name": "torch-cpu", "precision": "f32", "deviation": None}
    assert record["data"]["held_out"] == 8
    assert not (tmp_path / "m" / "backbone.safetensors").exists()


def test_timms_preprocessing_is_the_models_too(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data")
    given = ["--strategy", "probe", "--stages", "last", "--size", "96", "--preprocessing", "timm"]
    record = run("fit", data, "-o", tmp_path / "m", "--json", *given).json
    told = load_backbone("lite0", size=96, preprocessing="timm").preprocessing
    assert record["backbone"]["preprocessing"] == json.loads(json.dumps(told.to_dict()))
    assert not [trial for trial in record["trials"] if trial["question"] == "crop_mode"]  # timm's own, not measured
    assert load(tmp_path / "m").backbone.preprocessing == told
    assert ", timm)" in (tmp_path / "m" / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_fit_self_contained(run: Run, tmp_path: Path) -> None:
    data = easy_folder(tmp_path / "data")
    assert run("fit", data, "-o", tmp_path / "m", "--self-contained", *QUICK).code == 0
    assert (tmp_path / "m" / "backbone.safetensors").stat().st_size > 10_000_000


def test_notes_go_to_stderr_unless_quiet(run: Run, tmp_path: Path) -> None:
    data = easy_folder(tmp_path / "data")
    (data / "photo" / "broken.jpg").touch()
    loud = run("fit", data, "-o", tmp_path / "m", *QUICK)
    assert "note: left out: photo/broken.jpg: an empty file (0 bytes)\n" in loud.err
    assert "; 1 file left out\n" in loud.out
    quiet = run("fit", data, "-o", tmp_path / "m", "--quiet", *QUICK)
    assert (quiet.code, quiet.err, quiet.out) == (0, "", loud.out)


def test_evaluate(run: Run, model: Path, tmp_path: Path) -> None:
    for label in CLASSES:
        copied(textiles(label)[40:44], tmp_path / "data" / label)
    (tmp_path / "data" / "local" / "bad.jpg").write_text("no")
    done = run("evaluate", model, tmp_path / "data")
    assert (done.code, done.err) == (0, "")
    assert "on 12 images" in done.out
    assert "left out: local/bad.jpg: not an image" in done.out
    fields = run("evaluate", model, tmp_path / "data", "--json").json
    assert fields["n"] == 12
    assert fields["left_out"] == [{"path": "local/bad.jpg", "reason": "not an image: it starts with 'no'"}]
    assert [report["name"] for report in fields["per_class"]] == list(CLASSES)


def test_evaluate_notes_what_is_not_measured(run: Run, model: Path, tmp_path: Path) -> None:
    copied(textiles("local")[40:44], tmp_path / "local")
    done = run("evaluate", model, tmp_path)
    assert done.err == "note: no image of 2 classes: 'global', 'nominal': there is nothing to measure for them\n"


def test_evaluate_measures_the_held_out_part_and_says_so(run: Run, model: Path, tmp_path: Path) -> None:
    for label in CLASSES:
        copied(textiles(label)[:4], tmp_path / "train" / label)
        copied(textiles(label)[40:43], tmp_path / "val" / label)
        copied(textiles(label)[50:52], tmp_path / "test" / label)
    done = run("evaluate", model, tmp_path)
    assert " on 6 images (test)\n" in done.out
    assert run("evaluate", model, tmp_path, "--json").json["split"] == "test"
    shutil.rmtree(tmp_path / "test")
    assert run("evaluate", model, tmp_path, "--json").json["n"] == 9
    shutil.rmtree(tmp_path / "val")
    assert (run("evaluate", model, tmp_path).err, run("evaluate", model, tmp_path, "--json").json["n"]) == ("", 12)


def test_evaluate_measures_what_did_not_train_the_model_of_its_own_data(run: Run, model: Path, textile: Path) -> None:
    done = run("evaluate", model, textile)
    assert done.code == 0
    assert done.err == "note: the model was made from this data; the 12 images that did not train it are measured\n"
    fields = run("evaluate", model, textile, "--json").json
    told = load(model).record.task.metrics
    assert told is not None
    assert (fields["n"], fields["split"], fields["seen_in_training"]) == (12, "test", False)
    assert fields["confusion"] == told["confusion"]


def test_evaluate_says_when_the_model_was_trained_on_all_of_the_data(
    run: Run, tmp_path: Path, shared_cache: Path
) -> None:
    data = easy_folder(tmp_path / "data")
    run("fit", data, "-o", tmp_path / "m", "--test", "0", *QUICK)
    done = run("evaluate", tmp_path / "m", data)
    assert done.code == 0
    assert done.out.startswith(
        "16 of 16 images were used to train this model, so these figures are better than they would be on new images\n"
    )
    assert run("evaluate", tmp_path / "m", data, "--json").json["seen_in_training"] is True


def test_evaluate_says_how_many_of_the_images_trained_the_model(
    run: Run, model: Path, textile: Path, tmp_path: Path
) -> None:
    """Under other names and in another folder: only their content tells."""
    held_out = held_out_again(load(model), read(textile))
    assert held_out is not None
    trained = [path for path in sorted(textile.rglob("*.jpg")) if str(path.relative_to(textile)) not in held_out.paths]
    for place, path in enumerate(trained[::8]):
        copied([path], tmp_path / path.parent.name).joinpath(path.name).rename(
            tmp_path / path.parent.name / f"{place}.jpg"
        )
    done = run("evaluate", model, tmp_path)
    assert done.out.startswith(
        "6 of 6 images were used to train this model, so these figures are better than they would be on new images\n"
    )
    copied([held_out.full_path(0), held_out.full_path(1)], tmp_path / "local")
    fields = run("evaluate", model, tmp_path, "--json").json
    assert (fields["trained"], fields["n"], fields["seen_in_training"]) == (6, 8, True)
    assert fields["caveats"] == [
        "6 of 8 images were used to train this model, so these figures are better than they would be on new images"
    ]
    two = run("evaluate", model, model, tmp_path)
    assert two.err.count("6 of 8 images were used to train this model") == 2


def test_evaluate_with_an_older_model_claims_nothing_of_its_images(
    run: Run, model: Path, textile: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(model, tmp_path / "older"))
    (older / "training.safetensors").unlink()
    fields = json.loads((older / "model.json").read_text("utf-8"))
    del fields["data"]["held_out_contents"]
    (older / "model.json").write_text(json.dumps(fields), "utf-8")
    part = copied(sorted((textile / "local").iterdir())[:5], tmp_path / "data" / "local").parent
    found = run("evaluate", older, part, "--json").json
    assert (found["trained"], found["seen_in_training"], found["caveats"]) == (None, False, [])
    assert run("evaluate", older, textile).out.startswith("The model was trained on most of these images")


def test_check_writes_a_page_with_pictures(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data", first="<b>photo", count=10)
    shutil.copyfile(photos()[0], data / "textile" / "x.jpg")
    page = tmp_path / "page.html"
    done = run("check", data, "--report", page)
    assert done.code == 0
    assert done.out.endswith(f"Page: {page}\n")
    text = page.read_text("utf-8")
    assert "label-conflicts" in text
    assert "data:image/" in text
    assert "<b>photo" not in text
    again = run("check", data, "--report", photos()[0], "--no-cache")
    assert again.code == 1
    assert "already exists and is not a page of topwork's; it was not changed" in again.err


@pytest.mark.parametrize(("option", "name"), [("--report", "photo.html"), ("--write", "photo.csv")])
def test_check_refuses_a_wrong_place_before_any_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, name: str
) -> None:
    data = easy_folder(tmp_path / "data", count=3)
    (tmp_path / name).write_bytes(b"precious")
    monkeypatch.setattr("topwork.checking.check", lambda *_, **__: pytest.fail("the work began"))
    assert "it was not changed" in run("check", data, option, tmp_path / name).failed()[0]
    assert (tmp_path / name).read_bytes() == b"precious"


def test_check_finds_a_copy_and_a_damaged_file(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data")
    shutil.copyfile(data / "textile" / "textile_0001.jpg", data / "photo" / "copy.jpg")
    (data / "photo" / "broken.jpg").touch()
    done = run("check", data)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("17 of 18 images in 2 classes can be used\n")
    assert "photo/copy.jpg" in done.out
    assert "photo/broken.jpg" in done.out
    assert run("check", data, "--json").json["data"] == str(data)


def test_predict_gives_a_line_an_image(run: Run, spawn: Run, model: Path) -> None:
    files = [textiles(label)[30] for label in CLASSES]
    done = spawn("predict", model, *files)
    lines = [line.split("\t") for line in done.out.splitlines()]
    expected = load(model).predict(files)
    assert [line[0] for line in lines] == list(map(str, files))
    assert [(line[1], line[2]) for line in lines] == [(p.label, f"{p.probability:.4f}") for p in expected]
    objects = [json.loads(line) for line in run("predict", model, *files, "--json").out.splitlines()]
    assert [each["source"] for each in objects] == list(map(str, files))
    assert objects[0].keys() == {"source", "label", "probability", "probabilities", "typicality", "unfamiliar"}


def test_fault_59_a_bad_image_is_named_and_the_others_are_predicted(run: Run, model: Path, tmp_path: Path) -> None:
    cut, good = tmp_path / "cut.jpg", textiles("local")[30]
    cut.write_bytes(good.read_bytes()[:2000])
    done = run("predict", model, cut, good, tmp_path / "none.jpg")
    assert done.code == 1
    assert done.out == run("predict", model, good).out
    assert done.err.splitlines()[0].startswith(f"error: {cut}: damaged JPEG")
    assert done.err.splitlines()[1] == f"error: {tmp_path}/none.jpg: no such file"
    assert done.err.splitlines()[2] == "error: 2 images could not be used"
    assert done.err.splitlines()[3].startswith("hint: ")
    as_json = run("predict", model, cut, "--json")
    assert as_json.json["source"] == str(cut)
    assert "damaged JPEG" in as_json.json["error"]
    assert as_json.err.startswith("error: 1 image could not be used\n")


@pytest.mark.parametrize("end", [b"\n", b"", b"\r\n"], ids=["newline", "no last newline", "CRLF"])
def test_predict_reads_names_from_stdin(run: Run, model: Path, end: bytes) -> None:
    files = [str(textiles(label)[30]) for label in CLASSES]
    between = end or b"\n"
    stdin = between.join(name.encode() for name in files) + end
    done = run("predict", model, "--stdin", stdin=stdin)
    assert (done.code, done.err) == (0, "")
    assert done.out == run("predict", model, *files).out


def test_blank_lines_and_no_lines_on_stdin(run: Run, model: Path) -> None:
    file = str(textiles("local")[30])
    assert len(run("predict", model, "--stdin", stdin=f"\n\n{file}\n \n".encode()).out.splitlines()) == 1
    nothing = run("predict", model, "--stdin")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "")


def test_a_name_is_answered_while_stdin_stays_open(run: Run, model: Path) -> None:
    """As a program on the other end of a pipe needs it."""
    with subprocess.Popen([*TOPWORK, "predict", model, "--stdin"], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for label in CLASSES:
            process.stdin.write(f"{textiles(label)[30]}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(str(textiles(label)[30]))
        process.stdin.close()
    assert process.returncode == 0


def test_fault_9_names_that_would_break_the_line_are_escaped(spawn: Run, model: Path, tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"\x1b[31mred.jpg", b"two\nlines.jpg", b"[bold]x[-]\t.jpg"]
    for name in names:
        shutil.copyfile(textiles("local")[30], tmp_path / name.decode("utf-8", "surrogateescape"))
    files = [f"{tmp_path}/" + name.decode("utf-8", "surrogateescape") for name in names]
    done = spawn("predict", model, *files)
    shown = [line.split("\t")[0].removeprefix(f"{tmp_path}/") for line in done.out.splitlines()]
    assert shown == ["caf\\xe9.jpg", "\\x1b[31mred.jpg", "two\\nlines.jpg", "[bold]x[-]\\t.jpg"]
    objects = [json.loads(line) for line in spawn("predict", model, *files, "--json").out.splitlines()]
    assert [each["source"] for each in objects] == files
    piped = spawn("predict", model, "--stdin", stdin=f"{tmp_path}/".encode() + names[0] + b"\n")
    assert piped.out.startswith(f"{tmp_path}/caf\\xe9.jpg\t")


def test_fault_8_class_names_that_would_steer_a_terminal_are_escaped(run: Run, tmp_path: Path) -> None:
    name = "\x1b[31m[red]\n<b>"
    data = easy_folder(tmp_path / "data", first=name)
    done = run("fit", data, "-o", tmp_path / "m", *QUICK)
    assert done.code == 0
    texts = [done, run("predict", tmp_path / "m", photos()[15]), run("evaluate", tmp_path / "m", data)]
    texts += [run("evaluate", tmp_path / "m", easy_folder(tmp_path / "other", first="\x1b[2Jx"))]
    assert all("\x1b" not in text.out + text.err for text in texts)
    assert "\\x1b[31m[red]\\n<b>" in texts[1].out
    assert len(texts[1].out.splitlines()) == 1
    assert texts[3].failed()[0].startswith("class '\\x1b[2Jx' is not one that the model knows")
    assert run("predict", tmp_path / "m", photos()[15], "--json").json["label"] == name


def test_json_is_json_and_text_is_printed_in_any_encoding(run: Run, tmp_path: Path) -> None:
    name = "é😀\x81漢"
    data = easy_folder(tmp_path / "data", first=name)
    assert run("fit", data, "-o", tmp_path / "m", *QUICK).code == 0
    command = [*TOPWORK, "predict", str(tmp_path / "m"), str(photos()[15])]
    for encoding in ("ascii", "cp1252"):
        environ = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
        plain = subprocess.run(command, capture_output=True, check=True, env=environ)
        assert len(plain.stdout.decode(encoding).splitlines()) == 1
        if encoding == "ascii":  # JSON is written the same for all that are not UTF-8
            continue
        as_json = subprocess.run([*command, "--json"], capture_output=True, check=True, env=environ)
        assert json.loads(as_json.stdout.decode(encoding))["label"] == name


def test_models(run: Run) -> None:
    done = run("models")
    assert all(name in done.out for name in ("lite0", "vgg16", "dinov3-s", "sam-b"))
    assert "(!) This licence has special terms" in done.out
    rows = run("models", "--json").json["models"]
    assert rows[0]["alias"] == "lite0"
    assert {"family", "year", "paper"} & rows[0]["family"].keys()
    assert {"parameters", "gmacs", "top1", "stages", "hub", "free", "method"} <= rows[0].keys()


def test_models_says_which_work_offline(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def offline() -> list[str]:
        found = run("models", "--reads", "image", "--json").json["models"]
        return [row["alias"] for row in found if row["offline"]]

    assert offline() == ["lite0", "lite1", "lite2"]
    folder = tmp_path / "models--timm--resnet18.a1_in1k"  # as the hub's client lays a fetched file down
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (folder / "snapshots" / ("0" * 40) / "model.safetensors").write_bytes(b"")
    assert offline() == ["lite0", "lite1", "lite2", "resnet18"]
    line = next(each for each in run("models").out.splitlines() if each.startswith("resnet50 "))
    assert line.split()[-1] == "-"


def test_models_by_what_they_are(run: Run) -> None:
    asked = ("models", "--family", "resnet", "--max-params", "30", "--licence", "free", "--method", "supervised")
    assert [row["alias"] for row in run(*asked, "--json").json["models"]] == ["resnet18", "resnet50"]
    assert "(!)" not in run(*asked).out
    assert "No backbone in the catalogue matches" in run(*asked, "--max-gmacs", "0.1").out
    wrong = run("models", "--family", "resnett")
    assert (wrong.code, wrong.out) == (1, "")
    assert "error: no family is called 'resnett'" in wrong.err


def test_models_tells_one(run: Run) -> None:
    assert "blocks.6" in run("models", "lite1").out
    assert run("models", "lite1", "--json").json["name"] == "tf_efficientnet_lite1"
    told = run("models", "dinov3-s").out
    assert "Licence DINOv3 License has special terms" in told
    assert "Hugging Face hub: timm/vit_small_patch16_dinov3.lvd1689m" in told
    assert run("models", "resnet26", "--json").json["embedding"] == 2048  # timm's, with random weights: no network


@pytest.mark.slow
def test_an_unknown_backbone_lists_the_nearest(run: Run, textile: Path, tmp_path: Path) -> None:
    error, hint = run("fit", textile, "-o", tmp_path / "m", "--backbone", "resnt50").failed()
    assert error == "no backbone is called 'resnt50'"
    assert hint.startswith("did you mean resnet50, ")


@pytest.mark.slow
def test_doctor(run: Run) -> None:
    fields = run("doctor", "--json").json
    assert fields["well"] is True
    assert {"topwork", "weights", "engine", "cache"} <= {finding["subject"] for finding in fields["findings"]}


@pytest.mark.slow
def test_doctor_of_an_unwritable_cache(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("doctor", TOPWORK_CACHE=str(tmp_path / "file" / "cache"))
    assert done.code == 1
    marked = {line.split()[1] for line in done.out.splitlines() if line.startswith("!")}
    assert marked == {"cache"}  # the network is built, not converted, so the engine needs none
    assert done.err.splitlines() == [
        "error: something that topwork needs does not work on this machine",
        "hint: see the lines marked with !",
    ]


@pytest.mark.slow
def test_demo_does_the_whole_job(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer images and less time for the ladder than a person would be shown, who has a minute."""
    shown = sample()
    fewer = shown.dataset.select(np.arange(0, len(shown.dataset), 10))
    module = sys.modules[sample.__module__]  # its package has a function of that name
    monkeypatch.setattr(module, "sample", lambda: dataclasses.replace(shown, budget=1.0, dataset=fewer))
    done = run("demo", "-o", tmp_path / "demo", "--json")
    assert done.code == 0
    assert done.json["data"]["held_out"] == (fewer.splits == "test").sum() > 40
    assert done.json["task"]["metrics"]["accuracy"]["value"] > 0.6
    assert len(done.json["predictions"]) == 3
    assert load(tmp_path / "demo").classes == CLASSES
    assert done.err.startswith("The sample data set: ")


def test_fit_finetunes_and_says_what_it_kept(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data", count=16)
    out = tmp_path / "model"
    asked = ("--strategy", "finetune", "--unfreeze", "1", "--epochs", "1", "--size", "64", "--augment", "none")
    done = run("fit", data, "-o", out, *asked, "--budget", "2m", "--stages", "last", "--crop-mode", "squash")
    assert done.code == 0
    assert "Compared on validation images: probe (100.0% on 9 images, chosen), finetune 1 of 9 stages (" in done.out
    assert not (tmp_path / "model.training").exists()
    assert len((out / "history.jsonl").read_text("utf-8").splitlines()) == 1
    assert load(out).history[0]["epoch"] == 1


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--unfreeze", "some", "takes a number of stages, all or auto"),
        ("--budget", "soon", "takes a time such as 90s, 5m or 1h"),
        ("--budget", "-5m", "takes a time such as"),
        ("--budget", "", "takes a time such as"),
        ("--set", "ema_decay", "takes NAME=VALUE"),
    ],
)
def test_values_that_finetune_cannot_take_are_refused(
    run: Run, tmp_path: Path, shared_cache: Path, option: str, value: str, said: str
) -> None:
    data = easy_folder(tmp_path / "data")
    done = run("fit", data, "-o", tmp_path / "m", "--strategy", "finetune", option, value)
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_a_budget_shortens_the_training(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data", count=8)
    asked = (*QUICK, "--strategy", "finetune", "--unfreeze", "1", "--epochs", "2000", "--size", "64", "--budget", "2s")
    done = run("fit", data, "-o", tmp_path / "m", *asked)
    assert done.code == 0
    assert 1 <= len(load(tmp_path / "m").history) < 2000


def test_any_setting_of_the_training_can_be_given(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data", count=8)
    asked = (*QUICK, "--strategy", "finetune", "--unfreeze", "1", "--size", "64", "--epochs", "3")
    done = run(
        "fit",
        data,
        "-o",
        tmp_path / "m",
        *asked,
        "--set",
        "learning_rate=1e-9",
        "--set",
        "schedule=constant",
        "--set",
        "warmup=0",
    )
    assert done.code == 0
    assert {epoch["learning_rate"] for epoch in load(tmp_path / "m").history} == {1e-9}
    wrong = run("fit", data, "-o", tmp_path / "n", *asked, "--set", "learning_rat=1")
    assert (wrong.code, wrong.out) == (2, "")
    assert "there is no setting 'learning_rat'; did you mean learning_rate?" in wrong.err


def test_more_stages_than_there_are_is_an_error(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data")
    done = run("fit", data, "-o", tmp_path / "m", *QUICK, "--strategy", "finetune", "--unfreeze", "10")
    assert done.code == 1
    assert "has 9 stages, so 10 of them cannot be trained" in done.err


def test_offline_fetches_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_cache: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    data = easy_folder(tmp_path / "data")
    done = run("fit", data, "-o", tmp_path / "m", "--backbone", "resnet18", "--offline")
    assert done.code == 1
    assert (
        "timm/resnet18.a1_in1k/model.safetensors is not on this machine, and nothing is downloaded with --offline"
        in done.err
    )
    assert "--weights FILE.safetensors" in done.err
    assert "hint: use a backbone that works without the internet (lite0, lite1, lite2), or download " in done.err
    assert "HF_HUB_OFFLINE" not in os.environ


def test_a_folder_that_only_looks_like_checkpoints_is_left_alone(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    """`fit fruit.training -o fruit` must not take the images for leftovers of a training."""
    data = easy_folder(tmp_path / "fruit.training")
    before = sorted(path.name for path in data.rglob("*"))
    assert run("fit", data, "-o", tmp_path / "fruit", *QUICK).code == 0
    refused = run("fit", data, "-o", tmp_path / "fruit", *QUICK, "--strategy", "finetune")
    assert refused.code == 1
    assert "it is for checkpoints, and it contains 'photo'" in refused.err
    assert sorted(path.name for path in data.rglob("*")) == before


def test_evaluate_compares_two_models(run: Run, model: Path, tmp_path: Path) -> None:
    for label in CLASSES:
        copied(textiles(label)[40:44], tmp_path / "data" / label)
    done = run("evaluate", model, model, tmp_path / "data")
    assert (done.code, done.err) == (0, "")
    assert "12 images" in done.out
    assert "No significant difference (McNemar p = 1.00)" in done.out
    fields = run("evaluate", model, model, tmp_path / "data", "--json").json
    assert fields["first"] == fields["second"]
    assert fields["comparison"]["only_first"] == fields["comparison"]["only_second"] == 0
    assert fields["comparison"]["p_value"] == 1


@pytest.mark.parametrize("given", [[], ["a"], ["a", "b", "c", "d"]])
def test_evaluate_takes_one_model_or_two(run: Run, given: list[str]) -> None:
    assert run("evaluate", *given).code == 2


def test_evaluate_and_predict_warn_of_images_of_another_kind(run: Run, model: Path, tmp_path: Path) -> None:
    strange = copied(photos()[:12], tmp_path / "data" / "local")
    said = "12 of 12 images are unlike the training images"
    assert said in run("evaluate", model, tmp_path / "data").err
    shift = run("evaluate", model, tmp_path / "data", "--json").json["shift"]
    assert (shift["images"], shift["unfamiliar"], shift["alarm"]) == (12, 12, True)
    assert said in run("predict", model, *strange.iterdir()).err
    assert "note: this image is unlike the training images" in run("predict", model, photos()[0]).err
    quiet = run("predict", model, *strange.iterdir(), "--quiet")
    assert (quiet.code, quiet.err) == (0, "")
    assert all(line.endswith("\tunlike") for line in quiet.out.splitlines())
    objects = run("predict", model, photos()[0], textiles("local")[30], "--json", "--quiet").out.splitlines()
    assert [json.loads(each)["unfamiliar"] for each in objects] == [True, False]
    two = run("evaluate", model, model, tmp_path / "data")
    assert two.err.count(f"note: {model}: {said}") == 2
    known = run("predict", model, *[textiles(label)[place] for label in CLASSES for place in (30, 31, 32)])
    assert (known.code, known.err) == (0, "")


def test_a_stream_is_judged_on_the_way(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.cli._predict._JUDGED", 4)
    files = [*photos()[:6], *[textiles(label)[place] for label in CLASSES for place in (30, 31)]]
    done = run("predict", model, "--stdin", stdin=b"\n".join(os.fsencode(path) for path in files))
    notes = [line for line in done.err.splitlines() if "unlike the training images" in line]
    assert notes[0].startswith("note: 4 of 4 images are unlike the training images")
    assert notes[1].startswith(("note: 2 of 4 images", "note: 3 of 4 images"))
    assert len(done.out.splitlines()) == 12


def test_two_models_of_the_same_data_are_measured_on_what_trained_neither(
    run: Run, model: Path, textile: Path, tmp_path: Path
) -> None:
    held_out = load(model).record.data.held_out
    done = run("evaluate", model, model, textile)
    assert done.err == (
        f"note: both models were made from this data; the {held_out} images that did not train either are measured\n"
    )
    assert done.out.startswith(f"{held_out} images ")
    other = Path(shutil.copytree(model, tmp_path / "other"))
    fields = json.loads((other / "model.json").read_text("utf-8"))
    fields["data"]["held_out_contents"] = "0" * 64  # another split
    (other / "model.json").write_text(json.dumps(fields), "utf-8")
    assert "of 60 images were used to train this model" in run("evaluate", model, other, textile).err


def test_two_models_name_what_could_not_be_read_as_one_does(run: Run, model: Path, tmp_path: Path) -> None:
    copied(textiles("local")[30:34], tmp_path / "local")
    (tmp_path / "local" / "empty.jpg").touch()
    said = "left out: local/empty.jpg: an empty file (0 bytes)"
    assert said in run("evaluate", model, tmp_path).out
    assert said in run("evaluate", model, model, tmp_path).out


def test_models_of_other_classes_are_no_pair(run: Run, model: Path, tmp_path: Path) -> None:
    run("fit", easy_folder(tmp_path / "data"), "-o", tmp_path / "m", "--test", "0", *QUICK)
    data = copied(textiles("local")[:2], tmp_path / "other" / "local").parent
    error, hint = run("evaluate", model, tmp_path / "m", data).failed()
    assert error.startswith("the two models do not have the same classes: ")
    assert hint == "compare models of the same classes, or evaluate each by itself"


def test_predict_names_a_set_or_abstains(run: Run, model: Path) -> None:
    files = [textiles(label)[place] for label in CLASSES for place in range(30, 40)]
    told = run("predict", model, *files, "--coverage", "0.9").out.splitlines()
    sets = [line.removesuffix("\tunlike").split("\t") for line in told]
    assert {len(line) for line in sets} <= {3, 5, 7}
    assert max(len(line) for line in sets) > 3
    objects = [
        json.loads(line) for line in run("predict", model, *files, "--coverage", "0.9", "--json").out.splitlines()
    ]
    assert [line[1::2] for line in sets] == [each["labels"] for each in objects]
    answers = [line.split("\t") for line in run("predict", model, *files, "--abstain", "0.8").out.splitlines()]
    objects = [
        json.loads(line) for line in run("predict", model, *files, "--abstain", "0.8", "--json").out.splitlines()
    ]
    assert {each["answered"] for each in objects} == {True, False}
    assert [line[1] for line in answers] == [each["label"] if each["answered"] else "?" for each in objects]


def test_predict_promises_no_more_than_it_can(run: Run, model: Path) -> None:
    message, hint = run("predict", model, textiles("local")[0], "--abstain", "0.999").failed()
    assert "accuracy of 0.999 cannot be promised by this model" in message
    assert hint.startswith("choose a lower level")
    assert run("predict", model, photos()[0], "--coverage", "0").failed()[1] == "such as 0.95"
    for given in (("--coverage", "95"), ("--coverage", "0.9", "--abstain", "0.9")):
        assert run("predict", model, textiles("local")[0], *given).code == 2
    assert run("predict", "--backbone", "lite0", photos()[0], "--coverage", "0.9").code == 2


def test_fit_measures_on_folds_and_says_what_that_takes(run: Run, tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data")
    quick = ("--strategy", "probe", "--stages", "last", "--crop-mode", "crop")
    done = run("fit", data, "-o", tmp_path / "m", *quick, "--cv", "2")
    assert "note: --cv 2 does the whole fit 3 times" in done.err
    assert "2-fold cross-validation on all images: accuracy 100.0%" in done.out
    fields = json.loads((tmp_path / "m" / "model.json").read_text("utf-8"))
    assert [fold["images"] for fold in fields["task"]["folds"]["folds"]] == [8, 8]
    assert fields["options"]["cv"] == 2
    message, hint = run("fit", data, "-o", tmp_path / "n", *quick, "--cv", "9").failed()
    assert "cv=9 needs 9 usable images of every class" in message
    assert "cv=8" in hint


@pytest.mark.parametrize("cv", ["1", "0", "x"])
def test_a_number_of_folds_that_is_none_is_a_wrong_command(run: Run, tmp_path: Path, cv: str) -> None:
    assert run("fit", tmp_path, "-o", tmp_path / "m", "--cv", cv).code == 2


def test_folds_of_nothing_are_a_wrong_command(run: Run, tmp_path: Path) -> None:
    given = ("--strategy", "zero-shot", "--labels", "a cat,a dog", "--backbone", "clip-b32", "--cv", "5")
    done = run("fit", "-o", tmp_path / "m", *given)
    assert done.code == 2
    assert "--cv needs DATA" in done.err
