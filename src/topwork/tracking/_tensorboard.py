"""TensorBoard: an event file in a folder of its own, by TensorBoard's own writer; nothing leaves the machine."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = "runs"  # where TensorBoard's users look first


def opened(name: str, where: str, run: str, parameters: Mapping[str, str]) -> TensorBoardRun:
    """A new folder ``WHERE/RUN-TIME``; WHERE is ``runs`` when empty."""
    folder = Path(where or _FOLDER, f"{run}-{time.strftime('%Y%m%d-%H%M%S')}")
    place, more = folder, 1
    while place.exists():
        place, more = folder.with_name(f"{folder.name}-{more}"), more + 1
    return TensorBoardRun(place, parameters)


class TensorBoardRun:
    """One folder; keeps to ``Tracker``."""

    def __init__(self, folder: Path, parameters: Mapping[str, str]) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._folder = folder
        self._writer = EventFileWriter(str(folder))
        rows = [f"| {name} | {value} |" for name, value in parameters.items()]
        self._write(text_pb("parameters", "\n".join(["| parameter | value |", "| --- | --- |", *rows])), 0)

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        """A scalar each."""
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        for name, value in values.items():
            self._write(scalar_pb(name, value), step or 0)

    def artefact(self, path: Path) -> None:
        """A copy in the folder."""
        shutil.copy(path, self._folder)

    def end(self, how: str) -> None:
        """All is on the disk then."""
        self._writer.close()

    def _write(self, summary: Any, step: int) -> None:
        from tensorboard.compat.proto import event_pb2

        self._writer.add_event(event_pb2.Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()
