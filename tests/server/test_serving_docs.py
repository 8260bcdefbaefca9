"""What docs/serving.md and the Dockerfile say is so: the examples run, and what they name exists."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.wire import PHOTO, TEXTILE, Server, from_command_line
from tests.tasks.segmentation.made import segmenter

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "serving.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def examples(of: str = "") -> list[str]:
    """Every curl of the guide, whole: of an address, or those of all that need no SAM (test_prompts.py)."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("curl ") and (of in line if of else "/segment" not in line)]


@pytest.fixture(scope="module")
def named(model: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server of models that are called as in the guide, and a folder with its files."""
    folder = tmp_path_factory.mktemp("guide")
    shutil.copytree(model, folder / "insects")
    shutil.copytree(texts, folder / "reviews")
    segmenter().save(folder / "cells")
    (folder / "photo.jpg").write_bytes(PHOTO)
    (folder / "other.jpg").write_bytes(TEXTILE)
    with from_command_line(
        folder, folder / "insects", folder / "reviews", folder / "cells", "--collect", folder / "found"
    ) as server:
        yield server, folder


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("example", examples())
def test_an_example_of_the_guide_is_answered(named: tuple[Server, Path], example: str) -> None:
    server, folder = named
    command = shlex.split(example.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"), comments=True)
    done = subprocess.run([*command, "--silent", "--fail-with-body"], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    if " -o " in example:
        file = folder / command[command.index("-o") + 1]
        assert file.read_bytes().startswith(b"\x89PNG" if file.suffix == ".png" else b'{"type": "FeatureCollection"')
    elif "/metrics" not in example:
        assert json.loads(done.stdout)


def test_all_metrics_that_the_guide_names_are_there(named: tuple[Server, Path]) -> None:
    text = named[0].ask("GET", "/metrics").body.decode()
    names = set(re.findall(r"topwork_[a-z_]+", next(line for line in GUIDE.splitlines() if "| `/metrics`" in line)))
    assert len(names) > 5
    assert {name for name in names if name not in text} == set()


def test_what_the_guide_lets_others_probe_is_answered(named: tuple[Server, Path]) -> None:
    yaml = pytest.importorskip("yaml")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]
    assert [block.get("kind", "compose") for block in blocks] == ["compose", "Deployment", "InferenceService"]
    probed = set(re.findall(r"'path': '(/[a-z0-9/]+)'", str(blocks)))
    assert "/readyz" in probed
    assert {named[0].ask("GET", path).status for path in probed} == {200}


def test_the_dockerfile_copies_what_is_there_and_not_ignored() -> None:
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    ]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert copied
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored


def test_the_dockerfile_installs_extras_that_exist_and_no_torch() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for said in re.findall(r"EXTRAS=([a-z,]+)", DOCKERFILE + GUIDE):
        for extra in said.split(","):
            assert "torch" not in " ".join(extras[extra])


def test_the_image_is_not_of_root_and_asks_for_readiness() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*$", final, re.MULTILINE)
    code = re.search(r'HEALTHCHECK.*?"-c", "(.*?)"\]', final, re.DOTALL)
    assert code
    assert "/readyz" in code[1]
    compile(code[1], "HEALTHCHECK", "exec")


def test_the_image_starts_what_the_command_line_takes(named: tuple[Server, Path]) -> None:
    entry = re.search(r"^ENTRYPOINT (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert entry
    program, command, *options = json.loads(entry[1])
    assert (program, command) == ("topwork", "serve")
    assert [name for name in options if name.startswith("--")] == ["--host", "--port"]


@pytest.mark.slow
def test_the_image_is_built_and_runs_with_a_read_only_file_system() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        pytest.skip("Docker does not run here")
    subprocess.run([docker, "build", "-q", "-t", "topwork-test", ROOT], check=True)
    run = [docker, "run", "--rm", "--read-only", "--tmpfs", "/cache:mode=1777", "--entrypoint", "topwork"]
    subprocess.run([*run, "topwork-test", "doctor"], check=True)
