"""FAULTS 52 to 56 and 61: what comes in, against a real server and clients that lie where they must."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.server.wire import (
    BAD,
    BOUNDARY,
    FORM,
    MOST,
    PARTS,
    PHOTO,
    QUEUE,
    REFUSED,
    SECONDS,
    TEXTILE,
    Server,
    at_once,
    figure,
    form,
    labels,
    request,
    until,
)

# 52: over the limit


def test_fault_52_a_true_length_over_the_limit_is_refused_before_the_body_comes(server: Server) -> None:
    with server.wire() as wire:
        wire.send(request(server.port, "POST", "/predict", content_type=FORM, content_length=str(MOST + 1)))
        assert "1,048,576 bytes" in wire.reply().refused(413)


def test_fault_52_a_body_without_a_length_is_cut_off_at_the_limit(server: Server) -> None:
    with server.wire() as wire:
        head = request(server.port, "POST", "/predict", content_length="", transfer_encoding="chunked")
        wire.send(head + (b"10000\r\n" + bytes(0x10000) + b"\r\n") * (MOST // 0x10000 + 1))
        wire.reply().refused(413)


def test_fault_52_a_body_longer_than_it_says_is_not_read_on(server: Server) -> None:
    with server.wire() as wire:
        wire.send(request(server.port, "POST", "/predict", PHOTO, content_type="image/jpeg", content_length="100"))
        wire.reply().refused(*REFUSED)
        assert wire.reply().status in (0, *REFUSED)  # what follows is no request


@pytest.mark.parametrize("length", ["-1", "0x10", "1e3", "99999999999999999999999", "10, 20", "zwölf"])
def test_fault_52_a_length_that_is_none_is_refused(server: Server, length: str) -> None:
    with server.wire() as wire:
        wire.send(request(server.port, "POST", "/predict", b"x" * 20, content_length=length))
        assert wire.reply().status in (400, 413)


def test_fault_52_two_ways_to_tell_the_length_are_not_both_believed(server: Server) -> None:
    """Where a proxy believes the one and the server the other, a request hides in a body."""
    with server.wire() as wire:
        inner = request(server.port, "GET", "/models")
        wire.send(request(server.port, "POST", "/predict", b"0\r\n\r\n" + inner, transfer_encoding="chunked"))
        first = wire.reply()
        assert first.status in REFUSED
        assert first.status == 400 or wire.reply().status == 0


# 53: slow, or gone


def test_fault_53_slow_uploads_hold_up_nobody_and_end(server: Server) -> None:
    slow = [server.wire() for _ in range(3 * QUEUE)]
    try:
        for wire in slow:
            wire.send(request(server.port, "POST", "/predict", content_type=FORM, content_length="100000") + b"--")
        assert labels(server.image(PHOTO)) == ["photo"]
        replies = [wire.reply() for wire in slow]
        assert all(f"was not there within {SECONDS:.0f} seconds" in reply.refused(408) for reply in replies)
        assert all(wire.closed() for wire in slow)
    finally:
        for wire in slow:
            wire.__exit__()


def test_fault_53_a_head_that_never_ends_is_given_up(server: Server) -> None:
    with server.wire() as wire:
        wire.send(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        assert wire.closed()


def test_fault_53_a_client_that_leaves_frees_its_place(server: Server) -> None:
    body = form(("image", "photo.jpg", PHOTO))
    whole = request(server.port, "POST", "/predict", body, content_type=FORM)
    for sent in [whole, whole[: len(whole) // 2], whole[:50]] * QUEUE:
        with server.wire() as wire:
            wire.send(sent)
    assert until(lambda: figure(server, "topwork_under_way") == 0)
    assert {reply.status for reply in at_once(lambda _: server.image(PHOTO), QUEUE, QUEUE)} == {200}


# 54: too many, too large


def test_fault_54_a_thousand_parts_are_refused(server: Server) -> None:
    parts = [("image", "a.jpg", b"x")] * 1000
    assert f"more than {PARTS} parts" in server.predict(*parts).refused(413)


@pytest.mark.parametrize(
    "headers",
    [{"x": "a" * 20_000}, {"x": "a" * 500_000}, {f"x{number}": "1" for number in range(1000)}],
    ids=["large", "huge", "many"],
)
def test_fault_54_giant_headers_are_refused(server: Server, headers: dict[str, str]) -> None:
    assert server.ask("GET", "/models", **headers).status in (400, 431)


def test_fault_54_a_giant_address_is_refused(server: Server) -> None:
    assert server.ask("GET", "/models?" + "a" * 100_000).status in (400, 404, 414, 431)


def test_fault_54_a_part_with_a_giant_header_is_refused(server: Server) -> None:
    server.predict((f"image{'e' * 100_000}", "a.jpg", PHOTO)).refused(*REFUSED)


# 55: not what was asked for


@pytest.mark.parametrize(
    "parts",
    [[], [("image", "", b"")], [("image", "photo.jpg", b"")], [("picture", "photo.jpg", PHOTO)], [("", "", PHOTO)]],
    ids=["none", "no file chosen", "empty file", "wrong field", "no field"],
)
def test_fault_55_a_form_without_an_image_is_refused(server: Server, parts: Sequence[tuple[str, str, bytes]]) -> None:
    server.predict(*parts).refused(422)


def test_fault_55_two_images_get_two_answers(server: Server) -> None:
    reply = server.predict(("image", "a.jpg", PHOTO), ("image", "b.jpg", TEXTILE))
    assert labels(reply) == ["photo", "textile"]
    assert [each["source"] for each in reply.json["predictions"]] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "image/jpeg"),
        (b"", FORM),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b'{"texts": []}', "application/json"),
        (b'{"texts": "one"}', "application/json"),
        (b'{"texts": [1]}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (PHOTO, "video/mp4"),
        (PHOTO, "multipart/form-data"),
        (form(("image", "a.jpg", PHOTO))[:-100], FORM),
        (form(("image", "a.jpg", PHOTO)), "multipart/form-data; boundary=another"),
        (f"--{BOUNDARY}\r\n\r\n".encode(), FORM),
    ],
)
def test_fault_55_a_body_that_is_none_is_refused(server: Server, body: bytes, kind: str) -> None:
    for target in ("/predict", "/predict?model=messages"):
        server.ask("POST", target, body, content_type=kind).refused(*REFUSED)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP, identity"])
def test_fault_55_a_compressed_body_is_refused_by_that_name(server: Server, encoding: str) -> None:
    """What unpacks to more than itself is not unpacked."""
    reply = server.ask("POST", "/predict", PHOTO, content_type="image/jpeg", content_encoding=encoding)
    assert "compressed" in reply.refused(415)


@pytest.mark.parametrize(
    "asked",
    [
        "top=0",
        "top=-1",
        "top=many",
        "coverage=2",
        "coverage=nan",
        "accuracy=0",
        "accuracy=inf",
        "nearest=-1",
        "map=perhaps",
    ],
)
def test_fault_55_a_question_that_cannot_be_answered_is_refused(server: Server, asked: str) -> None:
    server.image(PHOTO, f"?{asked}").refused(422)


@pytest.mark.parametrize("asked", ["model=none", "model=", "model=..%2F..%2Fetc", "model=%00", "model=" + "a" * 5000])
def test_fault_55_a_model_that_is_not_there_is_refused(server: Server, asked: str) -> None:
    server.image(PHOTO, f"?{asked}").refused(404, 422)


def test_fault_55_images_for_a_model_of_texts_and_texts_for_one_of_images_are_refused(server: Server) -> None:
    server.image(PHOTO, "?model=messages").refused(*REFUSED)
    server.ask("POST", "/predict", b"a text", content_type="text/plain").refused(*REFUSED)


@pytest.mark.parametrize(("method", "target"), [("GET", "/predict"), ("DELETE", "/models"), ("POST", "/nowhere")])
def test_fault_55_what_is_not_offered_is_refused_in_the_same_shape(server: Server, method: str, target: str) -> None:
    server.ask(method, target).refused(404, 405)


# 56: images that are none


@pytest.mark.parametrize("name", BAD)
def test_fault_56_what_is_no_image_is_refused_and_the_decoders_live_on(server: Server, name: str) -> None:
    before = server.decoders()
    assert len(before) == 2
    assert [server.image(BAD[name]).refused(*REFUSED) for _ in range(3)]
    server.ask("POST", "/predict", BAD[name], content_type="application/octet-stream").refused(*REFUSED)
    assert server.decoders() == before


# 61: where it must not reach, and who must not ask


@pytest.mark.parametrize(
    "target",
    [
        "/static/../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc%2fpasswd",
        "/static/%2e%2e/%2e%2e/_app.py",
        "/static//etc/passwd",
        "/static/..%5c..%5cwin.ini",
        "/static/%00",
        "/v2/models/..%2f..%2fetc/ready",
        "/../etc/passwd",
        "//etc/passwd",
    ],
)
def test_fault_61_no_path_leads_out(server: Server, target: str) -> None:
    server.ask("GET", target).refused(400, 404)


def test_fault_61_no_address_that_a_client_names_is_fetched(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.5)
        address = f"http://127.0.0.1:{trap.getsockname()[1]}/a.jpg"
        for body in ({"url": address}, {"images": [address]}, {"texts": [address]}):
            server.ask("POST", "/predict", json.dumps(body).encode(), content_type="application/json")
        server.ask("POST", "/predict", address.encode(), content_type="image/jpeg").refused(*REFUSED)
        server.ask("POST", f"/predict?model={address}", PHOTO, content_type="image/jpeg").refused(404, 422)
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "localhost.example.org:80", "[::2]", "", "a b"]
)
def test_fault_61_a_foreign_or_missing_host_is_refused(server: Server, host: str) -> None:
    for target in ("/", "/models", "/predict"):
        assert server.ask("POST" if target == "/predict" else "GET", target, host=host).status in (400, 403, 421)


@pytest.mark.parametrize("origin", ["http://example.org", "null", "https://127.0.0.1", "http://127.0.0.1:1", "file://"])
def test_fault_61_a_page_of_another_site_is_refused(server: Server, origin: str) -> None:
    assert server.predict(("image", "a.jpg", PHOTO), origin=origin).refused(403)
    own = f"http://127.0.0.1:{server.port}"
    assert labels(server.predict(("image", "a.jpg", PHOTO), origin=own)) == ["photo"]


def test_fault_61_no_other_site_may_read_an_answer(server: Server) -> None:
    assert "access-control-allow-origin" not in server.ask("OPTIONS", "/predict", origin="http://example.org").headers


def test_fault_61_it_listens_on_this_machine_alone_unless_told(server: Server, texts: Path) -> None:
    with pytest.raises(OSError, match=r"."):
        socket.create_connection((_own_address(), server.port), timeout=2)
    command = [sys.executable, "-m", "topwork", "serve", str(texts), "--host", "0.0.0.0", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if name != "TOPWORK_TOKEN"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 1
    assert "--token" in done.stderr


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation; nothing is sent
        except OSError:
            pytest.skip("this machine has no other address")
        return str(probe.getsockname()[0])


def test_fault_61_what_is_logged_holds_nothing_of_what_was_sent(server: Server) -> None:
    server.predict(("image", "name-of-a-patient.jpg", PHOTO))
    server.ask("POST", "/predict?model=messages", b"secret of a client", content_type="text/plain")
    server.ask("GET", "/name-of-a-patient?secret=of-a-client")
    log = server.log.read_text()
    assert "name-of-a-patient" not in log
    assert "secret" not in log
