"""Small data sets of boxes, in every format that is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from topwork._texts import Texts
from topwork.data import BoxDataset

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a plain image, 60 wide and 40 high where nothing else is said, below the test's folder."""

    def save(name: str, width: int = 60, height: int = 40, orientation: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        if orientation:
            exif[0x112] = orientation
        Image.new("RGB", (width, height), (90, 120, 60)).save(path, exif=exif)
        return path

    return save


def coco(
    images: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]], names: Sequence[str] = ("cat", "dog")
) -> dict[str, Any]:
    """COCO's JSON; ids are given from 1 where there are none, and the image and the category are the first."""
    return {
        "images": [{"id": place, "width": 60, "height": 40, **each} for place, each in enumerate(images, 1)],
        "annotations": [
            {"id": place, "image_id": 1, "category_id": 1, "iscrowd": 0, **each}
            for place, each in enumerate(annotations, 1)
        ],
        "categories": [{"id": place, "name": name, "supercategory": "thing"} for place, name in enumerate(names, 1)],
    }


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def voc(name: str, *objects: str, width: object = 60, height: object = 40, head: str = "") -> str:
    """Pascal VOC's XML, with objects as :func:`thing` gives them."""
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{head}<filename>{name}</filename>{size}{''.join(objects)}</annotation>"


def thing(name: str, *corners: object, difficult: int = 0) -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


KOREAN = Texts("ko")


def korean(dataset: BoxDataset) -> None:
    """Whatever is said of a data set can be said in Korean."""
    said = [*dataset.notes, *(item.reason for item in dataset.left_out), *(flaw.detail for flaw in dataset.flaws)]
    assert [text for text in said if KOREAN.said(text) == text] == []
