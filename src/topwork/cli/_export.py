"""The command ``export``: a model as a folder that needs no topwork."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from topwork.cli._console import Console
from topwork.cli._text import in_shell, printable

if TYPE_CHECKING:
    from topwork.exporting import Agreement, Exported, Int8

Target = Literal["onnx", "openvino", "torch", "web"]
_SAME = 0.995  # of the answers: from there on another precision makes no difference worth a word


def export(
    console: Console,
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write; an earlier export there is replaced.")],
    to: Annotated[
        Target,
        typer.Option(
            help="onnx: one file for ONNX Runtime, with the preprocessing inside. openvino: a network for OpenVINO. "
            "torch: weights for plain timm, or of texts for transformers. "
            "web: a page that answers in the browser, for any static host."
        ),
    ] = "onnx",
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            "--texts",
            help="Images (a folder) or texts (a table) on which the export is compared with `topwork predict` before "
            "it is kept; the sample's if not given.",
            show_default=False,
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Let the network compute in int8 (onnx and openvino, images). It is written only where it is measured "
            "faster on this machine and answers as well on held-out images. Needs --data.",
        ),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="For --int8: all the labelled images that MODEL was fitted on. Those that trained it tell the ranges, "
            "the others measure.",
            show_default=False,
        ),
    ] = None,
    runtime: Annotated[
        Path | None,
        typer.Option(
            help="Of --to web: the file that `npm pack onnxruntime-web` made; npm is asked for it if not given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write MODEL as a folder that gives the same answers without topwork."""
    from topwork.tasks import export as write
    from topwork.tasks import load

    if runtime is not None and to != "web":
        raise typer.BadParameter("--runtime is of --to web")
    if int8 != (data is not None):
        raise typer.BadParameter("--int8 needs --data, and --data is for --int8 alone")
    loaded = load(model)
    page: Any = {"runtime": runtime, "name": model.resolve().name, "language": console.language}
    with console.progress():
        how: Any = {"int8": int8, "data": data, "announce": console.step, **(page if to == "web" else {})}
        found = write(loaded, to, out, images=images, **how)
    console.result(found.to_dict(), _told(found, loaded.thing))


def _told(found: Exported, thing: str) -> list[str]:
    parity, folder = found.parity, printable(str(found.folder))
    megabytes = sum(found.files.values()) / 1e6
    lines = [f"Export: {folder}    ({len(found.files)} files, {megabytes:.1f} MB)"]
    lines += [_agreement(each, parity.rows, thing) for each in parity.agreements]
    if parity.own is not None and (parity.own.same_label or 0.0) < _SAME:
        lines.append(f"This model was fitted on {parity.own.precision} features, and an export computes in float32")
        lines.append("For a model that answers the same in both, fit it with TOPWORK_PRECISION=f32")
    if parity.unread:
        lines.append(f"{parity.unread} {thing}s can be read by topwork and not by predict.py")
    web = f"-m http.server --directory {in_shell(found.folder)}"
    script = web if found.to == "web" else f"{in_shell(found.folder / 'predict.py')} {thing.upper()}"
    if found.int8 is not None:
        lines += _gained(found.int8)
    return [*lines, f"Next:   python {script}"]


def _gained(found: Int8) -> list[str]:
    """What int8 gains and costs, a sentence each."""
    before, after = (f"{each:.1%}" for each in (found.accuracy_float32, found.accuracy))
    same = f"{found.agreement:.1%}"
    lines = [
        f"int8 on {found.images} held-out images: accuracy {after} ({before} in float32), the same answer for {same}"
    ]
    for speed in found.speeds:
        gain, times = f"{speed.gain:.2f}", f"{speed.int8:.1f} instead of {speed.float32:.1f} ms"
        lines.append(f"int8 with {speed.images} images a call: {gain} times as fast, {times} an image")
    return lines


def _agreement(found: Agreement, rows: int, thing: str) -> str:
    """How far it is from predict in one precision, in one sentence."""
    apart = found.farthest.get("probabilities", max(found.farthest.values(), default=0.0))
    if {"scores", "boxes"} <= found.farthest.keys():
        score, pixels = found.farthest["scores"], found.farthest["boxes"]
        return (
            f"Compared with predict in {found.precision} on {rows} {thing}s: scores differ by {score:.1g} at most and "
            f"boxes by {pixels:.1g} pixels, the same objects in {found.same_label:.1%}"
        )
    same = "" if found.same_label is None else f", the same answer for {found.same_label:.1%}"
    return f"Compared with predict in {found.precision} on {rows} {thing}s: differs by {apart:.1g} at most{same}"
