"""Points and boxes become masks over HTTP: those of ``topwork segment``, the embedding once, and what means nothing."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco

from tests.backbones.segmenters import save
from tests.cli.conftest import Run
from tests.server.test_serving_docs import examples
from tests.server.wire import FORM, PHOTO, Reply, Server, form, png_bomb, with_settings
from tests.tasks.segmentation.made import segmenter
from topwork._arrays import UInt8Array
from topwork.errors import DataError
from topwork.server import _prompting
from topwork.server._decoder import Decoded
from topwork.server._prompting import Prompting
from topwork.server._segmenting import _asked
from topwork.tasks.segmentation.promptable import Promptable

pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own

ONE, BOXES = "point=20,11&point=60,40,-", "box=5,4,40,30&box=30,10,66,41"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("sam", tmp_path_factory.mktemp("sam") / "sam")


@pytest.fixture(scope="module")
def server(network: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("served")
    asked: dict[str, Any] = {"prompts": "someone/sam", "prompts_weights": str(network)}
    with with_settings(root, [segmenter().save(root / "cells")], decoders=1, **asked) as running:
        yield running


@pytest.fixture(scope="module")
def pixels() -> UInt8Array:
    small = np.random.default_rng(5).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((70, 45), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def image(pixels: UInt8Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def ask(server: Server, asked: str, image: bytes = b"", **headers: str) -> Reply:
    return server.ask("POST", f"/segment?{asked}", image, content_type="image/png", **headers)


@pytest.mark.parametrize("asked", [ONE, BOXES])
def test_masks_are_those_of_segment(
    server: Server, network: Path, image: bytes, run: Run, tmp_path: Path, asked: str
) -> None:
    (tmp_path / "a.png").write_bytes(image)
    options = [part for each in asked.split("&") for part in (f"--{each.split('=')[0]}", each.split("=")[1])]
    given = ("--backbone", "someone/sam", "--weights", network, "--json")
    expected = json.loads(run("segment", tmp_path / "a.png", *options, *given).out)
    said = ask(server, asked, image)
    assert (said.status, said.headers["content-type"]) == (200, "application/json")
    assert said.json["image"] == hashlib.sha256(image).hexdigest()
    assert (said.json["width"], said.json["height"], said.json["network"]) == (70, 45, expected["network"])
    assert len(said.json["masks"]) == len(expected["masks"]) == (1 if asked == ONE else 2)
    for one, other in zip(said.json["masks"], expected["masks"], strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
        both = [coco.decode(each["segmentation"]).astype(bool) for each in (one, other)]
        assert (both[0] != both[1]).mean() < 0.01
        assert coco.toBbox(one["segmentation"]).tolist() == one["bbox"]


def test_files_hold_the_masks_of_the_answer(server: Server, image: bytes) -> None:
    told = ask(server, BOXES, image).json["masks"]
    masks, scores = [coco.decode(each["segmentation"]) for each in told], [each["score"] for each in told]
    picture = ask(server, BOXES, image, accept="image/png")
    numbers = np.asarray(Image.open(io.BytesIO(picture.body)))
    assert (picture.headers["content-type"], numbers.dtype) == ("image/png", np.uint16)
    assert (numbers == np.where(masks[1], 2, masks[0])).all()  # the later one on top
    outlines = ask(server, f"{BOXES}&format=geojson", image)
    assert outlines.headers["content-type"] == "application/geo+json"
    for feature, mask in zip(outlines.json["features"], masks, strict=True):
        assert feature["properties"]["measurements"]["Area px^2"] == mask.sum()
        assert feature["properties"]["measurements"]["Score"] in scores
        filled = Image.new("1", (70 * 8, 45 * 8))  # each whole, also where another lies upon it
        pen, shape = ImageDraw.Draw(filled), feature["geometry"]
        pieces = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
        for outline, *holes in pieces:
            for ring, ink in ((outline, 1), *((hole, 0) for hole in holes)):
                pen.polygon([(x * 8, y * 8) for x, y in ring], fill=ink)
        assert (np.asarray(filled)[4::8, 4::8] == mask).mean() > 0.99


def test_an_image_is_asked_about_again_without_being_sent(server: Server, image: bytes) -> None:
    form = server.ask("POST", f"/segment?{ONE}", image, content_type="application/octet-stream").json
    again = ask(server, f"{ONE}&image={form['image']}")
    assert again.json == form
    other = ask(server, f"box=5,4,40,30&image={form['image']}&format=png")
    assert other.status == 200
    assert ask(server, f"{ONE}&image={'0' * 64}").refused(404) == "the image is not kept any more"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_examples_of_the_guide_are_answered(server: Server, tmp_path: Path) -> None:
    with Image.open(io.BytesIO(PHOTO)) as photo:
        photo.resize((640, 520)).save(tmp_path / "photo.jpg")
    key = hashlib.sha256((tmp_path / "photo.jpg").read_bytes()).hexdigest()
    told = []
    for example in examples("/segment"):
        here = example.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace("IMAGE", key)
        command = [*shlex.split(here, comments=True), "--silent", "--fail-with-body"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout
        told.append(done.stdout)
    assert (len(told), len(json.loads(told[0])["masks"]), json.loads(told[0])["image"]) == (3, 1, key)
    assert (tmp_path / "mask.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(told[2])["type"] == "FeatureCollection"


def test_embeddings_are_made_once_and_the_oldest_goes(
    network: Path, pixels: UInt8Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_prompting, "IMAGES", 2)
    made: list[int] = []
    before = Promptable.image
    monkeypatch.setattr(Promptable, "image", lambda self, source: made.append(1) or before(self, source))  # type: ignore[func-returns-value]
    prompting = Prompting("someone/sam", str(network))
    picture = Decoded(pixels, *pixels.shape[:2])

    async def asked() -> None:
        ask = partial(prompting.masks, points=[(20, 11)], boxes=())
        (first, one), (second, other) = await asyncio.gather(ask("a", picture), ask("a", picture))
        assert second is first is prompting.known("a")
        assert (one[0].mask == other[0].mask).all()
        assert first.pixels.strides == (0, 0, 0)  # no pixel of it is kept
        await ask("b", picture)
        await ask("a", first)
        with pytest.raises(DataError, match="lies outside"):
            await prompting.masks("a", first, [(70, 4)], ())
        await ask("c", picture)

    asyncio.run(asked())
    prompting.close()
    assert len(made) == 3
    assert [prompting.known(key) is not None for key in "abc"] == [False, True, True]


def test_few_images_are_decoded_before_their_turn() -> None:
    """However many are sent: a decoded one takes many times the memory of its file."""
    held: list[int] = []
    now = 0

    async def decoded(content: bytes, how: bytes) -> Decoded:
        nonlocal now
        now += 1
        held.append(now)
        return Decoded(np.zeros((4, 4, 3), np.uint8), 4, 4)

    async def masks(*asked: object) -> tuple[None, tuple[()]]:
        nonlocal now
        await asyncio.sleep(0)
        now -= 1
        return None, ()

    async def all_at_once() -> None:
        service: Any = SimpleNamespace(decoders=decoded)
        prompting: Any = SimpleNamespace(known=lambda key: None, masks=masks, pictures=asyncio.Semaphore(2))
        await asyncio.gather(*(_asked(service, prompting, str(each), b"a file", [(1, 1)], ()) for each in range(9)))

    asyncio.run(all_at_once())
    assert (len(held), max(held)) == (9, 2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("", "no prompt was given"),
        ("point=3", "point is across,down or across,down,- in pixels, not '3'"),
        ("point=3,x", "point is across,down"),
        ("point=nan,3", "a point is two numbers"),
        ("point=inf,3,-", "a point is two numbers"),
        ("point=70,4", "lies outside of the image"),
        ("point=3,4,-", "all points lie outside of what is meant"),
        ("box=1,2,3", "box is left,top,right,bottom in pixels"),
        ("box=30,4,20,9", "is swapped"),
        ("box=1,2,30,40&box=1,2,30,40&point=3,4", "which box the points belong to"),
        ("point=" + "1" * 300 + ",2", "point is across,down"),
        ("&".join(["point=3,4"] * 65), "more than 64 points or 16 boxes"),
        ("&".join(["box=1,2,30,40"] * 17), "more than 64 points or 16 boxes"),
        ("point=3,4&format=tiff", "format is json, png or geojson"),
        ("point=3,4&image=" + "0" * 64, "an image was sent, and one was named too"),
    ],
)
def test_prompts_that_mean_nothing_are_refused(server: Server, image: bytes, asked: str, said: str) -> None:
    assert said in ask(server, asked, image).refused(422)
    korean = ask(server, asked, image, accept_language="ko").refused(422)
    assert any("가" <= letter <= "힣" for letter in korean)


def test_what_is_no_image_is_refused(server: Server, image: bytes) -> None:
    assert ask(server, ONE).refused(422) == "the image is empty"
    sent = form(("image", "a.png", b""))
    assert server.ask("POST", f"/segment?{ONE}", sent, content_type=FORM).refused(422) == "the image is empty"
    assert ask(server, f"{ONE}&image=../../etc/passwd").refused(422).startswith("image is what an earlier answer")
    assert "PNG" in ask(server, ONE, image[:200]).refused(422)
    assert ask(server, ONE, png_bomb(20_000)).refused(422)
    assert ask(server, ONE, b"never an image").refused(422)
    kind = server.ask("POST", f"/segment?{ONE}", b"{}", content_type="application/json")
    assert "is not taken" in kind.refused(415)
    kind = server.ask("POST", f"/segment?{ONE}", b"{}", content_type="application/json", accept_language="ko")
    assert kind.refused(415) == "본문의 형식 'application/json'은(는) 받지 않습니다"
    assert kind.json["hint"] == "이미지를 그대로 보내거나 폼에 담아 보내세요"
    assert ask(server, ONE, image, accept="text/html").refused(406)
    assert server.ask("GET", f"/segment?{ONE}").refused(405)


def test_a_server_without_such_a_network_takes_no_prompts(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with with_settings(tmp_path, [segmenter().save(tmp_path / "cells")], decoders=1) as plain:
        assert ask(plain, ONE, PHOTO).refused(404) == "this server takes no prompts"
    told = server.ask("GET", "/openapi.json").json["paths"]["/segment"]["post"]
    assert {each["name"] for each in told["parameters"]} == {"point", "box", "image", "format"}
    assert set(told["responses"]["200"]["content"]) == {"application/json", "image/png", "application/geo+json"}
    assert server.image(PHOTO).status == 200  # the models beside it answer as ever


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ((), 2, "name a model, or with --prompts"),
        (("--weights", "somewhere"), 2, "name a model, or with --prompts"),
        (("model", "--weights", "somewhere"), 2, "--weights are those of the network of --prompts"),
        (("--prompts", "lite0"), 1, "no segmenter is called 'lite0'"),
        (("--prompts", "segformer-b0", "--weights", "nowhere"), 1, "nowhere"),
    ],
)
def test_what_cannot_be_served_is_said_before_it_starts(run: Run, given: tuple[str, ...], code: int, said: str) -> None:
    done = run("serve", *given, "--port", 0)
    assert (done.code, said in " ".join(done.err.split())) == (code, True), done.err


@pytest.mark.slow  # one more server that loads PyTorch
def test_a_server_of_prompts_alone(network: Path, image: bytes, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"prompts": "someone/sam", "prompts_weights": str(network)}
    with with_settings(tmp_path, [], decoders=1, **asked) as alone:
        assert ask(alone, ONE, image).status == 200
        assert alone.ask("GET", "/").refused(404) == "this server has no model to try"
        assert "there is no model" in alone.image(PHOTO).refused(404)
        assert alone.ask("GET", "/models").json == []
        assert alone.stop() == 0
