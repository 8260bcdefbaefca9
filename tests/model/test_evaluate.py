from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topwork.data import read, split
from topwork.errors import DataError
from topwork.model import Classifier

from .samples import copied, textile_folder, textiles


def test_the_metrics_are_those_of_the_predictions(fitted: Classifier, tmp_path: Path) -> None:
    for label in fitted.classes:
        copied(textiles(label)[40:50], tmp_path / "data" / label)
    found = fitted.evaluate(read(tmp_path / "data", classes=fitted.classes))
    files = sorted((tmp_path / "data").rglob("*.jpg"))
    said = [each.label for each in fitted.predict(files)]
    right = sum(path.parent.name == label for path, label in zip(files, said, strict=True))
    assert found.evaluation.n == 30
    assert found.evaluation.accuracy.value == right / 30
    assert 0 < right < 30
    assert found.left_out == ()


def test_a_held_out_part_gives_the_metrics_of_the_fit(fitted: Classifier, textile: Path) -> None:
    """But for bfloat16: a network that is cut down to the outputs a head reads rounds in other places."""
    held_out = split(read(textile), test=0.2, seed=0).split("test")
    told, found = fitted.metrics, fitted.evaluate(held_out).evaluation
    assert told is not None
    assert found.n == told.n == 12
    assert found.confusion.tolist() == told.confusion.tolist()
    assert found.log_loss.value == pytest.approx(told.log_loss.value, abs=0.05)


def test_the_features_are_kept_of_very_many_images_of_some(
    fitted: Classifier, textile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = split(read(textile), test=0.2, seed=0).split("test")
    whole = fitted.evaluate(held_out)
    assert whole.features is not None
    assert whole.features.dataset.paths == whole.dataset.paths
    np.testing.assert_array_equal(fitted.head.probabilities(whole.features.values), whole.probabilities)
    monkeypatch.setattr("topwork.model._evaluated._MAPPED", 5)
    some = fitted.evaluate(held_out).features
    assert some is not None
    rows = [whole.dataset.paths.index(path) for path in some.dataset.paths]
    assert len(rows) == 5
    np.testing.assert_array_equal(some.values, whole.features.values[rows])


def test_fault_6_classes_go_by_name_whatever_the_data_hold(fitted: Classifier, tmp_path: Path) -> None:
    data = tmp_path / "data" / "nominal"
    copied(textiles("nominal")[40:50], data)
    found = fitted.evaluate(read(tmp_path / "data", classes=fitted.classes)).evaluation
    said = [each.label for each in fitted.predict(sorted(data.iterdir()))]
    assert found.accuracy.value == said.count("nominal") / 10 > 0
    assert [report.support for report in found.per_class] == [0, 0, 10]


def test_a_class_that_the_model_never_saw_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    copied(textiles("local")[:2], tmp_path / "locale")
    with pytest.raises(DataError, match="class 'locale' is not one that the model knows; nearest: 'local'"):
        read(tmp_path, classes=fitted.classes)


def test_a_data_set_of_other_classes_is_refused_with_the_remedy(fitted: Classifier, tmp_path: Path) -> None:
    data = textile_folder(tmp_path / "data", per_class=1)
    swapped = read(data, classes=fitted.classes[::-1])  # the same names in another order
    with pytest.raises(DataError, match="are not the model's") as refused:
        fitted.evaluate(swapped)
    assert refused.value.hint == "read it with read(path, classes=model.classes)"


def test_damaged_images_are_reported_and_count_in_nothing(fitted: Classifier, tmp_path: Path) -> None:
    copied(textiles("local")[40:44], tmp_path / "local")
    clean = fitted.evaluate(read(tmp_path, classes=fitted.classes))
    (tmp_path / "local" / "empty.jpg").touch()
    (tmp_path / "local" / "cut.jpg").write_bytes(textiles("local")[0].read_bytes()[:2000])
    (tmp_path / "local" / "notes.txt").write_text("not an image")
    found = fitted.evaluate(read(tmp_path, classes=fitted.classes))
    assert found.evaluation.to_dict() == clean.evaluation.to_dict()
    assert {item.path for item in found.left_out} == {"local/empty.jpg", "local/cut.jpg", "local/notes.txt"}
    assert all(item.reason for item in found.left_out)


def test_only_damaged_images_are_refused(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    for name in "ab":
        (tmp_path / "local" / f"{name}.jpg").write_bytes(b"not an image")
    with pytest.raises(DataError, match="none of the 2 images can be read"):
        fitted.evaluate(read(tmp_path, classes=fitted.classes))


def test_no_images_are_refused(fitted: Classifier, textile: Path) -> None:
    with pytest.raises(DataError, match="none of the 0 images can be read"):
        fitted.evaluate(read(textile).select([]))


def test_the_cache_changes_nothing(fitted: Classifier, tmp_path: Path) -> None:
    data = read(textile_folder(tmp_path / "data", per_class=3), classes=fitted.classes)
    found = [fitted.evaluate(data, cache=cache).evaluation.to_dict() for cache in (False, True, True)]
    assert found[0] == found[1] == found[2]


def test_progress_ends_with_all_images(fitted: Classifier, tmp_path: Path) -> None:
    data = read(textile_folder(tmp_path / "data", per_class=3), classes=fitted.classes)
    calls: list[tuple[int, int]] = []
    fitted.evaluate(data, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (9, 9)
    assert np.diff([done for done, _ in calls]).min() >= 0
