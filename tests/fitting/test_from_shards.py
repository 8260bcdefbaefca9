"""A model from a folder of shards is the model of the same features in memory, and one like any other."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

import topwork
from topwork import fitting
from topwork._texts import Texts
from topwork.backbones import Backbone, load
from topwork.data import read
from topwork.engines import EngineChoice
from topwork.errors import DataError
from topwork.features import extract
from topwork.heads import fit_linear, row_keys
from topwork.model import Classifier
from topwork.sharding import Embedding, Parts, plan, work_all
from topwork.tasks.classification.strategies import ProbeOptions

CLASSES = "abc"


def pictures(folder: Path, count: int, splits: Sequence[str] = ("",)) -> Path:
    """Noise with a tint for each class, which some pictures hardly show."""
    rng = np.random.default_rng(0)
    for place in range(count):
        label = place % len(CLASSES)
        pixels = rng.integers(0, 190, (12, 16, 3)).astype(float)
        pixels[..., label] += 60 * rng.random()
        into = folder / splits[place // len(CLASSES) % len(splits)] / CLASSES[label]
        into.mkdir(parents=True, exist_ok=True)
        large = np.clip(pixels, 0, 255).astype(np.uint8).repeat(6, axis=0).repeat(6, axis=1)
        (into / f"{place:04}.jpg").write_bytes(simplejpeg.encode_jpeg(large, 90))
    return folder


@pytest.fixture(scope="module")
def recipe() -> Embedding:
    network = load("lite0", size=32)
    assert isinstance(network, Backbone)
    return Embedding(network, network.outputs(["blocks.2"]), EngineChoice("openvino", "f32"))


def filled(data: Path, out: Path, recipe: Embedding) -> str:
    planned = plan(str(data), str(out), recipe, size=50)
    assert [done.failure for done in work_all(planned, planned.shards)] == [None] * len(planned.shards)
    return str(out)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 pictures, of which the folders hold a third out."""
    return pictures(tmp_path_factory.mktemp("data"), 240, ("train", "train", "test"))


@pytest.fixture(scope="module")
def out(data: Path, recipe: Embedding, tmp_path_factory: pytest.TempPathFactory) -> str:
    return filled(data, tmp_path_factory.mktemp("shards") / "out", recipe)


@pytest.fixture(scope="module")
def model(out: str) -> Classifier:
    return fitting.fit_shards(out)


def test_it_is_the_head_of_the_features_in_memory(model: Classifier, data: Path, recipe: Embedding) -> None:
    table = extract(read(data), recipe.backbone, outputs=recipe.outputs, choice=recipe.choice, cache=False)
    train, test = table.split("train"), table.split("test")
    fold_of = (row_keys(train.dataset.paths) % np.uint64(5)).astype(int)
    # As the parts hold them: half precision.
    values = train.values.astype(np.float16).astype(np.float32)
    how = {"fold_of": fold_of, "method": "logistic", "class_weight": "none"}
    memory = fit_linear(values, train.dataset.labels, 3, **how)
    assert model.record.task.training == tuple(train.dataset.counts().tolist())
    assert model.record.cross_validation["accuracy"] == pytest.approx(memory.cv_accuracy, abs=0.01)
    weight = memory.head.weight - memory.head.weight.mean(axis=1, keepdims=True)
    mine = model.head.weight - model.head.weight.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(mine, weight, atol=0.02 * np.abs(weight).max())
    right = (memory.head.probabilities(test.values).argmax(axis=1) == test.dataset.labels).mean()
    assert model.metrics.n == len(test)
    assert model.metrics.accuracy.value == pytest.approx(right, abs=0.001)


def test_it_is_as_good_as_fit_on_the_images(model: Classifier, data: Path, recipe: Embedding) -> None:
    options = ProbeOptions(stages=("blocks.2",), crop_mode="crop", method="logistic", class_weight="none")
    memory = topwork.fit(data, strategy="probe", backbone=recipe.backbone, options=options)
    # The folds are dealt otherwise, so the strength may be its neighbour, and the processor's precision another.
    assert model.metrics.accuracy.low <= memory.metrics.accuracy.value <= model.metrics.accuracy.high
    assert model.metrics.log_loss.value == pytest.approx(memory.metrics.log_loss.value, abs=0.1)


def test_rare_classes_are_weighed_as_fit_weighs_them(recipe: Embedding, tmp_path: Path) -> None:
    """Classes of 48, 24 and 8 training pictures."""
    data = pictures(tmp_path / "data", 240, ("train", "train", "test"))
    for label, kept in (("b", 24), ("c", 8)):
        for path in sorted((data / "train" / label).iterdir())[kept:]:
            path.unlink()
    out = filled(data, tmp_path / "out", recipe)
    table = extract(read(data), recipe.backbone, outputs=recipe.outputs, choice=recipe.choice, cache=False)
    train, test = table.split("train"), table.split("test")
    fold_of = (row_keys(train.dataset.paths) % np.uint64(5)).astype(int)
    values = train.values.astype(np.float16).astype(np.float32)
    memory = fit_linear(values, train.dataset.labels, 3, fold_of=fold_of, method="logistic")
    model = fitting.fit_shards(out)
    assert model.record.options["class_weight"] == memory.class_weight
    # What the solvers leave over weighs more of 80 rows than of thousands (tests/heads/test_streamed.py).
    assert np.abs(model.head.probabilities(test.values) - memory.head.probabilities(test.values)).mean() < 0.005
    plain, balanced = (fitting.fit_shards(out, class_weight=each).head for each in ("none", "balanced"))
    values, rare = test.values, test.dataset.labels == 2
    assert balanced.probabilities(values)[rare, 2].mean() > plain.probabilities(values)[rare, 2].mean() + 0.01


