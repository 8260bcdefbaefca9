"""What a model was made from and how it is used: its data, what the doctor found in them, commands, every number."""

from __future__ import annotations

import shlex
from typing import Any

from topwork.data import printable
from topwork.metrics import SelectiveReport, refuting
from topwork.report._checkup import shown_findings
from topwork.report._model import PageContext
from topwork.report._pictures import Album

MOST_NOTES = 30
MOST_CASES = 6  # of a finding
_ROOM_OF_FINDINGS = 500_000  # characters of their pictures
_SURE = 0.95  # of the answers are right, in the command that the page offers; less where that is more than it promises


def data(page: PageContext) -> dict[str, Any]:
    """What trained and what measured it, and what was noticed."""
    record = page.record
    found = page.checkup.findings if page.checkup is not None else ()
    shown = {f"{each.name}: {each.what}" for each in found}  # in a section of their own
    training, measured = record.data.training, getattr(page.metrics, "n", record.data.held_out)
    figures = [("data_training", training), ("data_measured", measured), ("data_left_out", record.data.left_out)]
    noticed = [("data_notes", [note for note in record.data.notes if note not in shown])]
    dataset = page.measured
    if page.again and dataset is not None:
        unread = [f"left out: {printable(item.path)}: {item.reason}" for item in dataset.left_out]
        figures.append(("data_unread", len(unread)))
        noticed.append(("data_measured_notes", [*dataset.notes, *unread]))
    return {
        "figures": figures,
        "noticed": [(key, notes[:MOST_NOTES], max(len(notes) - MOST_NOTES, 0)) for key, notes in noticed if notes],
        "found": bool(found),
    }


def findings(page: PageContext) -> list[dict[str, Any]] | None:
    """What the data doctor found, but for notes that are about no image."""
    checkup = page.checkup
    if checkup is None:
        return None
    told = [found for found in checkup.findings if found.severity != "note" or found.cases]
    album = Album(checkup.dataset, checkup.unusable, room=_ROOM_OF_FINDINGS)
    return shown_findings(told, checkup, album, most=MOST_CASES) or None


def use(page: PageContext) -> dict[str, Any]:
    """Lines to copy."""
    name, selective = shlex.quote(page.name), page.record.task.selective
    lines = [f"topwork predict {name} photo.jpg"]
    if selective is not None:
        lines.append(f"{lines[0]} --coverage 0.95")
        reports = tuple(map(SelectiveReport.from_dict, selective.measured))
        below = min((each.level for each in reports if each.refuted), default=2)
        levels = selective.levels[: len(selective.answers)]
        reached = [each for each in levels if each < below and refuting(each, reports) is None]
        lines += [f"{lines[0]} --abstain {min(_SURE, reached[-1]):g}"] if reached else []
    lines.append(f"topwork evaluate {name} more-photos/")
    load = f"model = topwork.load({page.name!r})"
    return {"command": lines, "python": ["import topwork", "", load, 'print(model.predict(["photo.jpg"])[0].label)']}


def repeat(page: PageContext) -> list[tuple[str, str]]:
    """Name in the texts and value of everything that a second run needs."""
    record = page.record
    network, temperature = record.backbone, getattr(record.task, "calibration", {}).get("temperature")
    facts = [
        ("created", record.created),
        ("strategy", record.strategy),
        ("network", network["name"]),
        ("pretrained_on", network["pretrained_on"]),
        ("licence", network["licence"]),
        ("weights", network["weights"]["sha256"]),
        ("pixels", f"{network['preprocessing']['size']} ({network['preprocessing']['crop_mode']})"),
        ("outputs", ", ".join(record.outputs)),
        ("head", record.head),
        ("temperature", f"{temperature:.4f}" if temperature is not None else ""),
        ("engine", f"{record.engine.name}, {record.engine.precision}"),
        ("seed", str(record.seed)),
        ("asked", record.options_line),
        ("fingerprint", record.data.fingerprint),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))),
    ]
    return [(key, value) for key, value in facts if value]
