"""A web export in a real browser, from a plain file server: it answers as Python does, and nothing leaves it."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from playwright.sync_api import Browser, Page, expect

import topwork
from tests.model.samples import textile_folder
from topwork._system import cache_dir
from topwork.data import decode
from topwork.errors import TopworkError
from topwork.exporting._runtime import PACKAGE, VERSION, runtime_files
from topwork.fitting import fit
from topwork.metrics import Costs, Threshold, decide, prediction_sets
from topwork.model import Classifier

pytestmark = pytest.mark.slow

PATIENCE = 60_000  # milliseconds
KEPT = (
    cache_dir() / "runtimes" / f"{PACKAGE}-{VERSION}" / "package.tgz"
)  # the user's, looked for before tests have their own

Picture = Image.Image
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def runtime(shared_cache: Path) -> Path | None:
    """The runtime's package, as the user's cache has it; None where npm has put it into that of the tests."""
    if KEPT.exists():
        return KEPT
    try:
        runtime_files()
    except TopworkError as error:
        pytest.skip(error.message)
    return None


@pytest.fixture(scope="module")
def textile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return textile_folder(tmp_path_factory.mktemp("data") / "textile")


@pytest.fixture(scope="module")
def model(textile: Path, shared_cache: Path) -> Classifier:
    return fit(textile, strategy="probe", backbone=topwork.load_backbone(size=96))  # a fifth of the browser's work


@pytest.fixture(scope="module")
def exact(model: Classifier) -> Classifier:
    """The model without the rounding of bfloat16."""
    engine = model.record.engine.model_copy(update={"precision": "f32"})
    record = model.record.model_copy(update={"engine": engine})
    return Classifier(record, model.head, model.backbone, (), model.novelty)


@pytest.fixture(scope="module")
def exported(model: Classifier, textile: Path, runtime: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "web"
    topwork.export(model, "web", folder, images=textile, name="cloth", runtime=runtime)
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}  # noqa: RUF012 and no .wasm

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(exported: Path) -> Iterator[str]:
    """Of the export below a path, on a host that knows nothing of WebAssembly."""
    serve = functools.partial(Quiet, directory=str(exported.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/web/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, once; whatever the browser complains of or asks of elsewhere fails the tests."""
    told: list[str] = []
    page = browser.new_context(locale="en-GB").new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    near = (address, "data:", f"blob:{address.rpartition('/web/')[0]}")
    page.on("request", lambda asked: told.extend([] if asked.url.startswith(near) else [asked.url]))
    page.goto(address)
    page.locator("#input").wait_for()
    yield page
    page.context.close()
    assert told == []


ANSWER = """async bytes => {
    const [{ pixelsOf }, web] = [await import("./static/pixels.js"), await import("./static/web.js")]
    const blob = new Blob([new Uint8Array(bytes)])
    const [model] = await web.models()
    const { data, width, height } = await pixelsOf(blob)
    const [answer] = await web.answer(model, [{ blob }], { top: 9, coverage: "0.9" }, { loading() {} })
    return { answer, width, height, pixels: btoa(Array.from(data, each => String.fromCharCode(each)).join("")) }
}"""


def png(picture: Picture, **more: Any) -> bytes:
    return encoded(picture, "png", **more)


