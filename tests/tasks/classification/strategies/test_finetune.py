from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from tests.model.samples import easy_folder, textile_folder
from topwork.advising import FeatureSpec
from topwork.backbones import Backbone, load
from topwork.data import ImageDataset, from_arrays, read, split
from topwork.errors import BackboneError, DataError
from topwork.tasks._classes._finetuned import Score, halves_of, keeps
from topwork.tasks.classification.ladder._tuning import gain, rung_of
from topwork.tasks.classification.strategies import (
    INTERRUPTED,
    Finetuned,
    FinetuneOptions,
    Probe,
    ProbeOptions,
    _finetune,
    _tunable,
    default_config,
    finetune,
    fit_probe,
)
from topwork.tasks.classification.strategies._tunable import cpu_precision, stages_to_train, trained_layers, tunable
from topwork.tasks.classification.strategies._tuned import _kept_weights
from topwork.train import TrainError

EPOCHS, TAIL = 6, {"epochs": 8, "learning_rate": 1e-2}  # of all stages, and of the last ones alone
QUICK = ProbeOptions(stages="last", crop_mode="squash", engine="torch-cpu")  # nothing is converted


@pytest.fixture(scope="module")
def network() -> Backbone:
    """Small and untrained, so that there is much for a training to gain."""
    return load("test_resnet", weights="random:1", size=32)


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    """scikit-learn's digits as colour images of 32 x 32: 480 real, small, far from ImageNet."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = (found.images[:480] * (255 / 16)).astype(np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    dataset = from_arrays(np.stack([pixels] * 3, axis=-1), [str(label) for label in found.target[:480]])
    return split(dataset, test=0.25)


@pytest.fixture(scope="module")
def probe(digits: ImageDataset, network: Backbone, shared_cache: Path) -> Probe:
    return fit_probe(digits, network, QUICK)


def options(**changes: Any) -> FinetuneOptions:
    config = default_config(**{"epochs": EPOCHS, "learning_rate": 5e-3, **changes.pop("config", {})})
    return FinetuneOptions(**{"unfreeze": "all", "orient": "none", "probe": QUICK, "config": config, **changes})


@pytest.fixture(scope="module")
def tuned(digits: ImageDataset, probe: Probe) -> Finetuned:
    """All stages, from pixels."""
    return cast(Finetuned, finetune(digits, probe, options()))


@pytest.fixture(scope="module")
def tail(digits: ImageDataset, probe: Probe) -> Finetuned:
    """The last stages, from the maps of the frozen ones."""
    return cast(Finetuned, finetune(digits, probe, options(unfreeze=3, config=TAIL)))


def accuracy(found: Any) -> float:
    test = found.table.split("test")
    return float((found.head.probabilities(test.values).argmax(axis=1) == test.dataset.labels).mean())


def test_training_the_backbone_beats_a_probe_on_random_features(
    digits: ImageDataset, probe: Probe, tuned: Finetuned
) -> None:
    found = tuned
    assert found.strategy == "finetune"
    assert accuracy(found) > accuracy(probe) + 0.05
    assert [trial.answer for trial in found.trials[:2]] == ["probe", "finetune 5 of 5 stages"]
    assert [trial.chosen for trial in found.trials[:2]] == [False, True]
    assert [epoch.epoch for epoch in found.history] == [1, 2, 3, 4, 5, 6]
    assert found.table.backbone.weights.source == "file"
    assert len(found.table) == len(digits)
    assert found.table.outputs == ("embedding",)


def test_it_is_served_by_the_engine_that_the_probe_asked_for(tmp_path: Path, shared_cache: Path) -> None:
    """On cloth, whose batch norms a small network has to settle first."""
    asked = dataclasses.replace(QUICK, engine="openvino")
    dataset = split(read(textile_folder(tmp_path / "cloth", per_class=24)), test=0.25)
    probe = fit_probe(dataset, load(size=96), asked)
    found = finetune(dataset, probe, options(unfreeze=2, probe=asked, config={"epochs": 1}))
    assert found.table.choice.name == "openvino"
    assert len(found.history) == 1


def test_the_tuned_head_and_network_are_those_that_were_validated(probe: Probe, tuned: Finetuned) -> None:
    """The kept model's accuracy on the validation rows, through the engine, is the one that the training measured."""
    chosen, found = options(), tuned
    rows = halves_of(probe.table.dataset, chosen.validation, chosen.seed).check
    held = found.table.dataset.paths.index
    table = found.table.select(np.array([held(probe.table.dataset.paths[row]) for row in rows]))
    right = (found.head.logits(table.values).argmax(axis=1) == table.dataset.labels).mean()
    assert right == pytest.approx(found.trials[1].accuracy, abs=0.03)
    assert found.out_of_fold is not None
    assert found.out_of_fold.source == "validation"
    assert set(found.out_of_fold.rows) == {held(probe.table.dataset.paths[row]) for row in rows}
    said = found.out_of_fold.probabilities.argmax(axis=1) == found.table.dataset.labels[found.out_of_fold.rows]
    assert said.mean() == right


