"""The program as its user runs it: an exit code and two streams. In this process for speed, in another for proof."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer import testing
from typer.testing import CliRunner

import topwork
from tests.model.samples import textile_folder
from topwork.cli._app import app
from topwork.cli._progress import LINE

TOPWORK = (sys.executable, "-m", "topwork")


@dataclass(frozen=True)
class Done:
    """What one run of the program gave; lines of progress, which come where the machine is slow, apart."""

    code: int
    out: str
    err: str
    progress: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON object on one line."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self
        return json.loads(lines[0])

    def failed(self) -> tuple[str, str]:
        """The error and the hint of a run that failed as promised: one line each, and nothing else."""
        assert (self.code, self.out) == (1, ""), self
        lines = self.err.splitlines()
        assert [line.partition(": ")[0] for line in lines] == ["error", "hint"], self
        assert all(line.partition(": ")[2] for line in lines), self
        return (lines[0].removeprefix("error: "), lines[1].removeprefix("hint: "))


Run = Callable[..., Done]


def without_progress(err: str) -> str:
    """Standard error but for the lines of progress."""
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith(LINE))


def done_with(code: int, out: str, err: str) -> Done:
    """What a run gave, its progress apart."""
    told = tuple(line for line in err.splitlines() if line.startswith(LINE))
    return Done(code, out, without_progress(err), told)


@pytest.fixture(scope="session")
def run(shared_cache: Path) -> Iterator[Run]:
    """The program in this process: a second a run less."""

    def run(*given: object, stdin: bytes = b"", **environment: str) -> Done:
        found = CliRunner().invoke(
            app, [str(each) for each in given], input=stdin, env={"COLUMNS": "200", **environment}
        )
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        return done_with(found.exit_code, found.stdout, found.stderr)

    with pytest.MonkeyPatch.context() as patch:  # the commands are made once, not for each of a thousand runs
        patch.setattr(testing, "_get_command", functools.cache(testing._get_command))
        yield run


@pytest.fixture(scope="session")
def spawn(shared_cache: Path) -> Run:
    """The program in a process of its own."""

    def spawn(*given: object, stdin: bytes = b"", **environment: str) -> Done:
        command = [*map(os.fsencode, TOPWORK), *(os.fsencode(str(each)) for each in given)]
        environ = {**os.environ, "PYTHONUTF8": "1", "COLUMNS": "200", **environment}
        done = subprocess.run(command, input=stdin, capture_output=True, check=False, env=environ, timeout=120)
        return done_with(done.returncode, done.stdout.decode("utf-8", "strict"), done.stderr.decode("utf-8", "strict"))

    return spawn


@pytest.fixture(scope="session")
def textile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return textile_folder(tmp_path_factory.mktemp("data") / "textile")


@pytest.fixture(scope="session")
def model(run: Run, textile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    done = run("fit", textile, "-o", folder, "--strategy", "probe", "--size", 96)
    assert done.code == 0, done
    return folder


MESSAGES = Path(topwork.__file__).parent / "tasks" / "text" / "messages.csv"
"""The texts that topwork carries."""


@pytest.fixture(scope="session")
def text_model(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of texts that needs no network."""
    folder = tmp_path_factory.mktemp("saved") / "texts"
    done = run("fit", MESSAGES, "-o", folder, "--strategy", "ngrams")
    assert done.code == 0, done
    return folder
