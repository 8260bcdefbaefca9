from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.backbones import Backbone, load
from topwork.engines import (
    EngineChoice,
    decide,
    deviation,
    nearest_choice,
    open_engine,
    precisions,
    recorded_choice,
)
from topwork.engines._openvino import network_folder
from topwork.engines._parity import TOLERANCE, worst_deviation
from topwork.errors import BackboneError

Bend = Callable[[EngineChoice, Any], Any]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load("resnet18", weights="random:3", size=32)


@pytest.fixture(scope="module")
def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def bent(monkeypatch: pytest.MonkeyPatch, empty_cache: Path) -> Callable[[Bend], None]:
    """Make every engine of a parity check tell something else."""

    def bent(bend: Bend) -> None:
        def open_bent(backbone: Backbone, outputs: tuple[str, ...], choice: EngineChoice) -> Callable[[Any], Any]:
            precise = EngineChoice(choice.name, "f32")  # so that the tests hold on every processor
            engine = open_engine(backbone, outputs, precise)
            return lambda images: bend(choice, engine(images))

        monkeypatch.setattr("topwork.engines._parity.open_engine", open_bent)
        monkeypatch.setattr("topwork.engines._parity.precisions", lambda engine: ("bf16", "f32"))

    return bent


def test_deviation_by_hand() -> None:
    reference = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]], np.float32)
    features = reference + np.array([[0.0, 1.0], [0.0, 0.0], [0.5, 0.0]], np.float32)
    assert deviation(features, reference) == pytest.approx(0.2)  # the middle one of 1/5, 0/2, 0.5/1
    assert deviation(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32)) == 0


def test_a_narrow_output_cannot_hide_behind_a_wide_one() -> None:
    lite0 = load("lite0")
    reference = np.ones((4, 16 + 1280), np.float32)
    features = reference.copy()
    features[:, :16] = 1.5
    assert worst_deviation(lite0, ("blocks.0/mean", "embedding"), features, reference) == pytest.approx(0.5)
    assert deviation(features, reference) < 0.06


def test_the_decision_is_the_fastest_precision_and_is_read_again(
    backbone: Backbone, images: Any, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorded_choice(backbone, "openvino") is None
    choice = decide(backbone, "openvino", images)
    assert (choice.name, choice.precision) == ("openvino", precisions("openvino")[0])
    assert choice.deviation is not None
    assert 0 < choice.deviation <= TOLERANCE[choice.precision]
    monkeypatch.setattr("topwork.engines._parity.open_engine", lambda *_: pytest.fail("measured again"))
    assert decide(backbone, "openvino", images) == recorded_choice(backbone, "openvino") == choice


def test_the_reference_needs_no_check(backbone: Backbone, images: Any, empty_cache: Path, no_network: None) -> None:
    assert decide(backbone, "torch-cpu", images) == EngineChoice("torch-cpu", "f32")
    assert not empty_cache.exists()


def test_a_wrong_bfloat16_falls_back_to_float32(backbone: Backbone, images: Any, bent: Callable[[Bend], None]) -> None:
    bent(lambda choice, features: features * (1.2 if choice.precision == "bf16" else 1.0))
    assert decide(backbone, "openvino", images).precision == "f32"
    recorded = recorded_choice(backbone, "openvino")
    assert recorded is not None
    assert recorded.precision == "f32"


def test_a_slightly_wrong_bfloat16_is_taken(backbone: Backbone, images: Any, bent: Callable[[Bend], None]) -> None:
    bent(lambda choice, features: features * (1.1 if choice.precision == "bf16" else 1.0))
    choice = decide(backbone, "openvino", images)
    assert choice.precision == "bf16"
    assert choice.deviation == pytest.approx(0.1, abs=0.001)


def test_a_wrong_conversion_is_an_error_and_not_recorded(
    backbone: Backbone, images: Any, bent: Callable[[Bend], None]
) -> None:
    bent(lambda choice, features: features + (np.abs(features).mean() if choice.name == "torch-cpu" else 0))
    with pytest.raises(BackboneError, match=r"computes other features of resnet18\.a1_in1k than torch \(they"):
        decide(backbone, "openvino", images)
    assert recorded_choice(backbone, "openvino") is None


def test_features_that_are_no_numbers_are_never_right(
    backbone: Backbone, images: Any, bent: Callable[[Bend], None]
) -> None:
    bent(lambda choice, features: features if choice.name == "torch-cpu" else features * np.float32("nan"))
    with pytest.raises(BackboneError, match="computes other features"):
        decide(backbone, "openvino", images)


@pytest.mark.parametrize(
    "record", ["", "{", "[]", "{}", '{"precision": "f32"}', '{"precision": "fp8", "deviation": 0}', '{"precision": 3}']
)
def test_a_damaged_record_is_as_none(backbone: Backbone, empty_cache: Path, record: str) -> None:
    folder = network_folder(backbone)
    folder.mkdir(parents=True)
    (folder / "parity-openvino.json").write_text(record)
    assert recorded_choice(backbone, "openvino") is None


def test_a_record_of_a_precision_that_this_machine_lacks_is_as_none(
    backbone: Backbone, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = network_folder(backbone)
    folder.mkdir(parents=True)
    (folder / "parity-openvino.json").write_text(json.dumps({"precision": "bf16", "deviation": 0.01}))
    monkeypatch.setattr("topwork.engines._parity.precisions", lambda engine: ("bf16", "f32"))
    assert recorded_choice(backbone, "openvino") == EngineChoice("openvino", "bf16", 0.01)
    monkeypatch.setattr("topwork.engines._parity.precisions", lambda engine: ("f32",))
    assert recorded_choice(backbone, "openvino") is None


def test_a_decision_among_other_precisions_is_taken_again(
    backbone: Backbone, images: Any, bent: Callable[[Bend], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor without bfloat16, or a run with TOPWORK_PRECISION=f32, does not slow those that come after it."""
    bent(lambda choice, features: features)
    monkeypatch.setattr("topwork.engines._parity.precisions", lambda engine: ("f32",))
    assert decide(backbone, "openvino", images).precision == "f32"
    monkeypatch.setattr("topwork.engines._parity.precisions", lambda engine: ("bf16", "f32"))
    assert recorded_choice(backbone, "openvino") is None
    assert decide(backbone, "openvino", images).precision == "bf16"


def test_many_threads_may_decide_at_once(
    backbone: Backbone, images: Any, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = EngineChoice("openvino", "f32", 0.5)
    monkeypatch.setattr("topwork.engines._parity.recorded_choice", lambda *_: None)
    monkeypatch.setattr("topwork.engines._parity._measure", lambda *_: measured)
    with ThreadPoolExecutor(8) as pool:
        choices = list(pool.map(lambda _: decide(backbone, "openvino", images), range(400)))
    assert choices == [measured] * 400
    assert [path.name for path in network_folder(backbone).iterdir()] == ["parity-openvino.json"]


def test_a_head_trained_in_torch_reads_openvinos_features_where_torch_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = EngineChoice("torch-cpu", "f32")
    assert nearest_choice(chosen) == chosen
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert nearest_choice(chosen) == EngineChoice("openvino", "f32")
