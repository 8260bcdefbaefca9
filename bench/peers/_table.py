"""The rows as one table a data set, and in words where another tool is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from _report import header, table
from topwork.metrics import wilson_interval

Row = dict[str, Any]

_HEAD = (
    "tool",
    "what ran",
    "seconds to the saved model",
    "times topwork's",
    "processor seconds",
    "test accuracy % (95 %)",
    "peak memory MB",
    "lines",
    "artefact MB",
    "one image, s",
)
# What may be better, less first: words for it, the figure, its digits.
_LESS: tuple[tuple[str, str, int], ...] = (
    ("was done sooner", "seconds", 1),
    ("needs less memory at its peak", "peak_mb", 0),
    ("saves a smaller artefact", "artefact_mb", 1),
    ("answers for one image sooner", "predict_seconds", 2),
)


def tables(rows: Sequence[Row]) -> str:
    """Everything that was measured, a data set at a time, in the order it was measured."""
    parts = [header("Against the others: EfficientNet-Lite0, two cores, one run")]
    for name in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == name]
        base = next((row for row in own if row["tool"] == "topwork"), None)
        parts += [f"## {name}", "", table(_HEAD, [_line(row, base) for row in own]), ""]
        if base:
            parts += [*_words(base, [row for row in own if not row["tool"].startswith("topwork")])]
            busy = ", ".join(f"{row['tool']} {100 * row['others']:.0f} %" for row in own)
            parts += [f"- Of the cores, other work on the machine took while each tool trained: {busy}.", ""]
    return "\n".join(parts).rstrip()


def _line(row: Row, base: Row | None) -> list[str]:
    def told(name: str, digits: int) -> str:
        return f"{row[name]:.{digits}f}" if name in row else "–"

    seconds = f"over {row['seconds']:.0f}, ended" if row["code"] is None else f"{row['seconds']:.1f}"
    ratio = f"{row['seconds'] / base['seconds']:.1f}" if base else "–"
    return [
        row["tool"],
        row["setting"],
        seconds if row["code"] in (0, None) else f"failed after {seconds}",
        ratio,
        told("processor_seconds", 0),
        _accuracy(row),
        told("peak_mb", 0),
        str(row["lines"]),
        told("artefact_mb", 1),
        told("predict_seconds", 2),
    ]


def _accuracy(row: Row) -> str:
    if "right" not in row:
        return "–"
    low, high = wilson_interval(row["right"], row["total"])
    return f"{100 * row['right'] / row['total']:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _words(base: Row, peers: Sequence[Row]) -> list[str]:
    """Where a peer is better than topwork, as sentences; and what the figures leave out."""
    lines = [
        f"- {row['tool']} {words}: {row[figure]:.{digits}f} against {base[figure]:.{digits}f}."
        for words, figure, digits in _LESS
        for row in peers
        if row["code"] == 0 and row.get(figure, base[figure]) < base[figure]
    ]
    lines += [
        f"- {row['tool']} is more accurate: {row['right']} of {row['total']} right against {base['right']}."
        for row in peers
        if "right" in row and row["right"] / row["total"] > base["right"] / base["total"]
    ]
    lines = lines or ["- No peer is better in any column."]
    lines.append(
        f"- topwork's first answer on another machine, where its cache is empty: {base['elsewhere_seconds']:.1f} s."
    )
    passes = ", ".join(f"{row['tool']} {row['evaluate_seconds']:.1f}" for row in peers if "evaluate_seconds" in row)
    if passes:
        lines.append(f"- Seconds of one pass over the test images, loading the model included: {passes}.")
    return lines
