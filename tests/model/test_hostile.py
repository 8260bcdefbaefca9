"""Model folders that are damaged or made to do harm: each is refused with a ModelError that names the file."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from topwork.errors import ModelError
from topwork.fitting import fit
from topwork.model import FORMAT
from topwork.tasks import load
from topwork.tasks.classification.strategies import ProbeOptions

from .conftest import Spoilt
from .samples import easy_folder

Fields = dict[str, Any]


def message(folder: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load(folder)
    assert str(folder) in refused.value.message
    return refused.value.message.replace(str(folder), "MODEL")


def test_what_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    assert message(tmp_path / "none") == "MODEL: there is no such model folder"
    assert message(tmp_path) == "MODEL: is not a topwork model (it has no model.json)"
    with pytest.raises(ModelError) as refused:
        load(tmp_path)
    assert refused.value.hint == "create one with `topwork fit DATA -o MODEL`"


BROKEN_TEXT = {
    "empty": (b"", "not valid JSON"),
    "cut": (b'{"format": 1,', "not valid JSON"),
    "not UTF-8": (b'{"format": "\xff"}', "cannot be read"),
    "a list": (b"[1]", "format version None"),
    "nested deep": (b'{"format":' + b"[" * 100_000, "not valid JSON"),
    "NaN": (b'{"format": 1, "seed": NaN}', "NaN is not a finite number"),
    "infinity": (b'{"format": 1, "seed": 1e999}', "1e999 is not a finite number"),
    "long number": (b'{"format": 1, "seed": ' + b"9" * 5000 + b"}", "not valid JSON"),
}


@pytest.mark.parametrize(("text", "said"), BROKEN_TEXT.values(), ids=BROKEN_TEXT)
def test_a_model_json_that_is_no_json_is_refused(folder: Path, text: bytes, said: str) -> None:
    (folder / "model.json").write_bytes(text)
    assert said in message(folder)


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, True, None])
def test_another_format_version_says_what_to_do(spoilt: Spoilt, version: object) -> None:
    folder = spoilt(lambda fields: fields.update(format=version))
    assert f"format version {version!r} is unknown" in message(folder)


@pytest.mark.parametrize(
    ("written_by", "needs"),
    [({"topwork": "9.1"}, "topwork 9.1 or newer"), ({}, "a newer topwork"), (7, "a newer topwork")],
)
def test_a_newer_format_is_refused_by_the_version_that_it_needs(spoilt: Spoilt, written_by: object, needs: str) -> None:
    folder = spoilt(lambda fields: fields.update(format=FORMAT + 1, versions=written_by))
    assert f"format version {FORMAT + 1} needs {needs}; this topwork reads up to version {FORMAT}" in message(folder)
    with pytest.raises(ModelError) as refused:
        load(folder)
    assert refused.value.hint == "pip install --upgrade topwork"


WRONG_FIELDS: dict[str, tuple[Callable[[Fields], object], str]] = {
    "unknown key": (lambda f: f.update(run="rm -r"), "run: Extra inputs are not permitted"),
    "unknown key within": (lambda f: f["engine"].update(threads=1), "engine.threads: Extra inputs"),
    "missing key": (lambda f: f.pop("seed"), "seed: Field required"),
    "wrong type": (lambda f: f["task"].update(classes="cat"), "task.classes: Input should be a valid tuple"),
    "text for a number": (
        lambda f: f["data"].update(held_out="many"),
        "data.held_out: Input should be a valid integer",
    ),
    "unknown engine": (lambda f: f["engine"].update(name="tpu"), "engine.name"),
    "unknown precision": (lambda f: f["engine"].update(precision="int4"), "engine.precision"),
    "unknown task": (lambda f: f["task"].update(name="divination"), "there is no task called 'divination'"),
    "no task": (lambda f: f.update(task="classification"), "task.name: the task of the model is missing"),
    "unknown key of a task": (lambda f: f["task"].update(run="rm -r"), "task.run: Extra inputs"),
    "one class": (lambda f: f["task"].update(classes=["cat"]), "classes"),
    "a class twice": (lambda f: f["task"].update(classes=["cat", "dog", "cat"]), "a class name comes twice"),
    "counts": (lambda f: f["task"].update(training=[1, 2]), "3 classes, but counts of 2"),
    "unknown head": (lambda f: f.update(head="forest"), "unknown head kind 'forest'"),
    "no outputs": (lambda f: f.update(outputs=[]), "outputs"),
    "unknown output": (lambda f: f.update(outputs=["blocks.99/max"]), "has no output 'blocks.99/max'"),
    "unknown pooling": (lambda f: f.update(outputs=["blocks.3/median"]), "has no output"),
    "another width": (lambda f: f.update(outputs=["bn1/mean"]), "features, its outputs give 32"),
    "metrics of nothing": (lambda f: f["task"].update(metrics={}), "metrics: not a saved evaluation"),
    "metrics misshapen": (lambda f: f["task"]["metrics"].update(confusion=[[1]]), "metrics: not a saved evaluation"),
    "metrics too large": (lambda f: f["task"]["metrics"]["confusion"][0].__setitem__(0, 10**30), "metrics: "),
    "metrics of others": (lambda f: f["task"].update(classes=["a", "b", "c"]), "of other classes than the model's"),
}
WRONG_BACKBONES: dict[str, tuple[Callable[[Fields], object], str]] = {
    "missing key": (lambda b: b.pop("weights"), "backbone: "),
    "unknown key": (lambda b: b.update(module="os"), "backbone"),
    "unknown key of a stage": (lambda b: b["stages"][0].update(x=1), "backbone"),
    "stages of text": (lambda b: b.update(stages=["bn1"]), "backbone: "),
    "weights of text": (lambda b: b.update(weights="package"), "backbone: "),
    "channels as text": (lambda b: b["stages"][0].update(channels="32"), "stages.0.channels"),
    "location as number": (lambda b: b["weights"].update(location=1), "weights.location"),
    "unknown source": (lambda b: b["weights"].update(source="pickle"), "weights.source"),
    "size as text": (lambda b: b["preprocessing"].update(size="224"), "preprocessing"),
    "size out of range": (lambda b: b["preprocessing"].update(size=100_000), "preprocessing: size must be"),
    "unknown fit": (
        lambda b: b["preprocessing"].update(crop_mode="stretch"),
        "preprocessing.crop_mode: Input should be",
    ),
    "a path as name": (lambda b: b.update(name="/tmp/evil"), "'/tmp/evil' is not the name of a backbone"),
    "a path upwards": (lambda b: b.update(name="../../evil"), "is not the name of a backbone"),
    "the hub's": (lambda b: b.update(name="hf-hub:evil/net"), "is not the name of a backbone"),
    "unknown package": (lambda b: b["weights"].update(location="evil"), "does not have the weights 'evil'"),
    "another package": (lambda b: b["weights"].update(sha256="0" * 64), "does not have the weights"),
}


@pytest.mark.parametrize(("change", "said"), WRONG_FIELDS.values(), ids=WRONG_FIELDS)
def test_wrong_fields_are_refused_by_name(spoilt: Spoilt, change: Callable[[Fields], object], said: str) -> None:
    assert said in message(spoilt(change))


@pytest.mark.parametrize(("change", "said"), WRONG_BACKBONES.values(), ids=WRONG_BACKBONES)
def test_a_wrong_backbone_is_refused_by_name(spoilt: Spoilt, change: Callable[[Fields], object], said: str) -> None:
    assert said in message(spoilt(lambda fields: change(fields["backbone"])))


@pytest.mark.parametrize(
    "location",
    [
        "/etc/passwd",
        "/home/someone/net.safetensors",
        "../x",
        "head.safetensors",
        "",
        ".",
        "a/backbone.safetensors",
        "../model/x",
    ],
)
def test_fault_51_weights_elsewhere_than_in_the_folder_are_refused(spoilt: Spoilt, location: str) -> None:
    weights = {"source": "file", "sha256": "0" * 64, "location": location}
    folder = spoilt(lambda fields: fields["backbone"].update(weights=weights))
    assert message(folder) == f"MODEL/model.json: weights at {location!r} lie outside the model folder"


def test_a_missing_head_is_named(folder: Path) -> None:
    (folder / "head.safetensors").unlink()
    assert "MODEL/head.safetensors: not a readable .safetensors file" in message(folder)


def damaged(content: bytes, how: str) -> bytes:
    header = struct.unpack_from("<Q", content)[0]
    fields = json.loads(content[8 : 8 + header])
    if how == "truncated":
        return content[:-7]
    if how == "empty":
        return b""
    if how == "header of 2^63 bytes":
        return struct.pack("<Q", 2**63) + content[8:]
    if how == "header beyond the end":
        return struct.pack("<Q", len(content)) + content[8:]
    if how == "longer than it says":
        return content + b"PK\3\4"
    if how == "offsets out of range":
        fields["bias"]["data_offsets"] = [0, 10**9]
    elif how == "offsets that overlap":
        fields["bias"]["data_offsets"] = fields["mean"]["data_offsets"]
    elif how == "a dtype that numpy lacks":
        fields["bias"]["dtype"] = "F8_E5M2"
    text = json.dumps(fields).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + header :]


HOW = ["truncated", "empty", "header of 2^63 bytes", "header beyond the end", "longer than it says"]
HOW += ["offsets out of range", "offsets that overlap", "a dtype that numpy lacks"]


@pytest.mark.parametrize("how", HOW)
def test_fault_47_a_damaged_head_is_refused(folder: Path, how: str) -> None:
    path = folder / "head.safetensors"
    path.write_bytes(damaged(path.read_bytes(), how))
    assert "MODEL/head.safetensors: not a readable .safetensors file" in message(folder)


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("the pickle ran",))


def test_fault_46_a_pickle_called_head_does_not_run(folder: Path) -> None:
    (folder / "head.safetensors").write_bytes(pickle.dumps(Payload()))
    assert "not a readable .safetensors file" in message(folder)


Tensors = dict[str, np.ndarray[Any, Any]]
WRONG_TENSORS: dict[str, tuple[Callable[[Tensors], object], str]] = {
    "NaN": (lambda t: t["weight"].__setitem__((0, 0), np.nan), "weight: 1 of"),
    "infinity": (lambda t: t["bias"].__setitem__(0, np.inf), "bias: 1 of 3 numbers are NaN or Inf"),
    "missing": (lambda t: t.pop("bias"), "missing ['bias']"),
    "extra": (lambda t: t.update(code=np.zeros(1, np.float32)), "not expected ['code']"),
    "another dtype": (lambda t: t.update(mean=t["mean"].astype(np.float64)), "mean: expected float32"),
    "another shape": (lambda t: t.update(mean=t["mean"][1:]), "mean: expected float32"),
    "scale of zero": (lambda t: t.update(scale=t["scale"] * 0), "scale: expected positive"),
    "temperature": (lambda t: t.update(temperature=t["temperature"] * -1), "temperature: expected a positive"),
}


@pytest.mark.parametrize(("change", "said"), WRONG_TENSORS.values(), ids=WRONG_TENSORS)
def test_fault_47_tensors_that_make_no_head_are_refused(
    folder: Path, change: Callable[[Tensors], object], said: str
) -> None:
    path = folder / "head.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    found = message(folder)
    assert said in found
    assert found.startswith("MODEL/head.safetensors: ")


def test_fault_48_another_number_of_classes_is_refused(folder: Path) -> None:
    path = folder / "head.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "weight": tensors["weight"][:, :2].copy(), "bias": tensors["bias"][:2]}, path)
    assert message(folder) == "MODEL: the head has 2 classes, model.json has 3"


def test_a_head_of_another_kind_is_refused(tmp_path: Path, spoilt: Spoilt, shared_cache: Path) -> None:
    knn = fit(
        easy_folder(tmp_path / "data"),
        strategy="probe",
        options=ProbeOptions(stages="last", crop_mode="crop", head="knn"),
    )
    folder = knn.save(tmp_path / "knn")
    fields = json.loads((folder / "model.json").read_text("utf-8"))
    (folder / "model.json").write_text(json.dumps({**fields, "head": "linear"}), "utf-8")
    assert "head tensors: missing ['bias', 'temperature', 'weight']" in message(folder)
