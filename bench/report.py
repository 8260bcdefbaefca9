"""The page with evidence and the data doctor, of an unchanged model: the first time, and again.

    python bench/report.py IMAGES [--repeats 3]        IMAGES: a folder of class folders

The plain way is the first time: every map and the doctor's probe are computed. Again, both are found in the cache.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from _report import header, spread, table
from commands import seconds
from topwork import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    figures: dict[str, list[float]] = {}
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            model = str(Path(folder) / "model")
            seconds(["fit", str(options.data), "-o", model, "--strategy", "probe"], folder)
            for when in ("first", "again"):
                command = ["report", model, "--data", str(options.data), "--evidence", "--check"]
                figures.setdefault(when, []).append(seconds(command, folder))
    print(header(f"report --evidence --check, {len(read(options.data))} images"))
    rows = [(when, spread(values, 1)) for when, values in figures.items()]
    print(table(("report --evidence --check", f"seconds: median (lowest–highest) of {options.repeats}"), rows))


if __name__ == "__main__":
    main()
