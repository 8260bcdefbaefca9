"""A segmenter behind the server: masks as ``predict`` gives them, in pixels of the image that was sent."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from tests.cli.conftest import Run
from tests.server.test_objects import files
from tests.server.wire import Reply, Server, alike, with_settings
from tests.tasks.segmentation.made import segmenter
from topwork.data import rle_of
from topwork.tasks._serving import Row, Wanted
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation import _served as served_module
from topwork.tasks.segmentation._served import SegmenterServing
from topwork.tasks.segmentation.instances import Splitting


@pytest.fixture(scope="module")
def classes() -> Segmenter:
    return segmenter()


@pytest.fixture(scope="module")
def nuclei() -> Segmenter:
    """Two classes, the second in objects."""
    splitting = Splitting(border=False, threshold=0.5, depth=1.0, least_area=4).to_dict()
    return segmenter(classes=("background", "nucleus"), splitting=splitting, threshold=0.5)


@pytest.fixture(scope="module")
def server(classes: Segmenter, nuclei: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("served")
    folders = [classes.save(root / "classes"), nuclei.save(root / "nuclei")]
    with with_settings(root, folders, max_parts=6, decoders=2, queue=64, collect=root / "kept") as running:
        yield running


def png(fields: dict[str, str]) -> np.ndarray:
    kind, data = fields["mask"].split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_masks_are_those_of_predict_however_they_are_sent(
    server: Server, classes: Segmenter, nuclei: Segmenter
) -> None:
    given = files()
    for name, model in (("classes", classes), ("nuclei", nuclei)):
        found = model.predict(list(given.values()))
        expected = [{**each.to_dict(), "source": source} for each, source in zip(found, given, strict=True)]
        together = server.predict(*(("image", *each) for each in given.items()), asked=f"?model={name}")
        alike(together.json, {"model": name, "predictions": expected})
        (alone,) = server.predict(("image", "turned.jpg", given["turned.jpg"]), asked=f"?model={name}&mask=true").json[
            "predictions"
        ]
        assert (alone["width"], alone["height"]) == (240, 400), "as it is shown"
        mask = found[2].labels if found[2].objects is None else found[2].objects
        assert (png(alone) == mask).all()
        plain = server.ask(
            "POST", f"/predict?model={name}", given["turned.jpg"], content_type="image/jpeg", accept="image/png"
        )
        assert plain.headers["content-type"] == "image/png"
        assert (np.asarray(Image.open(io.BytesIO(plain.body))) == mask).all()
    assert expected[2]["count"] == len(expected[2]["objects"]) > 1


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own
def test_the_run_lengths_are_cocos(server: Server, nuclei: Segmenter) -> None:
    odd = files()["odd.jpg"]
    (told,) = server.image(odd, "?model=nuclei").json["predictions"]
    (found,) = nuclei.predict([odd])
    assert found.objects is not None
    for number, each in enumerate(told["objects"], start=1):
        assert (coco.decode(each["segmentation"]).astype(bool) == (found.objects == number)).all()
        assert coco.toBbox(each["segmentation"]).tolist() == each["bbox"]


@pytest.mark.parametrize("seed", range(8))
def test_run_lengths_of_a_part_are_those_of_the_whole(seed: int) -> None:
    """Also where it fills columns from the upper to the lower edge."""
    rng = np.random.default_rng(seed)
    whole = np.zeros((9, 7), np.bool_)
    whole[: rng.integers(1, 10), rng.integers(7) :] = rng.random() < 0.7
    whole &= rng.random(whole.shape) < rng.choice([0.5, 1])
    expected = coco.encode(np.asfortranarray(whole.astype(np.uint8)))
    assert rle_of(whole) == {"size": [9, 7], "counts": expected["counts"].decode()}
    rows, columns = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
    if len(rows):
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        part = rle_of(whole[top:bottom, left:right], (int(top), int(left)), (9, 7))
        assert part["counts"].encode() == expected["counts"]


def test_the_inference_protocol_gives_files_shares_and_counts(server: Server, nuclei: Segmenter) -> None:
    given = [files()[name] for name in ("odd.jpg", "small.png")]
    found = nuclei.predict(given)
    described = server.ask("GET", "/v2/models/nuclei").json["outputs"]
    shapes = {each["name"]: (each["datatype"], each["shape"]) for each in described}
    assert shapes["masks"] == ("BYTES", [-1])
    assert (shapes["shares"], shapes["counts"]) == (("FP32", [-1, 2]), ("INT64", [-1]))
    data = [base64.b64encode(each).decode() for each in given]
    asked = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [2], "data": data}]}
    said = server.ask("POST", "/v2/models/nuclei/infer", json.dumps(asked).encode(), content_type="application/json")
    assert said.status == 200, said
    fields = {each["name"]: each for each in said.json["outputs"]}
    for told, each in zip(fields["masks"]["data"], found, strict=True):
        assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(told)))) == each.objects).all()
    assert fields["counts"]["data"] == [each.count for each in found]
    shares = np.array([[*each.shares().values()] for each in found], np.float32)
    assert (np.array(fields["shares"]["data"], np.float32).reshape(2, 2) == shares).all()


def test_what_is_told_of_the_model(server: Server, classes: Segmenter) -> None:
    told = {each["name"]: each for each in server.ask("GET", "/models").json}
    assert told["classes"]["answer"] == told["nuclei"]["answer"] == "masks"
    assert told["classes"]["classes"] == list(classes.classes)
    assert (told["classes"]["objects"], told["nuclei"]["objects"]) == (False, True)
    assert not told["classes"]["collect"]
    assert told["nuclei"]["threshold"] == 0.5


def accepted(server: Server, name: str, image: bytes, accept: str, asked: str = "") -> Reply:
    return server.ask("POST", f"/predict?model={name}{asked}", image, content_type="image/jpeg", accept=accept)


@pytest.mark.parametrize("name", ["classes", "nuclei"])
def test_files_are_those_that_predict_writes(
    server: Server, run: Run, classes: Segmenter, nuclei: Segmenter, tmp_path: Path, name: str
) -> None:
    image = files()["turned.jpg"]
    (tmp_path / "turned.jpg").write_bytes(image)
    model = {"classes": classes, "nuclei": nuclei}[name].save(tmp_path / name)
    folders = [each for kind in ("masks", "geojson", "certainty") for each in (f"--{kind}", tmp_path / kind)]
    told = json.loads(run("predict", model, tmp_path / "turned.jpg", "--json", *folders).out)
    mask, certainty = ((tmp_path / kind / "turned.png").read_bytes() for kind in ("masks", "certainty"))
    outlines = (tmp_path / "geojson" / "turned.geojson").read_bytes()
    for accept, asked, expected in (
        ("image/png", "", mask),
        ("", "&format=png", mask),
        ("image/png", "&certainty=true", certainty),
        ("application/geo+json", "&certainty=true", outlines),
        ("application/json", "&format=geojson&certainty=true", outlines),
    ):
        said = accepted(server, name, image, accept, asked)
        assert (said.status, said.body) == (200, expected)
        assert said.headers["content-type"] == ("application/geo+json" if expected is outlines else "image/png")
    (fields,) = accepted(server, name, image, "", "&certainty=true&mask=true").json["predictions"]
    for key, expected in (("mask", mask), ("certainty_map", certainty)):
        assert base64.b64decode(fields.pop(key).removeprefix("data:image/png;base64,")) == expected
    assert {**fields, "source": told["source"]} == told
    assert 0.3 < fields["certainty"] < 1
    plain = accepted(server, name, image, "application/geo+json").json["features"]
    features = json.loads(outlines)["features"]
    assert len(plain) == len(features) > 1
    for one, other in zip(plain, features, strict=True):
        assert 0.3 < other["properties"]["measurements"].pop("Certainty") <= 1
        assert one == other


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json, image/png", "application/json"),
        ("image/avif,image/webp,image/png,*/*;q=0.8", "image/png"),
        ("text/html, IMAGE/*;q=0.3", "image/png"),
        ("image/png;q=0.2, application/geo+json;q=0.9, application/json;q=0.5", "application/geo+json"),
        ("application/json;q=0, */*;q=0.1", "image/png"),
        ("image/png;q=seven, application/geo+json", "application/geo+json"),
    ],
)
def test_the_type_is_the_one_that_is_accepted_most(server: Server, accept: str, kind: str) -> None:
    said = accepted(server, "classes", files()["small.png"], accept)
    assert (said.status, said.headers["content-type"]) == (200, kind)


@pytest.mark.parametrize(
    "accept", ["text/html", "image/png;q=0", "application/json;q=nan", "png", ";;,,=", "image/tiff"]
)
def test_a_type_that_is_not_given_is_refused(server: Server, accept: str) -> None:
    said = accepted(server, "classes", files()["small.png"], accept)
    assert said.refused(406) == "classes has no answers of a type that is accepted"
    assert said.json["hint"] == "its types: application/json, image/png, application/geo+json"


@pytest.mark.parametrize("name", ["xml", "PNG", "", "image/png", "png\n"])
def test_a_format_that_is_none_is_refused_in_both_languages(server: Server, name: str) -> None:
    target = f"/predict?model=classes&format={quote(name)}"
    for language, text in (
        ("en", "format is json, png or geojson, not "),
        ("ko", "format은 json, png, geojson 가운데"),
    ):
        said = server.ask("POST", target, files()["small.png"], content_type="image/png", accept_language=language)
        assert said.refused(422).startswith(text)


def test_the_description_names_all_formats(server: Server) -> None:
    told = server.ask("GET", "/openapi.json").json["paths"]["/predict"]["post"]
    assert set(told["responses"]["200"]["content"]) == {"application/json", "image/png", "application/geo+json"}
    assert "406" in told["responses"]
    asked = {each["name"]: each["schema"] for each in told["parameters"]}
    assert asked["format"]["enum"] == ["json", "png", "geojson"]
    assert asked["certainty"] == {"type": "boolean"}


@pytest.mark.parametrize(
    "asked", ["coverage=0.9", "nearest=2", "map=true", "top=3", "threshold=0.5", "mask=perhaps", "certainty=perhaps"]
)
def test_what_makes_no_sense_is_refused(server: Server, asked: str) -> None:
    said = server.image(files()["small.png"], f"?model=classes&{asked}").refused(422)
    assert "the class of each pixel" in said or "two classes" in said or " is true or false" in said


def test_a_threshold_is_heard(server: Server, nuclei: Segmenter) -> None:
    odd = files()["odd.jpg"]
    (told,) = server.image(odd, "?model=nuclei&threshold=0.3").json["predictions"]
    (found,) = nuclei.predict([odd], threshold=0.3)
    assert told["shares"] == found.to_dict()["shares"] != nuclei.predict([odd])[0].to_dict()["shares"]


@pytest.mark.parametrize("accept", ["image/png", "application/geo+json"])
def test_a_file_is_of_one_image(server: Server, accept: str) -> None:
    small = files()["small.png"]
    said = server.predict(("image", "a.png", small), ("image", "b.png", small), accept=accept)
    assert said.refused(422) == "PNG and GeoJSON answer one image"
    korean = server.predict(("image", "a.png", small), ("image", "b.png", small), accept=accept, accept_language="ko")
    assert korean.refused(422) == "PNG와 GeoJSON은 이미지 하나에만 답합니다"


@pytest.mark.parametrize("accept", ["image/png", "application/geo+json"])
def test_a_damaged_image_is_refused_whatever_is_accepted(server: Server, accept: str) -> None:
    said = accepted(server, "classes", files()["small.png"][:90], accept)
    assert "PNG" in said.refused(422)
    assert said.headers["content-type"] == "application/json"


def test_one_that_cannot_be_used_leaves_the_others_alone(server: Server) -> None:
    small = files()["small.png"]
    said = server.predict(("image", "a.png", small), ("image", "b.png", small[:90]), ("image", "c.png", small)).json
    first, bad, last = said["predictions"]
    assert set(bad) == {"source", "error"}
    assert first == {**last, "source": "a.png"}


def test_a_larger_image_than_is_answered_says_what_answers_it(
    classes: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_module, "MOST_PIXELS", 99)
    row = Row(np.zeros(classes.head.spec.n_features, np.float32), "a.png", Wanted(), (10, 10))
    (found,) = SegmenterServing(classes).answers([row])
    assert found.error == "the image has 100 pixels, and at most 99 are answered with a mask at once"
    (fits,) = SegmenterServing(classes).answers([row.__class__(row.features, "a.png", Wanted(), (9, 11))])
    assert (fits.error, fits.size) == ("", (9, 11))