def test_the_probe_stays_where_it_is_no_worse(tmp_path: Path, shared_cache: Path) -> None:
    dataset = split(read(easy_folder(tmp_path / "easy", count=16)), test=0.25)
    network = load(size=96)
    probe = fit_probe(dataset, network, QUICK)
    found = finetune(dataset, probe, options(unfreeze=1, config={"epochs": 1}))
    assert found.strategy == "probe"
    assert found.table is probe.table
    assert found.head is probe.head
    assert found.trials[0].chosen
    assert found.notes[-1].endswith(", so the probe is kept")
    assert len(found.history) == 1


def test_what_is_far_behind_the_probe_is_not_read_through_an_engine(
    digits: ImageDataset, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take half a minute on a busy machine, and nothing that it may show would keep the training."""
    monkeypatch.setattr(_finetune, "score", lambda head, table: Score(1.0, 0.0))  # the probe errs nowhere
    monkeypatch.setattr(_finetune, "served", lambda *given: pytest.fail("was read"))
    found = finetune(digits, probe, options(config={"epochs": 2}))
    assert found.strategy == "probe"
    assert found.trials[1].accuracy == max(epoch.accuracy for epoch in found.history) < 0.98
    assert found.notes[-1].startswith("fine-tuning 5 stages gave ")


def test_a_lead_that_may_be_chance_is_no_reason_to_leave_the_probe() -> None:
    """By Student's paired t statistic against 2, as scipy has it; and never with fewer right answers."""
    from scipy.stats import ttest_1samp

    drawn = np.random.default_rng(0)
    seen = set()
    for mean in np.linspace(-0.2, 0.6, 17):
        gains = drawn.normal(mean, 1.0, 40)
        clear = bool(ttest_1samp(gains, 0).statistic > 2)
        seen.add(clear)
        for accuracy, kept in ((0.8, clear), (0.9, clear), (0.79, False)):
            assert keeps(gains, Score(accuracy, 0.5), Score(0.8, 0.5)) == kept
    assert seen == {True, False}
    assert keeps(np.ones(30), Score(0.8, 0.5), Score(0.8, 0.5))
    assert not keeps(np.ones(29), Score(1.0, 0.5), Score(0.8, 0.5))


@pytest.mark.parametrize(
    ("images", "share", "judges"), [(50, 0.15, 17), (99, 0.15, 33), (200, 0.15, 40), (400, 0.15, 60), (50, 0.5, 25)]
)
def test_few_images_give_more_of_them_to_judge_by(images: int, share: float, judges: int) -> None:
    labels = ["a", "b"] * (images // 2) + ["a"] * (images % 2)
    blank = from_arrays(np.zeros((images, 1, 1, 3), np.uint8), labels)
    dataset = dataclasses.replace(blank, splits=np.full(images, "train"))
    halves = halves_of(dataset, share, 0)
    assert len(halves.check) == judges
    assert sorted([*halves.learn, *halves.check]) == list(range(images))


def test_a_lead_that_may_be_chance_is_told_as_such(digits: ImageDataset, probe: Probe, monkeypatch: Any) -> None:
    monkeypatch.setattr("topwork.tasks._classes._finetuned._ERRORS", 100.0)
    found = finetune(digits, probe, options())
    assert (found.strategy, found.head) == ("probe", probe.head)
    kept, tried = found.trials[:2]
    assert (kept.chosen, tried.chosen) == (True, False)
    assert kept.accuracy is not None
    assert tried.accuracy is not None
    assert tried.accuracy > kept.accuracy
    assert found.notes[-1] == (
        f"fine-tuning 5 stages gave {tried.accuracy:.1%} on 54 validation images and the probe {kept.accuracy:.1%}, "
        "which may be chance, so the probe is kept"
    )


def test_where_no_epoch_beats_the_start_the_best_epoch_itself_is_told(digits: ImageDataset, tuned: Finetuned) -> None:
    """The start's score is the probe's own, and is no figure of a fine-tuning."""
    start = Probe(tuned.head, tuned.table, (), None, None)
    found = finetune(digits, start, options(config={"epochs": 2, "learning_rate": 0.05}))
    assert found.strategy == "probe"
    best = max(found.history, key=lambda epoch: (epoch.accuracy, -epoch.validation_loss))
    kept, tried = found.trials[:2]
    assert (tried.accuracy, tried.log_loss, tried.chosen) == (best.accuracy, best.validation_loss, False)
    assert kept.chosen
    assert kept.accuracy is not None
    assert kept.accuracy > best.accuracy
    figures = f"best epoch: {best.accuracy:.1%}, the probe {kept.accuracy:.1%} on the same validation images"
    assert found.notes[-1] == f"no epoch of fine-tuning 5 stages beat its start ({figures}), so the probe is kept"


def test_where_no_epoch_was_finished_there_is_no_trial_of_fine_tuning(digits: ImageDataset, probe: Probe) -> None:
    def stop(text: str) -> Any:
        def progress(done: int, total: int) -> None:
            if text.startswith("training"):
                raise KeyboardInterrupt

        return progress

    found = finetune(digits, probe, options(unfreeze=1), announce=stop)
    assert found.history == ()
    assert [trial for trial in found.trials if trial.question == "strategy"] == []
    assert found.notes[-1] == "no epoch of fine-tuning 1 stage was finished, so the probe is kept"
    rung = rung_of(found, FeatureSpec(32, "squash"), "fine-tuning, last stages", 1.0, 1.0)
    assert (rung.accuracy, rung.note, gain(found)) == (None, "no epoch was finished", None)


def test_fault_45_stages_that_are_not_trained_stay_to_the_byte(probe: Probe, tail: Finetuned) -> None:
    assert tail.strategy == "finetune"
    before, after = probe.table.backbone.module().state_dict(), tail.table.backbone.module().state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith(("layer2.", "layer3.", "layer4.")) for name in changed)
    assert any("running_mean" in name for name in changed)


def test_it_starts_from_where_the_probe_stands(probe: Probe) -> None:
    from topwork.advising._comparison import fit_head
    from topwork.data import decode

    train = probe.table.split("train")
    head = fit_head(train, class_weight="none", seed=0, method="logistic").head
    backbone = probe.table.backbone
    fit = backbone.preprocessing
    pixels = np.stack([fit(decode(train.dataset.source(row), min_side=fit.min_side)) for row in range(8)])
    model = tunable(backbone, head).eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(logits, head.logits(train.values[:8]) / head.temperature, rtol=0.05, atol=0.2)


def test_the_same_seed_gives_the_same_network(digits: ImageDataset, probe: Probe, tuned: Finetuned) -> None:
    said: list[str] = []
    first, second = tuned, finetune(digits, probe, options(config={"seed": 0}), announce=said.append)
    assert {first.strategy, second.strategy} == {"finetune"}
    assert said[-1] == "features of the tuned network"
    assert first.table.backbone.weights.sha256 == second.table.backbone.weights.sha256


def test_ctrl_c_keeps_the_best_so_far_and_the_checkpoints(digits: ImageDataset, probe: Probe, tmp_path: Path) -> None:
    def stop(text: str) -> Any:
        def progress(done: int, total: int) -> None:
            if text.startswith("training") and done > 0.8 * total:
                raise KeyboardInterrupt

        return progress

    folder = tmp_path / "training"
    found = finetune(digits, probe, options(checkpoint=folder), announce=stop)
    assert any(note.startswith(INTERRUPTED) and "--resume continues it" in note for note in found.notes)
    assert list(folder.glob("checkpoint-*"))
    assert len(found.history) == 4


def test_it_tells_how_the_training_goes(digits: ImageDataset, probe: Probe) -> None:
    words: list[str] = []

    class Bar:
        def __call__(self, done: int, total: int) -> None:
            assert done <= total

        def tell(self, text: str) -> None:
            words.append(text)

    finetune(digits, probe, options(unfreeze=1, config={"epochs": 2}), announce=lambda text: Bar())
    assert words[0].startswith("epoch 1 of 2, loss ")
    assert words[-1].startswith("epoch 2 of 2, loss ")
    assert "accuracy" not in words[0]
    assert words[-1].count(", accuracy ") == 1
    assert all(text.endswith(" images/s") for text in words)


def test_of_few_images_it_starts_from_a_head_that_a_layer_can_be(
    digits: ImageDataset, network: Backbone, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe of few images may divide each row by its length, which a network's last layer does not."""
    few = digits.select(np.concatenate([np.flatnonzero(digits.labels == label)[:12] for label in range(10)]))
    probe = fit_probe(few, network, dataclasses.replace(QUICK, method="normalised"))
    assert probe.head.normalised
    heads: list[Any] = []
    as_layer = _tunable._as_layer
    monkeypatch.setattr(_tunable, "_as_layer", lambda head: heads.append(head) or as_layer(head))
    finetune(few, probe, options(config={"epochs": 1}))
    assert len(heads) == 2  # before the batch norms settle, and after
    for head in heads:
        values = np.random.default_rng(0).normal(size=(20, head.n_features)).astype(np.float32) * 5
        found = as_layer(head)(torch.from_numpy(values)).detach().numpy()
        np.testing.assert_allclose(found, head.logits(values) / head.temperature, rtol=1e-3, atol=1e-3)


def test_knn_is_no_head_to_start_from(digits: ImageDataset, probe: Probe) -> None:
    with pytest.raises(DataError, match="not knn"):
        finetune(digits, probe, options(probe=dataclasses.replace(QUICK, head="knn")))


@pytest.mark.parametrize(("unbroken", "unfreeze", "config"), [("tuned", "all", {}), ("tail", 3, TAIL)])
def test_a_broken_off_training_goes_on(
    unbroken: str,
    unfreeze: Any,
    config: dict[str, Any],
    digits: ImageDataset,
    probe: Probe,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """From pixels, and from the maps of the frozen stages."""
    wanted = functools.partial(options, unfreeze=unfreeze, config=config)
    whole = request.getfixturevalue(unbroken)
    assert whole.strategy == "finetune"
    folder = tmp_path / "training"

    class StoppedError(Exception):
        pass

    def stop(text: str) -> Any:
        def progress(done: int, total: int) -> None:
            if text.startswith("training") and done > total // 2:
                raise StoppedError

        return progress

    with pytest.raises(StoppedError):
        finetune(digits, probe, wanted(checkpoint=folder), announce=stop)
    again = finetune(digits, probe, wanted(checkpoint=folder, resume=True))
    assert again.table.backbone.weights.sha256 == whole.table.backbone.weights.sha256
    with pytest.raises(TrainError):
        finetune(digits, probe, options(unfreeze=2, checkpoint=folder, resume=True))


def test_the_part_val_validates_where_test_measures(digits: ImageDataset) -> None:
    splits = digits.splits.copy()
    train = np.flatnonzero(splits == "train")
    splits[train[:50]] = "val"
    halves = halves_of(dataclasses.replace(digits, splits=splits), 0.15, 0)
    assert set(splits[halves.learn].tolist()) == {"train"}
    assert set(splits[halves.check].tolist()) == {"val"}
    halves = halves_of(digits, 0.15, 0)
    assert set(digits.splits[np.concatenate([halves.learn, halves.check])].tolist()) == {"train"}
    assert not set(halves.learn.tolist()) & set(halves.check.tolist())


@pytest.mark.parametrize(("unfreeze", "stages"), [("auto", 5), ("all", 9), (1, 1), (9, 9)])
def test_how_many_stages_are_trained(unfreeze: Any, stages: int) -> None:
    backbone = load()
    assert stages_to_train(backbone, unfreeze) == stages


def test_more_stages_than_there_are_is_refused() -> None:
    for wrong in (0, 10, -1):
        with pytest.raises(BackboneError, match=f"has 9 stages, so {wrong} of them cannot be trained") as caught:
            stages_to_train(load(), wrong)
        assert caught.value.hint == "--unfreeze takes 1 to 9, or all"


def test_depthwise_convolutions_are_trained_in_float32_on_a_cpu() -> None:
    for name, expected in (("lite0", "f32"), ("resnet18", "auto"), ("vit_tiny_patch16_224", "auto")):
        assert cpu_precision(load(name, weights="pretrained" if name == "lite0" else "random").module()) == expected


def test_the_head_is_trained_last(probe: Probe) -> None:
    from topwork.advising._comparison import fit_head

    head = fit_head(probe.table.split("train"), class_weight="none", seed=0, method="logistic").head
    model = tunable(probe.table.backbone, head)
    layers = trained_layers(model, probe.table.backbone, 2)
    assert [name for name, _ in layers] == ["layer3", "layer4", "head"]


def test_tuned_weights_used_longest_ago_make_room(
    probe: Probe, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topwork.advising._comparison import fit_head

    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "0")
    old = empty_cache / "tuned" / "resnet18-0123.safetensors"
    old.parent.mkdir(parents=True)
    old.touch()
    model = tunable(
        probe.table.backbone, fit_head(probe.table.split("train"), class_weight="none", seed=0, method="logistic").head
    )
    weights = _kept_weights(model, probe.table.backbone)
    assert list(old.parent.iterdir()) == [Path(weights.location)]  # this process's own, until the model is saved
    assert probe.table.backbone.with_weights(weights).module() is not None


def test_too_few_images_to_validate_are_refused(tmp_path: Path, shared_cache: Path) -> None:
    dataset = split(read(easy_folder(tmp_path / "few", count=2)), test=0.5)
    probe = fit_probe(dataset, load(size=96), QUICK)
    with pytest.raises(DataError, match="too few images for a test split"):
        finetune(dataset, probe, options())
