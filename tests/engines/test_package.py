"""OpenVINO comes without what reports its import, and is whole for whoever shares the process."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_is_reported_and_nothing_is_missing() -> None:
    code = (
        "import sys\n"
        "from topwork.engines._engine import openvino_core\n"
        "openvino_core()\n"
        "print(any(name.startswith(('openvino_telemetry', 'openvino.tools.ovc')) for name in sys.modules))\n"
        "import openvino\n"
        "print(callable(openvino.convert_model), hasattr(openvino, 'convert_modl'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]


def test_what_was_imported_before_stays_as_it_is() -> None:
    code = (
        "import openvino\n"
        "from topwork.engines._package import openvino as found\n"
        "print(found() is openvino, 'convert_model' in vars(openvino))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
