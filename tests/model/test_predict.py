from __future__ import annotations

import copy
import hashlib
import io
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from topwork.data import decode
from topwork.errors import DataError, ImageError
from topwork.features import Source, extract_few
from topwork.features._store import MemoryStore
from topwork.heads import LinearHead
from topwork.model import Classifier, Prediction

from .samples import textiles

# bfloat16 sums in another order for one image than for sixteen: the same image's probabilities differ by so much.
ROUNDING = 0.02


@pytest.fixture(scope="module")
def sources() -> list[Path]:
    """In no order of class or name."""
    return [textiles(label)[place] for place in (30, 31, 32) for label in ("nominal", "global", "local")]


def test_a_prediction_ranks_every_class(fitted: Classifier, sources: list[Path]) -> None:
    for prediction in fitted.predict(sources):
        values = list(prediction.probabilities.values())
        assert set(prediction.probabilities) == set(fitted.classes)
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-5)
        assert prediction.label == next(iter(prediction.probabilities))
        assert prediction.probability == values[0]
        assert prediction.error == ""


def test_the_order_is_kept(fitted: Classifier, sources: list[Path]) -> None:
    forward, backward = fitted.predict(sources), fitted.predict(sources[::-1])
    assert [each.source for each in forward] == [str(path) for path in sources]
    assert [each.source for each in backward[::-1]] == [each.source for each in forward]
    for one, other in zip(forward, backward[::-1], strict=True):  # a row's place in the product moves its last bit
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
    assert len({each.label for each in forward}) > 1


def test_probabilities_stand_in_the_order_of_classes(fitted: Classifier, sources: list[Path]) -> None:
    table = fitted.predict_proba(sources)
    assert table.shape == (9, 3)
    for row, prediction in zip(table, fitted.predict(sources), strict=True):
        assert dict(zip(fitted.classes, row.tolist(), strict=True)) == prediction.probabilities


def test_fault_60_one_at_a_time_gives_what_a_batch_gives(fitted: Classifier, sources: list[Path]) -> None:
    batch = fitted.predict_proba(sources)
    single = np.concatenate([fitted.predict_proba([source]) for source in sources])
    np.testing.assert_allclose(single, batch, atol=ROUNDING)
    assert np.abs(batch - batch[::-1]).max() > 10 * ROUNDING  # they could have differed


def test_fault_60_the_place_in_a_batch_does_not_matter(fitted: Classifier, sources: list[Path]) -> None:
    twenty = [*sources, *sources, *sources[:2]]
    table = fitted.predict_proba(twenty)
    np.testing.assert_array_equal(table[:9], table[9:18])
    np.testing.assert_array_equal(table[18:], table[:2])


def test_fault_59_bad_images_leave_the_others_unchanged(
    fitted: Classifier, sources: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "cut.jpg").write_bytes(sources[0].read_bytes()[:2000])
    bad: list[Any] = [tmp_path / "cut.jpg", b"", b"text", tmp_path, tmp_path / "none.jpg"]
    bad += [np.zeros((5, 5, 7), np.uint8), np.full((4, 4, 3), np.nan), np.zeros((0, 4, 3), np.uint8)]
    mixed = [item for pair in zip(bad, sources, strict=False) for item in pair]
    found = fitted.predict(mixed)
    assert found[1::2] == fitted.predict(sources[: len(bad)])
    for prediction in found[::2]:
        assert prediction.error
        assert (prediction.label, prediction.probability, prediction.probabilities) == ("", 0.0, {})
        assert prediction.to_dict() == {"source": prediction.source, "error": prediction.error}
    assert [found[place].source for place in (2, 4, 10)] == ["#2", "#4", "#10"]


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 3e38], ids=["NaN", "infinity", "too large for the head"])
def test_an_image_that_the_network_gives_nan_for_is_an_error_and_no_answer(
    fitted: Classifier, sources: list[Path], monkeypatch: pytest.MonkeyPatch, spoilt: float
) -> None:
    """The others are answered as ever, and what is printed as JSON is JSON."""
    add = MemoryStore.add

    def spoiling(store: Any, keys: Sequence[bytes], rows: npt.NDArray[np.float32]) -> None:
        add(store, keys, np.where(np.array([key == wrong for key in keys])[:, None], np.float32(spoilt), rows))

    assert isinstance(fitted.head, LinearHead)
    head = replace(fitted.head, normalised=False, rooted=False)  # one that divides by lengths has none too large
    fitted = Classifier(fitted.record, head, fitted.backbone)
    wrong = hashlib.blake2b(sources[1].read_bytes(), digest_size=16).digest()
    plain = fitted.predict(sources[:3])
    monkeypatch.setattr(MemoryStore, "add", spoiling)
    first, bad, last = fitted.predict(sources[:3])
    assert (first, last) == (plain[0], plain[2])
    assert bad.error == "the network gives NaN or infinity for this image"
    assert json.loads(json.dumps(bad.to_dict(), allow_nan=False)) == {"source": str(sources[1]), "error": bad.error}
    with pytest.raises(ImageError, match="image 1 of 3 cannot be used: the network gives NaN"):
        fitted.predict_proba(sources[:3])


