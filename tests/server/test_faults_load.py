"""FAULTS 57 to 60, 62 and 63: more than it can do, decoders that die, and the end, against a real server under load."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import topwork
from tests.model.samples import photos, textiles
from tests.server.wire import (
    BAD,
    FORM,
    PATIENCE,
    PHOTO,
    QUEUE,
    TEXTILE,
    Reply,
    Server,
    at_once,
    command_line,
    figure,
    form,
    from_command_line,
    jpeg,
    labels,
    request,
    resident,
    started,
    until,
    with_settings,
)


class Load:
    """The same request from several clients, one after another each, until it is ended."""

    def __init__(self, ask: Callable[[], Reply], clients: int = 4) -> None:
        self._ask = ask
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(clients)
        self._futures = [self._pool.submit(self._client) for _ in range(clients)]
        self.replies: list[Reply] = []

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self._over.set()
        self._pool.shutdown()
        self.replies = [reply for future in self._futures for reply in future.result()]

    def _client(self) -> list[Reply]:
        found = []
        while not self._over.is_set():
            found.append(self._ask())
        return found


# 57: more than it can do


def test_fault_57_more_than_the_queue_holds_is_refused_with_a_time_to_come_again(server: Server) -> None:
    replies = at_once(lambda _: server.image(PHOTO), 20 * QUEUE, 10 * QUEUE)
    refused = [reply for reply in replies if reply.status != 200]
    assert len(refused) < len(replies)
    assert refused, "the load was too small"
    assert all(reply.refused(503) and int(reply.headers["retry-after"]) >= 1 for reply in refused)
    assert labels(server.image(PHOTO)) == ["photo"]
    assert figure(server, "topwork_under_way") == 0


def test_fault_57_large_uploads_side_by_side_take_no_more_memory_than_they_may(model: Path, tmp_path: Path) -> None:
    """The body's limit is each one's; together they would fill a small machine."""
    most, count = 2**24, 40
    with with_settings(tmp_path, [model], max_bytes=most, upload_seconds=PATIENCE) as server:
        before = resident(server.process.pid)
        wires = [server.wire() for _ in range(count)]
        try:
            for wire in wires:
                head = request(server.port, "POST", "/predict", content_type="image/jpeg", content_length=str(most))
                wire.patient(0.5)
                wire.send(head + bytes(most - 1))
            assert resident(server.process.pid) - before < 400 * 2**20
            assert labels(server.image(PHOTO)) == ["photo"]
        finally:
            for wire in wires:
                wire.__exit__()


# 58: a decoder that hangs or dies


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_fault_58_a_decoder_that_hangs_or_dies_under_load_costs_its_request_only(
    server: Server, how: signal.Signals
) -> None:
    before = server.decoders()
    with Load(lambda: server.image(PHOTO)) as load:
        time.sleep(0.3)
        os.kill(before[0], how)
        assert until(lambda: before[0] not in server.decoders() and len(server.decoders()) == 2)
    lost = [reply for reply in load.replies if reply.status != 200]
    assert len(lost) <= 1
    assert all(reply.refused(422, 500, 503) for reply in lost)
    assert before[1] in server.decoders()


def test_fault_58_lost_decoders_show_in_readiness_until_they_are_replaced(server: Server) -> None:
    lost = server.decoders()
    for pid in lost:
        os.kill(pid, signal.SIGKILL)
    assert until(lambda: not server.ready())
    assert server.ask("GET", "/healthz").status == 200
    assert until(server.ready)
    assert not set(lost) & set(server.decoders())


# 59, 60: what is in the same batch changes nothing


def test_fault_59_one_bad_image_of_several_leaves_the_others_as_they_are(server: Server) -> None:
    alone = [server.image(each).json["predictions"][0] for each in (PHOTO, TEXTILE)]
    parts = [("image", "photo.jpg", each) for each in (PHOTO, BAD["half a JPEG"], TEXTILE)]
    first, bad, last = server.predict(*parts).json["predictions"]
    assert [first, last] == alone
    assert set(bad) == {"source", "error"}


def test_fault_60_answers_under_load_are_those_of_single_requests_and_of_the_library(
    server: Server, model: Path
) -> None:
    images = [jpeg(path, 300 + 7 * place, 280) for place, path in enumerate([*photos()[:6], *textiles("local")[:6]])]
    alone = [server.image(image).json["predictions"] for image in images]
    together = at_once(lambda number: server.image(images[number % len(images)]), 96, QUEUE)
    for number, reply in enumerate(together):
        assert reply.json["predictions"] == alone[number % len(images)]
    for (said,), found in zip(alone, topwork.load(model).predict(images), strict=True):
        assert said["label"] == found.label
        assert said["probability"] == pytest.approx(found.probability, abs=2e-3)


# 62, and the rest of a life: a server of its own each


def test_fault_62_sigterm_first_tells_then_drains_then_exits(model: Path, tmp_path: Path) -> None:
    upload = form(("image", "photo.jpg", PHOTO))
    with from_command_line(tmp_path, model) as server, server.wire() as slow, server.wire() as probe:
        with Load(lambda: server.image(PHOTO), clients=8) as load:
            assert until(lambda: labels(server.image(PHOTO)) == ["photo"])
            whole = request(server.port, "POST", "/predict", upload, content_type=FORM)
            slow.send(whole[:-1000])
            probe.send(request(server.port, "GET", "/healthz"))
            assert probe.reply().status == 200
            server.process.send_signal(signal.SIGTERM)
            probe.send(request(server.port, "GET", "/readyz"))
            assert "about to end" in probe.reply().body.decode()
        assert {reply.status for reply in load.replies} == {200}
        assert until(lambda: not server.reachable())
        slow.send(whole[-1000:])  # it was accepted before the door was closed
        assert labels(slow.reply()) == ["photo"]
        decoders = server.decoders()
        assert server.process.wait(30) == 0
        assert not any(command_line(pid) for pid in decoders)


def test_a_token_is_asked_for_by_all_but_the_probes(texts: Path, tmp_path: Path) -> None:
    with from_command_line(tmp_path, texts, TOPWORK_TOKEN="a-long-secret") as server:
        ask: dict[str, Any] = {"method": "POST", "target": "/predict", "body": b"hello", "content_type": "text/plain"}
        for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic a-long-secret"}):
            reply = server.ask(**ask, **given)
            assert reply.refused(401)
            assert reply.headers["www-authenticate"] == "Bearer"
        for target in ("/models", "/metrics", "/openapi.json", "/v2/models/messages"):
            server.ask("GET", target).refused(401)
        assert {server.ask("GET", target).status for target in ("/healthz", "/readyz", "/v2/health/live")} == {200}
        assert len(labels(server.ask(**ask, authorization="Bearer a-long-secret"))) == 1
        assert "a-long-secret" not in server.log.read_text()
        assert server.stop() == 0


def test_fault_63_as_many_decoders_as_this_process_may_use_cores(model: Path, tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    narrow = f"import os, runpy; os.sched_setaffinity(0, [{core}]); runpy.run_module('topwork', run_name='__main__')"
    command = [sys.executable, "-c", narrow, "serve", model, "--port", 0]
    with started(command, tmp_path) as server:
        assert len(server.decoders()) == 1
        assert labels(server.image(PHOTO)) == ["photo"]


def test_a_changed_folder_is_taken_up_under_load_without_a_lost_request(texts: Path, tmp_path: Path) -> None:
    served, rows = tmp_path / "changing", tmp_path / "rows.csv"
    topwork.load(texts).save(served)
    rows.write_text("text,label\n" + "".join(f"good {word},up\nbad {word},down\n" for word in "abcdef"))
    renewed = topwork.fit(rows, strategy="ngrams")
    with with_settings(tmp_path, [served], watch=0.2) as server:

        def ask() -> Reply:
            return server.ask("POST", "/predict", b"good a", content_type="text/plain")

        with Load(ask) as load:
            renewed.save(served)
            assert until(lambda: server.ask("GET", "/models").json[0]["classes"] == ["down", "up"])
            (served / "model.json").write_text("{")  # it is spoilt: the one in memory goes on
            assert until(lambda: "model not reloaded" in server.log.read_text())
        assert labels(ask()) == ["up"]
    assert {reply.status for reply in load.replies} == {200}
    assert len({tuple(reply.json["predictions"][0]["probabilities"]) for reply in load.replies}) > 1
