"""``fit --from OUT/``: a model from a folder of shards, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Run
from .test_language import korean


@pytest.fixture(scope="module")
def shards(run: Run, textile: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = f"{tmp_path_factory.mktemp('shards')}/out/"
    assert run("embed", textile, "-o", out, "--size", 64, "--stages", "blocks.2").code == 0
    return out


def test_a_model_from_shards(run: Run, shards: str, textile: Path, tmp_path: Path) -> None:
    made = run("fit", "--from", shards, "-o", tmp_path / "model", "--test", 0.3, "--seed", 1, "--json").json
    assert made["data"]["held_out"] == made["task"]["metrics"]["n"] > 0
    assert made["options"]["test"] == 0.3
    assert (tmp_path / "model" / "report.html").is_file()
    image = next(textile.rglob("*.jpg"))
    answer = run("predict", tmp_path / "model", image, "--json").json
    assert set(made["task"]["classes"]) == set(answer["probabilities"])
    asked = ("fit", "--from", shards, "-o", tmp_path / "model", "--set", "head.method=lda")
    korean(run(*asked), run(*asked, "--lang", "ko"))


def test_what_it_cannot_hear_is_refused(run: Run, shards: str, tmp_path: Path) -> None:
    for asked, said in (
        (("--strategy", "finetune"), "--strategy probe, not finetune"),
        (("--task", "detection"), "for classes of images"),
        (("--cv", 5), "--cv cannot be used with --from"),
        (("--size", 64), "--size cannot be used with --from"),
        (("--stages", "all"), "--stages cannot be used with --from"),
        (("--set", "class_weight=rare"), "class_weight"),
        (("--set", "stages=all"), "--set stages cannot be used with --from"),
        (("--set", "head.method=blend"), "head.method is"),
        (("--columns", "id=file"), "name it as DATA"),
        (("--trust",), "--trust is for a network of torch.hub"),
    ):
        found = run("fit", "--from", shards, "-o", tmp_path / "model", *asked)
        assert (found.code, said in found.err) == (2, True), found.err
    message, _ = run("fit", "--from", tmp_path, "-o", tmp_path / "model").failed()
    assert "holds no plan.json" in message
    message, hint = run("fit", "--from", shards, "-o", tmp_path / "model", "--backbone", "lite1").failed()
    assert "the features are of" in message
    assert "--backbone" in hint
