from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.model.samples import copied, easy_folder, photos, textile_folder, textiles
from topwork.backbones import load
from topwork.data import ImageDataset, read, split
from topwork.errors import DataError
from topwork.features import Progress, extract
from topwork.tasks.classification.strategies import Probe, ProbeOptions, fit_best_probe, fit_probe
from topwork.tasks.classification.strategies._probe import _TRIAL_IMAGES, crop_modes_to_try, sample_rows

from .conftest import MakeTable


@pytest.fixture
def easy(tmp_path: Path, shared_cache: Path) -> ImageDataset:
    return split(read(easy_folder(tmp_path / "easy", count=10)), test=0.2)


def asked(probe: Probe) -> list[tuple[str, str, bool]]:
    return [(trial.question, trial.answer, trial.chosen) for trial in probe.trials]


def test_the_head_fits_the_table_and_the_table_holds_every_part(easy: ImageDataset) -> None:
    probe = fit_probe(easy, load(), ProbeOptions())
    assert len(probe.table) == len(easy)
    assert probe.head.n_features == sum(probe.table.widths) == probe.table.values.shape[1]
    assert probe.head.n_classes == 2
    said = probe.head.probabilities(probe.table.split("test").values).argmax(axis=1)
    assert said.tolist() == easy.split("test").labels.tolist()
    assert [question for question, _, chosen in asked(probe) if chosen] == ["stages", "crop_mode", "method"]


def test_the_held_out_part_has_no_say(easy: ImageDataset) -> None:
    """Labels of the other splits may be anything: no choice and no weight moves."""
    wrong = np.where(easy.splits == "test", 1 - easy.labels, easy.labels)
    spoilt = ImageDataset(easy.root, easy.paths, easy.splits, labels=wrong, classes=easy.classes)
    first, second = (fit_probe(data, load(), ProbeOptions()) for data in (easy, spoilt))
    assert first.trials == second.trials
    for name, tensor in first.head.to_tensors().items():
        np.testing.assert_array_equal(tensor, second.head.to_tensors()[name])


@pytest.mark.slow
def test_all_stages_are_chosen_on_textile(tmp_path: Path, shared_cache: Path) -> None:
    """Far from ImageNet the early stages tell most: 75 to 79 % from the last alone, 89 % from all (docs/decisions)."""
    dataset = split(read(textile_folder(tmp_path / "data", per_class=100)), test=0.2)
    probe = fit_probe(dataset, load(), ProbeOptions(crop_mode="squash"))
    assert asked(probe) == [("stages", "last", False), ("stages", "all", True), ("method", "blend", True)]
    assert len(probe.table.outputs) > 10


def test_the_last_stage_stays_where_few_images_prove_nothing_better(tmp_path: Path, shared_cache: Path) -> None:
    dataset = split(read(textile_folder(tmp_path / "data", per_class=20)), test=0.2)
    probe = fit_probe(dataset, load(), ProbeOptions(crop_mode="squash"))
    assert asked(probe)[:2] == [("stages", "last", True), ("stages", "all", False)]
    assert probe.table.outputs == ("embedding",)


def test_what_is_fixed_is_not_tried(easy: ImageDataset) -> None:
    probe = fit_probe(
        easy, load(), ProbeOptions(stages=("blocks.3",), pooling="mean", crop_mode="pad", method="logistic")
    )
    assert probe.trials == ()
    assert probe.table.outputs == ("blocks.3/mean",)
    assert probe.table.backbone.preprocessing.crop_mode == "pad"
    assert probe.cv_accuracy is not None
    assert probe.cv_log_loss is not None


def test_the_table_that_is_kept_is_what_extraction_gives(easy: ImageDataset) -> None:
    probe = fit_probe(easy, load(), ProbeOptions(stages="last", crop_mode="squash"))
    alone = extract(easy, load().replace(crop_mode="squash"))
    np.testing.assert_array_equal(probe.table.values, alone.values)


