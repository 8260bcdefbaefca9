"""``export`` writes a folder that answers without topwork, and says how far it agrees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run

pytest.importorskip("onnxruntime")


def test_a_model_is_exported_and_answers(
    run: Run, model: Path, textile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.exporting._images.LEAST", 12)  # of 64: each is compared in two precisions
    done = run("export", model, "-o", tmp_path / "out", "--images", textile)
    assert done.code == 0, done
    first, compared, *_, last = done.out.splitlines()
    assert first.startswith(f"Export: {tmp_path / 'out'}    (6 files, ")
    assert compared.startswith("Compared with predict in float32 on 32 images: differs by ")
    assert compared.endswith("at most, the same answer for 100.0%")
    assert last == f"Next:   python {tmp_path / 'out'}/predict.py IMAGE"
    image = next(textile.rglob("*.jpg"))
    answered = subprocess.run([sys.executable, tmp_path / "out" / "predict.py", image], capture_output=True, text=True)
    assert answered.stdout.startswith(f"{image}\t")
    again = run(
        "export", model, "-o", tmp_path / "out", "--to", "openvino", "--images", textile, "--json", "--lang", "ko"
    )
    assert again.code == 0, again
    assert again.json["to"] == "openvino"
    assert again.json["parity"]["exact"]["farthest"]["probabilities"] < 1e-3
    assert "model.onnx" not in again.json["files"]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("-o", "{model}"), "already exists and is not an export; it was not changed"),
        (("-o", "out", "--images", "{model}"), "none of the images to compare on can be read"),
        (("-o", "out", "--images", "missing.csv"), "missing.csv"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    message, _ = run("export", model, *(each.format(model=model) for each in given)).failed()
    assert error in message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_model(run: Run, tmp_path: Path) -> None:
    message, _ = run("export", tmp_path, "-o", tmp_path / "out").failed()
    assert "is not a topwork model" in message


def test_a_target_that_there_is_not_is_a_wrong_command_line(run: Run, model: Path, tmp_path: Path) -> None:
    assert run("export", model, "-o", tmp_path / "out", "--to", "coreml").code == 2
    assert run("export", model).code == 2


def test_int8_needs_the_data_and_they_need_it(run: Run, model: Path, textile: Path, tmp_path: Path) -> None:
    for given in (["--int8"], ["--data", textile]):
        done = run("export", model, "-o", tmp_path / "out", *given)
        assert done.code == 2
        assert "--int8 needs --data" in done.err
    message, _ = run("export", model, "-o", tmp_path / "out", "--int8", "--data", textile).failed()
    assert "at least 64 that did not" in message
    assert not (tmp_path / "out").exists()


def test_a_model_of_texts_is_exported_on_texts_of_a_table(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    rows = [f"{word} {other},{label}" for label, word in (("good", "fine"), ("bad", "poor")) for other in range(12)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    fitted = run("fit", tmp_path / "texts.csv", "-o", tmp_path / "model", "--strategy", "ngrams", "--test", "0.25")
    assert fitted.code == 0, fitted
    done = run("export", tmp_path / "model", "-o", tmp_path / "out", "--texts", tmp_path / "texts.csv", "--lang", "ko")
    assert done.code == 0, done
    assert "float32로 실행한 predict와 텍스트 81" in done.out
    command = [sys.executable, tmp_path / "out" / "predict.py", "poor 99"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\t")[1] == "bad"
    message, hint = run("export", tmp_path / "model", "-o", tmp_path / "other", "--to", "torch").failed()
    assert "no transformer" in message
    assert "--to onnx" in hint
