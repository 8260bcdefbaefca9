"""A model tells what was asked for, whatever the strategy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.report.pages import parsed
from topwork import fit
from topwork.fitting import default_options
from topwork.fitting._fit import as_json
from topwork.report import model_page
from topwork.tasks import load
from topwork.tasks.classification._page import SECTIONS
from topwork.tasks.classification.ladder import AdviceOptions
from topwork.tasks.classification.strategies import (
    AsIsOptions,
    FinetuneOptions,
    ProbeOptions,
    ZeroShotOptions,
    default_config,
)


@pytest.mark.parametrize(
    "options",
    [AdviceOptions(), ProbeOptions(), FinetuneOptions(), AsIsOptions(class_map={"x": ["cat"]}), ZeroShotOptions()],
)
def test_every_option_is_json(options: object) -> None:
    told = as_json(options)
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_nothing_that_shapes_a_training_is_left_out() -> None:
    config = default_config(epochs=3, learning_rate=2e-3)
    told = as_json(FinetuneOptions(unfreeze=2, augment="light", config=config, checkpoint=Path("somewhere")))
    assert (told["unfreeze"], told["augment"], told["validation"]) == (2, "light", 0.15)
    assert told["config"] == config.model_dump(mode="json")
    assert told["probe"]["class_weight"] == "auto"
    assert "checkpoint" not in told  # of this machine


def test_a_model_its_page_and_its_card_tell_what_was_asked(easy: Path, tmp_path: Path) -> None:
    model = fit(easy, strategy="probe", options=ProbeOptions(stages="last", crop_mode="squash", seed=5), test=0.25)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.record.options == model.record.options
    assert again.record.options["test"] == 0.25
    told = again.record.options_line
    assert told.startswith("strategy probe, test 0.25, stages last, pooling mean+max, crop_mode squash, ")
    assert told.endswith("seed 5")
    page = parsed(model_page(again, "model", SECTIONS, defaults=default_options(again.record)))
    chosen, usual = page.classed("options")
    differing = ["strategy", "probe", "test", "0.25", "stages", "last", "crop_mode", "squash", "seed", "5"]
    assert [node.text for node in chosen.all("dt", "dd")] == differing
    assert "class_weight" in [node.text for node in usual.all("dt")]
    assert told in (tmp_path / "model" / "README.md").read_text("utf-8").replace("\\", "")


def test_the_defaults_of_a_strategy_that_is_not_known_here_are_none(easy: Path) -> None:
    record = fit(easy, strategy="probe", options=ProbeOptions(stages="last", crop_mode="squash")).record
    for options in ({}, {"strategy": "of another topwork"}, {"strategy": 7}):
        assert default_options(record.model_copy(update={"options": options})) == {}
