"""Real pictures (foolbox's samples, conformal-clip-data's textiles) and small folders made of them."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Make = Callable[..., Path]


def package_folder(name: str) -> Path:
    """Where a package lies, without importing it (foolbox would import torch)."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@pytest.fixture(scope="session")
def photos() -> list[Path]:
    return sorted(package_folder("foolbox").glob("imagenet_*.jpg"))


@pytest.fixture(scope="session")
def textiles() -> list[Path]:
    folder = package_folder("conformal_clip_data")
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))


@pytest.fixture(scope="session")
def small(photos: list[Path]) -> Image.Image:
    """A piece of a photograph, 90 by 60 pixels: unlike itself in every direction."""
    with Image.open(photos[0]) as image:
        return image.convert("RGB").crop((40, 50, 130, 110))


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def jpeg(small: Image.Image, encode: Callable[..., bytes]) -> bytes:
    return encode(small, "JPEG", quality=95)


@pytest.fixture
def make(tmp_path: Path, jpeg: bytes) -> Make:
    """Write a data folder of one JPEG many times: "x/*3" is x/0.jpg to x/2.jpg, "x/" an empty folder."""

    def make(*names: str, root: str = "set", **contents: bytes) -> Path:
        folder = tmp_path / root
        folder.mkdir(exist_ok=True)
        for name in names:
            stem, _, count = name.partition("*")
            if name.endswith("/"):
                (folder / name).mkdir(parents=True)
            for path in [f"{stem}{n}.jpg" for n in range(int(count))] if count else [name]:
                if not path.endswith("/"):
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).write_bytes(contents.get(path, jpeg))
        return folder

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_240_501)
