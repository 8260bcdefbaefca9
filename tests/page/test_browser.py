"""The page in a real browser, with real models behind it: what a visitor does, and what goes wrong."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

from topwork.model import Classifier

from .conftest import Open
from .served import Served

pytestmark = pytest.mark.slow

PHONE = 390
ALL = {"maps": True, "nearest": True, "collect": True, "critical": {"class": "local", "threshold": 0.0001}}


def give(page: Page, *files: Path | dict[str, Any]) -> None:
    page.locator("#input").wait_for()
    page.set_input_files("#files", list(files))


def drop(page: Page, files: dict[str, bytes]) -> None:
    """As if these files were dropped somewhere in the page."""
    held = page.evaluate_handle(
        """files => {
            const data = new DataTransfer()
            for (const [name, bytes] of Object.entries(files)) data.items.add(new File([new Uint8Array(bytes)], name))
            return data
        }""",
        {name: list(content) for name, content in files.items()},
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event("footer", event, {"dataTransfer": held})


def paste(page: Page, content: bytes) -> None:
    page.evaluate(
        """bytes => {
            const data = new DataTransfer()
            data.items.add(new File([new Uint8Array(bytes)], "image.png", {type: "image/png"}))
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}))
        }""",
        list(content),
    )


def shares(page: Page) -> dict[str, str]:
    """The classes and their probabilities, as they are shown."""
    page.locator(".bars").wait_for()
    bars = page.locator(".bars li").all()
    return {bar.locator("bdi").inner_text(): bar.locator(".number").inner_text() for bar in bars}


def violations(page: Page) -> list[tuple[str, str]]:
    """What axe-core finds, with everything unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(page).response["violations"]
    return [(each["id"], node["html"][:200]) for each in found for node in each["nodes"]]


# --- What a visitor does


def test_the_answer_is_what_predict_says(opened: Open, model: Classifier, textiles: list[Path]) -> None:
    page = opened()
    give(page, textiles[0])
    (said,) = model.predict([textiles[0]])
    assert shares(page) == {name: shown(share) for name, share in said.probabilities.items()}
    assert page.locator("#answer-title").inner_text() == f"{said.label} {shown(said.probability)}"
    assert page.locator("#status").inner_text() == f"{textiles[0].name}: {said.label}, {shown(said.probability)}."


def shown(share: float) -> str:
    return f"{min(max(100 * share, 0.1), 99.9):.1f}\xa0%"


def test_dropping_and_pasting_and_a_photograph_are_answered_too(opened: Open, textiles: list[Path]) -> None:
    page = opened()
    page.locator("#input").wait_for()
    drop(page, {"dropped.jpg": textiles[0].read_bytes()})
    expect(page.locator("#status")).to_contain_text("dropped.jpg: ")
    paste(page, textiles[0].read_bytes())
    expect(page.locator("#status")).to_contain_text("pasted image 1: ")
    page.click("#camera")
    page.locator("#take:enabled").click()  # of Chromium's own film
    expect(page.locator("#status")).to_contain_text("photograph 1: ")
    assert not page.locator("#camera-window").is_visible()
    assert page.evaluate("document.getElementById('video').srcObject") is None


def test_texts_are_answered_one_or_each_line(opened: Open, text_model: Classifier) -> None:
    page = opened()
    page.locator("#input").wait_for()
    page.select_option("#model", "1")
    assert not page.locator("#zone").is_visible()
    page.fill("#words", "where is my parcel?")
    page.click("#writing button")
    (said,) = text_model.predict(["where is my parcel?"])
    assert shares(page)[said.label] == shown(said.probability)
    page.fill("#words", "where is my parcel?\n\n  it broke on the first day  ")
    page.check("#each-line")
    page.click("#writing button")
    expect(page.locator("#status")).to_have_text("2 answered.")
    assert [each.inner_text() for each in page.locator("tbody th").all()] == [
        "where is my parcel?",
        "it broke on the first day",
    ]


