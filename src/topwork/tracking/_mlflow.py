"""MLflow: a run of an experiment, on a server or in its own files. ``mlflow-skinny`` suffices for a server."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ODD = re.compile(r"[^\w\-./: ]")  # letters that names must not have
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
_LONGEST = 500  # letters of a parameter, which every store takes


def opened(name: str, where: str, run: str, parameters: Mapping[str, str]) -> MLflowRun:
    """A new run at a tracking URI, or where ``MLFLOW_TRACKING_URI`` says; of ``MLFLOW_EXPERIMENT_NAME`` or topwork."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing is sent to anybody else
    from mlflow import MlflowClient
    from mlflow.entities import Param

    client = MlflowClient(tracking_uri=where or None)
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "topwork")
    found = client.get_experiment_by_name(experiment)
    place = found.experiment_id if found else client.create_experiment(experiment)
    made = client.create_run(place, run_name=run).info.run_id
    told = [Param(_ODD.sub("_", name), value[:_LONGEST]) for name, value in parameters.items()]
    return MLflowRun(client, made, told)


class MLflowRun:
    """One run; keeps to ``Tracker``. Its parameters go before the first event: what fails then begins no second run."""

    def __init__(self, client: Any, run: str, parameters: list[Any]) -> None:
        self._client, self._run, self._parameters = client, run, parameters

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        """In one message."""
        from mlflow.entities import Metric

        self._begin()
        now = int(time.time() * 1000)
        told = [Metric(_ODD.sub("_", name), value, now, step or 0) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=told)

    def artefact(self, path: Path) -> None:
        """Beside the run."""
        self._begin()
        self._client.log_artifact(self._run, str(path))

    def end(self, how: str) -> None:
        """With its status."""
        self._begin()
        self._client.set_terminated(self._run, _STATUS[how])

    def _begin(self) -> None:
        if self._parameters:
            self._client.log_batch(self._run, params=self._parameters)
            self._parameters = []
