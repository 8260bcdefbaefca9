"""int8: what it gains and costs, as the export itself measures it; a refusal stands with its reasons.

For each data set a probe is fitted, and exported in int8 to ONNX and to OpenVINO. Times are those that the export takes
in turn with float32, of the whole model as its script runs it.

    python bench/int8.py DATA... [--backbone efficientnet_lite0] [--targets onnx,openvino] [--note "shared, not quiet"]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import topwork
from _report import header, table
from topwork.errors import TopworkError
from topwork.exporting import Int8, Speed

_HEAD = (
    "data",
    "to",
    "held-out images",
    "first convolutions in float32",
    "accuracy, float32",
    "int8",
    "same answer",
    "ms an image, 1 a call",
    "8 a call",
)


def row(data: str, to: str, found: Int8) -> list[str]:
    """One export."""
    shares = (f"{100 * share:.1f} %" for share in (found.accuracy_float32, found.accuracy, found.agreement))
    return [data, to, str(found.images), str(found.kept), *shares, *map(_both, found.speeds)]


def _both(speed: Speed) -> str:
    return f"{speed.float32:.1f} → {speed.int8:.1f} ({speed.gain:.2f} ×)"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--backbone", default=None)
    parser.add_argument("--targets", default="onnx,openvino")
    parser.add_argument("--note", default="")
    given = parser.parse_args()
    rows = []
    for data in given.data:
        model = topwork.fit(data, strategy="probe", backbone=given.backbone)
        for to in given.targets.split(","):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found = topwork.export(model, to, Path(folder) / "out", int8=True, data=data).int8
                    assert found is not None
                    rows.append(row(data.name, to, found))
                except TopworkError as error:
                    rows.append([data.name, to, f"refused: {error.message}", *[""] * (len(_HEAD) - 3)])
    print(header("int8 exports"))
    if given.note:
        print(f"Machine: {given.note}.\n")
    print(f"Backbone: {given.backbone or 'the default'}; times are float32 → int8, medians of nine rounds in turn.\n")
    print(table(_HEAD, rows))


if __name__ == "__main__":
    main()
