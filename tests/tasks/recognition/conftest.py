"""Identities for recognition's tests: things on real photographs, each seen several times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from topwork.fitting import fit
from topwork.tasks.recognition import Recognizer
from topwork.tasks.recognition._options import RecognitionOptions

VIEWS = 5


def views(photo: Path, folder: Path, seed: int, count: int = VIEWS) -> list[Path]:
    """Views of one photograph: other parts of it, turned a little, in other light."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    picture = Image.open(photo).convert("RGB")
    side = int(0.62 * min(picture.size))
    made = []
    for view in range(count):
        left, top = (int(rng.integers(0, each - side)) for each in picture.size)
        part = picture.crop((left, top, left + side, top + side)).rotate(float(rng.uniform(-12, 12)))
        lit = ImageEnhance.Brightness(part).enhance(float(rng.uniform(0.6, 1.4)))
        path = folder / f"{view}.jpg"
        lit.resize((160, 160)).save(path, quality=92)
        made.append(path)
    return made


@pytest.fixture(scope="session")
def people(photos: Sequence[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a folder each: 16 identities of 5 images."""
    folder = tmp_path_factory.mktemp("people")
    for number, photo in enumerate(photos[:16]):
        views(photo, folder / f"person {number:02}", number)
    return folder


@pytest.fixture(scope="session")
def strangers(photos: Sequence[Path], tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Images of four identities that no model was trained on."""
    folder = tmp_path_factory.mktemp("strangers")
    return [views(photo, folder / f"{number}", number) for number, photo in enumerate(photos[16:])]


OPTIONS = RecognitionOptions(crop_mode="squash", false_accept=0.02)


@pytest.fixture(scope="session")
def fitted(people: Path, shared_cache: Path) -> Recognizer:
    made = fit(people, task="recognition", strategy="probe", test=0.4, options=OPTIONS)
    assert isinstance(made, Recognizer)
    return made


@pytest.fixture
def model(fitted: Recognizer, tmp_path: Path) -> Recognizer:
    """A saved model with an empty gallery of its own."""
    made = Recognizer(fitted.record, fitted.projection, fitted.backbone)
    made.save(tmp_path / "model")
    return made
