import subprocess
import sys

import pytest

from topwork.train import TrainError, locked


def test_a_second_run_is_refused_until_the_first_is_over(tmp_path):  # FAULTS 42
    folder = tmp_path / "new" / "run"
    with locked(folder):
        with pytest.raises(TrainError, match="another run is writing there"), locked(folder):
            pass
        with locked(tmp_path / "other"):
            pass
    with locked(folder):
        pass


def test_a_killed_run_leaves_no_lock(tmp_path):
    code = (
        "import sys, pathlib, os, signal\nfrom topwork.train import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(TrainError), locked(tmp_path):
            pass
        other.kill()
        other.wait()
    with locked(tmp_path):
        pass


def test_where_no_folder_can_be_made_it_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainError, match="no checkpoint can be written there"), locked(tmp_path / "file" / "run"):
        pass
