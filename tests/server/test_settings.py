"""What a server is given is checked before anything starts; a door open to everybody has to be meant."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from topwork.errors import TopworkError
from topwork.server import Settings
from topwork.server._run import _server, listening
from topwork.server._service import Service
from topwork.server._settings import is_loopback


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_a_door_beyond_this_machine_needs_a_token_or_the_word(host: str, ours: bool) -> None:
    assert is_loopback(host) is ours
    if ours:
        assert Settings(host=host).host == host
        return
    with pytest.raises(TopworkError, match="anybody") as refused:
        Settings(host=host)
    assert "--token" in refused.value.hint
    assert Settings(host=host, token="long-enough").token == "long-enough"
    assert Settings(host=host, public=True).public


@pytest.mark.parametrize(
    "wrong",
    [
        {"queue": 0},
        {"max_bytes": 0},
        {"max_parts": -1},
        {"max_connections": 0},
        {"decode_bytes": 1},
        {"deadline": 0},
        {"deadline": float("nan")},
        {"upload_seconds": -1},
        {"held_bytes": 10},
        {"token": ""},
        {"token": "short"},
        {"token": "long-enough\n"},
        {"token": "long enough"},
        {"token": "비밀번호가-깁니다"},
    ],
)
def test_what_could_only_fail_later_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TopworkError):
        Settings(**wrong)
    with pytest.raises(TopworkError):
        Settings().replace(**wrong)


def test_a_token_is_in_no_repr() -> None:
    assert "long-enough" not in repr(Settings(token="long-enough"))


def test_the_server_is_not_the_first_to_close_a_connection_that_is_kept(model: Path) -> None:
    """A request that is on its way while the server closes is lost; proxies keep connections for a minute."""
    for settings in (Settings(models=(model,)), Settings(models=(model,), keep_alive=90)):
        server = _server(None, Service(settings))
        assert server.config.timeout_keep_alive == settings.keep_alive > 60
    with pytest.raises(TopworkError, match="keep_alive must be more than 0"):
        Settings(keep_alive=0)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_ipv6_is_taken_as_it_stands_in_a_url_too(host: str) -> None:
    assert not Settings(host=host).public
    try:
        door = listening(host, 0)
    except TopworkError as error:
        if "Cannot assign" in error.message or "not supported" in error.message:
            pytest.skip("this machine has no address of IPv6")
        raise
    with door:
        assert door.getsockname()[0] == "::1"