def test_an_unsure_answer_is_withheld_and_a_set_holds_several(
    opened: Open, model: Classifier, textiles: list[Path]
) -> None:
    page = opened()
    unsure = next(each for each in textiles if not model.predict([each], accuracy=0.9)[0].answered)
    give(page, unsure)
    shares(page)
    page.select_option("#certainty", "accuracy=0.9")
    expect(page.locator("#answer-title")).to_have_text("Not sure enough")
    assert [each.get_attribute("value") for each in page.locator("#certainty option").all()].count("accuracy=0.99") == 0
    page.select_option("#certainty", "coverage=0.9")
    (said,) = model.predict([unsure], coverage=0.9)
    expect(page.locator(".set li")).to_have_text(list(said.labels or ()))


def test_what_is_unlike_the_training_images_and_what_is_critical_is_told(
    opened: Open, served: Served, photos: list[Path]
) -> None:
    served.behaviour.facts["cloth"] = ALL
    page = opened()
    give(page, photos[0])
    expect(page.locator(".notice.warning")).to_contain_text("Unlike the training images")
    expect(page.locator("#answer .notice.blocks")).to_contain_text("local: ")
    expect(page.locator("#answer .notice.blocks")).to_contain_text("its threshold of 0.01\xa0%")


def test_the_evidence_lies_where_the_network_looked(opened: Open, served: Served, photos: list[Path]) -> None:
    """The middle half of the image, whatever size it is shown at."""
    served.behaviour.facts["cloth"] = ALL
    for width in (1280, PHONE):
        page = opened(width=width)
        give(page, photos[0])
        page.check("#evidence")
        overlay, image = page.locator(".overlay").bounding_box(), page.locator(".frame img").first.bounding_box()
        assert overlay is not None
        assert image is not None
        left, right, height = image["width"] * 0.25, image["width"] * 0.5, image["height"]
        assert overlay["x"] - image["x"] == pytest.approx(left, abs=1)
        assert (overlay["width"], overlay["height"]) == pytest.approx((right, height), abs=1)
        page.uncheck("#evidence")
        assert not page.locator(".overlay").count()


def test_similar_training_images_are_shown_on_request(opened: Open, served: Served, photos: list[Path]) -> None:
    served.behaviour.facts["cloth"] = ALL
    page = opened()
    give(page, photos[0])
    shares(page)
    assert "nearest" not in served.behaviour.asked[-1]
    page.check("#nearest")
    expect(page.locator(".nearest img")).to_have_count(3)
    expect(page.locator(".nearest figcaption").first).to_contain_text("similarity 0.90")


def test_a_correction_is_kept_and_only_where_the_server_keeps_any(
    opened: Open, served: Served, textiles: list[Path]
) -> None:
    page = opened()
    give(page, textiles[0])
    shares(page)
    assert not page.locator(".wrong").count()
    served.behaviour.facts["cloth"] = {"collect": True}
    page = opened()
    give(page, textiles[0])
    page.locator(".wrong summary").click()
    page.select_option(".wrong select", "nominal")
    page.click(".wrong button")
    expect(page.locator(".wrong [role=status]")).to_have_text("Saved as an example of nominal.")
    assert served.behaviour.collected == [(textiles[0].name, "nominal")]


def test_several_become_a_table_and_each_can_be_looked_at(
    opened: Open, served: Served, model: Classifier, textiles: list[Path], tmp_path: Path
) -> None:
    served.behaviour.facts["cloth"] = ALL
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no image")
    files = [*textiles[:10], broken]
    page = opened()
    give(page, *files)
    expect(page.locator("#status")).to_have_text("11 answered, 1 of them could not be used.")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(11)
    for row, said in zip(rows.all(), model.predict(files), strict=True):
        assert (said.error or shown(said.probability)) in row.inner_text()
    page.check("#evidence")  # of the one that is shown, and of no other
    page.locator(".overlay").wait_for()
    assert [each.get("map") for each in served.behaviour.asked].count("true") == 1
    page.locator("tbody button").nth(3).focus()
    page.keyboard.press("Enter")
    expect(page.locator("figcaption").first).to_contain_text(textiles[3].name)
    assert page.evaluate("document.activeElement.id") == "answer"
    assert [row.get_attribute("class") for row in rows.all()].index("chosen") == 3


