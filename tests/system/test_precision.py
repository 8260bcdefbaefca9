"""TOPWORK_PRECISION: one variable for features and for training."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from topwork._system._precision import PRECISION_VARIABLE as VARIABLE
from topwork._system._precision import uses_bf16
from topwork.errors import TopworkError


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize(
    ("wanted", "capable", "used"),
    [
        ("", True, True),
        ("", False, False),
        (" ", True, True),
        ("f32", True, False),
        ("F32", True, False),
        ("f32", False, False),
        ("bf16", True, True),
        (" BF16 ", True, True),
    ],
)
def test_what_is_used(monkeypatch: pytest.MonkeyPatch, wanted: str, capable: bool, used: bool) -> None:
    monkeypatch.setenv(VARIABLE, wanted)
    assert uses_bf16(capable, "cpu") is used


def test_unset_it_is_what_the_device_has() -> None:
    assert uses_bf16(True, "cpu")
    assert not uses_bf16(False, "cpu")


@pytest.mark.parametrize("wanted", ["fp8", "16", "f32,bf16", "float32"])
def test_another_word_is_an_error_that_names_the_two(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv(VARIABLE, wanted)
    with pytest.raises(TopworkError, match=f"TOPWORK_PRECISION must be f32 or bf16, not '{wanted}'"):
        uses_bf16(True, "cpu")


def test_bf16_where_there_is_none_is_an_error_that_names_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "bf16")
    with pytest.raises(TopworkError, match="is bf16, which openvino does not support") as caught:
        uses_bf16(False, "openvino")
    assert "f32" in caught.value.hint


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Let OpenVINO and torch say that the processor computes in bfloat16, or that it does not."""
    import openvino
    import torch

    def processor(bf16: bool) -> None:
        capabilities = ["FP32", *(["BF16"] if bf16 else [])]
        monkeypatch.setattr(openvino.Core, "get_property", lambda *_: capabilities)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16, raising=False)

    return processor


@pytest.mark.parametrize(("wanted", "bf16"), [("", True), ("", False), ("f32", True), ("f32", False), ("bf16", True)])
def test_engines_and_training_heed_it_alike(
    processor: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch, wanted: str, bf16: bool
) -> None:
    import torch

    from topwork import train
    from topwork.engines import precisions
    from topwork.train._step import uses_bf16 as trains_in_bf16

    processor(bf16)
    monkeypatch.setenv(VARIABLE, wanted)
    expected = bf16 and wanted != "f32"
    assert precisions("openvino") == (("bf16", "f32") if expected else ("f32",))
    assert precisions("torch-cpu") == ("f32",)
    config = train.TrainConfig()
    assert trains_in_bf16(config, torch.device("cpu")) is expected
    for said in ("bf16", "f32"):  # an option goes before the variable
        chosen = config.model_copy(update={"precision": said})
        assert trains_in_bf16(chosen, torch.device("cpu")) is (said == "bf16")


def test_bf16_on_a_processor_without_it_stops_engines_and_training(
    processor: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from topwork import train
    from topwork.engines import precisions
    from topwork.train._step import uses_bf16 as trains_in_bf16

    processor(False)
    monkeypatch.setenv(VARIABLE, "bf16")
    with pytest.raises(TopworkError, match="which openvino does not support"):
        precisions("openvino")
    with pytest.raises(TopworkError, match="which torch on cpu does not support"):
        trains_in_bf16(train.TrainConfig(), torch.device("cpu"))
