"""Fine-tuning of text networks, on a tiny BERT that transformers made."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import topwork
from topwork.backbones import TextBackbone
from topwork.data import TextDataset, read_texts, split
from topwork.errors import BackboneError, CheckpointError, DataError, MissingExtraError
from topwork.tasks._classes._finetuned import INTERRUPTED, Finetuned
from topwork.tasks.text.strategies import FinetuneOptions, ProbeOptions, fit_finetuned
from topwork.tasks.text.strategies._finetune import default_config

from ..conftest import marked

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ALONE = ProbeOptions(layers="last", ngrams=False)


def options(probe: ProbeOptions = ALONE, **more: Any) -> FinetuneOptions:
    settings = {name: more.pop(name) for name in list(more) if name not in FinetuneOptions.__dataclass_fields__}
    quick = {"epochs": 12, "learning_rate": 5e-3, "layer_decay": 1.0, "precision": "f32", **settings}
    return FinetuneOptions(
        **{"config": default_config(**quick), "probe": probe, "validation": 0.3, "refit": False, **more}
    )


@pytest.fixture(scope="module")
def kept(told: TextDataset, network: TextBackbone) -> Finetuned:
    return fit_finetuned(told, network, options())


def right(found: Finetuned) -> float:
    test = found.table.split("test")
    return float((found.head.probabilities(test.values).argmax(axis=1) == test.dataset.labels).mean())


def test_what_beats_the_probe_is_kept(kept: Finetuned, told: TextDataset, network: TextBackbone) -> None:
    assert kept.strategy == "finetune"
    probe, tuned = (trial for trial in kept.trials if trial.question == "strategy")
    assert tuned.answer == "finetune 2 of 2 layers"
    assert tuned.accuracy is not None
    assert probe.accuracy is not None
    assert tuned.accuracy > probe.accuracy + 0.05
    assert right(kept) > 0.75
    assert kept.out_of_fold is not None
    assert kept.out_of_fold.source == "validation"
    assert len(kept.history) == 12


def test_what_is_kept_is_trained_once_more_on_all_texts(
    kept: Finetuned, told: TextDataset, network: TextBackbone
) -> None:
    found = fit_finetuned(told, network, options(refit=True))
    assert found.notes[-1] == "the tuned network was trained once more on all 360 texts"
    assert kept.notes == found.notes[:-1]
    assert found.table.backbone.weights != kept.table.backbone.weights
    assert found.head.temperature == kept.head.temperature  # texts that it has learnt from would make it too sure
    assert found.trials == kept.trials
    assert found.out_of_fold is not None
    assert kept.out_of_fold is not None
    np.testing.assert_array_equal(found.out_of_fold.probabilities, kept.out_of_fold.probabilities)
    assert right(found) > 0.75


def test_its_features_are_those_of_transformers(kept: Finetuned, told: TextDataset, network: TextBackbone) -> None:
    arrays = load_file(kept.table.backbone.weights.location)
    arrays.pop("tokenizer.json")
    model = transformers.BertModel(transformers.BertConfig.from_dict(dict(network.config))).eval()
    state = {name: torch.from_numpy(value) for name, value in arrays.items()}
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    words = told.text(3).split()
    ids = torch.tensor([[2, *(4 + int(word[1:]) for word in words), 3]])
    with torch.no_grad():
        wanted = model(ids).last_hidden_state.mean(dim=1)[0].numpy()
    np.testing.assert_allclose(kept.table.values[3], wanted, atol=1e-3)


def test_the_table_of_words_is_as_it_was(kept: Finetuned, network: TextBackbone) -> None:
    before, after = (load_file(each.weights.location) for each in (network, kept.table.backbone))
    words = "embeddings.word_embeddings.weight"
    np.testing.assert_array_equal(before[words], after[words])
    layer = "encoder.layer.0.attention.self.query.weight"
    assert np.abs(before[layer] - after[layer]).max() > 1e-3


def test_with_n_grams_that_tell_it_all_both_are_blended_or_the_probe_stays(
    told: TextDataset, network: TextBackbone
) -> None:
    found = fit_finetuned(told, network, options(ProbeOptions(layers="last")))
    assert right(found) > 0.95


def test_where_nothing_can_be_learnt_the_probe_is_kept(noise: TextDataset, network: TextBackbone) -> None:
    found = fit_finetuned(noise, network, options(epochs=2))
    assert found.strategy == "probe"
    assert "so the probe is kept" in found.notes[-1]
    assert found.table.backbone.weights == network.weights
    assert found.cv_accuracy is not None


def test_only_the_top_is_trained_where_that_is_asked_for(told: TextDataset, network: TextBackbone) -> None:
    found = fit_finetuned(told, network, options(unfreeze=1))
    before, after = (load_file(each.weights.location) for each in (network, found.table.backbone))
    moved = {name for name in before if (before[name] != after[name]).any()}
    assert all(name.startswith("encoder.layer.1.") for name in moved)
    assert moved


@pytest.mark.parametrize("count", [0, 3])
def test_layers_that_are_not_there_are_refused(told: TextDataset, network: TextBackbone, count: int) -> None:
    with pytest.raises(BackboneError, match=f"has 2 layers, so {count} of them cannot be trained"):
        fit_finetuned(told, network, options(unfreeze=count))


def test_word_vectors_have_no_layers(told: TextDataset, network: TextBackbone) -> None:
    with pytest.raises(BackboneError, match="no transformer"):
        fit_finetuned(told, dataclasses.replace(network, family="vectors"), options())


def test_one_text_a_class_is_too_few(network: TextBackbone) -> None:
    texts = dataclasses.replace(read_texts((["w1 w2", "w3 w4"], ["a", "b"])), splits=np.array(["train", "train"]))
    with pytest.raises(DataError):
        fit_finetuned(texts, network, options())


@pytest.mark.parametrize("module", ["torch", "transformers"])
def test_what_is_not_installed_is_told_before_any_work(
    told: TextDataset, network: TextBackbone, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == module else find(name, *rest))
    with pytest.raises(MissingExtraError, match="not installed"):
        fit_finetuned(told, network, options())


def test_another_trainings_checkpoint_is_refused(told: TextDataset, network: TextBackbone, tmp_path: Path) -> None:
    first = options(epochs=1, checkpoint=tmp_path / "m.training")
    fit_finetuned(told, network, first)
    with pytest.raises(CheckpointError, match="another training"):
        fit_finetuned(told, network, options(epochs=2, checkpoint=first.checkpoint, resume=True))


def test_ctrl_c_keeps_the_best_so_far(
    told: TextDataset, network: TextBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topwork.train import _loop

    end, done = _loop._end_epoch, []

    def interrupt(job: Any, run: Any) -> None:
        end(job, run)
        done.append(1)
        if len(done) == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(_loop, "_end_epoch", interrupt)
    found = fit_finetuned(told, network, options(checkpoint=tmp_path / "m.training", refit=True))
    assert not any("once more" in note for note in found.notes)
    assert any(note.startswith(INTERRUPTED) for note in found.notes)
    assert len(found.history) == 8
    assert any((tmp_path / "m.training").glob("checkpoint-*"))


def test_a_saved_model_answers_without_torch(network: TextBackbone, tmp_path: Path) -> None:
    import subprocess
    import sys

    data = split(read_texts(marked(480)), test=0.25, seed=0)
    made = topwork.fit(data, backbone=network, strategy="finetune", options=options(), task="text")
    assert made.record.strategy == "finetune"
    made.save(tmp_path / "model")
    script = (
        f"import sys, topwork; found = topwork.load({str(tmp_path / 'model')!r}).predict(['w1 w30 w40'])[0]; "
        "print(found.label, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["a", "False", "False"]


def test_low_rank_updates_become_part_of_the_weights(told: TextDataset, network: TextBackbone) -> None:
    pytest.importorskip("peft")
    found = fit_finetuned(told, network, options(lora=4, epochs=20, learning_rate=2e-2))
    assert found.strategy == "finetune"
    before, after = (load_file(each.weights.location) for each in (network, found.table.backbone))
    assert {*before, "tokenizer.json"} == {*after}
    name = "encoder.layer.1.output.dense.weight"
    assert np.linalg.matrix_rank(after[name] - before[name], tol=1e-4) == 4


def test_val_judges_where_test_measures(told: TextDataset, network: TextBackbone) -> None:
    splits = told.splits.copy()
    splits[np.flatnonzero(splits == "train")[:120]] = "val"
    parted = dataclasses.replace(told, splits=splits)
    found = fit_finetuned(parted, network, options(ProbeOptions(layers="last"), epochs=3, refit=True))
    assert not any("once more" in note for note in found.notes)
    assert {trial.images for trial in found.trials if trial.question == "strategy"} == {120}
    if found.strategy == "finetune":
        assert found.out_of_fold is not None
        assert (found.table.dataset.splits[found.out_of_fold.rows] == "val").all()
