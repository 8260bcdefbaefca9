from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.backbones import Backbone, load
from topwork.engines import EngineChoice, open_engine, precisions
from topwork.engines import _openvino as room
from topwork.engines._engine import _core
from topwork.engines._openvino import network_file

Pixels = Callable[..., Any]


@pytest.fixture
def small(empty_cache: Path) -> Backbone:
    """Converts in a second, into a cache that nothing else is in."""
    return load("resnet18", weights="random:3", size=32)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The network files that were read to be compiled."""
    seen: list[Path] = []
    read = room.read_network

    def counted(core: Any, file: Path) -> Any:
        seen.append(file)
        return read(core, file)

    monkeypatch.setattr(room, "read_network", counted)
    return seen


def another_process() -> None:
    """Forget what this process holds."""
    room._compiled.cache_clear()


def features(backbone: Backbone, images: int | None = 1, precision: Any = "f32") -> Any:
    side = backbone.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    return open_engine(backbone, backbone.outputs("all"), EngineChoice("openvino", precision), images=images)(pixels)


def kept(cache: Path) -> list[Path]:
    return list(cache.rglob("*.blob"))


@pytest.mark.parametrize("precision", precisions("openvino"))
def test_the_next_process_gets_the_same_features_without_compiling(
    small: Backbone, empty_cache: Path, compilations: list[Path], precision: Any
) -> None:
    expected = features(small, precision=precision)
    assert len(kept(empty_cache)) == 1
    another_process()
    assert (features(small, precision=precision) == expected).all()
    assert len(compilations) == 1


def test_a_network_stays_ready_whatever_is_asked_of_it(small: Backbone, compilations: list[Path]) -> None:
    choice = EngineChoice("openvino", "f32")
    for backbone in (small, small.replace(crop_mode="squash"), load("resnet18", weights="random:3", size=32)):
        open_engine(backbone, backbone.outputs("last"), choice)
        open_engine(backbone, backbone.outputs("all"), choice)
    assert len(compilations) == 1
    features(load("resnet18", weights="random:4", size=32), None)
    features(small.replace(size=64), None)
    assert len(compilations) == 3


def test_only_the_one_for_single_images_is_kept(small: Backbone, empty_cache: Path) -> None:
    features(small, None)
    assert kept(empty_cache) == []


@pytest.mark.parametrize("damage", ["nothing", "half", "tail", "a byte", "other"])
def test_a_damaged_one_is_made_again(small: Backbone, empty_cache: Path, compilations: list[Path], damage: str) -> None:
    expected = features(small)
    (file,) = kept(empty_cache)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    good = file.read_bytes()
    file.write_bytes(
        {
            "nothing": b"",
            "half": good[: len(good) // 2],
            "tail": good[:-1000],
            "a byte": bytes(content),
            "other": b"<html>" * 1000,
        }[damage]
    )
    another_process()
    assert (features(small) == expected).all()
    assert len(compilations) == 2
    another_process()
    assert (features(small) == expected).all()
    assert len(compilations) == 2  # what was written instead serves again


def test_one_that_openvino_refuses_is_compiled_as_if_it_were_new(
    small: Backbone, empty_cache: Path, compilations: list[Path]
) -> None:
    """Of another OpenVINO, say: whole, and of no use."""
    import hashlib

    expected = features(small)
    (file,) = kept(empty_cache)
    file.write_bytes(hashlib.sha256(b"strange").digest() + b"strange")
    another_process()
    assert (features(small) == expected).all()
    assert len(compilations) == 2


def test_without_room_it_works_all_the_same(
    small: Backbone, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "write_whole", full)
    assert features(small).shape == (3, sum(map(small.width, small.outputs("all"))))
    assert [path for path in empty_cache.rglob("*") if "blob" in path.name] == []


def test_threads_that_ask_at_once_compile_once(small: Backbone, compilations: list[Path]) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: features(small, None), range(4)))
    assert all((each == found[0]).all() for each in found)
    assert len(compilations) == 1


def test_openvino_has_seen_an_array_before_threads_show_it_theirs(
    small: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads that are the first to do so at once block each other for ever (seen once in some hundred runs)."""
    import threading

    import openvino

    seen: list[threading.Thread] = []
    tensor = openvino.Tensor

    def shown(*arguments: Any, **options: Any) -> Any:
        seen.append(threading.current_thread())
        return tensor(*arguments, **options)

    _core.cache_clear()
    monkeypatch.setattr(openvino, "Tensor", shown)
    open_engine(small, ("embedding",), EngineChoice("openvino", "f32"))
    assert seen == [threading.main_thread()]


def test_networks_used_longest_ago_make_room_and_this_processs_own_stay(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "0")
    old = empty_cache / "networks" / "old-224-0123" / "openvino" / "network.xml"
    old.parent.mkdir(parents=True)
    old.touch()
    files = [network_file(load("resnet18", weights=f"random:{seed}", size=32)) for seed in (1, 2)]
    assert sorted(file.parents[1] for file in files) == sorted((empty_cache / "networks").iterdir())
    assert all(file.with_suffix(".bin").exists() for file in files)


@pytest.mark.parametrize("precision", precisions("openvino"))
def test_single_images_from_several_threads_get_what_one_alone_gets(precision: Any) -> None:
    """What a server answers must not depend on what else it was asked."""
    backbone = load("lite0", size=64)
    outputs, choice = backbone.outputs("last"), EngineChoice("openvino", precision)
    images = np.random.default_rng(1).integers(0, 256, (24, 1, 64, 64, 3), dtype=np.uint8)
    alone = open_engine(backbone, outputs, choice, images=1)
    expected = [alone(image) for image in images]
    engine = open_engine(backbone, outputs, choice, many=True)
    assert engine.batch_size in (1, 2)
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(engine, images)), expected)
    np.testing.assert_array_equal(engine(np.concatenate(images)), np.concatenate(expected))
