"""Whatever is in a file of annotations, it is read or refused by name."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.data.annotations.conftest import Save, coco, korean, thing, voc, write
from topwork.data import looks_like_boxes, read_boxes
from topwork.errors import DataError

IMAGE = {"file_name": "a.jpg", "id": 1}
FILES = {
    "x.json": json.dumps(coco([IMAGE], [{"bbox": [1, 2, 3, 4]}, {"segmentation": [[1, 2, 3, 4, 5, 6]]}])),
    "a.xml": voc("a.jpg", thing("cat", 1, 2, 30, 40), thing("dog", 1.5, 2, 3, 4)),
    "a.txt": "0 0.5 0.5 0.2 0.1\n1 0.1 0.1 0.2 0.2 0.3 0.1\n",
    "data.yaml": "train: .\nval: .\nnames: {0: cat, 1: 'a dog'}\nkpt_shape: [2, 3] # points\n",
    "t.csv": 'path,label,xmin,ymin,xmax,ymax,split\na.jpg,"a ""cat""",1,2,3,4,train\na.jpg,dog,1,2,30,4,train\n',
}
PIECES = [
    b"\0",
    b"\xff\xfe",
    b"-",
    b"1e999",
    b"NaN",
    b"null",
    b"{}",
    b"[[",
    b"]",
    b'"',
    b",",
    b"\n",
    b"../",
    b"&a;",
    b"9" * 5000,
]


@pytest.mark.parametrize("name", FILES)
def test_damaged_files(tmp_path: Path, save: Save, name: str) -> None:
    save("a.jpg")
    rng = np.random.default_rng(0)
    if name == "data.yaml":
        write(tmp_path / "a.txt", FILES["a.txt"])
    content = FILES[name].encode()
    read = 0
    for _ in range(150):
        place, length = rng.integers(0, len(content)), rng.choice([0, 1, 5, 1000])
        piece = PIECES[rng.integers(len(PIECES))]
        (tmp_path / name).write_bytes(content[:place] + piece + content[place + length :])
        looks_like_boxes(tmp_path)
        with contextlib.suppress(DataError):
            found = read_boxes(tmp_path)
            korean(found)
            read += 1
            assert (found.corners[:, 2:] <= found.sizes[found.rows_of_boxes][:, ::-1]).all()
    assert read > 5