def test_the_table_is_saved_without_a_formula(opened: Open, textiles: list[Path]) -> None:
    names = ["=1+1.jpg", '@x"y".jpg', "+a,b.jpg", "-2.jpg", " =2.jpg", "＝3.jpg", "plain.jpg", "한글.jpg"]
    page = opened()
    give(page, *({"name": each, "mimeType": "image/jpeg", "buffer": textiles[0].read_bytes()} for each in names))
    expect(page.locator("#status")).to_have_text("8 answered.")
    with page.expect_download() as download:
        page.click("#download")
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row["source"] for row in rows] == [f"'{each}" for each in names[:6]] + names[6:]
    assert not [cell for row in rows for cell in row.values() if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert 0 < float(rows[0]["probability"]) <= 1


def test_the_table_of_texts_holds_the_texts(opened: Open) -> None:
    page = opened()
    page.locator("#input").wait_for()
    page.select_option("#model", "1")
    given = ["=1+1", 'she said "no", and left', "한글"]
    page.check("#each-line")
    page.fill("#words", "\n".join(given))
    page.click("#writing button")
    expect(page.locator("#status")).to_have_text("3 answered.")
    with page.expect_download() as download:
        page.click("#download")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"), newline="")))
    assert [row["text"] for row in rows] == [f"'{given[0]}", *given[1:]]


def test_the_language_is_the_addresss_or_the_browsers_and_can_be_changed(opened: Open, textiles: list[Path]) -> None:
    page = opened(query="?lang=ko")
    give(page, textiles[0])
    shares(page)
    assert page.title() == "cloth 써 보기"
    assert page.locator("html").get_attribute("lang") == "ko"
    assert page.get_by_text("확률", exact=True).is_visible()
    page.select_option("#language", "en")
    assert page.get_by_text("Probabilities", exact=True).is_visible()
    assert page.url.endswith("?lang=en")
    assert page.locator("#status").inner_text().startswith(textiles[0].name)


# --- What goes wrong


def test_a_file_that_is_no_image_is_told_in_words(opened: Open, tmp_path: Path) -> None:
    file = tmp_path / "letter.jpg"
    file.write_text("Dear all")
    page = opened(expected=True)
    give(page, file)
    expect(page.locator("#answer-title")).to_have_text("This could not be used")
    expect(page.locator("#answer .words")).to_contain_text("not an image")
    expect(page.locator(".frame")).to_contain_text("This browser cannot show this file.")


def test_a_busy_server_is_asked_again(opened: Open, served: Served, textiles: list[Path]) -> None:
    served.behaviour.busy = 1
    page = opened(expected=True)
    give(page, textiles[0])
    expect(page.locator("#status")).to_have_text("The server is busy. Trying again in 1 s.")
    assert shares(page)
    assert len(served.behaviour.asked) == 2


def test_an_answer_that_is_no_json_is_told_and_tried_again_on_request(
    opened: Open, served: Served, textiles: list[Path]
) -> None:
    served.behaviour.broken = 1
    page = opened(expected=True)
    give(page, textiles[0])
    expect(page.locator("#problem")).to_contain_text("The server answered with an error (502).")
    page.click("#problem button")
    assert shares(page)
    assert not page.locator("#problem").is_visible()


def test_too_many_at_once_are_sent_one_by_one(opened: Open, served: Served, textiles: list[Path]) -> None:
    served.behaviour.most = 1
    page = opened(expected=True)
    give(page, *textiles[:3])
    expect(page.locator("#status")).to_have_text("3 answered.")


def test_offline_is_told_and_goes_on_by_itself(opened: Open, textiles: list[Path]) -> None:
    page = opened(expected=True)
    page.locator("#input").wait_for()
    page.context.set_offline(True)
    expect(page.locator("#problem")).to_contain_text("This device is offline.")
    give(page, textiles[0])
    expect(page.locator("#problem")).to_contain_text("This device is offline.")
    page.context.set_offline(False)
    assert shares(page)
    assert not page.locator("#problem").is_visible()


def test_a_long_list_can_be_stopped(opened: Open, served: Served, textiles: list[Path]) -> None:
    served.behaviour.pause = 0.5
    page = opened()
    give(page, *textiles[:20])
    expect(page.locator("#status")).to_have_text("8 of 20 answered")
    page.click("#stop")
    expect(page.locator("#status")).to_have_text("Stopped: 8 of 20 answered.")


def test_a_token_is_asked_for_and_kept_for_the_tab(opened: Open, served: Served, textiles: list[Path]) -> None:
    served.behaviour.token = "secret"
    page = opened(expected=True, bypass_csp=True)
    page.locator("#token").wait_for()
    assert violations(page) == []
    page.fill("#token-value", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_contain_text("The server does not accept this token.")
    page.fill("#token-value", "secret")
    page.keyboard.press("Enter")
    give(page, textiles[0])
    assert shares(page)
    page.reload()
    page.locator("#zone").wait_for()


def test_names_and_classes_are_shown_as_text(opened: Open, textiles: list[Path]) -> None:
    name = "<img src=x onerror=alert(1)>\u202etxt.jpg"
    page = opened()
    give(page, {"name": name, "mimeType": "image/jpeg", "buffer": textiles[0].read_bytes()})
    shares(page)
    expect(page.locator("figcaption bdi")).to_have_text(name)
    assert page.locator("#answer img").count() == 1


def test_a_camera_that_is_not_allowed_is_told(opened: Open) -> None:
    page = opened()
    page.locator("#input").wait_for()
    refused = "Promise.reject(new DOMException('', 'NotAllowedError'))"
    page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = () => {refused} }}")
    page.click("#camera")
    expect(page.locator("#camera-state")).to_contain_text("The browser may not use the camera.")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "camera"


