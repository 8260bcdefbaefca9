from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from topwork.data import ImageDataset, decode, read
from topwork.errors import DataError, ImageError

FEATURES = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["zebra", "ant", "unseen"])}


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


def made(images: list[Any], labels: list[Any], **features: Any) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"image": images, "label": labels}, features=datasets.Features({**FEATURES, **features})
    )


def reasons(dataset: ImageDataset) -> dict[str, str]:
    return {item.path: item.reason for item in dataset.left_out}


def test_classes_keep_their_declared_order(photos: list[Path]) -> None:
    dataset = read(made([str(path) for path in photos[:4]], [1, 0, 1, 0]))
    assert dataset.classes == ("zebra", "ant", "unseen")
    assert dataset.labels.tolist() == [1, 0, 1, 0]
    assert dataset.paths == tuple(path.name for path in photos[:4])
    assert any("no training image of class 'unseen'" in note for note in dataset.notes)
    np.testing.assert_array_equal(decode(dataset.source(2)), decode(photos[2]))


def test_a_shuffled_view_gives_each_name_its_image(photos: list[Path]) -> None:
    rows = [{"bytes": path.read_bytes(), "path": path.name} for path in photos[:6]]
    data = made(rows, [0, 1] * 3)
    straight, shuffled = read(data), read(data.shuffle(seed=3))
    assert straight.paths != shuffled.paths
    assert straight.fingerprint() == shuffled.fingerprint()
    for row, name in enumerate(shuffled.paths):
        wanted = next(path for path in photos if path.name == name)
        np.testing.assert_array_equal(decode(shuffled.source(row)), decode(wanted))


def test_a_format_or_transform_of_the_callers_is_left_and_does_not_matter(jpeg: bytes) -> None:
    data = made([{"bytes": jpeg, "path": None}] * 2, [0, 1]).with_transform(lambda batch: pytest.fail("called"))
    assert decode(read(data).source(0)).shape == decode(jpeg).shape


def test_rows_that_cannot_be_used_are_listed(jpeg: bytes) -> None:
    image = {"bytes": jpeg, "path": None}
    rows = [image, image, image, None, {"bytes": None, "path": ""}, image]
    dataset = read(made([*rows, {"bytes": None, "path": "https://example.org/a.jpg"}], [0, 1, -1, 0, 0, None, 0]))
    assert dataset.paths == ("0", "1")
    assert reasons(dataset) == {
        "2": "no label",
        "3": "no image",
        "4": "no image",
        "5": "no label",
        "6": "a URL, not an image; download the images first",
    }


def test_labels_may_be_text_or_numbers(jpeg: bytes) -> None:
    image = {"bytes": jpeg, "path": None}
    text = read(made([image] * 4, ["dog", "cat", "", None], label=datasets.Value("string")))
    assert (text.classes, text.labels.tolist()) == (("cat", "dog"), [1, 0])
    assert reasons(text) == {"2": "the label is empty", "3": "no label"}
    assert read(made([image] * 2, [10, 2], label=datasets.Value("int64"))).classes == ("10", "2")


def test_splits_take_the_hubs_names_and_others_are_listed(jpeg: bytes) -> None:
    part = made([{"bytes": jpeg, "path": None}] * 2, [0, 1])
    data = datasets.DatasetDict({"train": part, "validation": part, "test": part, "unsupervised": part})
    dataset = read(data)
    assert dataset.splits.tolist() == ["train"] * 2 + ["val"] * 2 + ["test"] * 2
    assert reasons(dataset) == {"unsupervised": "a split of 2 rows that is not 'train', 'validation' or 'test'"}
    with pytest.raises(DataError, match="one split twice: 'train', 'val', 'validation'"):
        read(datasets.DatasetDict({"train": part, "val": part, "validation": part}))
    with pytest.raises(DataError, match="no training rows"):
        read(datasets.DatasetDict({"test": part}))


def test_fault_5_splits_with_other_classes(jpeg: bytes) -> None:
    image = [{"bytes": jpeg, "path": None}] * 2
    turned = made(image, [0, 1], label=datasets.ClassLabel(names=["unseen", "zebra", "ant"]))
    dataset = read(datasets.DatasetDict({"test": turned, "train": made(image, [0, 1])}))
    assert dataset.classes == ("zebra", "ant", "unseen")
    assert dataset.split("test").labels.tolist() == [2, 0]  # by name
    other = made(image, [0, 1], label=datasets.ClassLabel(names=["zebra", "gnu"]))
    with pytest.raises(DataError, match="class 'gnu' is in test but not in train"):
        read(datasets.DatasetDict({"train": made(image, [0, 1]), "test": other}))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"image": datasets.Value("string")}, "needs an Image feature, and has 0"),
        ({"mask": datasets.Image()}, "needs an Image feature, and has 2"),
        ({"label": datasets.Value("float64")}, "needs a ClassLabel feature, .* and has 0"),
    ],
)
def test_columns_that_are_not_clear_are_refused(features: dict[str, Any], message: str) -> None:
    data = datasets.Dataset.from_dict(
        {name: [] for name in {**FEATURES, **features}}, features=datasets.Features({**FEATURES, **features})
    )
    with pytest.raises(DataError, match=message):
        read(data)


