"""The whole job in a real browser, where one is installed: a zip, findings, changes, a model, its page, an export."""

from __future__ import annotations

import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from topwork import load
from topwork.data import read
from topwork.tasks import text

from .conftest import pets_in
from .test_boxes import boxes_with_flaws
from .test_masks import with_flaws

DESKTOP, PHONE = 1280, 390  # pixels
MESSAGES = Path(text.__file__).with_name("messages.csv")
PATIENCE = 90_000  # milliseconds; other tests run beside these

pytestmark = pytest.mark.slow


class Served:
    """A process of ``topwork ui``, and the addresses that it prints."""

    def __init__(self, work: Path) -> None:
        self.work = work
        command = [sys.executable, "-m", "topwork", "ui", "--no-browser", "--lang", "en", "-o", str(work)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._addresses: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._addresses.put(line.strip())

    def address(self) -> str:
        return self._addresses.get(timeout=PATIENCE / 1000)

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Tab:
    """A tab, and what the browser complained of in it."""

    page: Page
    told: list[str]

    def go(self, path: str) -> None:
        self.page.goto(f"{self.page.url.split('/', 3)[0]}//{self.page.url.split('/', 3)[2]}/{path}")


def tab(context: BrowserContext, address: str) -> Tab:
    found = Tab(context.new_page(), [])
    found.page.set_default_timeout(PATIENCE)
    found.page.on("console", lambda message: found.told.append(message.text))
    found.page.on("pageerror", lambda error: found.told.append(str(error)))
    own = "/".join(address.split("/")[:3])
    outside = ("data:", "blob:", own)
    found.page.on("request", lambda asked: found.told.extend([] if asked.url.startswith(outside) else [asked.url]))
    found.page.goto(address)
    return found


@dataclass
class Fitted:
    """A model that was made in the browser, the server that is still there, and how to come in again."""

    served: Served
    address: str
    cookies: Any
    folder: Path

    def context(self, browser: Browser, *, width: int = DESKTOP, **how: Any) -> BrowserContext:
        """As the same person's browser, on another screen."""
        return browser.new_context(viewport={"width": width, "height": 900}, storage_state=self.cookies, **how)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("ui") / "work")
    yield found
    found.end()


@pytest.fixture(scope="module")
def fitted(browser: Browser, served: Served, textiles: list[Path]) -> Fitted:
    """Drop a zip, look at the findings, leave one out, give one another class, fit."""
    folder = served.work.parent
    pets = pets_in(folder / "pets", textiles)
    shutil.make_archive(str(folder / "pets"), "zip", folder, "pets")
    address = served.address()
    context = browser.new_context(viewport={"width": DESKTOP, "height": 900})
    first = tab(context, address)
    page = first.page
    assert "token" not in page.url
    page.set_input_files("[data-file]", folder / "pets.zip")
    page.wait_for_selector("#exact-duplicates")
    assert page.locator('img[src^="/picture/"]').first.evaluate(
        "image => image.decode().then(() => image.naturalWidth)"
    )

    page.get_by_label("Leave out global/copy.jpg").first.click()
    page.get_by_label("Put back global/copy.jpg").first.wait_for()
    first.go("class/1")
    page.get_by_label("Class of nominal/wrong.jpg").select_option("global")
    page.get_by_text("1 left out, 1 with another class").first.wait_for()
    work = folder / "work" / "pets"
    mended = read(work / "pets-mended.csv")
    labels = dict(zip(mended.paths, mended.labels.tolist(), strict=True))
    assert "pets/global/copy.jpg" not in labels
    assert mended.classes[labels["pets/nominal/wrong.jpg"]] == "global"
    before = sorted((path.relative_to(pets), path.read_bytes()) for path in pets.rglob("*.jpg"))
    after = work / "pets"
    assert before == sorted((path.relative_to(after), path.read_bytes()) for path in after.rglob("*.jpg"))

    page.get_by_role("button", name="Check again").click()
    page.get_by_role("link", name="Go on to training").click()
    page.get_by_label("60 s").check()
    page.get_by_role("button", name="Train", exact=True).click()
    page.locator("[data-ladder] tbody tr", has_text="kNN").wait_for()  # while it climbs
    assert page.locator("[data-step]").text_content()
    page.wait_for_selector("iframe.report")
    report = page.frame_locator("iframe.report")
    assert "pets-model" in (report.locator("h1").text_content() or "")
    assert load(work / "pets-model").record.task.name == "classification"
    assert first.told == []
    cookies = context.storage_state()
    page.close()  # nobody looks any more
    return Fitted(served, address.split("/?")[0], cookies, work)


