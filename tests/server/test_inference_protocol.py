"""The Open Inference Protocol as its own description has it, against the library's answers."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import topwork
from tests.server.wire import PARTS, PHOTO, TEXTILE, Reply, Server
from topwork.server._json import json_object
from topwork.server._refusal import RefusedError

MODEL, TEXTS = "photo-or-textile", "messages"
LENGTH = "inference-header-content-length"


def infer(server: Server, fields: Any, model: str = MODEL) -> Reply:
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return server.ask("POST", f"/v2/models/{model}/infer", body, content_type="application/json")


def files(*contents: bytes) -> dict[str, Any]:
    encoded = [base64.b64encode(each).decode() for each in contents]
    return {"name": "images", "datatype": "BYTES", "shape": [len(contents)], "data": encoded}


def outputs(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply
    return {each["name"]: each for each in reply.json["outputs"]}


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_the_server_and_its_models_describe_themselves(server: Server) -> None:
    about = server.ask("GET", "/v2").json
    assert about["name"] == "topwork"
    assert about["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL}/ready", f"/v2/models/{TEXTS}/ready"):
        assert server.ask("GET", path).status == 200
    images, texts = (server.ask("GET", f"/v2/models/{name}").json for name in (MODEL, TEXTS))
    assert images["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    assert texts["inputs"] == [{"name": "texts", "datatype": "BYTES", "shape": [-1]}]
    assert {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]} in images["outputs"]
    for path in ("/v2/models/none", "/v2/models/none/ready"):
        server.ask("GET", path).refused(404)


def test_files_are_answered_as_the_library_does(server: Server, model: Path) -> None:
    found = outputs(infer(server, {"id": "seven", "inputs": [files(PHOTO, TEXTILE)]}))
    expected = topwork.load(model).predict([PHOTO]) + topwork.load(model).predict([TEXTILE])
    assert found["label"]["data"] == [each.label for each in expected] == ["photo", "textile"]
    table = np.reshape(found["probabilities"]["data"], found["probabilities"]["shape"])
    names = ("photo", "textile")
    np.testing.assert_allclose(table, [[each.probabilities[name] for name in names] for each in expected], atol=1e-6)
    known = [each.typicality for each in expected]  # a model of few images does not know
    assert known == [None, None] if "typicality" not in found else found["typicality"]["data"] == pytest.approx(known)
    assert infer(server, {"id": "seven", "inputs": [files(PHOTO)]}).json["id"] == "seven"


def test_pixels_are_answered_as_the_file_that_holds_them(server: Server, model: Path) -> None:
    """Those of a PNG, since pixels cannot be read at a smaller scale, as a large JPEG is."""
    image = pixels(TEXTILE)[:90, :120]  # as JSON within the limit
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "PNG")
        (png,) = topwork.load(model).predict([file.getvalue()])
    shape = [1, *image.shape]
    whole = {"name": "images", "datatype": "UINT8", "shape": shape, "data": image.ravel().tolist()}
    shares = {"name": "images", "datatype": "FP32", "shape": shape, "data": (image[None] / 255).tolist()}
    for tensor in (whole, shares):
        found = outputs(infer(server, {"inputs": [tensor], "outputs": [{"name": "probabilities"}]}))
        assert list(found) == ["probabilities"]
        expected = [png.probabilities[name] for name in ("photo", "textile")]
        assert found["probabilities"]["data"] == pytest.approx(expected, abs=1e-6)


def test_texts_are_answered(server: Server, texts: Path) -> None:
    said = ["free prize, call now", "see you at lunch"]
    tensor = {"name": "texts", "datatype": "BYTES", "shape": [2], "data": said}
    found = outputs(infer(server, {"inputs": [tensor]}, TEXTS))
    assert found["label"]["data"] == [each.label for each in topwork.load(texts).predict(said)]


def test_tensors_come_and_go_as_bytes(server: Server, model: Path) -> None:
    packed = b"".join(struct.pack("<I", len(each)) + each for each in (PHOTO, TEXTILE))
    tensor = {"name": "images", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(packed)}}
    wanted = [
        {"name": "probabilities", "parameters": {"binary_data": True}},
        {"name": "label", "parameters": {"binary_data": True}},
        {"name": "features"},
    ]
    head = json.dumps({"inputs": [tensor], "outputs": wanted}).encode()
    headers = {LENGTH.replace("-", "_"): str(len(head)), "content_type": "application/octet-stream"}
    reply = server.ask("POST", f"/v2/models/{MODEL}/infer", head + packed, **headers)
    assert reply.status == 200, reply
    size = int(reply.headers[LENGTH])
    told, rest = json.loads(reply.body[:size])["outputs"], reply.body[size:]
    assert [each["name"] for each in told] == ["probabilities", "label", "features"]
    first, second = (each["parameters"]["binary_data_size"] for each in told[:2])
    assert len(rest) == first + second
    table = np.frombuffer(rest[:first], "<f4").reshape(told[0]["shape"])
    assert table.sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert rest[first:] == struct.pack("<I", 5) + b"photo" + struct.pack("<I", 7) + b"textile"
    assert len(told[2]["data"]) == np.prod(told[2]["shape"])


GOOD = files(PHOTO)


@pytest.mark.parametrize(
    "fields",
    [
        b"{",
        b"[]",
        {},
        {"inputs": []},
        {"inputs": [{}]},
        {"inputs": [GOOD, GOOD]},
        {"inputs": [{**GOOD, "name": "texts"}]},
        {"inputs": [{**GOOD, "datatype": "FP64"}]},
        {"inputs": [{**GOOD, "shape": [-1]}]},
        {"inputs": [{**GOOD, "shape": [True]}]},
        {"inputs": [{**GOOD, "shape": [2]}]},
        {"inputs": [{**GOOD, "shape": [1] * 20}]},
        {"inputs": [{**GOOD, "data": ["not base64!"]}]},
        {"inputs": [{**GOOD, "data": None}]},
        {"inputs": [{**GOOD, "parameters": {"binary_data_size": 10}}]},
        {"inputs": [GOOD], "outputs": [{"name": "nothing"}]},
        {"inputs": [GOOD], "outputs": "all"},
        {"inputs": [GOOD], "id": 7},
        {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [256] * 12}]},
        {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [1.5] * 12}]},
        {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [1] * 11}]},
        {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 3, 2, 2], "data": [1] * 12}]},
        {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": ["x"] * 12}]},
        {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [10**400] * 12}]},
        b'{"inputs": [{"name": "images", "datatype": "FP32", "shape": [1, 1, 1, 3], "data": [NaN, 0, 0]}]}',
    ],
)
def test_what_is_not_as_the_protocol_says_is_refused(server: Server, fields: Any) -> None:
    infer(server, fields).refused(400)


def test_an_image_that_cannot_be_used_refuses_the_tensor_by_its_place(server: Server) -> None:
    assert infer(server, {"inputs": [files(PHOTO, b"no image")]}).refused(422).startswith("#1: ")
    infer(server, {"inputs": [files(*[PHOTO] * (PARTS + 1))]}).refused(413)
    infer(server, {"inputs": [GOOD]}, "none").refused(404)


def test_json_of_very_many_values_is_not_read(server: Server) -> None:
    """A megabyte holds half a million; while they are read nobody else is answered."""
    with pytest.raises(RefusedError) as refused:
        json_object(b'{"texts": [' + b"0," * 1_000_000 + b"0]}", 400)
    assert refused.value.status == 413
    many = {"name": "images", "datatype": "UINT8", "shape": [1, 200, 200, 3], "data": [0] * 120_000}
    assert outputs(infer(server, {"inputs": [many]}))["label"]["data"]


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "0", "3"])
def test_a_false_length_of_the_json_is_refused(server: Server, length: str) -> None:
    headers = {LENGTH.replace("-", "_"): length, "content_type": "application/octet-stream"}
    body = json.dumps({"inputs": [GOOD]}).encode()
    server.ask("POST", f"/v2/models/{MODEL}/infer", body, **headers).refused(400)
