"""What a server is given: models, where it listens, who may ask, and the limits that keep it up."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from topwork._texts import Language
from topwork.errors import TopworkError

MIB = 2**20
_VISIBLE = re.compile("[!-~]+")


@dataclass(frozen=True)
class Settings:
    """All that a server goes by; every limit has a value that is safe as it is.

    Attributes:
        models: Model folders; a model is called what its folder is called.
        host: Address to listen on.
        port: 0 for any that is free.
        token: What a client has to send as ``Authorization: Bearer TOKEN``; None where anybody may ask.
        public: Whether it may listen beyond this machine without a token.
        allow_hosts: Names under which it may be called, beside its own address and this machine's.
        collect: Folder into which labelled images and texts are written; None where none are taken.
        prompts: A network that takes prompts (``Promptable.load``), which answers ``POST /segment``; none when empty.
        prompts_weights: Its weights.
        allow_enrolling: Whether whoever may ask may enrol people, and let the model forget them.
        queue: Images or texts that may be under way at once; more are refused with 503.
        deadline: Seconds until an answer; then the work is dropped and 504 is the answer.
        max_bytes: Of a request's body.
        held_bytes: Of all large bodies together; what is more is refused with 503.
        max_parts: Files, or fields, of a form.
        max_connections: Open at once.
        header_seconds: In which a request's head has to be there.
        upload_seconds: In which its body has to be there.
        keep_alive: Seconds that a connection without a request stays open. More than proxies and clients keep theirs,
            60 as a rule: who closes first must not be the server, since a request may be on its way then and is lost.
        decoders: Processes that decode images; one a core when None.
        decode_seconds: That one image may take; then its process is ended.
        decode_bytes: Memory that a decoder may take.
        notice: Seconds between "not ready" and closing the door, so that a load balancer sees it.
        drain: Seconds that what is under way has to end in once the door is closed.
        watch: Seconds between two looks at the model folders; 0 for none.
        language: Of the page, where the browser prefers none of its languages.
    """

    models: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    public: bool = False
    allow_hosts: tuple[str, ...] = ()
    collect: Path | None = None
    prompts: str = ""
    prompts_weights: str = "pretrained"
    allow_enrolling: bool = False
    queue: int = 128
    deadline: float = 10.0
    max_bytes: int = 32 * MIB
    held_bytes: int = 128 * MIB
    max_parts: int = 32
    max_connections: int = 1000
    header_seconds: float = 10.0
    upload_seconds: float = 30.0
    keep_alive: int = 75
    decoders: int | None = None
    decode_seconds: float = 5.0
    decode_bytes: int = 2048 * MIB
    notice: float = 1.0
    drain: float = 20.0
    watch: float = 1.0
    language: Language = "en"

    def __post_init__(self) -> None:
        """Refuse, by a TopworkError, what could only fail later, and a door that is open to everybody by accident."""
        least = {"queue": 1, "max_bytes": 1, "max_parts": 1, "max_connections": 1, "decode_bytes": 256 * MIB}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise TopworkError(f"{name} must be at least {bound}, not {getattr(self, name)}")
        if self.held_bytes < self.max_bytes:
            raise TopworkError(f"held_bytes must be at least max_bytes, {self.max_bytes}, not {self.held_bytes}")
        for name in ("deadline", "header_seconds", "upload_seconds", "keep_alive", "decode_seconds"):
            if not getattr(self, name) > 0:
                raise TopworkError(f"{name} must be more than 0 seconds, not {getattr(self, name)}")
        if self.token is not None and len(self.token) < 8:
            raise TopworkError("a token of fewer than 8 characters is guessed too easily", hint="use a longer one")
        if self.token is not None and not _VISIBLE.fullmatch(self.token):  # no header could carry it
            raise TopworkError(
                "a token may hold only letters, digits and signs of ASCII",
                hint="look for a space or a line break in it, such as at its end",
            )
        if not (is_loopback(self.host) or self.token or self.public):
            raise TopworkError(
                f"on {self.host} anybody who reaches this machine could use the model",
                hint="give a token (--token, or TOPWORK_TOKEN), or say that this is meant with --public",
            )

        if self.allow_enrolling and not (is_loopback(self.host) or self.token):
            raise TopworkError(
                f"on {self.host} anybody who reaches this machine could enrol people and see who is enrolled",
                hint="give a token (--token, or TOPWORK_TOKEN) with --allow-enrolling",
            )

    def replace(self, **changes: object) -> Settings:
        """Copy with some fields changed, checked like a new one."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, which no other reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
