from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork.model
from topwork._system import _files
from topwork.errors import BackboneError, ModelError
from topwork.fitting import fit
from topwork.heads import LinearHead
from topwork.model import FORMAT, Classifier, ModelRecord, _folder, require_free
from topwork.tasks import load
from topwork.tasks.classification.strategies import ProbeOptions

from .samples import easy_folder, textiles

QUICK = ProbeOptions(stages="last", crop_mode="crop")


def renamed(model: Classifier, *classes: str) -> Classifier:
    """The same model under other class names, without the metrics, which name them too."""
    task = model.record.task.model_copy(update={"classes": classes, "metrics": None})
    return Classifier(model.record.model_copy(update={"task": task}), model.head, model.backbone)


def beside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir())


def test_the_public_names_are_there() -> None:
    assert len(set(topwork.model.__all__)) == len(topwork.model.__all__)
    assert all(hasattr(topwork.model, name) for name in topwork.model.__all__)


def test_a_loaded_model_predicts_what_the_saved_one_did(fitted: Classifier, saved: Path, textile: Path) -> None:
    sources = sorted(textile.rglob("*.jpg"))[::6]
    again = load(saved)
    np.testing.assert_array_equal(again.predict_proba(sources), fitted.predict_proba(sources))
    assert again.predict(sources) == fitted.predict(sources)
    assert again.record.model_dump_json() == fitted.record.model_dump_json()
    assert again.backbone == fitted.backbone


def test_the_folder_holds_the_files_of_the_contract_and_no_other(fitted: Classifier, tmp_path: Path) -> None:
    told = {"README.md", "methods.md", "references.bib"}
    plain = {*told, "head.safetensors", "model.json", "novelty.safetensors", "training.safetensors"}
    assert {p.name for p in fitted.save(tmp_path / "plain").iterdir()} == plain
    whole = fitted.save(tmp_path / "whole", self_contained=True)
    assert {p.name for p in whole.iterdir()} == {*plain, "backbone.safetensors"}


