"""Real pictures (foolbox's samples, conformal-clip-data's textiles) and small folders made of them."""

from __future__ import annotations

import csv
import io
import json
import os
import tarfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.checking.conftest import pieces  # noqa: F401

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def small(photos: list[Path]) -> Image.Image:
    """A piece of a photograph, 90 by 60 pixels: unlike itself in every direction."""
    with Image.open(photos[0]) as image:
        return image.convert("RGB").crop((40, 50, 130, 110))


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def jpeg(small: Image.Image, encode: Callable[..., bytes]) -> bytes:
    return encode(small, "JPEG", quality=95)


@pytest.fixture
def make(tmp_path: Path, jpeg: bytes) -> Make:
    """Write a data folder of one JPEG many times: "x/*3" is x/0.jpg to x/2.jpg, "x/" an empty folder."""

    def make(*names: str, root: str = "set", **contents: bytes) -> Path:
        folder = tmp_path / root
        folder.mkdir(exist_ok=True)
        for name in names:
            stem, _, count = name.partition("*")
            if name.endswith("/"):
                (folder / name).mkdir(parents=True)
            for path in [f"{stem}{n}.jpg" for n in range(int(count))] if count else [name]:
                if not path.endswith("/"):
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                    (folder / path).write_bytes(contents.get(path, jpeg))
        return folder

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_240_501)


READERS = ("folder", "csv", "jsonl", "parquet", "tar", "shards", "hf", "hf-saved")
MANIFESTS = ("csv", "jsonl", "parquet")


@dataclass(frozen=True)
class Picture:
    """One labelled file; ``content`` is None where what is named is not there."""

    label: str
    content: bytes | None
    split: str = ""
    group: str = ""


Laid = tuple[Any, list[str]]
LayOut = Callable[[str, Path, Sequence[Picture]], Laid]


@pytest.fixture(scope="session")
def write_rows() -> Callable[[str, Path, Sequence[dict[str, Any]]], Path]:
    """Write a manifest of any kind from rows that all have the same columns."""

    def write_rows(kind: str, folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
        manifest = folder / f"set.{kind}"
        if kind == "csv":
            with open(manifest, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        elif kind == "jsonl":
            manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            import pyarrow
            import pyarrow.parquet

            columns = {name: [row[name] for row in rows] for name in rows[0]}
            if not all(str(path).isascii() for path in columns.get("path", ())):
                columns["path"] = [os.fsencode(path) for path in columns["path"]]
            pyarrow.parquet.write_table(pyarrow.table(columns), manifest)
        return manifest

    return write_rows


@pytest.fixture(scope="session")
def lay_out(write_rows: Callable[[str, Path, Sequence[dict[str, Any]]], Path]) -> LayOut:
    """Lay the same pictures out for any reader; give what to read and the name of each picture there."""

    def folder(root: Path, pictures: Sequence[Picture]) -> list[str]:
        names = []
        for number, picture in enumerate(pictures):
            names.append(f"{picture.split}/{picture.label}/{number:03d}.jpg".lstrip("/"))
            (root / names[-1]).parent.mkdir(parents=True, exist_ok=True)
            if picture.content is not None:
                (root / names[-1]).write_bytes(picture.content)
        return names

    def manifest(kind: str, root: Path, pictures: Sequence[Picture]) -> Laid:
        names = folder(root, pictures)
        rows: list[dict[str, Any]] = [{"path": name, "label": p.label} for name, p in zip(names, pictures, strict=True)]
        for column in ("split", "group"):
            if any(getattr(picture, column) for picture in pictures):
                for row, picture in zip(rows, pictures, strict=True):
                    row[column] = getattr(picture, column)
        return write_rows(kind, root, rows), names

    def tars(root: Path, pictures: Sequence[Picture], shards: int) -> list[str]:
        names = []
        with ExitStack() as stack:
            files: dict[str, tarfile.TarFile] = {}
            for number, picture in enumerate(pictures):
                shard = f"{picture.split or 'set'}-{number % shards}.tar"
                if shard not in files:
                    files[shard] = stack.enter_context(tarfile.open(root / shard, "w"))
                names.append(f"{shard}/{number:03d}.jpg")
                label = json.dumps({"label": picture.label, "group": picture.group}).encode()
                for suffix, data in (("jpg", picture.content), ("json", label)):
                    if data is not None:
                        info = tarfile.TarInfo(f"{number:03d}.{suffix}")
                        info.size = len(data)
                        files[shard].addfile(info, io.BytesIO(data))
        return names

    def huggingface(pictures: Sequence[Picture], named: bool) -> Laid:
        import datasets

        classes = sorted({picture.label for picture in pictures})
        features = datasets.Features(
            image=datasets.Image(), label=datasets.ClassLabel(names=classes), group=datasets.Value("string")
        )
        splits: dict[str, dict[str, list[Any]]] = {}
        names = []
        for number, picture in enumerate(pictures):
            rows = splits.setdefault(picture.split, {"image": [], "label": [], "group": []})
            file = f"{number:03d}.jpg" if named else None
            names.append(f"{picture.split}/{file or len(rows['image'])}".lstrip("/"))
            # a row without an image has no file's name either
            there = picture.content is not None
            rows["image"].append({"bytes": picture.content, "path": file} if there else None)
            rows["label"].append(classes.index(picture.label))
            rows["group"].append(picture.group)
        made = {name: datasets.Dataset.from_dict(rows, features=features) for name, rows in splits.items()}
        return (made[""] if list(made) == [""] else datasets.DatasetDict(made)), names

    def lay_out(kind: str, root: Path, pictures: Sequence[Picture]) -> Laid:
        root.mkdir(parents=True, exist_ok=True)
        if kind == "folder":
            return root, folder(root, pictures)
        if kind in MANIFESTS:
            return manifest(kind, root, pictures)
        if kind in ("tar", "shards"):
            names = tars(root, pictures, 1 if kind == "tar" else 2)
            return (root / "set-0.tar" if kind == "tar" else root), names
        whole = all(picture.content is not None for picture in pictures)
        data, names = huggingface(pictures, named=whole)
        if kind == "hf-saved":
            import datasets

            datasets.disable_progress_bars()
            data.save_to_disk(root / "saved")
            return root / "saved", names
        return data, names

    return lay_out
