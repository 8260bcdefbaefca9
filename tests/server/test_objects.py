"""A detector behind the server: objects as ``predict`` gives them, in pixels of the image that was sent."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.model.samples import photos
from tests.server.wire import FORM, Server, alike, form, with_settings
from tests.tasks.detection.made import SIZE, made
from topwork.features import extract_few
from topwork.tasks._serving import Row, Wanted
from topwork.tasks.detection import Detector, FoundObjects
from topwork.tasks.detection._served import DetectorServing

PARTS = 6


@pytest.fixture(scope="module")
def detector() -> Detector:
    return made()


@pytest.fixture(scope="module")
def server(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = detector.save(tmp_path_factory.mktemp("served") / "animals")
    limits = {"max_parts": PARTS, "decoders": 2, "collect": folder.parent / "kept", "queue": 64}
    with with_settings(folder.parent, [folder], **limits) as running:
        yield running


def files() -> dict[str, bytes]:
    """Photographs as they come: large ones, turned ones, grey ones."""
    names = ["large.jpg", "odd.jpg", "turned.jpg", "grey.png", "small.png"]
    sizes = [(1200, 800), (333, 257), (400, 240), (300, 200), (40, 30)]
    found = {}
    for name, size, photo in zip(names, sizes, photos(), strict=False):
        file, exif, image = io.BytesIO(), Image.Exif(), Image.open(photo).resize(size)
        exif[0x0112] = 6 if name == "turned.jpg" else 1
        image = image.convert("L") if name == "grey.png" else image
        image.save(file, "PNG" if name.endswith("png") else "JPEG", exif=exif)
        found[name] = file.getvalue()
    return found


def named(found: FoundObjects, name: str) -> dict[str, object]:
    return {**found.to_dict(), "source": name}


def test_objects_are_those_of_predict_however_they_are_sent(server: Server, detector: Detector) -> None:
    given = files()
    for asked, threshold in (("", None), ("?threshold=0.05", 0.05), ("?threshold=1", 1.0)):
        found = detector.predict(list(given.values()), threshold=threshold)
        expected = [named(*each) for each in zip(found, given, strict=True)]
        together = server.predict(*(("image", *each) for each in given.items()), asked=asked)
        alike(together.json, {"model": "animals", "predictions": expected})
        alone = [server.predict(("image", *each), asked=asked).json["predictions"][0] for each in given.items()]
        alike(alone, expected)
        assert sum(each["count"] for each in alone) > 20 or threshold == 1.0
    assert (expected[2]["width"], expected[2]["height"]) == (240, 400), "as it is shown"
    assert (expected[0]["width"], expected[0]["height"]) == (1200, 800), "not as it was decoded"


def test_the_inference_protocol_gives_the_same_as_tensors(server: Server, detector: Detector) -> None:
    given = list(files().values())
    expected = [each.detections for each in detector.predict(given)]
    described = server.ask("GET", "/v2/models/animals").json["outputs"]
    assert [(each["name"], each["datatype"], each["shape"]) for each in described[:4]] == [
        ("boxes", "FP32", [-1, 4]),
        ("scores", "FP32", [-1]),
        ("labels", "BYTES", [-1]),
        ("counts", "INT64", [-1]),
    ]
    body = b"".join(struct.pack("<I", len(each)) + each for each in given)
    parameters = {"binary_data_size": len(body)}
    asked = {
        "inputs": [{"name": "images", "datatype": "BYTES", "shape": [len(given)], "parameters": parameters}],
        "outputs": [
            {"name": "counts", "parameters": {"binary_data": True}},
            *({"name": each} for each in ("boxes", "scores", "labels", "features")),
        ],
    }
    head = json.dumps(asked).encode()
    headers = {"inference_header_content_length": str(len(head)), "content_type": "application/octet-stream"}
    said = server.ask("POST", "/v2/models/animals/infer", head + body, **headers)
    assert said.status == 200, said
    length = int(said.headers["inference-header-content-length"])
    counts = np.frombuffer(said.body[length:], "<i8")
    fields = {each["name"]: each for each in json.loads(said.body[:length])["outputs"]}
    assert counts.tolist() == [len(each) for each in expected]
    corners = np.concatenate([each.corners for each in expected])
    np.testing.assert_allclose(np.array(fields["boxes"]["data"], np.float32).reshape(-1, 4), corners, atol=0.01)
    scores = np.concatenate([each.scores for each in expected])
    np.testing.assert_allclose(np.array(fields["scores"]["data"], np.float32), scores, atol=1e-4)
    names = [detector.classes[label] for each in expected for label in each.labels]
    assert fields["labels"]["data"] == names
    assert fields["features"]["shape"] == [len(given), detector.head.spec.n_features]


def test_the_evidence_for_the_surest_object_comes_with_the_answer(server: Server) -> None:
    """It is brighter within the object's box than elsewhere."""
    odd = files()["odd.jpg"]
    plain, shown = (server.image(odd, asked).json["predictions"][0] for asked in ("", "?map=true&threshold=0.01"))
    assert set(shown) - set(plain) == {"label", "map", "view"}
    surest = shown["objects"][0]
    assert (shown["label"], shown["view"]) == (surest["category"], [0, 0, 1, 1])
    assert surest == plain["objects"][0]
    kind, data = shown["map"].split(",")
    assert kind == "data:image/png;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    levels = np.array(picture.resize((333, 257)), float)  # of 256 colours, the brightest last
    left, top, width, height = (round(number) for number in surest["bbox"])
    inside = levels[top : top + height, left : left + width]
    assert inside.mean() > levels.mean() > 0