def test_it_is_saved_and_predicts_images(model: Classifier, data: Path, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = topwork.load(tmp_path / "model")
    measured = again.evaluate(data)
    assert measured.evaluation.accuracy.value == pytest.approx(model.metrics.accuracy.value, abs=0.01)
    assert (measured.trained, measured.seen_in_training) == (0, False)
    images = sorted((data / "train" / "a").iterdir())[:3]
    assert [each.typicality is not None for each in again.predict(images)] == [True] * 3
    assert again.record.task.selective.measured
    topwork.export(again, "openvino", tmp_path / "exported", images=images)  # compares both on these
    assert (tmp_path / "exported" / "predict.py").is_file()


def test_rows_are_held_out_by_content_and_seed(recipe: Embedding, tmp_path: Path) -> None:
    data = pictures(tmp_path / "data", 90)
    for path in sorted(data.rglob("*.jpg")):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    out = filled(data, tmp_path / "out", recipe)
    first, other = fitting.fit_shards(out, test=0.3), fitting.fit_shards(out, test=0.3, seed=1)
    assert first.record.data.held_out % 2 == 0  # each with its copy
    assert 0.1 < first.record.data.held_out / 180 < 0.5
    assert first.record.data.held_out + first.record.data.training == 180
    assert first.trained is not None
    assert len(first.trained) == first.record.data.training / 2
    assert not np.array_equal(first.trained, other.trained)
    assert fitting.fit_shards(out, test=0).metrics is None


def test_a_table_says_the_classes(out: str, model: Classifier, tmp_path: Path) -> None:
    parts = list(Parts(out))
    rows = [row for part in parts for row in zip(part.ids, part.labels, part.splits, strict=True)]

    def table(name: str, lines: Sequence[Sequence[str]]) -> str:
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows(lines)
        return str(tmp_path / name)

    renamed = [(id, f"class {label}", split) for id, label, split in rows]
    found = fitting.fit_shards(out, table("all.csv", [("id", "label", "split"), *renamed]))
    assert found.classes == ("class a", "class b", "class c")
    np.testing.assert_array_equal(found.head.weight, model.head.weight)
    assert found.metrics.accuracy == model.metrics.accuracy
    some = [(id, label) for id, label, _ in rows if label != "c"]
    few = fitting.fit_shards(out, table("some.csv", [("file", "class"), *some, ("nowhere.jpg", "b")]))
    assert few.classes == ("a", "b")
    assert few.record.data.training == model.record.data.training - model.record.task.training[2]
    assert any("1 of the 161 ids" in note for note in few.record.data.notes)
    assert any("80 rows of the shards have no class" in note for note in few.record.data.notes)
    for lines, said in (
        ([("id", "label"), *some[:9], (some[0][0], "z")], "one id has two classes"),
        ([("id", "label")], "no row has a class"),
        ([("id", "label"), ("nowhere.jpg", "b")], "none of the table's ids is in "),
        ([("id", "species name"), *some], "label"),
        ([("id", "label", "split"), (*some[0], "train"), (*some[1], "sometimes")], "line 3: split 'sometimes'"),
        ([("id", "label", "split"), *[(id, "new" if split == "test" else label, split) for id, label, split in rows]],
         "no training row has the class 'new'"),
    ):  # fmt: skip
        made = table("wrong.csv", lines)
        with pytest.raises(DataError, match=said):
            fitting.fit_shards(out, made)


def test_a_table_of_other_ids_is_told_how_ids_look(out: str, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("id,label\nnowhere.jpg,b\n")
    with pytest.raises(DataError) as caught:
        fitting.fit_shards(out, str(tmp_path / "other.csv"))
    first = next(iter(Parts(out))).ids[0]
    assert caught.value.message == f"none of the table's ids is in {out}"
    assert caught.value.hint == f"write ids as the column id of the parts does, such as {first}"
    texts = Texts("ko")
    assert all(re.search("[가-힣]", texts.said(each)) for each in (caught.value.message, caught.value.hint))


def test_more_rows_than_are_kept(out: str, model: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures are of all held-out rows, but for areas under curves; promises are of a sample."""
    monkeypatch.setattr("topwork.fitting._from_shards._ROOM", 120)
    monkeypatch.setattr("topwork.fitting._shard_sample._DIGESTS", 10)
    many = fitting.fit_shards(out)
    np.testing.assert_array_equal(many.head.weight, model.head.weight)
    np.testing.assert_array_equal(many.metrics.confusion, model.metrics.confusion)
    assert many.metrics.log_loss.value == pytest.approx(model.metrics.log_loss.value)
    assert (model.metrics.roc_auc is None, many.metrics.roc_auc) == (False, None)
    assert len(many.record.task.selective.measured) == len(model.record.task.selective.measured)
    assert many.trained is None
    assert any("cannot tell its 16" in note for note in many.record.data.notes)


@pytest.mark.parametrize("test", [-0.1, 1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(out: str, test: float) -> None:
    with pytest.raises(DataError, match="at least 0 and below 1"):
        fitting.fit_shards(out, test=test)


def test_another_network_is_refused(out: str) -> None:
    with pytest.raises(DataError, match="the features are of tf_efficientnet_lite0"):
        fitting.fit_shards(out, backbone=load("lite1"))
