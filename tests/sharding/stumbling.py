"""A real object store on loopback, and a proxy before it that stumbles: 503s, answers cut short, slowness."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Passes requests on to a server on loopback, and stumbles over some.

    Attributes:
        faults: What happens to a request, and how often of 1; each is drawn from a seeded generator.
        told: How often each has happened.
    """

    def __init__(self, port: int, seed: int = 0) -> None:
        self.faults: dict[str, float] = {}
        self.told: Counter[str] = Counter()
        self._chance, self._lock = random.Random(seed), threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy.drawn(self.command)
                if fault == "503":
                    self.send_response(503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if fault == "slow":
                    time.sleep(0.2)
                link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
                link.request(self.command, self.path, body, headers)
                answer = link.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                head = self.command == "HEAD"
                length = int(answer.headers.get("Content-Length") or 0) if head else len(content)
                if fault == "short":  # an answer that claims to be whole, and is not
                    content, length = content[: len(content) // 2], len(content) // 2
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if fault == "cut":  # one that breaks off
                    self.wfile.write(content[: len(content) // 2])
                    self.close_connection = True
                    return
                self.wfile.write(content)
                link.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def drawn(self, command: str) -> str:
        """What happens to a request; answers are cut where there is something to cut."""
        with self._lock:
            for fault, share in self.faults.items():
                if (command == "GET" or fault in ("503", "slow")) and self._chance.random() < share:
                    self.told[fault] += 1
                    return fault
        return ""

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
