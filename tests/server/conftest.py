"""A model of images, one of texts, and a server with short limits that most tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import topwork
from tests.cli.conftest import run
from tests.model.samples import easy_folder
from tests.server.wire import MOST, PARTS, PHOTO, QUEUE, SECONDS, Server, with_settings
from topwork.tasks.classification.strategies import ProbeOptions

__all__ = ["run"]


@pytest.fixture(scope="session")
def model(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tells photographs from textile."""
    folder = tmp_path_factory.mktemp("served") / "photo-or-textile"
    data = easy_folder(tmp_path_factory.mktemp("data") / "easy")
    topwork.fit(data, strategy="probe", options=ProbeOptions(stages="last", crop_mode="crop")).save(folder)
    return folder


@pytest.fixture(scope="session")
def texts(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that needs no network, and no decoders."""
    folder = tmp_path_factory.mktemp("served") / "messages"
    topwork.fit(Path(topwork.__file__).parent / "tasks" / "text" / "messages.csv", strategy="ngrams").save(folder)
    return folder


@pytest.fixture(scope="session")
def running(model: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits: dict[str, Any] = {
        "max_bytes": MOST,
        "queue": QUEUE,
        "max_parts": PARTS,
        "header_seconds": SECONDS,
        "upload_seconds": SECONDS,
        "decode_seconds": 5 * SECONDS,  # a large progressive JPEG takes one on a busy machine
        "decoders": 2,
    }
    with with_settings(tmp_path_factory.mktemp("log"), [model, texts], **limits) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """The shared server; after each test it must still be what it was."""
    before = len(running.log.read_text())
    yield running
    assert running.process.poll() is None, running.log.read_text()
    running.await_ready()
    assert running.image(PHOTO).json["predictions"][0]["label"] == "photo"
    assert "Traceback" not in (told := running.log.read_text()[before:]), told
