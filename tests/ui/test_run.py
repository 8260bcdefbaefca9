"""The process: it refuses plainly, ends with Ctrl-C, and takes what runs along."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import PATIENCE

COMMAND = [sys.executable, "-m", "topwork", "ui", "--no-browser"]


def test_no_data_and_a_taken_port_are_refused_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, said in ((["nowhere"], "no such folder or file"), (["--port", port], f"port {port} cannot be")):
            done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
            assert done.returncode == 1
            assert said in done.stderr
            assert "hint: " in done.stderr
            assert "token" not in done.stdout
    assert list(tmp_path.iterdir()) == []  # nothing is made before there is anything to put there


@pytest.mark.skipif(not Path("/proc").exists(), reason="no /proc to look for children in")
def test_ctrl_c_ends_it_and_what_it_does(pets: Path) -> None:
    process = subprocess.Popen([*COMMAND, str(pets)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    address = process.stdout.readline()
    assert address.startswith("http://127.0.0.1:")
    process.stdout.close()
    end, children = time.monotonic() + PATIENCE, list[str]()
    while not children:  # until the check has begun
        assert time.monotonic() < end
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()  # nothing stays where it did not end
    end = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert [path.name for path in pets.parent.iterdir()] == ["pets"]