def test_only_bad_images_need_no_network(fitted: Classifier, empty_cache: Path) -> None:
    model = Classifier(fitted.record, fitted.head, fitted.backbone)
    assert [bool(each.error) for each in model.predict([b"", b"x"])] == [True, True]
    assert not empty_cache.exists()


def test_nothing_gives_nothing(fitted: Classifier) -> None:
    assert fitted.predict([]) == []
    assert fitted.predict_proba([]).shape == (0, 3)


def test_names_bytes_and_pixels_give_the_same(fitted: Classifier) -> None:
    path = textiles("local")[40]
    given: list[Source] = [path, str(path), path.read_bytes(), decode(path)]
    table = fitted.predict_proba(given)
    np.testing.assert_allclose(table, np.repeat(table[:1], 4, axis=0), atol=ROUNDING)
    assert [each.source for each in fitted.predict(given)] == [str(path), str(path), "#2", "#3"]
    pixels = np.stack([decode(path)] * 2)
    np.testing.assert_array_equal(fitted.predict_proba(cast(Any, pixels))[1], fitted.predict_proba(list(pixels))[0])


def test_fault_28_every_exif_orientation_gives_the_upright_prediction(fitted: Classifier) -> None:
    """The pixels are turned and the tag says how; PNG, so that no loss enters."""
    with Image.open(textiles("local")[33]) as opened:
        upright = opened.convert("RGB")
    ways = Image.Transpose
    turns = [ways.FLIP_LEFT_RIGHT, ways.ROTATE_180, ways.FLIP_TOP_BOTTOM, ways.TRANSPOSE]
    turns += [ways.ROTATE_90, ways.TRANSVERSE, ways.ROTATE_270]  # undone by what the tags 2 to 8 say
    exif, files = Image.Exif(), [_png(upright, Image.Exif())]
    for orientation, turn in enumerate(turns, start=2):
        exif[0x0112] = orientation
        files.append(_png(upright.transpose(turn), exif))
    table = fitted.predict_proba(files)
    np.testing.assert_array_equal(table, np.repeat(table[:1], 8, axis=0))
    lying = fitted.predict_proba([_png(upright, Image.Exif()), _png(upright.transpose(ways.ROTATE_90), Image.Exif())])
    assert np.abs(lying[0] - lying[1]).max() > 1e-4  # untold, the turn would show


def _png(image: Image.Image, exif: Image.Exif) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif, compress_level=1)
    return file.getvalue()


