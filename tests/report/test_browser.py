"""The pages in a real browser, where one is installed: nothing is complained of, nothing is asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.explain.test_stored import Drawn
from topwork.explain import stored, write_result
from topwork.report import checkup_page, model_page

from .conftest import checkup, each
from .test_advice import ADVICE
from .test_model import NAMES, evaluated, images, model
from .test_seen import CORRUPTED, with_features

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]


def opened(html: str, folder: Path, *, scripts: bool = False) -> tuple[str, list[str]]:
    """The page as the browser holds it in the end, and what it wrote to its console."""
    if scripts:
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    page = folder / "page.html"
    page.write_text(html, "utf-8")
    assert BROWSER is not None
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'p'}",
    ]
    done = subprocess.run(
        [BROWSER, *options, "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def full_page(language: str, folder: Path) -> str:
    """A page with every section, of names that are hard to fit in."""
    found = with_features(images((*NAMES, *(f"class {'x' * 30} {place}" for place in range(15))), 90), ("embedding",))
    write_result(CORRUPTED, folder / "kept" / "corruptions.png", what="corruptions")
    write_result(Drawn("h" * 300), folder / "kept" / "evidence.png", what="evidence", source="s" * 300)
    return model_page(
        model(found, found.dataset.classes, advice=ADVICE.to_dict()),
        "m" * 80,
        found,
        checkup=checkup(found.dataset, each(found.dataset)),
        explained=stored(folder / "kept"),
        language=language,  # type: ignore[arg-type]
    )


def test_a_browser_has_nothing_to_complain_of(tmp_path: Path) -> None:
    dom, complaints = opened(full_page("en", tmp_path), tmp_path)
    assert complaints == []
    assert dom.count("<section") == 20
    dataset = images(NAMES, 12)
    assert opened(checkup_page(checkup(dataset, each(dataset))), tmp_path)[1] == []


def test_it_would_have_told_of_a_script_and_of_a_request(tmp_path: Path) -> None:
    found = evaluated(images(NAMES, 60))
    html = model_page(model(found, NAMES), "m", found)
    spoilt = html.replace("</main>", '<script>alert(1)</script><img src="https://example.com/x.png" alt="x"></main>')
    assert len(opened(spoilt, tmp_path)[1]) >= 2  # both refused by the page's own policy


def test_no_line_is_wider_than_a_phone(tmp_path: Path) -> None:
    """390 pixels by way of a frame; tables and code scroll by themselves."""
    html = full_page("ko", tmp_path)
    inside = (
        re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
        .replace("&", "&amp;")
        .replace('"', "&quot;")
    )
    told = "document.title = f.contentDocument.documentElement.scrollWidth"
    frame = f'<!doctype html><iframe id="f" width="390" style="border:0" srcdoc="{inside}" onload="{told}"></iframe>'
    dom, _ = opened(frame, tmp_path)
    (width,) = re.findall(r"<title>(\d+)</title>", dom.partition("<iframe")[0]) or ["0"]
    assert 0 < int(width) <= 390
