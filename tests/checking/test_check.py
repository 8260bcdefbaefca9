"""The whole check, on folders of real pictures with and without faults."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork.backbones import load
from topwork.checking import Checkup, _probe, check, vet
from topwork.data import ImageDataset, decode, grouped, read, split
from topwork.errors import ImageError
from topwork.features import _extract, extract

from .conftest import encoded, pixels_of

Write = Callable[..., Path]
_probe_asked = _probe.ask_probe


def cloth_files(cloth: dict[str, list[Path]], part: str = "") -> dict[str, bytes]:
    return {f"{part}{name}/{path.name}": path.read_bytes() for name, paths in cloth.items() for path in paths}


def paths_of(checkup: Checkup, name: str) -> list[tuple[str, ...]]:
    found = checkup.finding(name)
    return [case.paths for case in found.cases] if found else []


def huge_png(side: int) -> bytes:
    """A PNG whose header promises side x side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    body = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.fixture(scope="module")
def sick(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[Image.Image]
) -> Iterator[tuple[Checkup, dict[str, bytes]]]:
    """80 pieces of photographs in two classes, and one file for every fault."""
    folder = tmp_path_factory.mktemp("sick")
    healthy = {f"{'ab'[row % 20 // 10]}/{row:02d}.jpg": encoded(piece) for row, piece in enumerate(pieces)}
    whole = healthy["a/00.jpg"]
    faults = {
        **{f"a/cut{share}.jpg": whole[: len(whole) * share // 100] for share in (2, 50, 99)},
        "a/cut.png": encoded(pieces[1], "PNG")[:-100],
        "a/zero.jpg": b"",
        "a/text.jpg": b"this is not a picture",
        "a/drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "a/paper.jpg": b"%PDF-1.4",
        "a/script.jpg": b"%!PS-Adobe-3.0 EPSF-3.0",
        "a/bomb.png": huge_png(65_535),
        "a/notes.txt": b"notes",
        "a/.DS_Store": b"x",
        "a/dot.png": encoded(pieces[0].resize((1, 1)), "PNG"),
        "a/line.png": encoded(pieces[0].resize((10_000, 1)), "PNG"),
        "a/copy.png": encoded(Image.fromarray(decode(healthy["a/01.jpg"])), "PNG"),
        "b/other-label.jpg": healthy["a/02.jpg"],
        "a/near.jpg": encoded(pieces[3].resize((140, 112)), quality=70),
        "a/<img src=x onerror=alert(1)>.jpg": whole[:300],
        "a/two\nlines.jpg": whole[:300],
        os.fsdecode(b"a/caf\xe9.jpg"): whole[:300],
        "b/cmyk.jpg": encoded(pieces[0].convert("CMYK").transpose(Image.Transpose.ROTATE_90)),
        "b/profile.jpg": encoded(pieces[1].transpose(Image.Transpose.ROTATE_90), icc_profile=b"broken" * 9),
        "b/exif.jpg": encoded(pieces[2].transpose(Image.Transpose.ROTATE_90), exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
    }
    for name, content in (healthy | faults).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "b/outside.jpg").symlink_to("/etc/hostname")
    return check(read(folder)), healthy


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("truncated", ["a/cut99.jpg", "a/cut50.jpg", "a/cut.png", "a/zero.jpg"]),
        ("not-images", ["a/text.jpg", "a/drawing.png", "a/paper.jpg", "a/script.jpg", "a/notes.txt"]),
        ("bombs", ["a/bomb.png"]),
        ("links", ["b/outside.jpg"]),
        ("too-small", ["a/dot.png", "a/line.png"]),
        ("extreme-aspect", ["a/line.png"]),
        ("nearly-uniform", ["a/dot.png"]),
    ],
)
def test_each_file_is_found_by_its_fault(sick: tuple[Checkup, Any], name: str, files: list[str]) -> None:
    assert {(file,) for file in files} <= set(paths_of(sick[0], name))


def test_copies_are_found_by_their_pixels_and_pictures(sick: tuple[Checkup, Any]) -> None:
    assert ("a/01.jpg", "a/copy.png") in paths_of(sick[0], "exact-duplicates")
    assert paths_of(sick[0], "label-conflicts") == [("a/02.jpg", "b/other-label.jpg")]
    assert paths_of(sick[0], "near-duplicates") == [("a/03.jpg", "a/near.jpg")]