def test_no_evidence_for_what_is_below_its_threshold() -> None:
    model, wanted = made(thresholds=(1.0, 1.0, 1.0)), Wanted(threshold=0.05, map=True)
    square = np.asarray(Image.open(photos()[0]).convert("RGB").resize((SIZE, SIZE)))
    features = extract_few([square], model.backbone, model.record.outputs, choice=model.engine_choice).values[0]
    row = Row(features, "a.jpg", wanted, (SIZE, SIZE), square)
    (found,) = DetectorServing(model).answers([row])
    assert len(found)
    assert DetectorServing(model).told(found, row) == found.to_dict()


@pytest.mark.parametrize("asked", ["coverage=0.9", "accuracy=0.9", "nearest=2", "top=3"])
def test_what_is_of_classes_is_refused_plainly(server: Server, asked: str) -> None:
    said = server.image(files()["odd.jpg"], f"?{asked}")
    assert "finds objects" in said.refused(422)


@pytest.mark.parametrize("value", ["-0.1", "1.5", "nan", "inf", "much", ""])
def test_a_threshold_that_is_none_is_refused(server: Server, value: str) -> None:
    assert "a number from 0 to 1" in server.image(files()["odd.jpg"], f"?threshold={value}").refused(422)


def test_one_that_cannot_be_used_leaves_the_others_alone(server: Server, detector: Detector) -> None:
    odd = files()["odd.jpg"]
    said = server.predict(("image", "a.jpg", odd), ("image", "b.jpg", odd[:500]), ("image", "c.jpg", odd)).json
    first, bad, last = said["predictions"]
    assert set(bad) == {"source", "error"}
    (expected,) = detector.predict([odd])
    alike([first, last], [named(expected, "a.jpg"), named(expected, "c.jpg")])
    assert server.image(b"not an image").refused(422)


def test_the_model_tells_what_it_finds(server: Server, detector: Detector) -> None:
    (facts,) = server.ask("GET", "/models").json
    assert facts["answer"] == "objects"
    assert facts["classes"] == list(detector.classes)
    assert facts["thresholds"] == dict.fromkeys(detector.classes, 0.3)
    assert facts["collect"] is False, "although the server keeps corrections"
    schema = server.ask("GET", "/openapi.json").json["paths"]["/predict"]["post"]
    assert "threshold" in [each["name"] for each in schema["parameters"]]


def test_a_correction_is_refused_since_a_box_is_no_folder(server: Server) -> None:
    parts = form(("image", "a.jpg", files()["odd.jpg"]), ("label", None, b"cat"))
    assert "cannot be corrected" in server.ask("POST", "/collect", parts, content_type=FORM).refused(422)
