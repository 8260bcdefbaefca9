"""What a model was made from and how it is used: its data, what the doctor found in them, commands, every number."""

from __future__ import annotations

import shlex
from typing import Any

from topwork.data import printable
from topwork.metrics import SelectiveReport, refuting
from topwork.model import flat_options
from topwork.report._checkup import mask_colours, shown_findings
from topwork.report._excerpts import album_of
from topwork.report._model import Missing, PageContext

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
        "check": page.command("topwork check {data} --report page.html"),
    }


def findings(page: PageContext) -> dict[str, Any] | Missing | None:
    """What the data doctor found: what may do harm, then what is good to know."""
    checkup = page.checkup
    if checkup is None:
        return Missing(page.command("topwork report {model} --data {data} --check"))
    album = album_of(checkup.dataset, checkup.unusable, room=_ROOM_OF_FINDINGS)
    shown = shown_findings(checkup.findings, checkup, album, most=MOST_CASES)
    serious = [each for each in shown if each["finding"].severity != "note"]
    notes = [each for each in shown if each["finding"].severity == "note"]
    command = page.command("topwork check {data} --json")
    told = {"serious": serious, "notes": notes, "command": command, "colours": mask_colours(checkup.dataset)}
    return told if shown else None


def use(page: PageContext) -> dict[str, Any]:
    """Lines to copy: they run where the page was made, on its own data where those are known."""
    selective = page.record.task.selective
    argument, given = example(page)
    lines = [page.command("topwork predict {model} ") + argument]
    if selective is not None:
        lines.append(f"{lines[0]} --coverage 0.95")
        reports = tuple(map(SelectiveReport.from_dict, selective.measured))
        below = min((each.level for each in reports if each.refuted), default=2)
        levels = selective.levels[: len(selective.answers)]
        reached = [each for each in levels if each < below and refuting(each, reports) is None]
        lines += [f"{lines[0]} --abstain {min(_SURE, reached[-1]):g}"] if reached else []
    lines.append(page.command("topwork evaluate {model} {data}"))
    load = f"model = topwork.load({page.place or page.name!r})"
    return {
        "command": lines,
        "python": ["import topwork", "", load, f"print(model.predict([{given!r}])[0].label)"],
    }


def example(page: PageContext) -> tuple[str, str]:
    """A row as the command line is given it, and as Python is: a file of the data where one can be named."""
    measured, kind = page.measured, page.model.kind
    if not page.data or measured is None or measured.store is not None:
        return kind.argument, kind.example
    path = str(measured.full_path(0))
    return (shlex.quote(path), path) if printable(path) == path else (kind.argument, kind.example)


def cite(page: PageContext) -> Any:
    """The methods as a paper tells them, and the references."""
    return page.model.methods()


def repeat(page: PageContext) -> dict[str, Any]:
    """Name in the texts and value of everything that a second run needs; the options that were chosen come first."""
    record = page.record
    network, temperature = record.backbone, getattr(record.task, "calibration", {}).get("temperature")
    made = network.get("preprocessing")
    rules = ", timm" if made and made.get("rules") == "timm" else ""
    facts = [
        ("created", record.created),
        ("strategy", record.strategy),
        ("network", network["name"]),
        ("pretrained_on", network["pretrained_on"]),
        ("licence", network["licence"]),
        ("weights", network["weights"]["sha256"]),
        ("pixels", f"{made['size']} ({made['crop_mode']}{rules})" if made else ""),
        ("languages", network.get("languages", "")),
        ("tokens", str(network.get("reading", {}).get("longest") or "")),
        ("outputs", ", ".join(record.outputs)),
        ("head", record.head),
        ("temperature", f"{temperature:.4f}" if temperature is not None else ""),
        ("engine", f"{record.engine.name}, {record.engine.precision}"),
        ("seed", str(record.seed)),
        ("fingerprint", record.data.fingerprint),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items()))),
    ]
    asked, usual = flat_options(record.options), flat_options(page.defaults)
    chosen = {name: value for name, value in asked.items() if usual.get(name) != value}
    return {
        "facts": [(key, value) for key, value in facts if value],
        "chosen": chosen,
        "usual": {name: value for name, value in asked.items() if name not in chosen},
    }