def test_what_is_left_out_on_purpose_is_not_called_damaged(cloth: dict[str, list[Path]], write: Write) -> None:
    """Masks, what topwork wrote itself, and a file that a manifest names twice."""
    files = cloth_files({name: paths[:4] for name, paths in cloth.items()})
    first = next(iter(files))
    mask, rows = f"{first[:-4]}_mask.png", [f"{name},{name.split('/')[0]}" for name in (*files, first)]
    own = {"model/model.json": b'{"topwork": "0.1.0"}', "d.csv": "\n".join(["path,label", *rows]).encode()}
    folder = write(files | own | {mask: encoded(Image.new("1", (90, 90)), "PNG")})
    checkup = check(read(folder))
    assert paths_of(checkup, "not-images") == [("d.csv",), ("model",), (mask,)]
    repeated = check(read(folder / "d.csv"))
    assert paths_of(repeated, "not-images") == [(first,)]
    assert checkup.finding("damaged") is repeated.finding("damaged") is None


def test_hidden_files_are_counted(sick: tuple[Checkup, Any]) -> None:
    found = sick[0].finding("hidden-files")
    assert found is not None
    assert found.count == 1


def test_every_file_is_used_or_in_exactly_one_list(sick: tuple[Checkup, Any]) -> None:
    checkup, _ = sick
    names = ("truncated", "damaged", "not-images", "bombs", "links", "unreadable-files")
    told = [path for name in names for paths in paths_of(checkup, name) for path in paths]
    assert len(told) == len(set(told))
    unusable = {checkup.dataset.paths[row] for row in checkup.unusable}
    assert set(told) == unusable | {item.path for item in checkup.dataset.left_out}
    assert checkup.features is not None
    assert set(checkup.features.dataset.paths) == set(checkup.dataset.paths) - unusable


def test_odd_but_sound_files_are_used(sick: tuple[Checkup, Any]) -> None:
    assert sick[0].features is not None
    assert {"b/cmyk.jpg", "b/profile.jpg", "b/exif.jpg"} <= set(sick[0].features.dataset.paths)


def test_healthy_pictures_are_in_no_finding(sick: tuple[Checkup, dict[str, bytes]]) -> None:
    """But as the originals of copies; what is thought of their labels, made up here, does not count."""
    checkup, healthy = sick
    told = {
        path
        for found in checkup.findings
        if found.name not in ("likely-label-errors", "inseparable-classes")
        for case in found.cases
        for path in case.paths
    }
    assert told & set(healthy) == {"a/01.jpg", "a/02.jpg", "a/03.jpg"}


def test_hostile_names_stay_text(sick: tuple[Checkup, Any]) -> None:
    checkup, _ = sick
    told = {path for name in ("truncated", "damaged") for paths in paths_of(checkup, name) for path in paths}
    assert {"a/<img src=x onerror=alert(1)>.jpg", "a/two\nlines.jpg", os.fsdecode(b"a/caf\xe9.jpg")} <= told
    for found in checkup.findings:
        assert all(text.isprintable() for text in (found.what, found.advice, *(case.detail for case in found.cases)))


def test_findings_are_ordered_by_severity(sick: tuple[Checkup, Any]) -> None:
    order = [("blocks", "warning", "note").index(found.severity) for found in sick[0].findings]
    assert order == sorted(order)
    assert len(set(order)) > 1


def test_the_clean_data_set_has_no_bad_rows(sick: tuple[Checkup, Any]) -> None:
    clean = sick[0].clean()
    gone = {"a/copy.png", "a/02.jpg", "b/other-label.jpg", "a/cut50.jpg", "a/bomb.png"}
    assert not gone & set(clean.paths)
    assert {"a/01.jpg", "a/03.jpg", "a/near.jpg"} <= set(clean.paths)
    assert gone <= {item.path for item in clean.left_out}


def test_clusters_keep_near_copies_in_one_split(sick: tuple[Checkup, Any]) -> None:
    dataset, clusters = sick[0].dataset, sick[0].clusters
    assert {tuple(dataset.paths[row] for row in rows) for rows in clusters} == {
        ("a/01.jpg", "a/copy.png"),
        ("a/02.jpg", "b/other-label.jpg"),
        ("a/03.jpg", "a/near.jpg"),
    }
    for seed in range(5):
        splits = split(grouped(dataset, clusters), seed=seed).splits
        assert all(len(set(splits[list(rows)])) == 1 for rows in clusters)


