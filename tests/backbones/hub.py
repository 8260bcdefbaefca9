"""A small hub on loopback, which huggingface_hub's own client talks to, and the faults that it can have."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
import torch
from safetensors.torch import save

from topwork.backbones import load
from topwork.errors import BackboneError

Files = dict[str, bytes]

LARGE = (".safetensors", ".bin")  # what the hub keeps by sha256; the rest by git's own hash
NAME, REPOSITORY, FILE = "test_resnet", "timm/test_resnet.r160_in1k", "model.safetensors"  # timm's own, for tests
SEED = 4321  # of the network that the tests publish
CHUNK = 2**16  # bytes that the client keeps at a time, of a download that breaks off; 10 MiB outside tests
MOVED = "/moved"  # where redirected requests arrive


@dataclass(frozen=True)
class Request:
    """One request that arrived."""

    method: str
    path: str
    range: str
    authorization: str


class Hub:
    """Repositories of files, each publication a commit; serves them at ``url`` until it is closed.

    Attributes:
        requests: What has arrived.
        cuts: Each of the next downloads breaks off after so many bytes.
        ranges: Whether a part of a file may be asked for.
        spoilt: Whether every file arrives with one byte changed.
        short: Whether every file arrives without its last byte, and says so.
        status: What every request is answered with, if not 0.
        redirect: Where files are: ``MOVED`` of this hub, or the ``url`` of another one before that.
    """

    handler: type[BaseHTTPRequestHandler]

    def __init__(self) -> None:
        self.commits: dict[str, dict[str, Files]] = {}
        self.main: dict[str, str] = {}
        self.requests: list[Request] = []
        self.cuts: list[int] = []
        self.ranges = True
        self.spoilt = False
        self.short = False
        self.status = 0
        self.redirect = ""
        self._server = _Server(("127.0.0.1", 0), functools.partial(self.handler, self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def downloads(self) -> list[Request]:
        """The requests for a file's content; the client has questions of its own beside them."""
        return [request for request in self.requests if request.method == "GET" and "/resolve/" in request.path]

    def publish(self, repository: str, files: Files) -> str:
        """Make a commit, which the branch ``main`` then is."""
        facts = [repository, *(f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in files.items())]
        commit = hashlib.sha1("\n".join(facts).encode()).hexdigest()
        self.commits.setdefault(repository, {})[commit] = dict(files)
        self.main[repository] = commit
        return commit

    def close(self) -> None:
        huggingface_hub.close_session()  # its open connections would be waited for
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for them


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def __init__(self, hub: Hub, *arguments: Any) -> None:
        self.hub = hub
        super().__init__(*arguments)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        told = self.headers
        self.hub.requests.append(Request(self.command, path, told.get("Range", ""), told.get("Authorization", "")))
        if self.hub.status:
            return self._send(self.hub.status, {})
        if found := re.fullmatch(r"/api/models/(.+)/revision/([^/]+)", path):
            return self._tell(*found.groups())
        if found := re.fullmatch(rf"({MOVED})?/(.+)/resolve/([^/]+)/(.+)", path):
            moved, repository, revision, file = found.groups()
            return self._resolve(repository, revision, file, redirect="" if moved else self.hub.redirect)
        return self._send(404, {})

    def _tell(self, repository: str, revision: str) -> None:
        if commit := self._commit(repository, revision):
            names = [{"rfilename": name} for name in self.hub.commits[repository][commit]]
            fields = {"id": repository, "sha": commit, "siblings": names}
            self._send(200, {"Content-Type": "application/json"}, json.dumps(fields).encode())

    def _resolve(self, repository: str, revision: str, file: str, redirect: str) -> None:
        commit = self._commit(repository, revision)
        if not commit:
            return
        content = self.hub.commits[repository][commit].get(file)
        if content is None:
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        facts = {"X-Repo-Commit": commit, "ETag": f'"{etag(file, content)}"', "Accept-Ranges": "bytes"}
        if redirect:
            linked = {"X-Linked-Etag": facts["ETag"], "X-Linked-Size": str(len(content))}
            return self._send(302, {**facts, **linked, "Location": redirect + self.path})
        return self._download(content, facts)

    def _download(self, content: bytes, facts: dict[str, str]) -> None:
        if self.command == "GET" and self.hub.spoilt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if self.command == "GET" and self.hub.short:
            content = content[:-1]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.hub.ranges:
            start = int(asked[1])
            facts = {**facts, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            return self._send(206, facts, content[start:], cut=self._cut())
        return self._send(200, facts, content, cut=self._cut())

    def _cut(self) -> int | None:
        return self.hub.cuts.pop(0) if self.command == "GET" and self.hub.cuts else None

    def _commit(self, repository: str, revision: str) -> str:
        commits = self.hub.commits.get(repository)
        if commits is None:
            self._send(404, {"X-Error-Code": "RepoNotFound"})
            return ""
        commit = self.hub.main[repository] if revision == "main" else revision
        if commit not in commits:
            self._send(404, {"X-Error-Code": "RevisionNotFound"})
            return ""
        return commit

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"", cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True


Hub.handler = Handler


@functools.lru_cache(maxsize=4)
def etag(file: str, content: bytes) -> str:
    """What the hub names a file's content by; every request asks for it, and a whole network's takes a second."""
    if file.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextlib.contextmanager
def serving(cache: Path, kind: type[Hub] = Hub) -> Iterator[Any]:
    """A hub that the client of this process talks to, with a cache of its own, until the block ends."""
    hub = kind()
    settings = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": True,
        "DOWNLOAD_CHUNK_SIZE": CHUNK,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setattr(f"huggingface_hub.constants.{name}", value)
        patch.setattr("huggingface_hub.hf_api.api.endpoint", hub.url)
        patch.setenv("NO_PROXY", "127.0.0.1")
        huggingface_hub.close_session()  # the next one reads the environment anew
        try:
            yield hub
        finally:
            hub.close()
            etag.cache_clear()  # it holds the contents


def network_of(name: str, seed: int) -> Any:
    """timm's own network, with numbers that no seed of ours gives."""
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(name).eval()


def files_of(network: Any, folder: Path) -> Files:
    """What timm would push to the hub."""
    from timm.models import save_for_hf

    save_for_hf(network, str(folder), safe_serialization=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def require_refused(said: str) -> BackboneError:
    """The error of loading the network by its name."""
    with pytest.raises(BackboneError, match=said) as caught:
        load(NAME)
    return caught.value


def require_whole(files: Files) -> None:
    """Loading the network by its name gives what was published, to the last bit."""
    state = load(NAME).module().state_dict()
    assert save(dict(state)) == save(dict(network_of(NAME, SEED).state_dict()))
    assert load(NAME).weights.sha256 == hashlib.sha256(files[FILE]).hexdigest()
