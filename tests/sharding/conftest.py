"""A small folder of real pictures, two of them unusable, and the smallest recipe."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from topwork.backbones import Backbone, load
from topwork.engines import EngineChoice
from topwork.sharding import Embedding


@pytest.fixture(scope="session")
def network() -> Backbone:
    """lite0 at a small size."""
    found = load("lite0", size=64)
    assert isinstance(found, Backbone)
    return found


@pytest.fixture(scope="session")
def recipe(network: Backbone) -> Embedding:
    return Embedding(network, network.outputs("last"), EngineChoice("openvino", "f32"))


Fill = Callable[[Path], Path]


@pytest.fixture(scope="session")
def fill(photos: list[Path]) -> Fill:
    """Makes a data folder of 20 pictures in two classes under train/ and val/, with two that cannot be used."""

    def made(folder: Path) -> Path:
        for place, photo in enumerate(photos):
            into = folder / ("val" if place % 5 == 0 else "train") / ("cat" if place % 2 else "dog")
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, into)
        (folder / "train" / "cat" / "empty.jpg").write_bytes(b"")
        (folder / "train" / "dog" / "no picture.png").write_bytes(b"never one")
        (folder / "train" / "dog" / ".hidden.jpg").write_bytes(b"")
        return folder

    return made


@pytest.fixture(scope="session")
def pictures(fill: Fill, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def tars(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures as two shards of WebDataset, with a class beside some."""
    folder = tmp_path_factory.mktemp("tars")
    found = sorted(path for path in pictures.rglob("*.*") if path.is_file() and not path.name.startswith("."))
    for number in range(2):
        with tarfile.open(folder / f"photos-train-{number}.tar", "w") as tar:
            for place, path in enumerate(found[number::2]):
                tar.add(path, f"{place:04}{path.suffix}")
                if place % 3:
                    label = path.parent.name.encode()
                    member = tarfile.TarInfo(f"{place:04}.cls")
                    member.size = len(label)
                    tar.addfile(member, io.BytesIO(label))
    return folder


@pytest.fixture(scope="session")
def tables(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures as two Parquet files of a Hugging Face set."""
    import datasets

    folder = tmp_path_factory.mktemp("tables")
    found = sorted(path for path in pictures.rglob("*.*") if path.is_file() and not path.name.startswith("."))
    classes = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features({"image": datasets.Image(), "label": classes})
    rows = {
        "image": [{"bytes": path.read_bytes(), "path": path.name} for path in found],
        "label": [path.parent.name for path in found],
    }
    made = datasets.Dataset.from_dict(rows, features=features)
    for number in range(2):
        part = made.shard(2, number, contiguous=True)
        part.to_parquet(folder / f"train-0000{number}-of-00002.parquet")
    return folder
