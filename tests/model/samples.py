"""Small real data sets, written where a test wants them."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path

CLASSES = ("global", "local", "nominal")


def _package_data(name: str, *inside: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath("data", *inside)


def textiles(label: str) -> list[Path]:
    """Pictures of woven textile of one class: ``global``, ``local`` or ``nominal``."""
    return sorted(_package_data("conformal_clip_data", "textile_images", "simulated", label).iterdir())


def photos() -> list[Path]:
    """20 ImageNet pictures."""
    return sorted(_package_data("foolbox").glob("imagenet_*.jpg"))


def copied(files: Sequence[Path], folder: Path) -> Path:
    """Copy files into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    return folder


def textile_folder(folder: Path, per_class: int = 20) -> Path:
    """A data folder of three classes."""
    for label in CLASSES:
        copied(textiles(label)[:per_class], folder / label)
    return folder


def easy_folder(folder: Path, first: str = "photo", second: str = "textile", count: int = 8) -> Path:
    """A data folder of two classes that any network tells apart: photographs and textile."""
    copied(photos()[:count], folder / first)
    copied(textiles("nominal")[:count], folder / second)
    return folder
