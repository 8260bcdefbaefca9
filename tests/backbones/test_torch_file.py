"""The reader of torch's old format, against torch itself, and what it refuses."""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from topwork.backbones import package_file, row
from topwork.backbones._torch_file import read_torch_file
from topwork.errors import BackboneError


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=False)
    return path


@pytest.mark.parametrize("alias", ["lite0", "lite1", "lite2"])
def test_the_wheels_read_as_torch_reads_them(alias: str) -> None:
    entry = row(alias)
    assert entry is not None
    found, expected = read_torch_file(package_file(entry)), torch.load(package_file(entry), weights_only=True)
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].shape == tuple(tensor.shape)
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert found[name].flags.c_contiguous
        assert found[name].flags.writeable


def test_views_of_one_storage_are_arrays_of_their_own(tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32)
    state = OrderedDict(turned=base.reshape(4, 6).T, part=base[5:9], one=base[3], whole=base, counts=torch.tensor([7]))
    found = read_torch_file(saved(tmp_path / "views.pth", state))
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
    found["whole"][:] = -1
    np.testing.assert_array_equal(found["part"], base[5:9].numpy())


class Runs:
    """What a hostile file holds: reading it would call something."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("where", ["value", "before", "after"])
def test_fault_46_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path, where: str) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.pth"
    payload = pickle.dumps(Runs(mark), 2)
    content = saved(path, OrderedDict(weight=torch.ones(2))).read_bytes()
    if where == "value":
        saved(path, OrderedDict(weight=torch.ones(2), other=Runs(mark)))
    elif where == "before":
        path.write_bytes(payload + content)
    else:
        order = pickle.dumps(storages(content), 2)
        assert order in content
        path.write_bytes(content.replace(order, payload))
    with pytest.raises(BackboneError, match=r"evil\.pth: not a file with only tensors: it wants to use posix\.mkdir"):
        read_torch_file(path)
    assert not mark.exists()


def storages(content: bytes) -> list[str]:
    """The storages' keys, which the fifth pickle lists."""
    file = io.BytesIO(content)
    for _ in range(3):
        pickle.load(file)

    class Names(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return OrderedDict if name == "OrderedDict" else lambda *given: given

        def persistent_load(self, pid: Any) -> Any:
            return pid

    Names(file).load()
    keys: list[str] = pickle.load(file)
    return keys


@pytest.mark.parametrize("share", [0.0, 1e-5, 0.001, 0.5, 0.999999])
def test_fault_49_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    entry = row("lite0")
    assert entry is not None
    content = package_file(entry).read_bytes()
    path = tmp_path / "short.pth"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BackboneError, match=r"short\.pth: not a file with only tensors"):
        read_torch_file(path)


def rebuilt(storage: tuple[Any, ...], *shape: Any) -> Any:
    """A file whose one tensor is told by hand: its storage, then offset, shape and strides."""

    class Tensor:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, (Storage(), *shape, False, OrderedDict())

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return storage if isinstance(value, Storage) else None

    file = io.BytesIO()
    for fact in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(fact, file, 2)
    Pickler(file, 2).dump(OrderedDict(weight=Tensor()))
    pickle.dump([storage[2]], file, 2)
    file.write(struct.pack("<q", 4) + np.arange(4, dtype="<f4").tobytes())
    return file.getvalue()


FLOATS = torch.FloatStorage
GOOD = ("storage", FLOATS, "1", "cpu", 4, None)


def test_a_tensor_told_by_hand_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hand.pth"
    path.write_bytes(rebuilt(GOOD, 0, (2, 2), (1, 2)))
    np.testing.assert_array_equal(read_torch_file(path)["weight"], [[0, 2], [1, 3]])


@pytest.mark.parametrize(
    ("storage", "shape"),
    [
        (GOOD, (0, (5,), (1,))),  # beyond the end
        (GOOD, (3, (2,), (1,))),
        (GOOD, (-1, (2,), (1,))),  # before the beginning
        (GOOD, (3, (3,), (-1,))),
        (GOOD, (0, (-2,), (1,))),
        (GOOD, (0, (2**40,), (0,))),  # one number many times: it would fill the memory
        (GOOD, (0, (2, 2), (1,))),
        (GOOD, (0, "22", (1, 1))),
        (("storage", FLOATS, "1", "cpu", 2**50, None), (0, (1,), (1,))),  # a storage larger than the file
        (("storage", FLOATS, "1", "cpu", -4, None), (0, (1,), (1,))),
        (("storage", FLOATS, "1", "cpu", 3, None), (0, (1,), (1,))),  # another length than the one in the file
        (("storage", torch.HalfStorage, "1", "cpu", 4, None), (0, (1,), (1,))),
        (("storage", FLOATS, "1"), (0, (1,), (1,))),
    ],
)
def test_fault_47_a_tensor_that_lies_is_refused(tmp_path: Path, storage: Any, shape: Any) -> None:
    path = tmp_path / "lie.pth"
    path.write_bytes(rebuilt(storage, *shape))
    with pytest.raises(BackboneError, match=r"lie\.pth: not a file with only tensors: .") as caught:
        read_torch_file(path)
    assert ".safetensors" in caught.value.hint


@pytest.mark.parametrize("value", [[torch.ones(2)], OrderedDict(weight=torch.ones(2), epoch=3), {"state": {}}, "text"])
def test_other_things_than_tensors_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(BackboneError, match="not a file with only tensors"):
        read_torch_file(saved(tmp_path / "more.pth", value))


def test_the_newer_format_is_refused(tmp_path: Path) -> None:
    torch.save(OrderedDict(weight=torch.ones(2)), tmp_path / "zip.pth")
    with pytest.raises(BackboneError, match="not a file with only tensors"):
        read_torch_file(tmp_path / "zip.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"none\.pth: cannot be read: No such file"):
        read_torch_file(tmp_path / "none.pth")