def test_a_streaming_data_set_is_refused_with_the_remedy(jpeg: bytes) -> None:
    data = made([{"bytes": jpeg, "path": None}] * 2, [0, 1]).to_iterable_dataset()
    with pytest.raises(DataError, match="a IterableDataset streams") as caught:
        read(data)
    assert "streaming=True" in caught.value.hint


@pytest.fixture
def saved(tmp_path: Path, jpeg: bytes) -> Path:
    made([{"bytes": jpeg, "path": None}] * 4, [0, 1] * 2).save_to_disk(tmp_path / "set" / "saved")
    return tmp_path / "set" / "saved"


def test_fault_51_a_saved_path_may_not_leave_its_folder(tmp_path: Path, jpeg: bytes) -> None:
    (tmp_path / "secret.jpg").write_bytes(jpeg)
    rows = [{"bytes": jpeg, "path": None}] * 2
    rows += [{"bytes": None, "path": path} for path in (str(tmp_path / "secret.jpg"), "../secret.jpg", "inner.jpg")]
    # save_to_disk would embed the files, so the rows are written by hand
    plain = {"image": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}, "label": FEATURES["label"]}
    folder = tmp_path / "saved"
    datasets.Dataset.from_dict(
        {"image": rows, "label": [0, 1, 0, 1, 0]}, features=datasets.Features(plain)
    ).save_to_disk(folder)
    info = json.loads((folder / "dataset_info.json").read_text())
    info["features"]["image"] = {"_type": "Image"}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "inner.jpg").write_bytes(jpeg)
    dataset = read(folder)
    assert dataset.paths == ("0", "1", "4")
    assert reasons(dataset) == dict.fromkeys(("2", "3"), "its path leaves the data folder")
    assert decode(dataset.source(2)).shape == decode(jpeg).shape


def test_fault_51_a_saved_folder_that_names_files_elsewhere_is_refused(saved: Path, tmp_path: Path) -> None:
    arrow = next(saved.glob("*.arrow"))
    (tmp_path / "set" / "out.arrow").write_bytes(arrow.read_bytes())
    state = json.loads((saved / "state.json").read_text())
    for name in ("../out.arrow", str(tmp_path / "set" / "out.arrow")):
        state["_data_files"] = [{"filename": name}]
        (saved / "state.json").write_text(json.dumps(state))
        with pytest.raises(DataError, match=r"out\.arrow' leads out of the folder"):
            read(saved)
    (saved.parent / "dataset_dict.json").write_text('{"splits": ["saved", "../.."]}')
    with pytest.raises(DataError, match=r"leads out of the folder"):
        read(saved.parent)


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"])
def test_fault_21_a_damaged_saved_folder_is_refused(saved: Path, name: str) -> None:
    data = (saved / name).read_bytes()
    for length in (0, 1, len(data) // 2):
        (saved / name).write_bytes(data[:length])
        with pytest.raises(DataError, match=r"cannot be loaded|needs an Image feature"):
            read(saved)
    (saved / name).unlink()
    with pytest.raises(DataError):
        read(saved)


def test_memory_stays_flat_while_images_are_read(tmp_path: Path, rng: np.random.Generator) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for number in range(60):
            yield {"image": {"bytes": rng.bytes(500_000), "path": None}, "label": number % 2}

    data = datasets.Dataset.from_generator(rows, features=datasets.Features(FEATURES), cache_dir=str(tmp_path))
    tracemalloc.start()
    dataset = read(data)
    for source in dataset.sources():
        assert isinstance(source, bytes)
        assert len(source) == 500_000
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_row_that_cannot_be_read_is_an_image_error(jpeg: bytes) -> None:
    dataset = read(made([{"bytes": jpeg, "path": None}] * 2, [0, 1]))
    store: Any = dataset.store
    broken = type(store)((None,), store.split, store.rows, store.root)
    with pytest.raises(ImageError, match="the row cannot be read"):
        broken.source(0)


def test_an_object_without_the_package_is_no_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="not a data set: a dict"):
        read({"image": [], "label": []})
