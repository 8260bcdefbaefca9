"""Who may ask, by the head of a request alone: an application that would answer anybody stands behind it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from topwork.server import Settings
from topwork.server._access import Access, host_name

TOKEN = "a-token-of-tests"


def ask(settings: Settings, path: str = "/predict", **headers: str) -> int:
    """The status; 200 where the request was let through."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    asyncio.run(Access(app, settings)({"type": "http", "path": path, "headers": pairs}, receive, send))
    if sent[0]["status"] != 200:
        assert set(json.loads(sent[1]["body"])) == {"error", "hint"}
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    ("host", "name"),
    [("example.org:80", "example.org"), ("[::1]:8000", "::1"), ("[::1]", "::1"), ("localhost", "localhost"), ("", "")],
)
def test_a_host_is_named_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("settings", "let", "refused"),
    [
        (
            Settings(),
            ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:1"],
            ["example.org", "192.168.1.7", "", "localhost.", "127.0.0.1@example.org"],
        ),
        (Settings(allow_hosts=("Photos.Example.org",)), ["photos.example.org:443"], ["example.org"]),
        (Settings(host="0.0.0.0", public=True), ["10.0.0.9:8000", "[2001:db8::1]"], ["rebound.example.org"]),
        # a page of another site does not know the token, whatever its name leads to
        (Settings(host="0.0.0.0", token=TOKEN), ["any.example.org"], []),
        (Settings(host="0.0.0.0", token=TOKEN, allow_hosts=("one.example.org",)), ["one.example.org"], ["two.org"]),
    ],
)
def test_only_names_of_ours_are_answered(settings: Settings, let: list[str], refused: list[str]) -> None:
    token = {"authorization": f"Bearer {settings.token}"} if settings.token else {}
    assert [ask(settings, host=each, **token) for each in let] == [200] * len(let)
    assert [ask(settings, host=each, **token) for each in refused] == [403] * len(refused)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8000", 200),
        ("https://LOCALHOST:8000", 200),  # behind a proxy that speaks TLS
        ("http://localhost:8001", 403),
        ("http://localhost", 403),
        ("http://localhost:8000.example.org", 403),
        ("http://localhost:8000@example.org", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_a_page_of_another_site_may_not_ask(origin: str, status: int) -> None:
    assert ask(Settings(), host="localhost:8000", origin=origin) == status


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN} ", TOKEN]
)
def test_the_token_has_to_be_the_one(given: str) -> None:
    settings = Settings(token=TOKEN)
    assert ask(settings, host="localhost", authorization=given) == 401
    assert ask(settings, host="localhost", authorization=f"Bearer {TOKEN}") == 200
    assert ask(settings, host="localhost", authorization=f"bearer {TOKEN}") == 200  # a scheme has no case


def test_probes_and_the_page_need_no_token() -> None:
    settings = Settings(token=TOKEN)
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/", "/static/page.js"):
        assert ask(settings, path, host="localhost") == 200
    for path in ("/models", "/metrics", "/openapi.json", "/v2", "/v2/models/a", "/static", "/healthz/", "//"):
        assert ask(settings, path, host="localhost") == 401
