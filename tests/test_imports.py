from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import topwork

HEAVY = {"torch", "torchvision", "timm", "openvino", "sklearn", "scipy", "fastapi", "matplotlib", "PIL"}


@pytest.mark.parametrize(
    "module",
    [
        "topwork",
        "topwork.cli",
        "topwork.backbones",
        "topwork.engines",
        "topwork.explain",
        "topwork.features",
        "topwork.model",
        "topwork.ui",
    ],
)
def test_importing_is_light(module: str) -> None:
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_loads_no_room() -> None:
    code = "import sys, topwork; print(sorted(name for name in sys.modules if name.startswith('topwork.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['topwork._version']"


def test_options_are_made_without_a_network() -> None:
    """What a lesson needs for a training is at hand, and PyTorch comes with the training."""
    code = (
        "import sys, topwork; config = topwork.TrainConfig(epochs=1)\n"
        "made = topwork.FinetuneOptions(config=config), topwork.ScratchOptions(config=config)\n"
        f"print([each.config.epochs for each in made], sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1, 1] []"


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_is_light(arguments: list[str]) -> None:
    code = (
        "import sys; from topwork.cli import main\n"
        f"sys.argv = ['topwork', *{arguments!r}]\n"
        "try:\n    main()\n"
        f"finally:\n    print('HEAVY', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_what_only_an_extra_brings_is_imported_by_its_own_side_alone() -> None:
    """scikit-learn and SciPy are not in the core; anything else that an extra brings goes through ``optional``."""
    found, extras = set(), {"sklearn", "scipy", "joblib", "pandas", "pyarrow"}
    root = Path(topwork.__file__).parent
    for file in root.rglob("*.py"):
        text = file.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if any(name in text for name in extras) else ():
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if {name.partition(".")[0] for name in names} & extras:
                found.add(file.relative_to(root).parent.as_posix())
    assert found == {"sklearn"}


def test_the_public_names_are_sorted_and_resolve() -> None:
    assert topwork.__all__ == sorted(topwork.__all__)
    assert dir(topwork) == topwork.__all__
    for name in topwork.__all__:
        assert getattr(topwork, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'topwork' has no attribute 'trian'"):
        topwork.trian  # noqa: B018