def test_the_model_is_tried_and_exported(browser: Browser, fitted: Fitted) -> None:
    here = tab(fitted.context(browser, accept_downloads=True), f"{fitted.address}/try")
    tried = here.page.frame_locator("iframe")
    picture = next((fitted.folder / "pets" / "nominal").glob("*.jpg"))
    tried.locator("#files").set_input_files(picture)
    expect(tried.locator("#answer-title")).to_contain_text("%", timeout=PATIENCE)
    assert here.told == []
    here.go("export")
    onnx = here.page.locator("section", has=here.page.locator("#onnx"))
    onnx.get_by_role("button", name="Make it").click()
    onnx.get_by_role("link", name="Download").wait_for()
    with here.page.expect_download() as download:
        onnx.get_by_role("link", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {"pets-onnx/model.onnx", "pets-onnx/predict.py"} <= set(archive.namelist())


@pytest.mark.parametrize(("language", "width", "scheme"), [("ko", PHONE, "dark"), ("en", DESKTOP, "light")])
def test_everybody_can_read_every_page(
    browser: Browser, fitted: Fitted, language: str, width: int, scheme: str
) -> None:
    context = fitted.context(browser, width=width, color_scheme=scheme, bypass_csp=True)
    here = tab(context, f"{fitted.address}/data")
    can_be_read(here, language, width)
    context.close()


def can_be_read(here: Tab, language: str, width: int) -> None:
    """Every page, by everybody and in that language."""
    if here.page.locator("html").get_attribute("lang") != language:
        here.page.locator(f"footer [value={language}]").click()
    assert here.page.locator("html").get_attribute("lang") == language
    for path in ("data", "check", "class/0", "fit", "report", "try", "export"):
        here.go(path)
        here.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert here.page.evaluate("document.documentElement.scrollWidth") == width, path
        found = Axe().run(here.page).response["violations"]
        assert [(each["id"], node["html"][:200]) for each in found for node in each["nodes"]] == [], path
        if language == "ko":
            shown = here.page.locator("main").inner_text()
            assert re.search("[가-힣]", shown)
            assert not re.search(r"\b(the|and|your)\b", shown), path  # no English sentence is left


def test_every_tab_sees_it_and_any_may_stop_it(browser: Browser, fitted: Fitted) -> None:
    context = fitted.context(browser)
    one, other = (tab(context, f"{fitted.address}/fit") for _ in range(2))
    one.page.get_by_role("button").filter(has_text=re.compile("^(Train|학습 시작)$")).click()
    other.page.wait_for_selector("[data-job]")
    one.page.close()
    again = tab(context, fitted.address)  # a browser that is opened again finds it where it is
    again.page.wait_for_selector("[data-job]")
    again.page.locator("[data-job] button").click()
    for each in (other, again):
        each.page.wait_for_selector(".verdict.blocks[role=alert]")
        each.page.wait_for_selector("button.large")
    assert (fitted.folder / "pets-model" / "model.json").is_file()  # the earlier one is still there
    context.close()


def test_what_is_wrong_is_told_where_it_was_done(browser: Browser, fitted: Fitted, tmp_path: Path) -> None:
    here = tab(fitted.context(browser), f"{fitted.address}/data")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.jpg", b"x")
    here.page.set_input_files("[data-file]", tmp_path / "evil.zip")
    here.page.locator("[data-refused]").get_by_text("../../evil.jpg").wait_for()
    assert not list(fitted.folder.parent.rglob("evil.jpg"))
    here.page.fill("#path-field", str(tmp_path / "nowhere"))
    here.page.locator("form[action='/path'] button").click()
    here.page.get_by_role("alert").get_by_text("nowhere").wait_for()


def test_a_stranger_is_told_how_to_come_in(browser: Browser, fitted: Fitted) -> None:
    context = browser.new_context()
    stranger = context.new_page()
    answer = stranger.goto(fitted.address)
    assert answer is not None
    assert answer.status == 403
    assert stranger.locator("h1").is_visible()
    assert stranger.goto(fitted.served.address()).status == 200  # type: ignore[union-attr]
    context.close()


def test_a_folder_comes_file_by_file_and_one_class_is_too_few(
    browser: Browser, tmp_path: Path, textiles: list[Path]
) -> None:
    for path in textiles[:6]:
        (tmp_path / "alone" / "cloth").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "alone" / "cloth" / path.name)
    served = Served(tmp_path / "work")
    context = browser.new_context()
    here = tab(context, served.address())
    here.page.set_input_files("[data-folder]", tmp_path / "alone")
    alert = here.page.locator("main > [role=alert]")
    expect(alert).to_contain_text("class", timeout=PATIENCE)
    assert len(list((tmp_path / "work" / "alone" / "alone" / "cloth").iterdir())) == 6
    assert here.page.url.endswith("/data")
    context.close()
    served.end()


