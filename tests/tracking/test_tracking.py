"""Events reach trackers in order, whatever these do; real ones keep what they were told."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import threading
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from topwork.errors import MissingExtraError, TrainError
from topwork.tracking import Artefact, Begun, Figures, Opened, Tracking, tracker

EVENTS = (Begun("run", {"epochs": "2"}), Figures({"loss": 0.5}, 1), Figures({"loss": 0.25}, 2), Figures({"test": 0.9}))


class Kept:
    """Keeps what it hears; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.failures = failures

    def open(self, name: str, parameters: Mapping[str, str]) -> Kept:
        self._keep("begun", name, dict(parameters))
        return self

    def _keep(self, *what: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("nobody\nis there")
        self.heard.append(what)

    def figures(self, values: Mapping[str, float], step: int | None) -> None:
        self._keep("figures", dict(values), step)

    def artefact(self, path: Path) -> None:
        self._keep("artefact", path.name)

    def end(self, how: str) -> None:
        self._keep("end", how)


ALL = [
    ("begun", "run", {"epochs": "2"}),
    ("figures", {"loss": 0.5}, 1),
    ("figures", {"loss": 0.25}, 2),
    ("figures", {"test": 0.9}, None),
]


def told(*kept: Kept, patience: float = 60.0) -> Tracking:
    with Tracking([Opened("kept", each.open) for each in kept], patience) as tracking:
        for event in EVENTS:
            tracking.tell(event)
    return tracking


def test_a_tracker_hears_all_in_order_and_one_that_fails_hears_it_later() -> None:
    sound, shaky = Kept(), Kept(failures=4)
    assert told(sound, shaky).notes == ()
    assert sound.heard == shaky.heard == [*ALL, ("end", "finished")]


def test_one_that_never_takes_anything_stops_nothing_and_is_told() -> None:
    sound = Kept()
    (note,) = told(Kept(failures=10**9), sound).notes
    assert sound.heard == [*ALL, ("end", "finished")]
    assert note == (
        "kept did not take 5 events of this run: ConnectionError: nobody is there; history.jsonl has all epochs"
    )


def test_a_note_tells_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, parameters: Mapping[str, str]) -> Kept:
        raise ConnectionError(
            "403 from https://me:pass%2Fword@host:1/api and http://to%40ken@host, said http://host/a@b"
        )

    monkeypatch.setattr("topwork.tracking._tracking._WAIT", 0.0)
    with Tracking([Opened("kept", refused)], 60.0) as tracking:
        tracking.tell(EVENTS[0])
    (note,) = tracking.notes
    assert "https://host:1/api and http://host, said http://host/a@b" in note


def test_one_that_hangs_is_waited_for_no_longer_than_patience_lasts() -> None:
    release, kept = threading.Event(), Kept()

    def hang(name: str, parameters: Mapping[str, str]) -> Kept:
        release.wait()
        return kept.open(name, parameters)

    with Tracking([Opened("slow", hang)], patience=0.01) as tracking:
        for event in EVENTS:
            tracking.tell(event)
    try:
        assert tracking.notes[0].startswith("slow did not take ")
        assert "it does not answer" in tracking.notes[0]
    finally:
        release.set()
        tracking._lines[0].thread.join()
    assert kept.heard == [*ALL, ("end", "finished")]


@pytest.mark.parametrize(("error", "how"), [(ValueError, "failed"), (KeyboardInterrupt, "killed")])
def test_an_error_ends_the_run_as_such(error: type[BaseException], how: str) -> None:
    kept = Kept()

    def broken_off() -> None:
        with Tracking([Opened("kept", kept.open)], 60.0) as tracking:
            tracking.tell(EVENTS[0])
            raise error

    with pytest.raises(error):
        broken_off()
    assert kept.heard == [ALL[0], ("end", how)]


def test_names_are_known_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainError, match="no tracker 'mlfow'") as refused:
        tracker("mlfow=http://localhost")
    assert refused.value.hint == "did you mean mlflow?"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as missing:
        tracker("trackio")
    assert missing.value.hint == "pip install 'topwork[trackio]'"


def tracked(given: str, page: Path) -> None:
    """A whole run, which the tracker takes without a complaint."""
    page.write_text("<html></html>")
    with Tracking([tracker(given)], 600.0) as tracking:
        for event in (*EVENTS, Artefact(page)):
            tracking.tell(event)
    assert tracking.notes == ()


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracked(f"tensorboard={tmp_path}/runs", tmp_path / "report.html")
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "report.html").is_file()
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    assert [(each.step, each.tensor_proto.float_val[0]) for each in found.Tensors("loss")] == [(1, 0.5), (2, 0.25)]
    assert [each.tensor_proto.float_val[0] for each in found.Tensors("test")] == [pytest.approx(0.9)]
    (parameters,) = found.Tensors("parameters")
    assert b"epochs | 2" in parameters.tensor_proto.string_val[0]


def test_mlflow_has_what_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tried")
    from mlflow import MlflowClient

    log, failures = MlflowClient.log_batch, [ConnectionError("not now")]

    def shaky(*given: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return log(*given, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", shaky)  # what fails once is told later, in the same run
    tracked(f"mlflow={(tmp_path / 'store').as_uri()}", tmp_path / "report.html")
    client = MlflowClient(tracking_uri=(tmp_path / "store").as_uri())
    experiment = client.get_experiment_by_name("tried")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status, run.data.params) == ("run", "FINISHED", {"epochs": "2"})
    history = [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, "loss")]
    assert (history, run.data.metrics["test"]) == ([(1, 0.5), (2, 0.25)], 0.9)
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["report.html"]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_what_has_the_shape_of_wandb(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the same interface, since the packages bring more than a test needs."""
    kept: list[Any] = []

    class Run:
        def log(self, values: dict[str, float], step: int | None = None) -> None:
            kept.append((values, step))

        def log_artifact(self, path: str, name: str, type: str) -> None:
            kept.append((Path(path).read_text(), name, type))

        def finish(self, **how: int) -> None:
            kept.append(how)

    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    monkeypatch.setattr(module, "init", lambda **how: kept.append(how) or Run(), raising=False)
    monkeypatch.setitem(sys.modules, name, module)
    for variable in ("WANDB_SILENT", "WANDB_ERROR_REPORTING"):
        monkeypatch.setenv(variable, "true")
    tracked(f"{name}=flowers", tmp_path / "my report.html")
    begun, *figures, page, end = kept
    assert (begun["project"], begun["name"], begun["config"]) == ("flowers", "run", {"epochs": "2"})
    assert figures == [({"loss": 0.5}, 1), ({"loss": 0.25}, 2), ({"test": 0.9}, None)]
    assert (page, end) == (("<html></html>", "my_report.html", "report"), {})
