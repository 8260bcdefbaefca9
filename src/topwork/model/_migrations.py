"""From the ``model.json`` of an older format to today's: pure functions from one version's fields to the next's.

A model is never refused for being old. Each function takes the fields as that version wrote them, whatever it had not
learnt to write yet, and gives those of the next version; ``parse_record`` checks the last ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from topwork.errors import ModelError

Fields = dict[str, Any]

FORMAT: Literal[2] = 2
"""The version that is written."""


def migrated(fields: Fields, where: str) -> Fields:
    """The fields as today's format has them.

    Args:
        fields: Of any version so far.
        where: The file, for messages.

    Raises:
        ModelError: The version is none, or newer than this topwork; the message names the version that is needed.
    """
    version = fields.get("format")
    if type(version) is not int or version < 1:
        raise ModelError(f"{where}: format version {version!r} is unknown")
    if version > FORMAT:
        needed = _written_by(fields)
        raise ModelError(
            f"{where}: format version {version} needs {needed}; this topwork reads up to version {FORMAT}",
            hint="pip install --upgrade topwork",
        )
    for step in _STEPS[version - 1 :]:
        try:
            fields = step(fields)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ModelError(f"{where}: a field of format version {version} is missing or wrong: {error}") from error
    return fields


def _written_by(fields: Fields) -> str:
    versions = fields.get("versions")
    version = versions.get("topwork") if isinstance(versions, dict) else None
    return (
        f"topwork {version[:40]} or newer" if isinstance(version, str) and version.isprintable() else "a newer topwork"
    )


def _from_1(old: Fields) -> Fields:
    """Format 2: what belongs to the task stands in a block of its own, and names are the field's.

    ``caution`` became ``selective``, ``asked`` ``options``, ``part`` ``split``, and preprocessing's ``fit``
    ``crop_mode``.
    """
    data = dict(old["data"])
    task = {
        "name": old.get("task", "classification"),
        "classes": old["classes"],
        "training": data["training"],
        "calibration": old["calibration"],
        "mapping": old.get("mapping"),
        "words": old.get("words"),
        "selective": _selective_from_1(old.get("caution")),
        "metrics": _metrics_from_1(old["metrics"]),
    }
    data["training"] = sum(data["training"])
    data["held_out_split"] = data.pop("held_out_part")
    network = dict(old["backbone"])
    network["preprocessing"] = _crop_mode(network["preprocessing"])
    moved = {"classes", "calibration", "mapping", "words", "caution", "metrics", "asked"}
    return {
        **{name: value for name, value in old.items() if name not in moved},
        "format": 2,
        "task": task,
        "backbone": network,
        "trials": [
            {**trial, "question": "crop_mode"} if trial["question"] == "fit" else trial for trial in old["trials"]
        ],
        "advice": _advice_from_1(old.get("advice")),
        "data": data,
        "options": _crop_mode(old.get("asked", {})),
    }


def _selective_from_1(caution: Fields | None) -> Fields | None:
    if caution is None:
        return None
    return {"measured" if name == "kept" else name: value for name, value in caution.items()}


def _metrics_from_1(metrics: Fields | None) -> Fields | None:
    """The confusion as its cells (true, predicted, images); the first evaluations wrote the whole matrix."""
    if not metrics:
        return metrics
    rows, count = metrics["confusion"], len(metrics["classes"])
    if len(rows) != count or any(len(row) != count for row in rows) or sum(map(sum, rows)) != metrics["n"]:
        return metrics
    cells = [[true, said, n] for true, row in enumerate(rows) for said, n in enumerate(row) if n]
    return {**metrics, "confusion": cells}


def _advice_from_1(advice: Fields | None) -> Fields | None:
    """The advice with its new names; None where it is not whole, since a model is used without it."""
    try:
        rungs = [
            {**rung, "name": "probe, best features"} if rung["name"] == "probe, best reading" else rung
            for rung in advice["rungs"]  # type: ignore[index]  # no advice is no advice
        ]
        rest = {name: value for name, value in advice.items() if name != "reading"}  # type: ignore[union-attr]
        return {**rest, "rungs": rungs, "spec": _crop_mode(advice["reading"])}  # type: ignore[index]
    except (AttributeError, KeyError, TypeError):
        return None


def _crop_mode(fields: Fields) -> Fields:
    """The same, at any depth, with ``fit`` under its new name; the places of the keys stay."""
    return {
        "crop_mode" if name == "fit" else name: _crop_mode(value) if isinstance(value, dict) else value
        for name, value in fields.items()
    }


_STEPS: tuple[Callable[[Fields], Fields], ...] = (_from_1,)
