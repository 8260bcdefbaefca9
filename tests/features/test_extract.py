from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.backbones import Backbone, classifier, load
from topwork.data import ImageDataset, decode, read
from topwork.engines import Engine, EngineChoice, open_engine, recorded_choice
from topwork.errors import BackboneError, TopworkError
from topwork.features import Extraction, extract, extract_few
from topwork.features._extract import recipe_of
from topwork.features._store import recipe_folder

from .conftest import F32

TORCH = EngineChoice("torch-cpu", "f32")
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@functools.cache
def reference(backbone: Backbone, outputs: tuple[str, ...]) -> Engine:
    return open_engine(backbone, outputs, TORCH)


def by_hand(paths: list[Path], backbone: Backbone, outputs: tuple[str, ...] = ("embedding",)) -> Any:
    """Decoded one by one, and through torch."""
    fit = backbone.preprocessing
    return reference(backbone, outputs)(np.stack([fit(decode(path, min_side=fit.min_side)) for path in paths]))


def files(dataset: ImageDataset) -> list[Path]:
    return [dataset.full_path(row) for row in range(len(dataset))]


def segments(cache: Path) -> list[Path]:
    return sorted((cache / "features").glob("*/*.keys"))


def test_by_timms_rules_the_embedding_is_timms_own(photos: list[Path]) -> None:
    """timm's transform and network, on whole files, from Pillow; and the classes that the network then names."""
    import torch
    from PIL import Image
    from timm.data import create_transform, resolve_data_config

    backbone, photos = load("lite0", preprocessing="timm"), photos[:8]
    found = extract_few(photos, backbone, ("embedding",), choice=F32).values
    network: Any = backbone.module()
    steps: Any = create_transform(**resolve_data_config(model=network))
    with torch.no_grad():
        maps = network.forward_features(torch.stack([steps(Image.open(photo).convert("RGB")) for photo in photos]))
        expected = network.forward_head(maps, pre_logits=True).numpy()
        logits = network.forward_head(maps).numpy()
    moved = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert moved.max() < 1e-3
    layer = classifier(backbone)
    assert ((found @ layer.weight + layer.bias).argmax(axis=1) == logits.argmax(axis=1)).all()
    plain = extract_few(photos, load("lite0"), ("embedding",), choice=F32).values
    assert (np.linalg.norm(plain - expected, axis=1) / np.linalg.norm(expected, axis=1)).mean() > 0.05  # it tells them


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each engine call got."""
    counts: list[int] = []

    def counting(*args: Any, **options: Any) -> Any:
        engine = open_engine(*args, **options)

        class Counting:
            batch_size, callers = engine.batch_size, engine.callers

            def __call__(self, images: Any) -> Any:
                counts.append(len(images))
                return engine(images)

        return Counting()

    monkeypatch.setattr("topwork.features._extract.open_engine", counting)
    return counts


# ---- the features


@pytest.mark.parametrize("choice", [F32, TORCH], ids=lambda choice: choice.name)
def test_features_equal_the_engine_run_by_hand(
    dataset: ImageDataset, backbone: Backbone, cache: Path, choice: EngineChoice
) -> None:
    outputs = backbone.outputs("all")
    table = extract(dataset, backbone, outputs=outputs, choice=choice)
    assert table.values.dtype == np.float32
    assert table.values.shape == (40, sum(map(backbone.width, outputs)))
    assert (table.choice, table.outputs, table.backbone) == (choice, outputs, backbone)
    for path, row in zip(files(dataset), table.values, strict=True):
        np.testing.assert_allclose(row[None], by_hand([path], backbone, outputs), **CLOSE)
    assert np.unique(table.values.round(3), axis=0).shape[0] == 40  # a wrong order would show


def test_the_first_images_decide_the_precision(
    dataset: ImageDataset, backbone: Backbone, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def decide(backbone: Backbone, engine: str, images: Any) -> EngineChoice:
        seen.append(images)
        return TORCH

    monkeypatch.setattr("topwork.features._extract.decide", decide)
    (dataset.full_path(1)).write_bytes(b"spoilt")
    table = extract(dataset, backbone)
    fit = backbone.preprocessing
    expected = [fit(decode(dataset.full_path(row), min_side=fit.min_side)) for row in (0, 2, 3, 4)]
    np.testing.assert_array_equal(np.concatenate(seen), expected)
    kept = [row for row in range(40) if row != 1]
    np.testing.assert_allclose(table.values, by_hand([dataset.full_path(row) for row in kept], backbone), **CLOSE)


def test_a_first_run_leaves_its_decision_to_the_next(
    dataset: ImageDataset, backbone: Backbone, empty_cache: Path
) -> None:
    table = extract(dataset, backbone, engine="openvino")
    assert table.choice == recorded_choice(backbone, "openvino")
    assert extract(dataset, backbone, engine="openvino").choice == table.choice


def test_without_a_cache_nothing_is_kept(dataset: ImageDataset, backbone: Backbone, cache: Path) -> None:
    table = extract(dataset, backbone, choice=F32, cache=False)
    assert not (cache / "features").exists()
    np.testing.assert_allclose(table.values, by_hand(files(dataset), backbone), **CLOSE)


def test_values_are_mapped_and_read_only(dataset: ImageDataset, backbone: Backbone, cache: Path) -> None:
    first = extract(dataset, backbone, choice=F32)
    again = extract(dataset, backbone, choice=F32)
    shuffled = extract(dataset.select(np.arange(40)[::-1]), backbone, choice=F32)
    for table in (first, again, shuffled):
        assert isinstance(table.values, np.memmap)
        assert not table.values.flags.writeable
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(shuffled.values, first.values[::-1])


def test_a_long_set_is_gathered_in_pieces(
    dataset: ImageDataset, backbone: Backbone, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = np.array(extract(dataset, backbone, choice=F32).values)
    monkeypatch.setattr("topwork.features._store._GATHER_ROWS", 7)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(extract(dataset.select(order), backbone, choice=F32).values, whole[order])


def test_nothing_to_extract_gives_an_empty_table(dataset: ImageDataset, backbone: Backbone, cache: Path) -> None:
    for choice in (F32, None):
        table = extract(dataset.split("val"), backbone, choice=choice, engine="openvino")
        assert table.values.shape == (0, 512)
        assert (len(table), segments(cache)) == (0, [])


def test_progress_counts_every_image_once(dataset: ImageDataset, backbone: Backbone, cache: Path) -> None:
    dataset.full_path(5).write_bytes(b"spoilt")
    seen: list[tuple[int, int]] = []
    extract(dataset, backbone, choice=F32, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 40) for done in range(1, 41)]


def test_unknown_outputs_are_refused(dataset: ImageDataset, backbone: Backbone, cache: Path) -> None:
    with pytest.raises(BackboneError, match=r"resnet18.* has no output 'layer9/mean'"):
        extract(dataset, backbone, outputs=("layer9/mean",), choice=F32)
    assert segments(cache) == []


# ---- what cannot be used


def test_faults_20_21_22_damaged_images_are_listed_and_the_rows_stay_aligned(
    dataset: ImageDataset, backbone: Backbone, cache: Path
) -> None:
    good = dataset.full_path(0).read_bytes()
    damaged = {0: b"", 3: good[: len(good) // 2], 17: b"just some text, no picture", 39: good[:2]}
    for row, content in damaged.items():
        dataset.full_path(row).write_bytes(content)
    table = extract(dataset, backbone, choice=F32)
    kept = [row for row in range(40) if row not in damaged]
    assert table.dataset.paths == tuple(dataset.paths[row] for row in kept)
    assert table.dataset.labels.tolist() == dataset.labels[kept].tolist()
    np.testing.assert_allclose(table.values, by_hand([dataset.full_path(row) for row in kept], backbone), **CLOSE)
    reasons = {item.path: item.reason for item in table.dataset.left_out}
    assert list(reasons) == [dataset.paths[row] for row in sorted(damaged)]
    whole = [
        int.from_bytes(hashlib.blake2b(dataset.full_path(r).read_bytes(), digest_size=16).digest()[:8], "little")
        for r in kept
    ]
    assert table.digests is not None
    assert table.digests.tolist() == whole
    assert table.select(np.array([7, 3])).digests.tolist() == [whole[7], whole[3]]  # type: ignore[union-attr]
    assert reasons[dataset.paths[0]] == "an empty file (0 bytes)"
    assert reasons[dataset.paths[3]].startswith("damaged JPEG: ")
    assert reasons[dataset.paths[17]].startswith("not an image: it starts with 'just some te'")


def test_fault_22_a_jpeg_with_another_name_is_used(folder: Path, backbone: Backbone, cache: Path) -> None:
    (folder / "cat" / "00.jpg").rename(folder / "cat" / "00.png")
    table = extract(read(folder), backbone, choice=F32)
    assert (len(table), table.dataset.left_out) == (40, ())


def test_nothing_but_damage_gives_an_empty_table(folder: Path, backbone: Backbone, empty_cache: Path) -> None:
    for path in folder.glob("*/*"):
        path.write_bytes(b"spoilt")
    table = extract(read(folder), backbone, engine="openvino")
    assert table.values.shape == (0, 512)
    assert len(table.dataset.left_out) == 40


def test_fault_14_files_that_vanish_before_and_during_a_run_are_listed(
    dataset: ImageDataset, backbone: Backbone, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topwork.features._read_ahead._AHEAD_BYTES", 0)  # two chunks of eight are read ahead
    dataset.full_path(2).unlink()

    def progress(done: int, total: int) -> None:
        if done == 4:
            dataset.full_path(36).unlink()
            dataset.full_path(1).unlink()  # was read already, so it counts

    table = extract(dataset, backbone, choice=F32, progress=progress)
    assert [(item.path, item.reason) for item in table.dataset.left_out] == [
        (dataset.paths[2], "no such file"),
        (dataset.paths[36], "no such file"),
    ]
    assert len(table) == 38


def test_duplicates_are_computed_once(
    dataset: ImageDataset, backbone: Backbone, cache: Path, computed: list[int]
) -> None:
    for row in (1, 7, 20, 39):
        dataset.full_path(row).write_bytes(dataset.full_path(0).read_bytes())
    table = extract(dataset, backbone, choice=F32)
    assert sum(computed) == 36
    for row in (1, 7, 20, 39):
        np.testing.assert_array_equal(table.values[row], table.values[0])
    np.testing.assert_allclose(table.values, by_hand(files(dataset), backbone), **CLOSE)


# ---- the cache


def test_a_second_run_opens_no_network(
    dataset: ImageDataset, backbone: Backbone, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = extract(dataset, backbone, choice=F32)
    monkeypatch.setattr("topwork.features._extract.open_engine", lambda *_, **__: pytest.fail("opened"))
    monkeypatch.setattr("topwork.features._read_ahead.decode", lambda *_, **__: pytest.fail("decoded"))
    np.testing.assert_array_equal(extract(dataset, backbone, choice=F32).values, first.values)
    assert len(segments(cache)) == 1


def test_a_second_run_imports_no_torch(dataset: ImageDataset, cache: Path) -> None:
    table = extract(dataset, load("lite0"), engine="openvino")
    code = (
        "import sys; from topwork.data import read; from topwork.backbones import load\n"
        "from topwork.features import extract\n"
        f"table = extract(read({str(dataset.root)!r}), load('lite0'), engine='openvino')\n"
        "print(table.values.shape, table.choice.precision, sorted({'torch', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"(40, 1280) {table.choice.precision} []"


def test_only_what_is_new_is_computed(
    folder: Path, dataset: ImageDataset, backbone: Backbone, cache: Path, computed: list[int]
) -> None:
    half = extract(dataset.select(np.arange(0, 40, 2)), backbone, choice=F32)
    whole = extract(dataset, backbone, choice=F32)
    assert (sum(computed), len(segments(cache))) == (40, 2)
    np.testing.assert_array_equal(whole.values[::2], half.values)
    np.testing.assert_allclose(whole.values, by_hand(files(dataset), backbone), **CLOSE)


def test_a_renamed_file_hits_and_an_edited_one_misses(
    folder: Path, dataset: ImageDataset, backbone: Backbone, cache: Path, computed: list[int], photos: list[Path]
) -> None:
    extract(dataset, backbone, choice=F32)
    (folder / "cat" / "00.jpg").rename(folder / "dog" / "new.jpg")
    extract(read(folder), backbone, choice=F32)
    assert sum(computed) == 40
    facts = (folder / "dog" / "01.jpg").stat()
    (folder / "dog" / "01.jpg").write_bytes(photos[0].read_bytes())
    os.utime(folder / "dog" / "01.jpg", ns=(facts.st_atime_ns, facts.st_mtime_ns))  # the time of change proves nothing
    edited = read(folder)
    table = extract(edited, backbone, choice=F32)
    assert sum(computed) == 41
    np.testing.assert_allclose(table.values, by_hand(files(edited), backbone), **CLOSE)


CHANGES: dict[str, Callable[[Backbone], tuple[Backbone, dict[str, Any]]]] = {
    "fit": lambda backbone: (backbone.replace(crop_mode="squash"), {}),
    "crop": lambda backbone: (backbone.replace(crop=0.5), {}),
    "interpolation": lambda backbone: (backbone.replace(interpolation="bicubic"), {}),
    "mean": lambda backbone: (backbone.replace(mean=(0.5, 0.5, 0.5)), {}),
    "weights": lambda backbone: (load("resnet18", weights="random:2", size=32), {}),
    "outputs": lambda backbone: (backbone, {"outputs": ("layer4/max",)}),
    "order of outputs": lambda backbone: (backbone, {"outputs": ("embedding", "layer4/max")}),
    "engine": lambda backbone: (backbone, {"choice": TORCH}),
    "precision": lambda backbone: (backbone, {"choice": EngineChoice("torch-cpu", "bf16")}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_features_makes_another_recipe(
    dataset: ImageDataset,
    backbone: Backbone,
    cache: Path,
    computed: list[int],
    change: Callable[[Backbone], tuple[Backbone, dict[str, Any]]],
) -> None:
    few = dataset.select(np.arange(3))
    extract(few, backbone, choice=TORCH if change is CHANGES["precision"] else F32)
    extract(few, backbone, outputs=("layer4/max", "embedding"), choice=F32)
    before = sum(computed)
    other, options = change(backbone)
    table = extract(few, other, **{"choice": F32, **options})
    assert sum(computed) == before + 3
    expected = by_hand(files(few), other, options.get("outputs", ("embedding",)))
    half = table.choice.precision == "bf16"
    np.testing.assert_allclose(table.values, expected, rtol=0.2 if half else 1e-3, atol=0.3 if half else 1e-4)


def test_features_that_were_cached_are_found_while_their_pixels_are_the_same() -> None:
    lite0 = load()
    recipe = recipe_of(lite0, lite0.outputs("last"), F32)
    assert recipe_folder(recipe).name == "2dd974c972244046e0745321"  # format 3: large JPEGs are decoded otherwise
    timm = load(preprocessing="timm")
    assert recipe_folder(recipe_of(timm, timm.outputs("last"), F32)) != recipe_folder(recipe)


def test_the_deviation_is_no_part_of_the_recipe(
    dataset: ImageDataset, backbone: Backbone, cache: Path, computed: list[int]
) -> None:
    extract(dataset, backbone, choice=F32)
    extract(dataset, backbone, choice=EngineChoice("openvino", "f32", 0.001))
    assert sum(computed) == 40


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_what_was_computed_before_a_break_is_kept(
    dataset: ImageDataset, backbone: Backbone, cache: Path, computed: list[int], stop: type[BaseException]
) -> None:
    def progress(done: int, total: int) -> None:
        if done == 38:
            raise stop

    def small_batches(choice: EngineChoice, images: int) -> Any:
        return open_engine(backbone, ("embedding",), choice, images=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("topwork.features._extract.open_engine", lambda *args, **_: small_batches(F32, 1))
        with pytest.raises(stop):
            extract(dataset, backbone, choice=F32, progress=progress)
    assert len(segments(cache)) == 1
    kept = segments(cache)[0].stat().st_size // 16
    assert kept >= 34  # of 38 that were sent at least; two more than twice the callers may be under way
    table = extract(dataset, backbone, choice=F32)
    assert sum(computed) == 40 - kept
    np.testing.assert_allclose(table.values, by_hand(files(dataset), backbone), **CLOSE)


def test_an_engine_that_fails_is_not_hidden(
    dataset: ImageDataset, backbone: Backbone, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        batch_size, callers = 8, 2

        def __call__(self, images: Any) -> Any:
            raise ArithmeticError("broken engine")

    monkeypatch.setattr("topwork.features._extract.open_engine", lambda *_, **__: Broken())
    with pytest.raises(ArithmeticError, match="broken engine"):
        extract(dataset, backbone, choice=F32)
    assert segments(cache) == []


# In a process of its own: a late signal would end the one that runs the tests.
INTERRUPTED = """
import os, signal, sys, time
import numpy as np
import topwork.features._extract as extracting
from topwork.backbones import load
from topwork.data import read
from topwork.engines import EngineChoice

