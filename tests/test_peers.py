"""bench/peers: what is measured is the whole of a process, its children too, and the words follow the rows."""

import importlib
import os
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    """Modules of the bench by name."""
    monkeypatch.syspath_prepend(BENCH)
    monkeypatch.syspath_prepend(BENCH / "peers")
    before = set(sys.modules)

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(BENCH) in str(sys.modules[name].__file__):
            del sys.modules[name]


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_child_counts_in_the_memory(bench, tmp_path):
    """Parent and child hold 100 MB each at the same time."""
    code = (
        "import subprocess, sys, time\n"
        "held = bytearray(b'1') * 100_000_000\n"
        "more = 'import time; held = bytearray(b\"1\") * 100_000_000; time.sleep(1)'\n"
        "sys.exit(subprocess.run([sys.executable, '-c', more]).returncode)"
    )
    found = bench("_measure").measured(_python(code), {}, 60, tmp_path / "log")
    assert found.code == 0
    assert 1 <= found.seconds < 60
    assert 190 < found.peak_mb < 300


def test_the_limit_ends_the_children_too(bench, tmp_path):
    sign = tmp_path / "sign"
    child = f"import time; time.sleep(1); open({str(sign)!r}, 'w')"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = bench("_measure").measured(_python(code), {}, 0.3, tmp_path / "log")
    assert found.code is None
    time.sleep(1.5)
    assert not sign.exists()


def test_a_failure_is_told(bench, tmp_path):
    found = bench("_measure").measured(_python("raise SystemExit('no such thing')"), {}, 60, tmp_path / "log")
    assert found.code == 1
    assert "no such thing" in found.output


def test_its_own_work_is_not_that_of_others(bench, tmp_path, monkeypatch):
    """The cores were busy for three seconds, of which the process took one, half of it in a child."""
    monkeypatch.setattr(bench("_measure"), "_busy", iter([100.0, 103.0]).__next__)
    spin = "import time\nwhile time.process_time() < 0.5: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}]); exec({spin!r})"
    found = bench("_measure").measured(_python(code), {}, 60, tmp_path / "log")
    assert 0.95 < found.processor_seconds < 3
    assert found.others * found.seconds * os.cpu_count() == pytest.approx(3 - found.processor_seconds, abs=0.01)


def test_lines_that_a_user_writes(bench, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import a\n# user code\nimport b\n\n# why\nb.train()\n    # end\nprint(1)\n")
    assert bench("run").user_lines(script) == 2


@pytest.mark.parametrize("name", ["fastai_fine_tune", "pytorch_tutorial", "keras_guide", "autogluon_multimodal"])
def test_every_script_marks_its_user_code(bench, name):
    assert bench("run").user_lines(BENCH / "peers" / f"{name}.py") >= 4


def _row(tool: str, **other: object) -> dict[str, object]:
    usual: dict[str, object] = {
        "data": "ants",
        "setting": "x",
        "code": 0,
        "seconds": 10.0,
        "right": 90,
        "total": 100,
        "peak_mb": 500.0,
    }
    usual |= {"others": 0.25, "processor_seconds": 300.0}
    costs = {"lines": 1, "artefact_mb": 1.0, "predict_seconds": 1.0, "evaluate_seconds": 2.0, "elsewhere_seconds": 7.0}
    return {**usual, **costs, "tool": tool, **other}


def test_where_a_peer_is_better_the_words_say_so(bench):
    rows = [_row("topwork"), _row("rival", seconds=200.0, right=91, artefact_mb=0.5, predict_seconds=3.0)]
    told = bench("_table").tables(rows)
    assert "- rival is more accurate: 91 of 100 right against 90." in told
    assert "- rival saves a smaller artefact: 0.5 against 1.0." in told
    assert "rival was done sooner" not in told
    assert "| 200.0 | 20.0 | 300 | 91.0 (83.8–95.2) |" in told
    assert "No peer is better" not in told
    assert "topwork 25 %, rival 25 %" in told


def test_a_tool_that_was_ended_or_failed_is_no_winner(bench):
    rows = [_row("topwork")]
    for code in (None, 1):
        row = _row("rival", code=code, seconds=5.0)
        for name in ("right", "total", "artefact_mb", "predict_seconds", "evaluate_seconds"):
            row.pop(name)
        rows.append(row)
    told = bench("_table").tables(rows)
    assert "No peer is better in any column." in told
    assert "over 5, ended" in told
    assert "failed after 5.0" in told
