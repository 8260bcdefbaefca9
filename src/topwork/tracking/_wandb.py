"""Weights & Biases, and what has its shape: Trackio. Where they send to is their own affair (``wandb login``)."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ODD = re.compile(r"[^\w.-]")  # letters that an artefact's name must not have
_QUIET: dict[str, dict[str, str]] = {"wandb": {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}, "trackio": {}}
_OWN: dict[str, dict[str, Any]] = {"wandb": {}, "trackio": {"auto_log_gpu": False, "auto_log_cpu": False}}


def opened(name: str, where: str, run: str, parameters: Mapping[str, str]) -> WandbRun:
    """A new run of a project, ``topwork`` when none is named."""
    for variable, value in _QUIET[name].items():
        os.environ.setdefault(variable, value)
    module = importlib.import_module(name)
    return WandbRun(name, module.init(project=where or "topwork", name=run, config=dict(parameters), **_OWN[name]))


class WandbRun:
    """One run; keeps to ``Tracker``."""

    def __init__(self, name: str, run: Any) -> None:
        self._name, self._run = name, run

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        """In one message."""
        self._run.log(dict(values), step=step)

    def artefact(self, path: Path) -> None:
        """As an artefact of the type report."""
        self._run.log_artifact(str(path), name=_ODD.sub("_", path.name), type="report")

    def end(self, how: str) -> None:
        """With its exit code, where that is asked for."""
        failed = {"exit_code": 1} if how != "finished" and self._name == "wandb" else {}
        self._run.finish(**failed)