def encoded(picture: Picture, kind: str, **more: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue()


def turned(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    return exif


def with_gamma(content: bytes) -> bytes:
    """A PNG that says that its samples are linear in light."""
    chunk = b"gAMA" + struct.pack(">I", 100_000)
    return content[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


def swapped_profile() -> bytes:
    """A colour profile under which red is green."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return plain.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def see_through(picture: Picture) -> Picture:
    ramp = np.linspace(0, 255, picture.width * picture.height).reshape(picture.height, picture.width)
    found = picture.copy()
    found.putalpha(Image.fromarray(ramp.astype(np.uint8)))
    return found


LOSSLESS: dict[str, Callable[[Picture], bytes]] = {
    "colour": png,
    "grey": lambda picture: png(picture.convert("L")),
    "palette": lambda picture: png(picture.convert("P")),
    "alpha": lambda picture: png(see_through(picture)),
    "grey-alpha": lambda picture: png(see_through(picture).convert("LA")),
    "one-pixel": lambda picture: png(picture.resize((1, 1))),
    "one-wide": lambda picture: png(picture.resize((1, 301))),
    "one-high": lambda picture: png(picture.resize((301, 1))),
    "smaller": lambda picture: png(picture.resize((63, 40))),
    "profile": lambda picture: png(picture, icc_profile=swapped_profile()),
    "gamma": lambda picture: with_gamma(png(picture)),
    "turned": lambda picture: png(picture, exif=turned(6)),
    "webp": lambda picture: encoded(picture, "webp", lossless=True),
    "bmp": lambda picture: encoded(picture, "bmp"),
}


@pytest.mark.parametrize("case", LOSSLESS)
def test_the_browser_answers_as_python_does(page: Page, exact: Classifier, photos: list[Path], case: str) -> None:
    with Image.open(photos[0]) as picture:
        content = LOSSLESS[case](picture.convert("RGB").resize((301, 187)))
    found = page.evaluate(ANSWER, list(content))
    np.testing.assert_array_equal(pixels_of(found), decode(content))
    agree(found["answer"], exact.predict([content])[0])


def pixels_of(found: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8)
    return pixels.reshape(found["height"], found["width"], 3)


def agree(answer: dict[str, Any], said: Any) -> None:
    for name, share in said.probabilities.items():
        assert answer["probabilities"][name] == pytest.approx(share, abs=1e-3)
    assert answer["typicality"] == pytest.approx(said.typicality, abs=0.02)
    if sorted(said.probabilities.values())[-1] - sorted(said.probabilities.values())[-2] > 0.01:  # not nearly undecided
        assert answer["label"] == said.label


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_jpeg_is_turned_and_hardly_differs(page: Page, exact: Classifier, photos: list[Path], turn: int) -> None:
    """Decoders of JPEG may round otherwise; Chromium's gives the very pixels of topwork's."""
    with Image.open(photos[1]) as picture:
        content = encoded(picture.convert("RGB").resize((320, 200)), "jpeg", exif=turned(turn), quality=90)
    found = page.evaluate(ANSWER, list(content))
    pixels, want = pixels_of(found), decode(content)
    assert pixels.shape == want.shape
    assert np.abs(pixels.astype(int) - want).mean() < 1
    agree(found["answer"], exact.predict([content])[0])


def test_rules_and_sets_are_those_of_python(page: Page) -> None:
    rng = np.random.default_rng(0)
    classes = ["a", "b", "c", "d"]
    rows = rng.dirichlet(np.ones(4) * 0.5, 60).astype(np.float32)
    matrix = rng.integers(0, 5, (4, 4)).astype(float)
    np.fill_diagonal(matrix, 0)
    for rule, told in (
        (None, None),
        (Threshold(2, 0.3), {"place": 2, "probability": 0.3}),
        (Costs(matrix), {"costs": matrix.tolist()}),
    ):
        critical = {"class": "c", "threshold": 0.3}
        facts = {
            "classes": classes,
            "critical": critical,
            "rule": told,
            "promises": {"coverage": {"0.9": 0.2}, "accuracy": {"0.9": 0.6}},
        }
        found = page.evaluate(
            """async ([model, rows]) => {
                const { said } = await import("./static/decide.js")
                const asked = { coverage: "0.9", accuracy: "0.9" }
                return rows.map(row => said({ ...model, unfamiliar_to: 0.05 }, row, 0.04, asked))
            }""",
            [facts, rows.tolist()],
        )
        answers = decide(rows.astype(np.float64), rule)
        sets = prediction_sets(rows.astype(np.float64), 0.2, answers)
        for row, answer, place, inside in zip(rows, found, answers, sets, strict=True):
            assert answer["label"] == answer["labels"][0] == classes[place]
            assert set(answer["labels"]) == {classes[each] for each in np.flatnonzero(inside)}
            assert answer["answered"] == (row[place] >= 0.6)
            assert list(answer["probabilities"]) == [classes[each] for each in np.argsort(-row, kind="stable")]
            assert answer["unfamiliar"] is True
            assert answer["critical"]["flagged"] == (answer["label"] == "c")
            assert answer["critical"]["probability"] == row[2]


def test_a_visitor_gets_answers_and_can_be_told_of_a_bad_file(
    page: Page, exact: Classifier, textiles: list[Path]
) -> None:
    assert page.title() == "Try cloth"
    assert page.locator("footer").inner_text().startswith("The model runs in this browser.")
    page.set_input_files("#files", textiles[0])
    page.locator(".bars").wait_for()
    assert page.locator("#answer-title").inner_text().startswith(exact.predict([textiles[0]])[0].label)
    bad = {"name": "bad.jpg", "mimeType": "image/jpeg", "buffer": b"no image"}
    fine = {"name": "fine.jpg", "mimeType": "image/jpeg", "buffer": textiles[1].read_bytes()}
    page.set_input_files("#files", [bad, fine])  # type: ignore[list-item]
    expect(page.locator("#status")).to_have_text("2 answered, 1 of them could not be used.")
    expect(page.locator(".fault")).to_have_text("could not be used: This is not an image that the browser can read.")
    page.click("#camera")
    page.locator("#take:enabled").click()
    expect(page.locator("#status")).to_contain_text("photograph 1: ")


def test_what_lies_in_the_folder(exported: Path) -> None:
    names = {str(each.relative_to(exported)) for each in exported.rglob("*") if each.is_file()}
    assert {"index.html", "models.json", "model.onnx", "static/page.js", "static/web.js"} <= names
    assert {each for each in names if each.startswith("runtime/")} == {
        "runtime/LICENSE",
        "runtime/ThirdPartyNotices.txt",
        "runtime/ort.js",
        "runtime/ort.wasm",
    }
    assert "static/server.js" not in names
    (facts,) = json.loads((exported / "models.json").read_text("utf-8"))
    assert facts["bytes"] == (exported / "model.onnx").stat().st_size
    assert "python -m http.server" in (exported / "README.md").read_text("utf-8")


def test_a_model_that_is_not_there_is_told(browser: Browser, address: str) -> None:
    page = browser.new_context(locale="en-GB").new_page()
    page.route("**/model.onnx", lambda route: route.fulfill(status=404))
    page.goto(address)
    page.locator("#input").wait_for()
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": png(Image.new("RGB", (9, 9)))}
    page.set_input_files("#files", picture)  # type: ignore[arg-type]
    expect(page.locator("#problem")).to_contain_text("The model's file cannot be loaded.")
    page.unroute("**/model.onnx")
    page.click("#problem button")
    page.locator(".bars").wait_for()
    page.context.close()


def test_texts_and_strange_options_are_refused_before_any_work(model: Classifier, tmp_path: Path) -> None:
    messages = Path(topwork.__file__).parent / "tasks" / "text" / "messages.csv"
    texts = fit(messages, task="text", strategy="ngrams")
    with pytest.raises(TopworkError, match=r"(models of texts|this one reads texts)"):
        topwork.export(texts, "web", tmp_path / "web")
    with pytest.raises(TopworkError, match="an export to onnx has no option runtime"):
        topwork.export(model, "onnx", tmp_path / "web", images=[], runtime=None)
    assert not (tmp_path / "web").exists()
