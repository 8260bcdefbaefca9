"""What every room's tests share: a cache of their own, and real pictures."""

from __future__ import annotations

import functools
import gc
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_configure() -> None:
    """Hundreds of tests start Python anew: it keeps what it has compiled, which is half of such a test's time."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = (
        False  # nor are the tests themselves compiled anew each time, which is a third of their import
    )


def pytest_collection() -> None:
    """Nothing is garbage while tests are imported."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was imported stays: it need not be looked through again and again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def ready_networks() -> Iterator[None]:
    """Tests ask in turn for networks that a run asks for once; compiled, eight of them stay in the process, not one."""
    from topwork.engines import _openvino

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_openvino, "_compiled", functools.lru_cache(maxsize=8)(_openvino._compiled.__wrapped__))
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the whole run, so that a network is converted once; the user's own is never touched."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOPWORK_CACHE", str(folder))
        patch.delenv("TOPWORK_CACHE_SIZE", raising=False)
        yield folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that nothing is in; it does not exist yet."""
    folder = tmp_path / "empty-cache"
    monkeypatch.setenv("TOPWORK_CACHE", str(folder))
    return folder


def package_folder(name: str) -> Path:
    """Where a package's data lie, without importing it (foolbox would import torch)."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@pytest.fixture(scope="session")
def photos() -> list[Path]:
    """20 ImageNet pictures; the name ends in the class's index: imagenet_00_243.jpg."""
    return sorted(package_folder("foolbox").glob("imagenet_*.jpg"))


@pytest.fixture(scope="session")
def textiles() -> list[Path]:
    """Close-ups of cloth with and without a fault, larger than the networks' input."""
    folder = package_folder("conformal_clip_data")
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """An installed Chromium with a camera that is a film; while it is there no other event loop can run, so it goes."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    if found is None:
        pytest.skip("no Chromium is installed")
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=found, args=["--no-sandbox", *camera], timeout=60_000)


@pytest.fixture
def in_f32(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared with another library's float32 is computed in float32, also where the processor has bfloat16."""
    monkeypatch.setenv("TOPWORK_PRECISION", "f32")