class Slow:
    batch_size, callers = 8, 1

    def __call__(self, images):
        for _ in range(3):  # the first while the main thread still waits for this one to begin
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        print("done", flush=True)
        return np.zeros((len(images), 512), np.float32)

sys.setswitchinterval(0.1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs tests in the background ignores it
extracting.open_engine = lambda *_, **__: Slow()
try:
    extracting.extract(
        read(sys.argv[1]), load("resnet18", weights="random:1", size=32), choice=EngineChoice("openvino", "f32")
    )
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_a_batch_is_waited_for_however_often_ctrl_c_is_pressed(dataset: ImageDataset, cache: Path) -> None:
    """A thread that computes in C++ while Python ends would abort the process."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(dataset.root)], capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.returncode) == (["done", "interrupted"], 0), done.stderr


def test_no_thread_outlives_a_run(dataset: ImageDataset, backbone: Backbone, cache: Path) -> None:
    extract(dataset, backbone, choice=F32)
    with pytest.raises(ZeroDivisionError) as caught:  # kept, and with it all that the run had in its hands
        extract(
            dataset, backbone.replace(crop_mode="squash"), choice=F32, progress=lambda done, total: 1 // (39 - done)
        )
    assert caught.traceback
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("topwork")] == []


def test_fault_32_a_cache_that_cannot_be_written_is_a_named_error(
    dataset: ImageDataset, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "file" / "cache"))
    warnings.simplefilter("ignore", UserWarning)  # the network, where it is converted, is made for this run alone
    for choice in (TORCH, F32, None):
        with pytest.raises(TopworkError, match="cannot be written: Not a directory") as caught:
            extract(dataset, backbone, choice=choice, engine="openvino")
        assert "TOPWORK_CACHE" in caught.value.hint
    assert len(extract(dataset, backbone, choice=TORCH, cache=False)) == 40


SCRIPT = """
import sys, numpy as np
from topwork.backbones import load
from topwork.data import read
from topwork.features import extract
table = extract(read(sys.argv[1]), load("resnet18", weights="random:1", size=32), engine="openvino")
np.save(sys.argv[2], np.array(table.values))
"""


@pytest.mark.slow
def test_two_processes_may_start_on_one_empty_cache(
    dataset: ImageDataset, backbone: Backbone, empty_cache: Path, tmp_path: Path
) -> None:
    """Both convert, both decide, both compute; the first to be done publishes the network."""
    saved = [tmp_path / f"{number}.npy" for number in range(2)]
    runs = [subprocess.Popen([sys.executable, "-c", SCRIPT, str(dataset.root), str(path)]) for path in saved]
    assert [run.wait() for run in runs] == [0, 0]
    expected = by_hand(files(dataset), backbone)
    for path in saved:
        found = np.load(path)
        np.testing.assert_allclose(found, expected, rtol=0.2, atol=0.2 * np.abs(expected).mean())
    again = extract(dataset, backbone, engine="openvino")
    assert any(np.array_equal(again.values, np.load(path)) for path in saved)
    left = [path.name for path in empty_cache.rglob("*") if path.name.startswith(".") or "draft" in path.name]
    assert left == []


# ---- a few images, in memory


def test_files_bytes_and_pixels_give_the_same(dataset: ImageDataset, backbone: Backbone, cache: Path) -> None:
    path = dataset.full_path(3)
    # A JPEG is decoded at a reduced scale where that is enough; pixels come as they are.
    sources = [path, str(path), path.read_bytes(), decode(path, min_side=backbone.preprocessing.min_side)]
    found = extract_few(sources, backbone, ("embedding",), choice=F32)
    assert isinstance(found, Extraction)
    assert (found.kept.tolist(), found.refused, found.choice) == ([0, 1, 2, 3], (), F32)
    expected = by_hand([path] * 4, backbone)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    assert not (cache / "features").exists()


def test_arrays_of_equal_bytes_and_other_shape_are_not_one(backbone: Backbone, cache: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)
    found = extract_few([wide, wide.reshape(80, 40, 3)], backbone, ("embedding",), choice=F32)
    assert not np.allclose(found.values[0], found.values[1], **CLOSE)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 4), np.uint8), r"not uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"not uint8 \(4, 4, 4\)"),
        (np.zeros((3, 4, 4), np.uint8), r"not uint8 \(3, 4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), r"not float32 \(4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"not uint8 \(0, 4, 3\)"),
    ],
)
def test_wrong_arrays_are_listed_with_what_was_expected(
    backbone: Backbone, cache: Path, dataset: ImageDataset, array: Any, said: str
) -> None:
    found = extract_few([array, dataset.full_path(0)], backbone, ("embedding",), choice=F32)
    ((place, reason),) = found.refused
    assert (place, found.kept.tolist()) == (0, [1])
    assert re.fullmatch(r"an image array must be uint8 \(height, width, 3\), " + said, reason)


def test_a_refused_file_is_not_named_twice(backbone: Backbone, cache: Path, tmp_path: Path) -> None:
    """Whoever lists it knows its name."""
    (tmp_path / "text.jpg").write_bytes(b"text")
    sources = [tmp_path / "none.jpg", tmp_path / "text.jpg", b"text", tmp_path]
    found = extract_few(sources, backbone, ("embedding",), choice=F32)
    assert [place for place, _ in found.refused] == [0, 1, 2, 3]
    reasons = [reason for _, reason in found.refused]
    assert reasons[0] == "no such file"
    assert reasons[1] == reasons[2] == "not an image: it starts with 'text'"
    assert reasons[3] == "a folder, not an image"
    assert found.values.shape == (0, 512)


def test_a_single_image_is_opened_for_one(backbone: Backbone, cache: Path, dataset: ImageDataset) -> None:
    asked: list[int] = []

    def opener(choice: EngineChoice, images: int) -> Any:
        asked.append(images)
        return open_engine(backbone, ("embedding",), choice, images=images)

    for count in (1, 3):
        extract_few(files(dataset)[:count], backbone, ("embedding",), choice=F32, open_network=opener)
    assert asked == [1, 3]
