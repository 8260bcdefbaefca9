"""What a segmenter says of images: the same from a folder, whatever the images are, and as its parts say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import topwork
from tests.tasks.segmentation.made import drawn
from topwork.errors import DataError, ModelError
from topwork.tasks import load, told_by
from topwork.tasks.segmentation import FoundMask, Segmenter


@pytest.fixture(scope="module")
def saved(segmenter: Segmenter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return segmenter.save(tmp_path_factory.mktemp("models") / "model")


def test_the_data_tell_the_task(shapes: Path) -> None:
    assert told_by(shapes) == "segmentation"


def test_it_learns_what_it_is_shown(segmenter: Segmenter) -> None:
    assert segmenter.metrics is not None
    assert segmenter.metrics.iou is not None
    assert segmenter.metrics.iou.value > 0.8
    assert segmenter.metrics.has_background


def test_a_saved_one_says_the_same(segmenter: Segmenter, saved: Path) -> None:
    image, mask = drawn(99, 150)
    (found,) = segmenter.predict([image])
    (again,) = load(saved).predict([image])
    np.testing.assert_array_equal(found.labels, again.labels)
    assert found.labels.shape == mask.shape
    assert found.labels.dtype == np.uint8
    assert (found.labels == mask).mean() > 0.95


# pycocotools asks NumPy for an array in the old way
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_what_it_says_as_json_is_read_by_pycocotools(segmenter: Segmenter) -> None:
    from pycocotools import mask as coco

    (found,) = segmenter.predict([drawn(98, 140)[0]])
    told = json.loads(json.dumps(found.to_dict()))
    assert sum(told["shares"].values()) == pytest.approx(1, abs=1e-4)
    for each in told["masks"]:
        there = found.labels == segmenter.classes.index(each["category"])
        np.testing.assert_array_equal(coco.decode(each["segmentation"]), there)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_objects_are_told_one_by_one() -> None:
    from pycocotools import mask as coco

    objects = np.zeros((6, 9), np.int32)
    objects[1:3, 2:5], objects[4:, :2], objects[4:, 2:4] = 1, 2, 7
    found = FoundMask("a.png", (objects > 0).astype(np.uint8), ("ground", "cell"), objects=objects).to_dict()
    assert found["count"] == 3
    assert [each["bbox"] for each in found["objects"]] == [[2, 1, 3, 2], [0, 4, 2, 2], [2, 4, 2, 2]]
    assert [each["area"] for each in found["objects"]] == [6, 4, 4]
    for number, each in zip((1, 2, 7), found["objects"], strict=True):
        np.testing.assert_array_equal(coco.decode(each["segmentation"]), objects == number)


def test_what_cannot_be_read_stops_no_other(segmenter: Segmenter, tmp_path: Path) -> None:
    broken, grey = tmp_path / "broken.png", tmp_path / "grey.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    Image.fromarray(drawn(3)[0][..., 0]).save(grey)
    first, second = segmenter.predict([broken, grey])
    assert first.error
    assert first.to_dict() == {"source": str(broken), "error": first.error}
    assert not second.error
    assert second.size == (128, 128)


def test_a_threshold_needs_two_classes(segmenter: Segmenter) -> None:
    with pytest.raises(DataError, match="two classes, and this one has 3"):
        segmenter.predict([drawn(3)[0]], threshold=0.5)


def test_evaluate_says_of_the_same_images_what_fit_said(segmenter: Segmenter, shapes: Path) -> None:
    from topwork.fitting import held_out_again

    held = held_out_again(segmenter, topwork.data.read_masks(shapes))
    assert held is not None
    found = segmenter.evaluate(held, cache=False)
    assert found.report.to_dict() == (segmenter.metrics and segmenter.metrics.to_dict())
    assert found.trained == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threshold": 0.4}, "a threshold is of two classes"),
        ({"classes": ["a", "a", "b"]}, "a class name comes twice"),
        ({"training": [1, 2]}, "training of 2"),
        ({"head": {"kind": "tree"}}, "no head of a segmenter is called 'tree'"),
        ({"metrics": {"images": 3}}, "metrics"),
    ],
)
def test_a_record_that_does_not_agree_is_refused(
    saved: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    import shutil

    folder = shutil.copytree(saved, tmp_path / "model")
    record = json.loads((folder / "model.json").read_text())
    record["task"].update(change)
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(ModelError, match=said):
        load(folder)
