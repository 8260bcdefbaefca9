"""Real models, a server that has them, and the page in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.model.samples import textile_folder
from topwork.fitting import fit
from topwork.model import Classifier

from .served import Behaviour, Served, serving

PATIENCE = 60_000  # milliseconds; other tests run beside these

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Classifier:
    """Three classes of cloth."""
    return fit(textile_folder(tmp_path_factory.mktemp("data") / "textile"), strategy="probe")


@pytest.fixture(scope="session")
def text_model(shared_cache: Path) -> Classifier:
    import topwork

    messages = Path(topwork.__file__).parent / "tasks" / "text" / "messages.csv"
    return fit(messages, task="text", strategy="ngrams")


@pytest.fixture(scope="module")
def running(model: Classifier, text_model: Classifier) -> Iterator[Served]:
    with serving({"cloth": model, "messages": text_model}) as served:
        yield served


@pytest.fixture
def served(running: Served) -> Iterator[Served]:
    """The server, as a test finds it and leaves it."""
    running.behaviour.__dict__.update(Behaviour().__dict__)
    yield running
    running.behaviour.__dict__.update(Behaviour().__dict__)


@pytest.fixture
def opened(browser: Browser, served: Served) -> Iterator[Open]:
    """Opens the page. What the browser complains of, or asks of elsewhere, fails the test that opened it."""
    told: list[str] = []

    def opened(*, width: int = 1280, height: int = 900, query: str = "", expected: bool = False, **how: Any) -> Page:
        page = browser.new_context(viewport={"width": width, "height": height}, locale="en-GB", **how).new_page()
        page.set_default_timeout(PATIENCE)
        if not expected:
            page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        near = (served.url, "data:", f"blob:{served.url}")
        page.on("request", lambda asked: told.extend([] if asked.url.startswith(near) else [asked.url]))
        page.goto(served.url + query)
        return page

    yield opened
    for context in browser.contexts:
        context.close()
    assert told == []
