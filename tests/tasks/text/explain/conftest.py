"""Models of n-grams on seeded texts in which one planted word, English or Korean, gives the class away."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cli.conftest import run
from topwork.fitting import fit
from topwork.tasks.text import TextClassifier

__all__ = ["run"]

PLANTED = {
    "en": {"music": "guitar", "travel": "harbour", "garden": "violet"},
    "ko": {"음악": "기타를", "여행": "항구에서", "정원": "꽃밭이"},
}
FILLER = {
    "en": "the old man saw a small house near this long road and then went home with some bread for dinner",
    "ko": "어제 나는 작은 집 근처 그 긴 길을 보고 나서 저녁 빵과 함께 다시 천천히 돌아왔다 그리고 오늘",
}


def planted(language: str, rng: random.Random) -> tuple[str, str]:
    """A text of eight words and its class."""
    label, word = rng.choice(list(PLANTED[language].items()))
    words = rng.sample(FILLER[language].split(), 7)
    words.insert(rng.randrange(8), word)
    return " ".join(words), label


@pytest.fixture(scope="session", params=["en", "ko"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def folder(language: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder, beside the table that it was made of."""
    place, rng = tmp_path_factory.mktemp(language), random.Random(1)
    rows = [(*planted(language, rng), "test" if row % 4 == 0 else "train") for row in range(240)]
    rows[0] = (rows[0][0], next(name for name in PLANTED[language] if name != rows[0][1]), "test")  # a mistake
    lines = ["text,label,split", *(",".join(row) for row in rows)]
    (place / "texts.csv").write_text("\n".join(lines), "utf-8")
    fit(place / "texts.csv", strategy="ngrams").save(place / "model")
    return place


@pytest.fixture(scope="session")
def model(folder: Path) -> TextClassifier:
    from topwork.tasks import load

    return load(folder / "model", TextClassifier)