def test_a_long_list_is_predicted_in_chunks_with_the_right_names(
    fitted: Classifier, sources: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted.predict([*sources, b"", decode(sources[0])])
    monkeypatch.setattr("topwork.model._classifier._CHUNK", 4)
    found = fitted.predict([*sources, b"", decode(sources[0])])
    assert [each.source for each in found] == [each.source for each in whole] == [*map(str, sources), "#9", "#10"]
    assert [each.label for each in found] == [each.label for each in whole]


@pytest.mark.parametrize(
    "one", ["a.jpg", Path("a.jpg"), b"\xff\xd8", np.zeros((8, 8, 3), np.uint8)], ids=["str", "Path", "bytes", "array"]
)
def test_one_image_instead_of_several_is_refused_with_the_remedy(fitted: Classifier, one: Sequence[Source]) -> None:
    for call in (fitted.predict, fitted.predict_proba):
        with pytest.raises(ImageError, match="as a list, not as one image") as refused:
            call(one)
        assert refused.value.hint == "model.predict([image])"


def test_probabilities_of_a_bad_image_are_refused_by_its_place(fitted: Classifier, sources: list[Path]) -> None:
    with pytest.raises(ImageError, match=r"image 1 of 3 cannot be used: .*empty file"):
        fitted.predict_proba([sources[0], b"", b"x"])


def test_rows_of_features_are_answered_as_the_images_that_gave_them(fitted: Classifier, sources: list[Path]) -> None:
    found = extract_few(sources, fitted.backbone, fitted.record.outputs, choice=fitted.engine_choice)
    names = [str(source) for source in sources]
    assert fitted.predict_features(found.values, names, coverage=0.9) == fitted.predict(sources, coverage=0.9)
    spoilt = found.values.copy()
    spoilt[1, 0] = np.nan
    errors = [bool(each.error) for each in fitted.predict_features(spoilt, names)]
    assert errors == [place == 1 for place in range(len(sources))]
    assert fitted.predict_features(found.values[:0], []) == []
    with pytest.raises(DataError):
        fitted.predict_features(found.values, names, accuracy=0.9999)


def test_a_prediction_as_json(fitted: Classifier, sources: list[Path]) -> None:
    prediction = fitted.predict(sources[:1])[0]
    fields = prediction.to_dict()
    assert fields.pop("unfamiliar") == prediction.unfamiliar
    assert Prediction(**fields) == prediction


def test_a_precision_that_this_processor_lacks_is_told(
    fitted: Classifier, sources: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = fitted.record.engine.model_copy(update={"name": "openvino", "precision": "bf16"})
    model = Classifier(fitted.record.model_copy(update={"engine": engine}), fitted.head, fitted.backbone)
    monkeypatch.delenv("TOPWORK_PRECISION", raising=False)
    monkeypatch.setattr("topwork.engines._parity.precisions", lambda name: ("f32",))
    with pytest.warns(UserWarning, match="trained on bf16 features, which this processor does not support"):
        labels = [each.label for each in model.predict(sources)]
    assert len(labels) == 9
    monkeypatch.setenv("TOPWORK_PRECISION", "f32")
    with pytest.warns(UserWarning, match="trained on bf16 features, which TOPWORK_PRECISION excludes"):
        assert [each.label for each in model.predict(sources)] == labels


def test_a_model_from_a_gpu_predicts_without_one(
    fitted: Classifier, sources: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.engines._parity.has_cuda", lambda: False)
    engine = fitted.record.engine.model_copy(update={"name": "torch-cuda"})
    model = Classifier(fitted.record.model_copy(update={"engine": engine}), fitted.head, fitted.backbone)
    np.testing.assert_allclose(model.predict_proba(sources), fitted.predict_proba(sources), atol=ROUNDING)


def test_prediction_on_a_cpu_imports_no_torch(saved: Path, sources: list[Path], fitted: Classifier) -> None:
    if fitted.record.engine.name != "openvino":
        pytest.skip("the model runs on a GPU here")
    code = (
        "import sys, topwork\n"
        "print(topwork.load(sys.argv[1]).predict(sys.argv[2:])[0].label)\n"
        "print(sorted({'torch', 'timm', 'sklearn', 'torchvision'} & set(sys.modules)))\n"
    )
    given = [sys.executable, "-c", code, str(saved), str(sources[0])]
    done = subprocess.run(given, capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stdout.split() == [fitted.predict(sources[:1])[0].label, "[]"]


def test_images_come_as_people_hold_them(fitted: Classifier, textile: Path) -> None:
    import pandas
    import torch
    from PIL import Image

    paths = sorted(textile.rglob("*.jpg"))[::30]
    pixels = [decode(path) for path in paths]
    expected = fitted.predict_proba(pixels)
    kinds: list[Any] = [
        [Image.open(path) for path in paths],
        [io.BytesIO(path.read_bytes()) for path in paths],
        [torch.tensor(image.transpose(2, 0, 1).copy()) / 255 for image in pixels],
        (image.astype(np.float64) for image in pixels),
    ]
    for held in kinds:
        np.testing.assert_allclose(fitted.predict_proba(held), expected, atol=1e-6)
    by_path = fitted.predict(paths)
    for names in (textile.rglob("*.jpg"), pandas.Series(map(str, paths))):
        found = {each.source: each.label for each in fitted.predict(names)}
        assert {str(path): found[str(path)] for path in paths} == {each.source: each.label for each in by_path}


def test_what_is_no_image_is_told_for_itself_alone(fitted: Classifier, textile: Path) -> None:
    good = sorted(textile.rglob("*.jpg"))[0]
    found = fitted.predict([None, good, np.full((4, 4), np.nan), {"path": good}, io.BytesIO()])
    assert [bool(each.error) for each in found] == [True, False, True, True, True]
    assert "a NoneType is not an image" in found[0].error
    assert found[0].source == "#0"
    with pytest.raises(ImageError, match="as a list"):
        fitted.predict(Image.new("RGB", (8, 8)))
    with pytest.raises(ImageError, match="image 0 of 2 cannot be used: a NoneType"):
        fitted.predict_proba([None, good])


def _predicted(model: Classifier, path: Path) -> dict[str, Any]:
    return model.predict([path])[0].to_dict()


def test_a_model_can_be_copied_and_pickled(fitted: Classifier, textile: Path) -> None:
    path = sorted(textile.rglob("*.jpg"))[5]
    expected = _predicted(fitted, path)
    assert _predicted(pickle.loads(pickle.dumps(fitted)), path) == expected
    assert _predicted(copy.deepcopy(fitted), path) == expected


@pytest.mark.slow
def test_a_model_can_be_sent_to_a_spawned_process(fitted: Classifier, textile: Path) -> None:
    path = sorted(textile.rglob("*.jpg"))[5]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_predicted, (fitted, path)) == _predicted(fitted, path)


def test_predictions_are_shown_as_a_table_in_a_notebook(fitted: Classifier, tmp_path: Path) -> None:
    html = fitted.predict([tmp_path / "<b>none.jpg"])._repr_html_()  # type: ignore[attr-defined]
    assert "&lt;b&gt;none.jpg" in html
    assert "<b>none" not in html
