"""The door: a token that works once, and requests that only seem to be the page's."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from topwork.ui._door import POLICY, Door

PORT = 8123
OWN = f"http://127.0.0.1:{PORT}"


def behind(door: Door) -> ASGIApp:
    return door.guard(PlainTextResponse("inside"), lambda: "refused")


def client(door: Door, base: str = OWN) -> TestClient:
    return TestClient(behind(door), base_url=base, follow_redirects=False)


def entered(door: Door) -> TestClient:
    found = client(door)
    assert found.get(door.address().removeprefix(OWN)).status_code == 303
    return found


def test_an_address_opens_the_page_once() -> None:
    told: list[str] = []
    door = Door(PORT, told.append)
    address = door.address().removeprefix(OWN)
    first, second = client(door), client(door)
    answer = first.get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")  # no token stays in the address
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert first.get("/").text == "inside"
    assert first.get(address).status_code == 303  # the same browser may come again
    assert second.get(address).status_code == 403  # a copy of the address opens nothing
    assert second.get("/").text == "refused"
    assert second.get(told[-1].removeprefix(OWN)).status_code == 303  # the new one that was told does
    assert second.get("/anything").text == "inside"


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/check", "/check?token={}", "/model/predict"])
def test_nobody_comes_in_without_the_token(path: str) -> None:
    door = Door(PORT)
    token = door.address().partition("=")[2]
    answer = client(door).get(path.format(token))
    assert (answer.status_code, answer.text) == (403, "refused")
    assert answer.headers["content-security-policy"] == POLICY
    assert client(door).get(f"/?token={token}").status_code == 303  # which a wrong guess has not used up


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1:80", f"127.0.0.1.evil:{PORT}", ""])
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    """DNS rebinding: a stranger's name that leads to this machine."""
    inside = entered(Door(PORT))
    assert inside.get("/", headers={"host": host}).status_code == 403
    assert inside.get("/", headers={"host": f"localhost:{PORT}"}).text == "inside"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"https://127.0.0.1:{PORT}", "http://127.0.0.1:9"])
def test_another_sites_page_is_refused(origin: str) -> None:
    inside = entered(Door(PORT))
    for method in ("GET", "POST", "PUT"):
        assert inside.request(method, "/fit", headers={"origin": origin}).status_code == 403
    assert inside.post("/fit", headers={"origin": OWN}).text == "inside"
    assert inside.post("/fit", headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_another_servers_cookie_is_none() -> None:
    """Cookies do not tell ports apart: two pages on one machine must not open each other."""
    other = Door(PORT + 1)
    theirs = TestClient(behind(other), base_url=f"http://127.0.0.1:{PORT + 1}", follow_redirects=False)
    theirs.get(other.address().partition(f":{PORT + 1}")[2])
    cookies = "; ".join(f"{name}={value}" for name, value in theirs.cookies.items())
    assert client(Door(PORT)).get("/", headers={"cookie": cookies}).status_code == 403
