import subprocess
import sys

import pytest
from pydantic import ValidationError

from topwork.train import TrainConfig, TrainError, parse_config


def test_every_setting_says_what_it_is():
    assert all(field.description for field in TrainConfig.model_fields.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", "32"),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("layer_decay", 1.1),
        ("optimizer", "adam"),
        ("schedule", "linear"),
        ("plateau_factor", 2.0),
        ("plateau_factor", 0.0),
        ("plateau_patience", -1),
        ("warmup", 1.0),
        ("label_smoothing", 1.0),
        ("ema_decay", 1.0),
        ("clip", 0.0),
        ("precision", "f16"),
        ("patience", 0),
        ("checkpoint_minutes", 0.0),
        ("seed", -1),
        ("budget_seconds", float("inf")),
        ("channels_last", 1),
    ],
)
def test_a_wrong_value_fails_at_construction(name, value):
    with pytest.raises(ValidationError):
        TrainConfig(**{name: value})
    with pytest.raises(TrainError, match=name) as caught:
        parse_config({name: value})
    assert caught.value.hint.startswith(name)


def test_what_only_a_plateau_hears_is_refused_elsewhere():
    with pytest.raises(TrainError, match=r"schedule\.factor is for --schedule plateau"):
        parse_config({"plateau_factor": 0.2})
    assert parse_config({"plateau_factor": 0.2, "schedule": "plateau"}).plateau_factor == 0.2


def test_an_unknown_name_leads_to_the_nearest():
    with pytest.raises(TrainError, match="'weight_dcay'") as caught:
        parse_config({"weight_dcay": 0.1})
    assert "weight_decay" in caught.value.hint


def test_it_cannot_be_changed():
    with pytest.raises(ValidationError):
        TrainConfig().epochs = 3


def test_settings_need_no_torch():
    names = "TrainConfig, TrainError, joined, remove_checkpoints, require_own, sample_seed, started_by_torchrun"
    code = f"import sys; from topwork.train import {names}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_public_names_resolve():
    import topwork.train as room

    assert room.__all__ == sorted(room.__all__)
    assert dir(room) == room.__all__
    assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError, match="trian"):
        room.trian  # noqa: B018
