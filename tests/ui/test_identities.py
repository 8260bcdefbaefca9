"""Folders that are identities, not classes: a person says so on the page, and it is checked and fitted as such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import topwork
from topwork.ui._session import Session
from topwork.ui._work import FitWork

from .conftest import idle
from .test_app import AS_JSON, client
from .test_masks import Said

__all__ = ["client"]


@pytest.fixture
def tags(tmp_path: Path) -> Path:
    """Eight patterns, four images of each."""
    for identity in range(8):
        folder = tmp_path / "tags" / f"tag-{identity}"
        folder.mkdir(parents=True)
        pattern = np.random.default_rng(identity).integers(0, 256, (6, 6, 3)).repeat(16, axis=0).repeat(16, axis=1)
        for place in range(4):
            noise = np.random.default_rng(100 * identity + place).normal(0, 20, pattern.shape)
            shown = np.roll(pattern, 5 * place, axis=1) + noise
            Image.fromarray(shown.clip(0, 255).astype(np.uint8)).save(folder / f"{place}.png")
    return tmp_path / "tags"


def test_folders_are_classes_until_a_person_says_that_they_are_identities(
    client: TestClient, session: Session, tags: Path
) -> None:
    session.give(tags)
    assert idle(session).data.task == "classification"  # type: ignore[union-attr]
    page = client.get("/check").text
    assert 'name="meant" value="recognition"' in page
    assert "Is each folder one person, animal or thing that is to be known again?" in page
    client.post("/path", data={"path": str(tags), "meant": "recognition", "to": "check"})
    state = idle(session)
    assert state.data is not None
    assert (state.data.task, state.failure) == ("recognition", None)
    assert (
        state.data.model == tags.parent / "tags-recognition-model"
    )  # beside that of classes, which it is not to replace
    page = client.get("/check").text
    assert "<dt>Identities</dt><dd>8</dd>" in page
    assert "A fifth of the identities" in page
    assert 'name="meant" value="classification"' in page  # the way back
    assert "selected>Identities" in client.get("/data").text
    shown = client.get("/class/3").text
    assert "4 images of this identity" in shown
    assert shown.count("<figure") == 4
    form = client.get("/fit").text
    assert 'type="radio"' not in form  # it takes as long as it takes
    assert 'name="critical"' not in form
    session.speak("ko")
    assert "<dt>대상</dt><dd>8</dd>" in client.get("/check").text


@pytest.mark.parametrize("meant", ["detection", "text", "nothing", "../x"])
def test_what_the_data_cannot_be_is_refused(client: TestClient, session: Session, tags: Path, meant: str) -> None:
    answer = client.post("/path", data={"path": str(tags), "meant": meant, "to": "data"}, headers=AS_JSON)
    assert f"data for {meant} look otherwise" in answer.text
    assert session.state.job is None
    assert session.state.data is None


def test_identities_of_one_image_say_so(session: Session, tags: Path, shared_cache: Path) -> None:
    for path in tags.rglob("[123].png"):
        path.unlink()
    session.give(tags, "recognition")
    assert idle(session).checkup is not None
    session.fit(0)
    state = idle(session)
    assert state.failure is not None
    assert "identities" in state.failure[1].message


def test_a_recogniser_is_fitted_and_measured(tags: Path, shared_cache: Path) -> None:
    said: Any = Said()
    work = FitWork(tags, "recognition", tags.parent / "tags-model", budget=0)
    made = work.run(said)
    model: Any = topwork.load(work.out)
    assert model.record.task.name == "recognition"
    assert any("equal error rate" in line for line in made.lines)
    assert made.targets == ("onnx", "openvino")
    assert "Equal error rate" in (work.out / "report.html").read_text("utf-8")
