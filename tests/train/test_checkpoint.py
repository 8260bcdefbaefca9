import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from topwork.train import CheckpointError, TrainError, locked
from topwork.train._checkpoint import clear_drafts, read_checkpoint, write_checkpoint


def tensors(number, size=1000):
    return {"a": torch.full((size,), float(number)), "b/c": torch.arange(6).view(2, 3), "scalar": torch.tensor(number)}


def write(folder, number, size=1000):
    write_checkpoint(folder, tensors(number, size), f"text {number} é")


def number_of(folder):
    saved = read_checkpoint(folder)
    assert saved.text == f"text {int(saved.tensors['scalar'])} é"
    for name, value in tensors(int(saved.tensors["scalar"]), len(saved.tensors["a"])).items():
        assert torch.equal(saved.tensors[name], value)
    return int(saved.tensors["scalar"])


def files(folder):
    return sorted(folder.iterdir())


def test_the_newest_is_read_and_two_are_kept(tmp_path):
    assert read_checkpoint(tmp_path) is None
    for number in range(4):
        write(tmp_path, number)
        assert number_of(tmp_path) == number
        assert len(files(tmp_path)) == min(number + 1, 2)


def test_any_layout_and_type_comes_back(tmp_path):
    maps = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    given = {"maps": maps, "half": torch.randn(3).bfloat16(), "empty": torch.zeros(0, 3), "flag": torch.tensor(True)}
    write_checkpoint(tmp_path, given, "{}")
    saved = read_checkpoint(tmp_path).tensors
    assert all(torch.equal(saved[name], value) and saved[name].dtype == value.dtype for name, value in given.items())


def test_a_flipped_byte_anywhere_falls_back_to_the_former(tmp_path):  # FAULTS 33
    write(tmp_path, 1, size=4)
    write(tmp_path, 2, size=4)
    newest = files(tmp_path)[-1]
    content = newest.read_bytes()
    for place in range(len(content)):
        newest.write_bytes(content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :])
        assert number_of(tmp_path) == 1
    assert "its checksum does not match" in read_checkpoint(tmp_path).notes[0]
    newest.write_bytes(content)
    assert number_of(tmp_path) == 2


def test_a_truncated_one_falls_back_too(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2)
    newest = files(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    assert number_of(tmp_path) == 1
    newest.write_bytes(b"")
    assert number_of(tmp_path) == 1


def test_where_all_are_damaged_it_says_so(tmp_path):
    write(tmp_path, 1)
    files(tmp_path)[0].write_bytes(b"x")
    with pytest.raises(CheckpointError, match="every checkpoint is damaged"):
        read_checkpoint(tmp_path)


def test_another_program_must_not_hide_behind_a_right_checksum(tmp_path):
    import hashlib

    for content in (b"", b"{}", b"\x80\x04K\x01.", b"\xff" * 64):
        for old in files(tmp_path):
            old.unlink()
        (tmp_path / f"checkpoint-000001-{hashlib.sha256(content).hexdigest()}.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError):
            read_checkpoint(tmp_path)


@pytest.mark.parametrize("room", [0, 1000, 30_000])
def test_a_full_disk_is_an_error_and_the_old_one_stays(tmp_path, room):  # FAULTS 32
    write(tmp_path, 1)
    before = files(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="no checkpoint can be written") as caught:
            write(tmp_path, 2, size=100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "previous checkpoint is kept" in caught.value.hint
    assert files(tmp_path) == before
    assert number_of(tmp_path) == 1


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.rename", "tempfile.mkstemp"])
def test_a_disk_that_fails_at_any_call_leaves_the_old_one(tmp_path, monkeypatch, call):
    write(tmp_path, 1)
    before = files(tmp_path)

    def fail(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(call, fail)
        with pytest.raises(CheckpointError, match="Read-only file system"):
            write(tmp_path, 2)
    assert files(tmp_path) == before


def test_what_a_killed_run_left_is_not_read_and_goes(tmp_path):
    write(tmp_path, 1)
    before = files(tmp_path)
    (tmp_path / ".checkpoint-abc").write_bytes(b"half")
    assert number_of(tmp_path) == 1
    clear_drafts(tmp_path)
    assert files(tmp_path) == before


_WRITERS = """
import itertools, os, random, signal, sys, time
from pathlib import Path
from tests.train.test_checkpoint import write
chance = random.Random(0)
for folder in map(Path, sys.argv[1:]):
    reading, writing = os.pipe()
    if not (writer := os.fork()):
        for number in itertools.count():
            write(folder, number, size=300_000)
            os.write(writing, b"%d\\n" % number)
    os.close(writing)
    with os.fdopen(reading) as told:
        last = [told.readline() for _ in range(2)][-1]
        time.sleep(chance.random() / 10)
        os.kill(writer, signal.SIGKILL)
        print([int(last), *map(int, told.read().split())][-1])
    os.waitpid(writer, 0)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_of_a_save_leaves_a_sound_one(tmp_path):  # FAULTS 31
    """Five writers, forked from one process: torch is imported once."""
    folders = [tmp_path / str(number) for number in range(5)]
    for folder in folders:
        folder.mkdir()
    arguments = [sys.executable, "-c", _WRITERS, *map(str, folders)]
    done = subprocess.run(arguments, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    for folder, last in zip(folders, map(int, done.stdout.split()), strict=True):
        assert number_of(folder) in (last, last + 1)


def test_a_second_run_is_refused_until_the_first_is_over(tmp_path):  # FAULTS 42
    folder = tmp_path / "new" / "run"
    with locked(folder):
        with pytest.raises(TrainError, match="another run is writing to it"), locked(folder):
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