def test_texts_go_the_same_way(browser: Browser, tmp_path: Path) -> None:
    """A table, a double left out, a model, a text that is tried and corrected; the table stays as it was."""
    table, content = tmp_path / "messages.csv", MESSAGES.read_text("utf-8").splitlines()[:61]
    table.write_text("\n".join([*content, content[1]]) + "\n", "utf-8")
    before = table.read_bytes()
    served = Served(tmp_path / "work")
    context = browser.new_context()
    here = tab(context, served.address())
    here.page.fill("#path-field", str(table))
    here.page.locator("form[action='/path'] button").click()
    here.page.wait_for_selector("#exact-duplicates")
    expect(here.page.locator(".cases").first).to_contain_text("Where is my parcel")
    here.page.get_by_role("button", name=re.compile("^Leave out")).first.click()
    here.page.get_by_text("1 left out").first.wait_for()
    here.page.get_by_role("link", name="Go on to training").click()
    here.page.get_by_label("60 s").check()
    here.page.locator("[name=budget]:checked").evaluate("each => each.value = 5")
    here.page.get_by_role("button", name="Train", exact=True).click()
    here.page.wait_for_selector("iframe.report")
    here.go("try")
    assert not (tmp_path / "messages-corrected").exists()
    tried = here.page.frame_locator("iframe")
    tried.locator("#words").fill("Where is my parcel?")
    tried.locator("#writing button.first").click()
    expect(tried.locator("#answer-title")).to_contain_text("delivery", timeout=PATIENCE)
    assert here.told == []
    assert table.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"messages.csv", "messages-mended.csv", "messages-model"}
    context.close()
    served.end()


@dataclass(frozen=True)
class Marked:
    """Images in which something is marked, and what the pages say of it.

    Attributes:
        written: Writes them, one twice.
        copy: The second name of that one.
        section: Of the report, and its title.
        image: One to try, and a pattern of what the answer says: a detector of one second may find nothing.
    """

    written: Callable[[Path], Path]
    copy: str
    section: tuple[str, str]
    image: tuple[str, str]


MASKS = Marked(with_flaws, "images/copy.png", ("worst", "Worst masks"), ("images/04.png", "classes"))
BOXES = Marked(boxes_with_flaws, "copy.png", ("errors", "Kinds of error"), ("04.png", "object|Nothing found"))


@pytest.mark.parametrize("marked", [MASKS, BOXES], ids=["masks", "boxes"])
def test_what_is_marked_in_images_goes_the_same_way(browser: Browser, tmp_path: Path, marked: Marked) -> None:
    """A zip, a copy left out, a model, held-out images with its answers, and one that it draws; all can be read."""
    marked.written(tmp_path / "shapes")
    shutil.make_archive(str(tmp_path / "shapes"), "zip", tmp_path, "shapes")
    served = Served(tmp_path / "work")
    context = browser.new_context(viewport={"width": DESKTOP, "height": 900})
    here = tab(context, served.address())
    here.page.set_input_files("[data-file]", tmp_path / "shapes.zip")
    here.page.wait_for_selector("#exact-duplicates")
    here.page.get_by_label(f"Leave out {marked.copy}").first.click()
    here.page.get_by_text("1 left out").first.wait_for()
    here.page.get_by_role("link", name="Go on to training").click()
    here.page.get_by_label("60 s").check()
    here.page.locator("[name=budget]:checked").evaluate("each => each.value = 1")
    here.page.get_by_role("button", name="Train", exact=True).click()
    here.page.wait_for_selector("iframe.report")
    report = here.page.frame_locator("iframe.report")
    name, title = marked.section
    expect(report.locator(f"#{name}")).to_have_text(title, timeout=PATIENCE)
    here.go("try")
    tried = here.page.frame_locator("iframe")
    image, answer = marked.image
    tried.locator("#files").set_input_files(tmp_path / "shapes" / image)
    expect(tried.locator("#answer-title")).to_contain_text(re.compile(answer), timeout=PATIENCE)
    assert here.told == []
    cookies: Any = context.storage_state()
    how: Any = {"viewport": {"width": PHONE, "height": 900}, "color_scheme": "dark", "bypass_csp": True}
    reader = browser.new_context(storage_state=cookies, **how)
    can_be_read(tab(reader, here.page.url), "ko", PHONE)
    reader.close()
    context.close()
    served.end()
