"""From a model to a folder that needs no topwork: made, compared with ``predict``, and only then kept."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topwork._system import written_whole
from topwork._version import __version__
from topwork.data import LabelledDataset, printable
from topwork.errors import TopworkError
from topwork.exporting._answers import Answers
from topwork.exporting._inputs import Inputs, inputs_of
from topwork.exporting._int8 import Int8, in_int8
from topwork.exporting._parity import Expected, Parity, loaded
from topwork.exporting._targets import Target, require
from topwork.exporting._templates import filled, rendered
from topwork.model import Model

RECORD, SCRIPT, README = "export.json", "predict.py", "README.md"
Announce = Callable[[str], "Callable[[int, int], None] | None"]


@dataclass(frozen=True)
class Exported:
    """An export that was written.

    Attributes:
        folder: Where.
        to: The target.
        files: Bytes of each file.
        parity: How far it agrees with ``predict``.
        seconds: That it took.
        int8: What int8 gains and costs; None where the network computes in float32.
    """

    folder: Path
    to: str
    files: Mapping[str, int]
    parity: Parity
    seconds: float
    int8: Int8 | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {**dataclasses.asdict(self), "folder": str(self.folder)}


def export(
    model: Model,
    answers: Answers,
    to: str,
    path: str | os.PathLike[str],
    *,
    trials: Sequence[Any],
    int8: LabelledDataset | None = None,
    announce: Announce | None = None,
    **options: Any,
) -> Exported:
    """Write a folder that answers as the model does and needs no topwork; an earlier export there is replaced.

    Args:
        model: What is exported.
        answers: What its task answers with (``Task.exported``).
        to: ``onnx``, ``openvino``, ``torch`` or ``web``.
        path: The folder.
        trials: Real rows, as ``predict`` takes them, on which both are compared.
        int8: Labelled rows, some of which trained the model, where the network is to compute in int8 (``in_int8``).
            Then answers may differ, and what was measured of that is told.
        announce: Called with each step's name; may give a progress callback for it.
        options: What the target alone takes (``Target.options``).

    Raises:
        TopworkError: The model cannot be exported so, its export does not answer as ``predict`` does, or something else
            stands at that place.
        MissingExtraError: A package that it needs is not installed.
    """
    began, folder = time.perf_counter(), Path(path)
    say = announce or (lambda step: None)
    inputs = inputs_of(model.backbone)
    kind = require(model, answers, to)
    if strange := sorted(options.keys() - set(kind.options)):
        raise TopworkError(f"an export to {to} has no option {strange[0]}")
    require_free(folder)
    made, measured = model, None
    if int8 is not None:
        made, inputs, answers, measured = in_int8(model, inputs, answers, to, int8, say)
    say("the network as a graph")
    target = kind(made, inputs, answers, **options)
    with tempfile.TemporaryDirectory(prefix="topwork-export-") as scratch:
        step = say(f"what predict says of the {inputs.thing}s")
        expected = Expected(model, answers, inputs.trials(trials, Path(scratch)))
        step = say("what the export says of them")
        try:
            with written_whole(folder.resolve(), replace=True) as draft:
                _write(draft, target, made, answers)
                parity = expected.compared(loaded(draft / SCRIPT), target.version, step)
                _finish(draft, target, made, answers, parity)
        except OSError as error:
            raise _unwritable(folder, error.strerror or str(error)) from error
    files = {name: (folder / name).stat().st_size for name in sorted(_inside(folder))}
    return Exported(folder, to, files, parity, time.perf_counter() - began, measured)


def require_free(folder: Path) -> None:
    """Refuse, before any work, a place where something stands that is no export.

    Raises:
        TopworkError: It is no export, or holds more than one; or no folder can be made there.
    """
    if not os.path.lexists(folder):
        parent = next(each for each in folder.absolute().parents if each.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise _unwritable(folder, f"no folder can be created in {parent}")
        return
    try:
        names = _inside(folder) if folder.is_dir() else None
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    if names == set():
        return
    try:
        known = {*json.loads((folder / RECORD).read_text("utf-8"))["files"], RECORD}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TopworkError(
            f"{folder}: already exists and is not an export; it was not changed", hint="choose another folder"
        ) from error
    if strange := sorted((names or set()) - known):
        raise TopworkError(
            f"{folder}: replacing this export would also delete {', '.join(map(printable, strange[:3]))} in it",
            hint="choose another folder, or move these files away",
        )


def _inside(folder: Path) -> set[str]:
    """Names of files below a folder, but for what Python keeps of the script; an OSError where it cannot be read."""

    def fail(error: OSError) -> None:
        raise error

    found: set[str] = set()
    for root, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [each for each in folders if each != "__pycache__"]
        found |= {(Path(root) / each).relative_to(folder).as_posix() for each in files}
    return found


def _unwritable(folder: Path, why: str) -> TopworkError:
    return TopworkError(f"{folder}: the export cannot be written: {why}", hint="choose another folder")


def _write(draft: Path, target: Target, model: Model, answers: Answers) -> None:
    """The model, what lies beside it, and the script that runs it."""
    inputs = target.inputs
    target.write(draft, metadata_of(model, inputs, answers, None))
    inputs.write(draft)
    for name, content in answers.files(model).items():
        (draft / name).write_text(content, "utf-8")
    parts = {name: filled(text, feeds=inputs.feeds) for name, text in target.script.items()}
    script = rendered(
        inputs.template,
        needs=", ".join(["numpy", *target.packages, *inputs.packages]),
        setup=answers.setup,
        line=answers.line,
        **parts,
        **inputs.settings(),
    )
    (draft / SCRIPT).write_text(script.rstrip() + "\n", "utf-8")


def _finish(draft: Path, target: Target, model: Model, answers: Answers, parity: Parity) -> None:
    """What was measured, in the model, the README and the record."""
    inputs = target.inputs
    metadata = metadata_of(model, inputs, answers, parity)
    target.write(draft, metadata)
    files = {SCRIPT: "answers from the command line", **target.files, **inputs.files}
    files |= {name: answers.about[name] for name in answers.files(model)}
    given = {*parity.exact.farthest, answers.label}
    outputs = {**answers.outputs, "features": "float32 [batch, width]: what the head reads of the network"}
    (draft / README).write_text(
        rendered(
            "README.md.jinja",
            name=printable(str(model.record.backbone["name"])),
            version=__version__,
            runtime=target.runtime,
            packages=" ".join(["numpy", *target.packages, *inputs.packages]),
            thing=inputs.thing,
            files=files.items(),
            told=inputs.told,
            use=target.told,
            outputs=[(name, what) for name, what in outputs.items() if name in given],
            parity=parity,
            backbone=model.record.backbone,
            int8=answers.metadata(model).get("int8"),
        ),
        "utf-8",
    )
    told = {
        "files": sorted(_inside(draft)),
        "runtime": target.version,
        **{name: json.loads(each) for name, each in metadata.items()},
    }
    (draft / RECORD).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")


def metadata_of(model: Model, inputs: Inputs, answers: Answers, parity: Parity | None) -> dict[str, str]:
    """What the file tells beside its network: strings, JSON where there is structure; names begin with ``topwork.``."""
    backbone = model.record.backbone
    told: dict[str, Any] = {
        "model": {
            "task": model.record.task.name,
            "strategy": model.record.strategy,
            "backbone": {name: backbone.get(name) for name in ("name", "licence", "pretrained_on", "weights")},
            "outputs": list(model.record.outputs),
            "head": model.record.head,
            "created": model.record.created,
            "versions": model.record.versions,
        },
        **inputs.metadata(),
        **answers.metadata(model),
        "parity": parity.to_dict() if parity is not None else None,
    }
    return {f"topwork.{name}": json.dumps(each, ensure_ascii=False) for name, each in told.items()}