def test_a_small_network_is_compared_with_the_linear_head_on_the_same_folds(easy: ImageDataset) -> None:
    probe = fit_probe(easy, load(), ProbeOptions(head="mlp", crop_mode="crop", stages="last", mlp_hidden=8))
    assert (probe.head.kind, probe.head.to_tensors()["hidden_bias"].shape) == ("mlp", (8,))
    assert asked(probe) == [("head", "linear", False), ("head", "mlp", True)]
    assert probe.out_of_fold is not None
    assert len(probe.out_of_fold.rows) == len(probe.table.split("train"))
    with pytest.raises(DataError, match="are for head mlp"):
        fit_best_probe(easy, [load()], ProbeOptions(mlp_hidden=8))


def test_a_knn_head_is_fitted_on_what_was_chosen(easy: ImageDataset) -> None:
    probe = fit_probe(easy, load(), ProbeOptions(head="knn", crop_mode="crop"))
    assert probe.head.kind == "knn"
    assert probe.head.n_features == probe.table.values.shape[1]
    assert probe.cv_accuracy == 1
    assert probe.cv_log_loss is None


def test_steps_may_show_their_progress(easy: ImageDataset) -> None:
    calls: list[tuple[str, int, int]] = []

    def announce(text: str) -> Progress:
        return lambda done, total: calls.append((text, done, total))

    fit_probe(easy, load(), ProbeOptions(), announce=announce)
    assert [call for call in calls if call[0] == "features of images"][-1] == ("features of images", 20, 20)


def _image(path: Path, width: int, height: int) -> None:
    with Image.open(photos()[0]) as image:
        image.resize((width, height)).save(path)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(100, 100, ["squash", "crop"]), (110, 100, ["squash", "crop"]), (100, 112, ["crop", "squash"])],
)
def test_the_plainer_fit_goes_by_the_images_proportions(
    tmp_path: Path, width: int, height: int, expected: list[str]
) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(3):
            _image(tmp_path / label / f"{number}.png", width, height)
    (tmp_path / "a" / "broken.png").write_bytes(b"no image")  # has no proportions, and no say
    assert crop_modes_to_try(read(tmp_path), load()) == expected


def test_a_backbone_that_was_given_a_fit_keeps_it(tmp_path: Path) -> None:
    dataset = read(easy_folder(tmp_path / "data", count=2))
    assert crop_modes_to_try(dataset, load().replace(crop_mode="pad")) == ["pad"]


def test_images_of_which_none_can_be_read_count_as_oblong(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.jpg").write_bytes(b"")
    assert crop_modes_to_try(read(tmp_path), load()) == ["crop", "squash"]


def test_a_sample_gives_every_class_its_share(make_table: MakeTable) -> None:
    labels = np.repeat([0, 1, 2], [700, 290, 10])
    table = make_table(labels)
    sample = table.select(sample_rows(table.dataset, 0, _TRIAL_IMAGES))
    shares = np.bincount(sample.dataset.labels, minlength=3) / len(sample)
    assert len(sample) == _TRIAL_IMAGES
    np.testing.assert_allclose(shares, [0.7, 0.29, 0.01], atol=1.5 / _TRIAL_IMAGES)
    assert sample.dataset.counts()[2] >= 1
    rows = [int(path.removesuffix(".jpg")) for path in sample.dataset.paths]
    assert rows == sorted(set(rows))  # no image twice
    np.testing.assert_array_equal(sample.values, table.values[rows])


def test_a_sample_is_drawn_by_the_seed(make_table: MakeTable) -> None:
    table = make_table(np.arange(1000) % 4)
    drawn = [sample_rows(table.dataset, seed, _TRIAL_IMAGES).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_few_images_are_all_taken(make_table: MakeTable) -> None:
    table = make_table(np.arange(_TRIAL_IMAGES) % 4)
    assert sample_rows(table.dataset, 0, _TRIAL_IMAGES).tolist() == list(range(len(table)))


def test_rare_classes_are_weighed_as_asked(tmp_path: Path, shared_cache: Path) -> None:
    copied(textiles("nominal")[:40], tmp_path / "common")
    copied(textiles("local")[:6], tmp_path / "rare")
    dataset = split(read(tmp_path), test=0.2)
    options = {way: ProbeOptions(stages="last", crop_mode="crop", class_weight=way) for way in ("none", "balanced")}
    rare = {}
    for way, chosen in options.items():
        probe = fit_probe(dataset, load(), chosen)
        rare[way] = probe.head.probabilities(probe.table.values)[:, 1].mean()
    assert rare["balanced"] > rare["none"] + 0.05
