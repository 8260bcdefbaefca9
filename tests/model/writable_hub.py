"""The small hub on loopback, which can be written too, as far as huggingface_hub's client asks: one commit by HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.backbones.hub import LARGE, Handler, Hub


class WritableHub(Hub):
    """Repositories that are made and written by whoever has the token.

    Attributes:
        token: The one that may write.
        private: Repositories, and whether each was made private.
        blobs: Large files by their sha256, as they were uploaded.
        bodies: What came with each request that writes.
        breaks: How many of the next uploads of large files are answered with 500.
    """

    def __init__(self) -> None:
        self.token = "hf_secret_of_the_tests"
        self.private: dict[str, bool] = {}
        self.blobs: dict[str, bytes] = {}
        self.bodies: list[str] = []
        self.breaks = 0
        super().__init__()

    def files(self, repository: str) -> dict[str, bytes]:
        """What the branch main holds."""
        return self.commits[repository][self.main[repository]]


class _Writing(Handler):
    hub: WritableHub

    def do_POST(self) -> None:  # noqa: N802
        self._write()

    def do_PUT(self) -> None:  # noqa: N802
        self._write()

    def do_GET(self) -> None:  # noqa: N802
        path = unquote(urlsplit(self.path).path)
        if found := re.fullmatch(r"/api/models/(.+)/tree/([^/]+)", path):
            return self._list(*found.groups())
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)", path):
            return self._tell(found[1], "main")
        return super().do_GET()

    def _write(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        if self.hub.status:
            return self._send(self.hub.status, {})
        if self.command == "PUT":
            return self._keep(path.rpartition("/")[2], body)
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return self._json({"error": "Invalid username or password."}, 401)
        self.hub.bodies.append(f"{path} {body[:2000].decode('latin-1')}")
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if found := re.fullmatch(r"/api/models/(.+)/preupload/([^/]+)", path):
            return self._ask(found[1], found[2], json.loads(body)["files"])
        if found := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            return self._batch(json.loads(body)["objects"])
        if found := re.fullmatch(r"/api/models/(.+)/commit/([^/]+)", path):
            return self._commit_files(found[1], [json.loads(line) for line in body.splitlines()])
        return self._send(404, {})

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization'] or 'me'}/{asked['name']}"
        there = name in self.hub.main
        if not there:
            self.hub.publish(name, {".gitattributes": b"*.safetensors filter=lfs\n"})
            self.hub.private[name] = "private" in json.dumps(asked) and asked.get("visibility", "") != "public"
        self._json({"url": f"{self.hub.url}/{name}"}, 409 if there else 200)

    def _ask(self, repository: str, revision: str, files: list[dict[str, Any]]) -> None:
        if self._commit(repository, revision):
            modes = [
                {
                    "path": each["path"],
                    "uploadMode": "lfs" if each["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                }
                for each in files
            ]
            self._json({"files": modes})

    def _batch(self, objects: list[dict[str, Any]]) -> None:
        told = []
        for each in objects:
            upload = {"upload": {"href": f"{self.hub.url}/lfs/{each['oid']}"}}
            told.append({**each, **({} if each["oid"] in self.hub.blobs else {"actions": upload})})
        self._json({"transfer": "basic", "objects": told})

    def _keep(self, oid: str, content: bytes) -> None:
        if self.hub.breaks:
            self.hub.breaks -= 1
            return self._send(400, {})
        assert hashlib.sha256(content).hexdigest() == oid
        self.hub.blobs[oid] = content
        return self._send(200, {})

    def _commit_files(self, repository: str, lines: list[dict[str, Any]]) -> None:
        files = dict(self.hub.files(repository))
        for value in (line["value"] for line in lines if line["key"] == "file"):
            files[value["path"]] = base64.b64decode(value["content"])
        for value in (line["value"] for line in lines if line["key"] == "lfsFile"):
            files[value["path"]] = self.hub.blobs[value["oid"]]
        for value in (line["value"] for line in lines if line["key"] == "deletedFile"):
            del files[value["path"]]
        commit = self.hub.publish(repository, files)
        self._json({"success": True, "commitOid": commit, "commitUrl": f"{self.hub.url}/{repository}/commit/{commit}"})

    def _list(self, repository: str, revision: str) -> None:
        if commit := self._commit(repository, revision):
            files = self.hub.commits[repository][commit]
            told = [{"type": "file", "path": name, "oid": "0" * 40, "size": len(files[name])} for name in files]
            self._json(told)

    def _json(self, fields: Any, status: int = 200) -> None:
        self._send(status, {"Content-Type": "application/json"}, json.dumps(fields).encode())


WritableHub.handler = _Writing
