"""Promised coverage and accuracy, and the warning before images of another kind: measured on real pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from topwork.data import decode, read
from topwork.errors import DataError, ModelError
from topwork.fitting import fit
from topwork.heads import LinearHead
from topwork.metrics import LEVELS, Shift
from topwork.model import Classifier, compare
from topwork.tasks import load
from topwork.tasks.classification.strategies import ProbeOptions

from .samples import CLASSES, copied, photos, textiles

ALL = ProbeOptions(stages="all", crop_mode="squash")


@pytest.fixture(scope="session")
def cloth(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> tuple[Classifier, Path]:
    """A textile model from 100 pictures a class, and 100 others of each."""
    folder = tmp_path_factory.mktemp("cloth")
    for label in CLASSES:
        copied(textiles(label)[:100], folder / "data" / "train" / label)
        copied(textiles(label)[200:300], folder / "data" / "test" / label)
    return fit(folder / "data", strategy="probe", options=ALL), folder / "data"


def test_the_thresholds_are_in_model_json_and_come_back(fitted: Classifier, saved: Path) -> None:
    fields = json.loads((saved / "model.json").read_text("utf-8"))["task"]["selective"]
    assert (fields["source"], fields["images"]) == ("cross-validation", 48)
    assert tuple(fields["levels"]) == LEVELS
    assert len(fields["sets"]) == len(LEVELS) > len(fields["answers"])
    assert [each["level"] for each in fields["measured"]] == [0.9, 0.95, 0.99]
    assert load(saved).record.task.selective == fitted.record.task.selective


def test_a_loaded_model_tells_strange_images_as_the_fitted_one_does(fitted: Classifier, saved: Path) -> None:
    files = [*photos()[:3], *textiles("local")[30:33]]
    told = [[each.typicality for each in model.predict(files)] for model in (fitted, load(saved))]
    assert told[0] == told[1]
    assert all(each is not None and 0 < each <= 1 for each in told[0])


def test_sets_hold_the_label_and_grow_with_the_promise(fitted: Classifier) -> None:
    files = textiles("local")[30:40]
    plain, some, more = (fitted.predict(files, coverage=level) for level in (None, 0.6, 0.9))
    assert {each.labels for each in plain} == {None}
    for few, many in zip(some, more, strict=True):
        assert few.labels is not None
        assert many.labels is not None
        assert few.label == few.labels[0] == many.labels[0]
        assert set(few.labels) <= set(many.labels) <= set(CLASSES)
    assert sum(len(each.labels or ()) for each in more) > sum(len(each.labels or ()) for each in some)
    assert more[0].to_dict()["labels"] == more[0].labels


def test_unsure_answers_are_marked(fitted: Classifier) -> None:
    files = [path for label in CLASSES for path in textiles(label)[30:40]]
    asked = fitted.predict(files, accuracy=0.8)
    assert {each.answered for each in fitted.predict(files)} == {None}
    assert {each.answered for each in asked} == {True, False}
    assert min(e.probability for e in asked if e.answered) > max(e.probability for e in asked if not e.answered)


def test_more_than_can_be_promised_is_refused(fitted: Classifier) -> None:
    with pytest.raises(DataError, match=r"accuracy of 0\.999 cannot be promised by this model: .* at most"):
        fitted.predict(textiles("local")[:1], accuracy=0.999)
    with pytest.raises(DataError, match="above 0 and below 1"):
        fitted.predict(textiles("local")[:1], coverage=95)
    every = fitted.predict(textiles("local")[:1], coverage=0.999)[0].labels  # 48 images promise that with all classes
    assert set(every or ()) == set(CLASSES)


def test_a_model_of_an_older_topwork_predicts_and_promises_nothing(
    spoilt: Callable[[Callable[[dict[str, Any]], object]], Path], fitted: Classifier
) -> None:
    later = ("top5", "balanced_accuracy", "roc_auc", "average_precision", "brier", "reliability", "before_scaling")

    def older(fields: dict[str, Any]) -> None:
        del fields["task"]["selective"]
        for name in later:
            del fields["task"]["metrics"][name]

    folder = spoilt(older)
    (folder / "novelty.safetensors").unlink()
    model = load(folder)
    metrics = model.metrics
    assert metrics is not None
    assert fitted.metrics is not None
    assert metrics.accuracy == fitted.metrics.accuracy
    assert (metrics.top5, metrics.roc_auc, metrics.reliability, metrics.before_scaling) == (None, None, (), None)
    (prediction,) = model.predict(photos()[:1])
    assert (prediction.typicality, prediction.unfamiliar) == (None, False)
    assert model.shift([None]) is None
    with pytest.raises(DataError, match="has no thresholds") as refused:
        model.predict(photos()[:1], coverage=0.9)
    assert "fit it again" in refused.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda caution: caution["sets"].pop(), "levels, but"),
        (lambda caution: caution["answers"].append(7.0), "probabilities"),
        (lambda caution: caution.update(images=0), "images"),
        (lambda caution: caution.update(source="guess"), "source"),
        (lambda caution: caution["levels"].reverse(), "rise"),
    ],
)
def test_damaged_thresholds_are_refused(
    spoilt: Callable[[Callable[[dict[str, Any]], object]], Path], change: Callable[[Any], object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        load(spoilt(lambda fields: change(fields["task"]["selective"])))


@pytest.mark.parametrize(
    "tensors",
    [
        {"digests": np.zeros(3, np.float32)},
        {"digests": np.zeros((3, 1), np.uint64)},
        {"other": np.zeros(3, np.uint64)},
        {"digests": np.zeros(3, np.uint64), "other": np.zeros(3, np.uint64)},
    ],
)
def test_a_damaged_file_of_training_images_is_refused(folder: Path, tensors: dict[str, npt.NDArray[Any]]) -> None:
    from safetensors.numpy import save_file

    path = folder / "training.safetensors"
    path.write_bytes(b"no")
    with pytest.raises(ModelError, match=r"training.safetensors: not a readable"):
        load(folder)
    save_file(tensors, path)
    with pytest.raises(ModelError, match=r"training.safetensors: expected one row of uint64"):
        load(folder)


def test_a_damaged_novelty_file_is_refused(folder: Path, fitted: Classifier) -> None:
    from safetensors.numpy import save_file

    path = folder / "novelty.safetensors"
    path.write_bytes(b"no")
    with pytest.raises(ModelError, match=r"novelty.safetensors: not a readable"):
        load(folder)
    assert fitted.novelty is not None
    save_file({**fitted.novelty.to_tensors(), "rest": np.zeros(1, np.float32)}, path)
    with pytest.raises(ModelError, match=r"novelty.safetensors: .*positive"):
        load(folder)
    narrow = {name: tensor[:5] for name, tensor in fitted.novelty.to_tensors().items() if name != "variances"}
    save_file({**narrow, "variances": fitted.novelty.variances}, path)
    with pytest.raises(ModelError, match="it reads 5 features"):
        load(folder)


@pytest.mark.slow
def test_held_out_cloth_raises_no_alarm_and_other_pictures_do(cloth: tuple[Classifier, Path]) -> None:
    """The warning whose absence let a published model call every image of a real fabric flawless."""
    from sklearn.datasets import load_digits, load_sample_images

    model, data = cloth
    told = model.evaluate(data).shift
    assert told is not None
    assert not told.alarm
    assert told.unfamiliar / told.images < 0.08  # 5 % promised, 300 images
    digits = [np.kron(image * 16, np.ones((8, 8))).astype(np.uint8) for image in load_digits().images[:20]]
    scenes = list(load_sample_images().images)
    for strange in (photos(), scenes, [np.repeat(each[..., None], 3, axis=2) for each in digits]):
        predictions = model.predict(strange)
        assert all(each.unfamiliar for each in predictions)
        shift = model.shift([each.typicality for each in predictions])
        assert shift is not None
        assert shift.alarm
    mixed = [*textiles("nominal")[300:380], *photos()[:12]]
    few = model.shift([each.typicality for each in model.predict(mixed)])
    assert few is not None
    assert few.alarm


@pytest.mark.slow
def test_a_blurred_camera_is_noticed(cloth: tuple[Classifier, Path]) -> None:
    """The same cloth, the lens out of focus: every answer may be wrong though the pictures are of the right kind."""
    from PIL import Image, ImageFilter

    model, _ = cloth
    blurred = [
        np.asarray(Image.fromarray(decode(path)).filter(ImageFilter.GaussianBlur(6)))
        for path in textiles("nominal")[300:340]
    ]
    assert model.shift([each.typicality for each in model.predict(blurred)]).alarm  # type: ignore[union-attr]


@pytest.mark.slow
def test_the_promises_are_kept_on_held_out_cloth(cloth: tuple[Classifier, Path]) -> None:
    model, data = cloth
    found = model.evaluate(data)
    assert [each.level for each in found.selective] == [0.9, 0.95, 0.99]
    for each in found.selective:  # 300 images calibrate, 300 try: two standard errors are 3.6 points at 95 %
        assert each.coverage.value > each.level - 0.036
        assert each.accuracy is None or each.accuracy.value > each.level - 0.036
    sizes = [each.size for each in found.selective]
    assert sizes == sorted(sizes)
    assert found.selective[0].size < 2
    assert found.selective[0].answered is not None
    assert found.selective[0].answered.value > 0.5
    sets = model.predict([data / "test" / path for path in ("local/" + textiles("local")[200].name,)], coverage=0.9)
    assert sets[0].labels


@pytest.mark.slow
def test_two_models_are_compared_whatever_the_order_of_their_classes(cloth: tuple[Classifier, Path]) -> None:
    model, data = cloth
    assert isinstance(model.head, LinearHead)
    order = [2, 0, 1]
    head = LinearHead(
        model.head.mean, model.head.scale, model.head.weight[:, order], model.head.bias[order], model.head.temperature
    )
    classes = tuple(CLASSES[place] for place in order)
    task = model.record.task.model_copy(update={"classes": classes, "metrics": None, "selective": None})
    record = model.record.model_copy(update={"task": task})
    turned = Classifier(record, head, model.backbone)
    found = compare(model, turned, read(data, classes=model.classes))
    assert found.comparison.only_first == found.comparison.only_second == 0
    assert found.comparison.log_loss.value == pytest.approx(0, abs=1e-6)
    assert found.first.evaluation.accuracy == found.second.evaluation.accuracy
    worse = LinearHead(head.mean, head.scale, head.weight * 0, head.bias, 1.0)
    verdict = compare(model, Classifier(record, worse, model.backbone), read(data, classes=model.classes)).comparison
    assert verdict.p_value < 1e-6
    assert verdict.accuracy.high < 0
    assert verdict.log_loss.low > 0


def test_models_of_other_classes_are_not_compared(fitted: Classifier, textile: Path) -> None:
    task = fitted.record.task.model_copy(update={"classes": ("x", "y", "nominal"), "metrics": None})
    record = fitted.record.model_copy(update={"task": task})
    with pytest.raises(DataError, match="do not have the same classes: 'global', 'local', 'x'"):
        compare(fitted, Classifier(record, fitted.head, fitted.backbone), read(textile, classes=fitted.classes))


def test_what_the_fit_saw_is_at_hand_until_it_is_saved(fitted: Classifier, saved: Path) -> None:
    assert fitted.held_out is not None
    assert fitted.held_out.split == "test"
    assert fitted.held_out.probabilities.shape == (12, 3)
    assert isinstance(fitted.held_out.shift, Shift)
    assert load(saved).held_out is None