def test_everyone_who_may_enter_the_folder_may_read_its_files(fitted: Classifier, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "model", self_contained=True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {path.name for path in folder.iterdir() if not path.stat().st_mode & stat.S_IROTH} == set()


def test_model_json_tells_everything_that_the_contract_names(saved: Path, textile: Path) -> None:
    fields: dict[str, Any] = json.loads((saved / "model.json").read_text("utf-8"))
    assert (fields["format"], fields["task"]["name"], fields["strategy"]) == (FORMAT, "classification", "probe")
    assert fields["task"]["classes"] == ["global", "local", "nominal"]
    backbone = fields["backbone"]
    assert backbone["name"] == "tf_efficientnet_lite0"
    assert len(backbone["weights"]["sha256"]) == 64
    assert backbone["licence"] == "Apache-2.0"
    assert backbone["pretrained_on"] == "ImageNet-1k"
    known = {f"{s['name']}/{pool}" for s in backbone["stages"] for pool in ("mean", "max")} | {"embedding"}
    assert fields["outputs"]
    assert set(fields["outputs"]) <= known
    assert backbone["preprocessing"]["size"] == 224
    assert fields["engine"]["name"] in ("openvino", "torch-cuda")
    assert fields["engine"]["precision"] in ("bf16", "f32")
    assert 0 < fields["task"]["calibration"]["temperature"] < 50
    assert fields["task"]["metrics"]["n"] == fields["data"]["held_out"] == 12
    assert fields["task"]["metrics"]["accuracy"].keys() == {"value", "low", "high"}
    assert fields["task"]["training"] == [16, 16, 16]
    assert fields["data"]["training"] == 48
    assert len(fields["data"]["fingerprint"]) == 64
    assert fields["seed"] == 0
    assert {"topwork", "torch", "openvino", "numpy"} <= fields["versions"].keys()


def test_model_json_is_laid_out_for_reading(saved: Path) -> None:
    text = (saved / "model.json").read_text("utf-8")
    assert '"mean": [0.5, 0.5, 0.5],' in text
    assert len(text.splitlines()) > 100


NAMES = {
    "digits": ("10", "2", "é"),
    "html": ("<b>x</b>", '"><script>alert(1)</script>', "&amp;"),
    "lists of numbers": ("[ 1,  2 ]", "[1, 2]", "[\t]"),
    "control characters": ("two\nlines", "\x1b[31mred", "tab\t"),
    "spaces": (" a", "a", "a "),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_fault_6_and_8_class_names_come_back_as_they_were(fitted: Classifier, tmp_path: Path, names: list[str]) -> None:
    assert load(renamed(fitted, *names).save(tmp_path / "model")).classes == tuple(names)


def test_fault_6_classes_10_and_2_keep_their_meaning(tmp_path: Path, shared_cache: Path) -> None:
    data = easy_folder(tmp_path / "data", first="10", second="2")
    model = load(fit(data, strategy="probe", options=QUICK).save(tmp_path / "model"))
    assert model.classes == ("10", "2")
    assert model.predict([textiles("nominal")[30]])[0].label == "2"


def test_an_older_model_is_replaced_and_nothing_stays_beside_it(fitted: Classifier, folder: Path) -> None:
    renamed(fitted, "x", "y", "z").save(folder)
    assert load(folder).classes == ("x", "y", "z")
    assert beside(folder) == ["model"]


def test_an_empty_folder_is_filled(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert load(fitted.save(tmp_path / "model")).classes == fitted.classes
    assert beside(tmp_path / "model") == ["model"]


def test_parents_are_made(fitted: Classifier, tmp_path: Path) -> None:
    assert load(fitted.save(tmp_path / "a" / "b" / "model")).classes == fitted.classes


def test_a_link_to_a_model_stays_a_link(fitted: Classifier, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(folder)
    renamed(fitted, "x", "y", "z").save(link)
    assert link.is_symlink()
    assert load(link).classes == load(folder).classes == ("x", "y", "z")
    assert beside(folder) == ["latest", "model"]


def test_the_current_folder_can_be_named_by_a_dot(
    fitted: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    fitted.save(".")
    assert load(tmp_path / "here").classes == fitted.classes


def test_a_folder_that_is_no_model_is_not_replaced(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"precious")
    with pytest.raises(ModelError, match="already exists and is not a topwork model"):
        fitted.save(tmp_path / "photos")
    assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"precious"


def test_what_the_user_put_into_a_model_is_not_deleted(fitted: Classifier, folder: Path) -> None:
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(ModelError, match=r"would also delete notes\.txt"):
        fitted.save(folder)
    assert (folder / "notes.txt").read_text() == "precious"
    (folder / "notes.txt").unlink()
    (folder / ".DS_Store").touch()  # the system's, not the user's
    fitted.save(folder)


def test_a_file_or_a_dangling_link_is_not_replaced(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(ModelError, match="already exists and is not a topwork model"):
            fitted.save(tmp_path / name)


def test_fault_32_a_place_below_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"no folder can be created in .*file") as refused:
        require_free(tmp_path / "file" / "model")
    assert "choose another folder" in refused.value.hint


def test_a_mount_point_is_refused_before_any_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == folder)
    with pytest.raises(ModelError, match="mount point") as refused:
        require_free(folder)
    assert refused.value.hint.endswith("model/model")


@pytest.mark.parametrize("failing", ["write_tensors", "_readable"])
def test_fault_32_a_full_disk_leaves_the_old_model(
    fitted: Classifier, folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_folder, failing, full)
    with pytest.raises(ModelError, match="cannot be written: No space left on device"):
        renamed(fitted, "x", "y", "z").save(folder)
    assert load(folder).classes == fitted.classes
    assert beside(folder) == ["model"]


def test_fault_32_safetensors_own_error_of_a_full_disk_is_a_model_error(
    fitted: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files makes the writer fail as a full disk does, inside safetensors."""
    code = (
        "import resource, sys, topwork\n"
        "from topwork.errors import ModelError\n"
        "model = topwork.load(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    model.save(sys.argv[2])\n"
        "except ModelError as error:\n    print(error.message)\n"
    )
    source = fitted.save(tmp_path / "source")
    given = [sys.executable, "-c", code, str(source), str(tmp_path / "limited")]
    done = subprocess.run(given, capture_output=True, text=True, check=True)
    assert "limited: the model cannot be written: " in done.stdout
    assert beside(source) == ["source"]


def test_fault_31_killed_before_the_new_model_was_whole(fitted: Classifier, folder: Path) -> None:
    draft = folder.parent / ".model-abcdefgh"
    draft.mkdir()
    (draft / "head.safetensors").write_bytes(b"half")
    assert load(folder).classes == fitted.classes


def test_fault_31_killed_between_the_two_renames(fitted: Classifier, folder: Path) -> None:
    renamed(fitted, "x", "y", "z").save(folder.parent / ".model-abcdefgh")  # the new one, not yet renamed
    folder.rename(folder.parent / ".model-abcdefgh0-old")
    assert load(folder).classes == fitted.classes
    renamed(fitted, "x", "y", "z").save(folder)
    assert load(folder).classes == ("x", "y", "z")


def test_fault_31_killed_at_every_rename_of_a_save(fitted: Classifier, folder: Path) -> None:
    code = (
        "import os, pathlib, signal, sys, topwork\n"
        "model, rename, left = topwork.load(sys.argv[1]), pathlib.Path.rename, int(sys.argv[2])\n"
        "def counted(self, target):\n"
        "    global left\n"
        "    if not left: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    left -= 1\n"
        "    return rename(self, target)\n"
        "pathlib.Path.rename = counted\n"
        "model.save(sys.argv[1])\n"
    )
    for renames in (0, 1, 2):
        done = subprocess.run([sys.executable, "-c", code, str(folder), str(renames)], capture_output=True, check=False)
        assert done.returncode == (0 if renames == 2 else -9)
        assert load(folder).classes == fitted.classes


def test_fault_31_the_newest_of_several_old_models_comes_back(fitted: Classifier, folder: Path) -> None:
    newer = renamed(fitted, "x", "y", "z").save(folder.parent / ".model-aaaaaaaa0-old")
    os.utime(newer, (2e9, 2e9))
    folder.rename(folder.parent / ".model-bbbbbbbb0-old")
    assert load(folder).classes == ("x", "y", "z")


def test_fault_31_a_model_whose_name_begins_alike_is_not_taken(fitted: Classifier, tmp_path: Path) -> None:
    renamed(fitted, "x", "y", "z").save(tmp_path / ".model-2-abcdefgh0-old")  # that of "model-2"
    with pytest.raises(ModelError, match="there is no such model folder"):
        load(tmp_path / "model")
    assert load(tmp_path / "model-2").classes == ("x", "y", "z")


def test_fault_31_a_name_with_wildcards_is_restored(fitted: Classifier, tmp_path: Path) -> None:
    fitted.save(tmp_path / ".model[1]*-abcdefgh0-old")
    assert load(tmp_path / "model[1]*").classes == fitted.classes


def test_a_reader_who_puts_the_old_model_back_does_not_undo_the_save(
    fitted: Classifier, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename
    calls = 0

    def meddled(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == 2:  # the draft's; a reader comes in between
            _files.restored(folder)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", meddled)
    renamed(fitted, "x", "y", "z").save(folder)
    monkeypatch.undo()
    assert load(folder).classes == ("x", "y", "z")
    assert beside(folder) == ["model"]


def test_a_reader_never_sees_half_a_model_nor_two_mixed(fitted: Classifier, folder: Path) -> None:
    """Two models in turn, whose heads and class names belong together."""
    head = fitted.head
    assert isinstance(head, LinearHead)
    blunt = dataclasses.replace(head, temperature=2 * head.temperature)
    pair = [fitted, renamed(Classifier(fitted.record, blunt, fitted.backbone), *"xyz")]
    scales = {model.classes: float(model.head.to_tensors()["temperature"][0]) for model in pair}
    ends = threading.Event()

    def write() -> None:
        for turn in range(40):
            pair[turn % 2].save(folder)
        ends.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    try:
        while not ends.is_set():
            model = load(folder)
            seen.add(model.classes)
            assert float(model.head.to_tensors()["temperature"][0]) == scales[model.classes]
    finally:
        writer.join()
    assert len(seen) == 2
    assert beside(folder) == ["model"]


def test_a_folder_that_changes_while_it_is_read_is_read_again(
    fitted: Classifier, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = renamed(fitted, "x", "y", "z")
    read_text, calls = _folder._read_text, 0

    def swapped(path: Path) -> str:
        nonlocal calls
        calls += 1
        text = read_text(path)
        if calls == 1:
            monkeypatch.setattr(_folder, "_read_text", read_text)
            other.save(folder)
        return text

    monkeypatch.setattr(_folder, "_read_text", swapped)
    assert load(folder).classes == ("x", "y", "z")


def test_a_self_contained_model_needs_no_installed_weights(
    fitted: Classifier, textile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = sorted(textile.rglob("*.jpg"))[::10]
    expected = fitted.predict_proba(sources)
    folder = fitted.save(tmp_path / "model", self_contained=True)
    again = fitted.save(tmp_path / "other")  # not self-contained, for the counter-proof

    def gone(row: object) -> Path:
        raise BackboneError("the package is gone")

    monkeypatch.setattr("topwork.backbones._weights.package_file", gone)
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "empty-cache"))  # no converted network lies in it
    with pytest.raises(BackboneError, match="the package is gone"):
        load(again).predict(sources)
    moved = shutil.move(folder, tmp_path / "elsewhere")
    np.testing.assert_allclose(load(moved).predict_proba(sources), expected, atol=1e-6)


def test_a_self_contained_model_stays_so_when_it_is_saved_again(
    fitted: Classifier, textile: Path, tmp_path: Path, shared_cache: Path
) -> None:
    first = load(fitted.save(tmp_path / "first", self_contained=True))
    second = first.save(tmp_path / "second")
    assert (second / "backbone.safetensors").read_bytes() == (tmp_path / "first/backbone.safetensors").read_bytes()
    assert load(second).record == first.record


def test_a_changed_byte_in_a_self_contained_backbone_is_found(
    fitted: Classifier, textile: Path, tmp_path: Path, empty_cache: Path
) -> None:
    folder = fitted.save(tmp_path / "model", self_contained=True)
    content = bytearray((folder / "backbone.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "backbone.safetensors").write_bytes(content)
    with pytest.raises(BackboneError, match="not the expected weights"):
        load(folder).predict([textiles("local")[0]])


def test_a_record_knows_no_other_fields(fitted: Classifier) -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        ModelRecord.model_validate({**fitted.record.model_dump(), "command": "rm"})


def test_a_trainings_log_is_kept_and_a_damaged_one_does_no_harm(fitted: Classifier, tmp_path: Path) -> None:
    epochs = [{"epoch": 1, "accuracy": 0.5}, {"epoch": 2, "accuracy": 0.75}]
    model = Classifier(fitted.record, fitted.head, fitted.backbone, epochs)
    folder = model.save(tmp_path / "model")
    assert load(folder).history == tuple(epochs)
    assert (
        load(folder).save(tmp_path / "again").joinpath("history.jsonl").read_bytes()
        == (folder / "history.jsonl").read_bytes()
    )
    for damage in (b'{"epoch": 1', b"[1]\n", b"\xff\n", b"[" * 100_000):
        (folder / "history.jsonl").write_bytes(damage)
        assert load(folder).history == ()
