"""`topwork serve` at a terminal: a person reads one line, and no log."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.server.wire import PATIENCE

pty = pytest.importorskip("pty")


@pytest.mark.parametrize(("language", "line"), [("en", "are at"), ("ko", "입니다. Ctrl-C")])
def test_a_person_is_told_the_address_and_nothing_else(texts: Path, language: str, line: str) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "topwork", "serve", str(texts), "--port", "0", "--lang", language]
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        try:
            told = _until(ours, "Ctrl-C")
            port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", told)[0])
            end = time.monotonic() + PATIENCE
            while not _answers(port) and time.monotonic() < end:
                time.sleep(0.05)
            assert _answers(port)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as page:
                assert f'<html lang="{language}"' in page.read().decode()
        finally:
            process.send_signal(signal.SIGINT)
            told += _until(ours, "")
            assert process.wait(PATIENCE) == 0, told
        assert process.stdout is not None
        assert process.stdout.read() == b""
    os.close(ours)
    assert line in told
    assert len(told.split("\r\n")) == 2, told


def _until(terminal: int, last: str) -> str:
    """What comes until it holds some words; with none, until its end."""
    found = b""
    while not last or last not in found.decode("utf-8", "ignore"):
        try:
            some = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        if not some:
            break
        found += some
    return found.decode()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/models", timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
