from __future__ import annotations

import subprocess
import sys

import pytest

from topwork import explain


def test_the_public_names_resolve_and_are_told() -> None:
    assert dir(explain) == sorted(explain.__all__)
    assert all(getattr(explain, name) is not None for name in explain.__all__)
    with pytest.raises(AttributeError, match=r"module 'topwork\.explain' has no attribute 'gradcam'"):
        explain.gradcam  # noqa: B018


def test_a_result_without_gradients_needs_no_torch() -> None:
    code = "import sys; from topwork.explain import feature_space, write_picture; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
