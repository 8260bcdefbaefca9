"""Recognition: embeddings, whether two are one identity, and who of a gallery is most like an image."""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from . import images


def embeddings(folder: Path, pictures: list[Any]) -> Any:
    """(N, K), of length one, of uint8 (H, W, 3) images or crops, with a backbone of timm's."""
    record, tensors = images.opened(folder)
    return embedded(tensors, images.features(folder, record, pictures))


def embedded(tensors: Any, rows: Any) -> Any:
    found = (rows - tensors["mean"]) @ tensors["matrix"]
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return found / np.where(lengths > 0, lengths, 1)


def verified(folder: Path, one: Any, other: Any) -> tuple[float, bool]:
    """The similarity of two embeddings, and whether they are taken for one identity."""
    record, _ = images.opened(folder)
    similarity = float(one @ other)
    return similarity, similarity >= record["task"]["promise"]["threshold"]


def belongs_to(folder: Path) -> str:
    """What the gallery of this model calls it."""
    record, tensors = images.opened(folder)
    told = {
        "network": record["backbone"]["name"],
        "weights": record["task"]["weights"],
        "preprocessing": record["backbone"]["preprocessing"],
        "outputs": record["outputs"],
        "finder": record["task"]["finder"],
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in ("mean", "matrix"):
        digest.update(np.ascontiguousarray(tensors[name], "<f4").tobytes())
    return digest.hexdigest()


def gallery(folder: Path) -> tuple[list[str], Any]:
    """The name and the embedding of every image in it."""
    from safetensors.numpy import load

    if not (folder / "gallery" / "index.json").exists():
        return [], np.zeros((0, 0))
    index = json.loads((folder / "gallery" / "index.json").read_text("utf-8"))
    assert (index["format"], index["model"]) == (1, belongs_to(folder))
    names, rows = list[str](), [np.zeros((0, index["width"]), np.float32)]
    for each in index["segments"]:
        content = (folder / "gallery" / each["file"]).read_bytes()
        assert zlib.crc32(content) == each["checksum"]
        t = load(content)
        assert len(t["rows"]) == each["rows"]
        known = json.loads(t["title"].tobytes())
        names += [known[owner] for owner in t["owners"]]
        rows.append(t["rows"].astype(np.float32))
        steps = (t["codes"].astype(np.float32) - 128) * t["scale"]
        assert (np.linalg.norm(rows[-1] - steps, axis=1) <= t["error"] * (1 + 1e-5)).all()
    return names, np.concatenate(rows)


def identified(folder: Path, query: Any) -> tuple[str, list[tuple[str, float]]]:
    """Who it is, empty for nobody; and everybody with their similarity, the most similar first."""
    record, _ = images.opened(folder)
    best = dict[str, float]()
    for name, row in zip(*gallery(folder), strict=True):
        best[name] = max(float(row @ query), best.get(name, -1.0))
    ordered = sorted(best.items(), key=lambda each: (-each[1], each[0]))
    known = bool(ordered) and ordered[0][1] >= record["task"]["promise"]["threshold"]
    return ordered[0][0] if known else "", ordered


PLACES = [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]


def aligned(pixels: Any, points: Any, side: int = 112) -> Any:
    """The crop, float (side, side, 3): five points at their places, between pixels, black outside of the image."""
    given, wanted = (np.array(each, float) @ (1, 1j) for each in (points, PLACES))
    centred = given - given.mean()
    factor = np.vdot(centred, wanted - wanted.mean()) / (np.abs(centred) ** 2).sum()
    shift, n = wanted.mean() - factor * given.mean(), max(1, int(1 / abs(factor)))
    if n > 1:
        pixels, shift = _reduced(pixels, n), shift + factor * (1 + 1j) * (n - 1) / 2
        factor *= n
    down, across = np.indices((side, side))
    at = ((across + 1j * down) - shift) / factor
    return _between(pixels, at.real, at.imag)


def _reduced(pixels: Any, n: int) -> Any:
    """Means of n x n pixels, rounded; of fewer at the right and lower edges."""
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).reduce(n))


def _between(pixels: Any, x: Any, y: Any) -> Any:
    height, width = pixels.shape[:2]
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    found: Any = 0
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, across in ((left, 1 - (x - left)), (left + 1, x - left)):
            values = pixels[row.clip(0, height - 1), column.clip(0, width - 1)].astype(float)
            found = found + values * (down * across)[..., None]
    return found * inside[..., None]
