from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.model.samples import easy_folder
from topwork import ProbeOptions, fit
from topwork.backbones import load
from topwork.errors import BackboneError, ExplainError, ImageError
from topwork.explain import TorchClassifier
from topwork.tasks.classification.strategies import OwnClasses


def test_a_networks_own_classes_answer_as_in_the_engine(
    lite0: TorchClassifier, squares: np.ndarray, photos: list[Path]
) -> None:
    answers = OwnClasses(load("lite0"), engine="torch-cpu").top(photos, 1)
    expected = [answer.top[0].probability for answer in answers]
    np.testing.assert_allclose(lite0.probabilities(squares).max(axis=1), expected, atol=1e-4)


def test_a_model_answers_as_it_predicts(tmp_path: Path, photos: list[Path]) -> None:
    model = fit(
        easy_folder(tmp_path / "data"), strategy="probe", options=ProbeOptions(engine="torch-cpu", stages="all")
    )
    classifier = TorchClassifier.of_model(model, device="cpu")
    assert classifier.classes == ("photo", "textile")
    found = classifier.probabilities(classifier.squares(photos[10:14]))
    np.testing.assert_allclose(found, model.predict_proba(photos[10:14]), atol=1e-4)


def test_a_class_is_found_by_its_words(lite0: TorchClassifier) -> None:
    assert lite0.index("zebra") == lite0.index("Zebras") == lite0.index(340) == 340
    assert lite0.index("tabby cat") == 281
    assert lite0.index("n02012849") == 134  # one of the two cranes


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("cat", "'cat' means 13 classes: "),
        ("crane", "'crane' means 2 classes: "),
        ("zebrra", "no class is called 'zebrra'"),
        ("", "no class is called ''"),
        (1000, "no class has the number 1000"),
        (-1, "no class has the number -1"),
    ],
)
def test_a_class_that_is_none_is_refused(lite0: TorchClassifier, label: str | int, message: str) -> None:
    with pytest.raises(ExplainError, match=message) as refused:
        lite0.index(label)
    assert refused.value.hint


def test_images_that_cannot_be_used_are_refused(lite0: TorchClassifier, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.jpg"):
        lite0.squares([tmp_path / "none.jpg"])
    with pytest.raises(ExplainError, match=r"uint8 \(N, 224, 224, 3\), not float32 \(1, 3, 224, 224\)"):
        lite0.probabilities(np.zeros((1, 3, 224, 224), np.float32))


def test_no_images_give_no_rows(lite0: TorchClassifier) -> None:
    assert lite0.probabilities(lite0.squares([])).shape == (0, 1000)


def test_a_network_without_classes_is_refused() -> None:
    with pytest.raises(BackboneError, match="are random"):
        TorchClassifier.of_backbone(load("resnet18", weights="random"))
