"""Values that are well-formed and odd: half characters, numbers of thousands of digits, origins that are no address."""

from __future__ import annotations

import json

import pytest

from tests.server.wire import Server, request

HALF = "\ud800"  # JSON can say it, UTF-8 cannot


def infer(server: Server, fields: object, **headers: str) -> tuple[int, object]:
    body = json.dumps(fields).encode()
    with server.wire() as wire:
        wire.send(request(server.port, "POST", "/v2/models/messages/infer", body, **headers))
        reply = wire.reply()
        return reply.status, reply.json


def texts(*given: str, name: str = "texts", **more: object) -> dict[str, object]:
    return {"inputs": [{"name": name, "datatype": "BYTES", "shape": [len(given)], "data": list(given)}], **more}


def test_half_a_character_comes_back_as_it_went(server: Server) -> None:
    status, found = infer(server, texts("call me", id=HALF))
    assert (status, found["id"]) == (200, HALF)  # type: ignore[index]
    assert infer(server, texts("call me", name=HALF))[0] == 400
    assert infer(server, texts("call me", outputs=[{"name": HALF}]))[0] == 400


def test_a_text_with_half_a_character_spoils_no_other(server: Server) -> None:
    status, found = infer(server, texts(f"win a prize {HALF}", "call me"))
    assert status == 200
    assert len(found["outputs"][1]["data"]) == 2  # type: ignore[index]
    with server.wire() as wire:
        body = json.dumps({"texts": [f"win a prize {HALF}", "call me"]}).encode()
        wire.send(request(server.port, "POST", "/predict?model=messages", body, content_type="application/json"))
        assert [each["label"] for each in wire.reply().json["predictions"]]


def test_a_length_of_thousands_of_digits_is_refused(server: Server) -> None:
    status, _ = infer(server, texts("call me"), inference_header_content_length="1" * 5000)
    assert status == 400


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://a]b"])
def test_an_origin_that_is_no_address_is_refused(server: Server, origin: str) -> None:
    with server.wire() as wire:
        wire.send(request(server.port, "GET", "/models", origin=origin))
        wire.reply().refused(403)