def test_nothing_is_found_where_nothing_is_wrong(write: Write, cloth: dict[str, list[Path]]) -> None:
    dataset = read(write(cloth_files(cloth)))
    checkup = check(dataset)
    assert checkup.findings == ()
    assert (checkup.clusters, checkup.unusable, checkup.exact) == ((), {}, ())
    assert checkup.clean().fingerprint() == dataset.fingerprint()


def test_features_are_left_in_the_cache(
    write: Write, cloth: dict[str, list[Path]], empty_cache: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Square images are seen whole, all stages are extracted: what the probe will ask for."""
    empty_cache.mkdir()
    (empty_cache / "networks").symlink_to(shared_cache / "networks", target_is_directory=True)
    dataset = read(write(cloth_files(cloth)))
    checkup = check(dataset)
    assert checkup.features is not None

    def opened(*args: Any, **options: Any) -> None:
        raise AssertionError("a network was opened for features that should be in the cache")

    monkeypatch.setattr(_extract, "open_engine", opened)
    backbone = load().replace(crop_mode="squash")
    again = extract(dataset, backbone, outputs=backbone.outputs("all"))
    assert np.array_equal(again.values, checkup.features.values)


def test_what_the_probe_thinks_of_the_labels_is_kept_by_content(
    write: Write, cloth: dict[str, list[Path]], empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = cloth_files(cloth)
    names = list(files)
    files[names[0].replace("nominal", "global")] = files.pop(names[0])  # one label is wrong
    dataset = read(write(files))
    first = check(dataset)
    asked = []

    def ask(*args: Any, **options: Any) -> Any:
        asked.append(args)
        return _probe_asked(*args, **options)

    monkeypatch.setattr(_probe, "ask_probe", ask)
    assert [found.to_dict() for found in check(dataset).findings] == [found.to_dict() for found in first.findings]
    assert not asked
    check(dataset, cache=False)
    check(dataset, seed=1)
    check(dataset.select(np.arange(1, len(dataset))))
    assert len(asked) == 3


def test_oblong_images_are_seen_by_their_centre(write: Write, pieces: list[Image.Image]) -> None:
    checkup = check(read(write({f"{'ab'[row % 2]}/{row}.jpg": encoded(pieces[row]) for row in range(12)})))
    assert checkup.features is not None
    assert checkup.features.backbone.preprocessing.crop_mode == "crop"


def test_progress_counts_both_passes(write: Write, pieces: list[Image.Image]) -> None:
    steps: list[tuple[int, int]] = []
    folder = write({f"{'ab'[row % 2]}/{row}.jpg": encoded(pieces[row]) for row in range(12)})
    check(read(folder), progress=lambda done, of: steps.append((done, of)))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (24, 24)
    assert {of for _, of in steps} == {24}


def test_leakage_of_exact_copies_blocks(write: Write, cloth: dict[str, list[Path]]) -> None:
    train = cloth_files(cloth, "train/")
    test = {name.replace("train/", "test/"): data for name, data in list(train.items())[:3]}
    test |= {
        "test/global/bright.jpg": encoded(pixels_of(cloth["global"][5]).point(lambda value: value + 6)),
        **{f"test/nominal/{row}.jpg": encoded(pixels_of(p).rotate(90)) for row, p in enumerate(cloth["nominal"][:9])},
    }
    checkup = check(read(write(train | test)))
    assert [found.name for found in checkup.blocking()] == ["leakage"]
    assert checkup.blocking(allow=("leakage",)) == ()
    assert len(paths_of(checkup, "leakage")) == 3
    kept = checkup.clean()
    assert set(kept.split("test").paths) == set(checkup.dataset.split("test").paths)
    assert len(kept.split("train")) == len(checkup.dataset.split("train")) - 3


def test_a_file_that_vanishes_between_the_passes_is_named(write: Write, pieces: list[Image.Image]) -> None:
    folder = write({f"{'ab'[row % 2]}/{row:02d}.jpg": encoded(pieces[row]) for row in range(24)})

    def vanish(done: int, of: int) -> None:
        if done == of // 2:
            (folder / "a/06.jpg").unlink(missing_ok=True)

    checkup = check(read(folder), progress=vanish, cache=False)
    assert paths_of(checkup, "unreadable-files") == [("a/06.jpg",)]
    assert [checkup.dataset.paths[row] for row in checkup.unusable] == ["a/06.jpg"]
    assert checkup.features is not None
    assert "a/06.jpg" not in checkup.features.dataset.paths


def test_two_images_a_class(write: Write, pieces: list[Image.Image]) -> None:
    checkup = check(read(write({f"{'ab'[row % 2]}/{row}.jpg": encoded(pieces[row]) for row in range(4)})))
    assert {"labels-not-checked", "few-images"} == {found.name for found in checkup.findings}


def test_a_class_of_which_nothing_can_be_read(write: Write, pieces: list[Image.Image]) -> None:
    files = {f"a/{row}.jpg": encoded(pieces[row]) for row in range(6)} | {"b/0.jpg": b"\xff\xd8\xff", "b/1.jpg": b""}
    checkup = check(read(write(files)))
    found = checkup.finding("few-images")
    assert found is not None
    assert "class 'b': 0 images" in [case.detail for case in found.cases]
    assert len(checkup.unusable) == 2


def test_nothing_can_be_read(write: Write) -> None:
    checkup = check(read(write({"a/0.jpg": b"", "b/0.jpg": b"text"})))
    assert checkup.features is None
    assert len(checkup.unusable) == 2
    assert len(checkup.clean()) == 0


def test_blank_images_are_no_near_duplicates(write: Write) -> None:
    blank = {
        f"{'ab'[row % 2]}/{row}.png": encoded(Image.new("RGB", (100 + row, 100), (10 * row, 90, 90)), "PNG")
        for row in range(12)
    }
    checkup = check(read(write(blank)))
    assert checkup.clusters == ()
    found = checkup.finding("nearly-uniform")
    assert found is not None
    assert found.count == 12


class Shelf:
    """Images that are not files: pixels, the bytes of a file, and one that cannot be had."""

    def __init__(self, pieces: list[Image.Image]) -> None:
        self._images: list[Any] = [np.asarray(pieces[0]), encoded(pieces[1]), None, encoded(pieces[2])[:500]]

    def source(self, key: int) -> Any:
        if self._images[key] is None:
            raise ImageError("fell off the shelf")
        return self._images[key]


def test_images_that_are_not_files(pieces: list[Image.Image]) -> None:
    labels, splits = np.array([0, 1, 0, 1], np.int32), np.array([""] * 4)
    dataset = ImageDataset(
        Path("shelf"),
        ("a", "b", "c", "d"),
        splits,
        labels=labels,
        classes=("x", "y"),
        store=Shelf(pieces),
        keys=np.arange(4),
    )
    checkup = check(dataset)
    assert checkup.unusable[2] == "fell off the shelf"
    assert set(checkup.unusable) == {2, 3}
    assert checkup.features is not None
    assert checkup.features.dataset.paths == ("a", "b")
    assert "rare-format" not in {found.name for found in checkup.findings}


def test_fits_part_of_the_check_finds_copies_without_a_network(
    pieces: list[Image.Image], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "topwork.checking._examined.extract", lambda *args, **options: pytest.fail("features were made")
    )
    files = {f"{'ab'[row % 2]}/{row}.jpg": encoded(piece) for row, piece in enumerate(pieces[:24])}
    files |= {"a/copy.jpg": files["a/0.jpg"], "b/as-png.png": encoded(pieces[1], "PNG")}
    files |= {"a/soft.jpg": encoded(pieces[2], quality=60)}
    dataset = read(write(files))
    done: list[tuple[int, int]] = []
    found = vet(dataset, progress=lambda *steps: done.append(steps))
    names = {tuple(sorted(dataset.paths[row] for row in rows)) for rows in found.clusters}
    assert names == {("a/0.jpg", "a/copy.jpg"), ("b/1.jpg", "b/as-png.png"), ("a/2.jpg", "a/soft.jpg")}
    assert found.features is None
    assert done[-1] == (27, 27)
    assert {finding.name for finding in found.findings} == {"exact-duplicates", "near-duplicates"}


def test_what_was_taken_for_white_is_told_where_no_file_says_it(tmp_path: Path) -> None:
    from PIL import Image

    for name, white, options in (("a", 4095, {}), ("b", 65_535, {}), ("c", 4095, {"tiffinfo": {281: 4095}})):
        (tmp_path / name).mkdir()
        for place in range(3):
            samples = np.random.default_rng(place).integers(0, white, (64, 64)).astype(np.uint16)
            samples[0, 0] = white
            Image.fromarray(samples).save(tmp_path / name / f"{place}.tif", **options)
    found = {each.name: each for each in vet(read(tmp_path)).findings}
    assert found["assumed-white"].count == 3
    assert found["assumed-white"].severity == "warning"  # so that `fit` says it
    assert {case.paths[0] for case in found["assumed-white"].cases} == {f"a/{place}.tif" for place in range(3)}
