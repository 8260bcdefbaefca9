"""Every example runs as a newcomer would run it, on real images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import topwork
from tests.model.samples import easy_folder

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    return easy_folder(tmp_path_factory.mktemp("examples") / "photos", count=9)


def ran(name: str, *arguments: object) -> list[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_each_example_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    assert all(f'"{path.name}"' in text for path in EXAMPLES.glob("*.py"))


def test_fit_and_predict(photos: Path, tmp_path: Path) -> None:
    image = next((photos / "textile").iterdir())
    accuracy, answer = ran("fit_and_predict.py", photos, tmp_path / "model", image)
    assert accuracy.startswith("accuracy 100.0%")
    assert answer.startswith(f"{image}: textile (")
    assert topwork.load(tmp_path / "model").record.strategy == "probe"


@pytest.mark.slow
def test_advise(photos: Path) -> None:
    lines = ran("advise.py", photos, 20)
    assert sum(line.startswith("*") for line in lines) == 1
    assert any("probe, last features" in line for line in lines)


def test_sklearn_pipeline(photos: Path) -> None:
    (line,) = ran("sklearn_pipeline.py", photos)
    share = float(line.split()[1].rstrip("%"))
    assert share > 80
    assert line.endswith("in 3 folds of 18 images")


def test_check_and_clean(photos: Path, tmp_path: Path) -> None:
    doubled = Path(shutil.copytree(photos, tmp_path / "doubled"))
    first = next((doubled / "photo").iterdir())
    shutil.copyfile(first, doubled / "photo" / "copy.jpg")
    lines = ran("check_and_clean.py", doubled, doubled / "clean.csv")
    assert any("exact-duplicates" in line for line in lines)
    assert lines[-1] == f"18 of 19 images are in {doubled / 'clean.csv'}"
    assert len(topwork.read(doubled / "clean.csv")) == 18
