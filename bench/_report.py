"""What every benchmark prints around its figures: the commit, the date, the machine, and a table with spreads."""

from __future__ import annotations

import datetime
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

from topwork._system import available_cores
from topwork.engines import precisions


def header(title: str) -> str:
    """Title, command's circumstances: commit, date, processor."""
    return "\n".join(
        [
            f"# {title}",
            "",
            f"commit {_commit()} · {datetime.date.today().isoformat()} · {_processor()}, "
            f"{available_cores()} cores, {'/'.join(precisions('openvino'))} · Python {platform.python_version()}",
            "",
        ]
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median, and the lowest and highest in brackets."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def _commit() -> str:
    here = Path(__file__).parent
    asked = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(asked, cwd=here, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
    named = {key.strip(): value.strip() for key, value in facts.items()}
    return f"{named.get('model name', 'unknown')} (family {named.get('cpu family')}, model {named.get('model')})"
