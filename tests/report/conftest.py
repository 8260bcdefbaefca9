"""Checkups without a network: real pictures, and findings as a test wants them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from topwork.checking import Case, Checkup, Finding
from topwork.data import ImageDataset, read


def checkup(dataset: ImageDataset, *findings: Finding, unusable: dict[int, str] | None = None) -> Checkup:
    return Checkup(dataset, findings, None, (), unusable or {}, ())


def finding(*cases: Case, name: str = "blurred", severity: str = "warning", what: str = "What it is.") -> Finding:
    return Finding(name, severity, max(len(cases), 1), what, "leave `it` out", cases)  # type: ignore[arg-type]


def each(dataset: ImageDataset) -> Finding:
    """A finding with a case for each image."""
    return finding(*(Case((path,), f"detail of {row}") for row, path in enumerate(dataset.paths)))


@pytest.fixture
def folder(tmp_path: Path, photos: list[Path]) -> Path:
    """Six photographs in two classes."""
    for row, photo in enumerate(photos[:6]):
        place = tmp_path / "set" / ("cat" if row < 3 else "dog") / photo.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, place)
    return tmp_path / "set"


@pytest.fixture
def dataset(folder: Path) -> ImageDataset:
    return read(folder)