# --- Everybody can use it


@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (PHONE, "dark", "ko")])
def test_everybody_can_use_it(
    opened: Open, served: Served, textiles: list[Path], width: int, scheme: str, language: str
) -> None:
    served.behaviour.facts["cloth"] = ALL
    page = opened(width=width, query=f"?lang={language}", color_scheme=scheme, bypass_csp=True, expected=True)
    page.locator("#input").wait_for()
    assert violations(page) == []
    give(page, *textiles[:3])
    page.check("#evidence")
    page.check("#nearest")
    page.locator(".nearest").wait_for()
    page.select_option("#certainty", "coverage=0.9")
    page.locator(".set").wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.click("#camera")
    page.locator("#take:enabled").wait_for()
    assert violations(page) == []


def test_all_is_reached_by_keyboard(opened: Open, textiles: list[Path]) -> None:
    page = opened()
    # Playwright asks the browser for its choosers when somebody listens, and does not wait until it does so.
    page.on("filechooser", lambda _: None)
    page.locator("#input").wait_for()
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["model", "language", "files", "camera", "certainty", ""]
    page.focus("#files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(textiles[0])
    assert shares(page)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_line_is_wider_than_a_phone(opened: Open, served: Served, language: str) -> None:
    served.behaviour.facts["cloth"] = ALL | {"name": "cloth", "classes": ["c" * 200, *"defghijk"]}
    page = opened(width=PHONE, query=f"?lang={language}")
    picture = io.BytesIO()
    Image.new("RGB", (3000, 40)).save(picture, "png")
    wide = {"name": "n" * 200 + ".png", "mimeType": "image/png", "buffer": picture.getvalue()}
    give(page, wide, wide)
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator(".bars").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE


def test_nothing_moves_where_that_is_not_wanted(opened: Open) -> None:
    page = opened(reduced_motion="reduce")
    assert page.locator("#zone").evaluate("zone => getComputedStyle(zone).transitionDuration") == "0s"


def test_the_policy_would_have_told_of_a_script(opened: Open) -> None:
    page = opened(expected=True)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'let x'}))")
    page.evaluate("fetch('//elsewhere.invalid/').catch(() => {})")
    page.wait_for_timeout(200)
    assert {each.partition(" ")[0] for each in refused if "Content Security Policy" in each} >= {
        "Executing",
        "Connecting",
    }
