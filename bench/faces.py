"""Faces: how well dlib's network tells people apart, where it begins to err, and how fast a network of faces runs.

    python bench/faces.py orl FACES          FACES is a folder a person, such as ORL's
    python bench/faces.py limits FACES
    OMP_NUM_THREADS=2 python bench/faces.py speed [--repeats 5] [--images 64]

``orl``: rank-1 with one image a person enrolled, each image of everybody in turn, the others asked; and the equal error
rate over all pairs. Pictures without a face take no part and are counted. ``limits``: every fourth picture is made
smaller, or blurred, and compared with the others as they are: what the flaws' limits rest on. ``speed``: a ResNet-50 of
ArcFace's kind with random weights, torch eager beside topwork, in turns; and dlib's network beside dlib itself.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from _report import header, spread, table
from topwork.backbones import EMBEDDING, face_row, load, package_file
from topwork.data import decode, read
from topwork.engines import EngineChoice, open_engine
from topwork.metrics import equal_error_rate, pairs_of, threshold_for
from topwork.tasks.recognition._finder import Find, open_finder
from topwork.tasks.recognition.faces._flaws import sharpness

CHOICE = EngineChoice("openvino", "f32")
Change = Callable[[Any], Any]


class Faces:
    """Embeddings of what is found in pictures."""

    def __init__(self, folder: Path) -> None:
        dataset = read(folder)
        self.sources, self.labels, self.paths = dataset.sources(), dataset.labels, dataset.paths
        self._finder = open_finder({"name": "faces"})
        self._engine = open_engine(load("dlib"), (EMBEDDING,), CHOICE)

    def found(self, rows: Sequence[int], change: Change = np.asarray) -> Iterator[tuple[int, Find]]:
        """The largest face of each picture that has one."""
        for row in rows:
            faces = self._finder.find(change(decode(self.sources[row])))
            if faces:
                yield row, max(faces, key=lambda each: each.area)

    def embed(self, finds: Sequence[Find]) -> Any:
        """float32 (N, 128), of length one."""
        values = self._engine(np.stack([each.crop for each in finds]))
        return values / np.linalg.norm(values, axis=1, keepdims=True)


def orl(faces: Faces) -> Iterator[str]:
    """Rank-1 and equal error rate."""
    rows, finds = zip(*faces.found(range(len(faces.sources))), strict=True)
    values, labels = faces.embed(finds), faces.labels[list(rows)]
    pairs, cosines = pairs_of(values, labels, ()), values @ values.T
    place = np.array([int((labels[:row] == label).sum()) for row, label in enumerate(labels)])
    hits, asked = [], 0
    for turn in range(place.max() + 1):
        enrolled = np.flatnonzero(place == turn)
        probes = np.flatnonzero((place != turn) & np.isin(labels, labels[enrolled]))
        right = labels[enrolled][cosines[np.ix_(probes, enrolled)].argmax(axis=1)] == labels[probes]
        hits.append(float(right.mean()))
        asked += len(probes)
    missed = sorted(set(range(len(faces.sources))) - set(rows))
    flawed: dict[str, int] = {}
    for find in finds:
        for flaw in filter(None, find.flaw.split(", ")):
            name = "small" if flaw.endswith("wide") else flaw
            flawed[name] = flawed.get(name, 0) + 1
    people = len(np.unique(labels))
    yield f"{len(rows)} of {len(faces.sources)} pictures with a face found, of {people} people."
    yield f"Without: {', '.join(faces.paths[row] for row in missed) or 'none'}."
    yield f"With a flaw: {', '.join(f'{name} {count}' for name, count in flawed.items()) or 'none'}."
    yield ""
    yield table(
        ["figure", "value", "over"],
        [
            ["rank-1, one image enrolled", f"{np.mean(hits):.2%}", f"{len(hits)} choices of it, {asked:,} questions"],
            ["the lowest of these choices", f"{min(hits):.2%}", ""],
            ["equal error rate", f"{equal_error_rate(pairs):.2%}", f"{len(pairs.same):,} pairs"],
        ],
    )


def limits(faces: Faces) -> Iterator[str]:
    """How errors grow with smaller and more blurred faces."""
    everyone = list(faces.found(range(len(faces.sources))))
    reference, labels = faces.embed([find for _, find in everyone]), faces.labels[[row for row, _ in everyone]]
    threshold = threshold_for(pairs_of(reference, labels, ()).impostors, 0.01)
    own = np.array([row for row, _ in everyone])
    changes: list[tuple[str, Change]] = [("as it is", np.asarray)]
    changes += [(f"smaller, {times:g} times", _shrunk(times)) for times in (1.5, 2, 2.5, 3, 3.5)]
    changes += [(f"blurred, {radius:g} pixels", _blurred(radius)) for radius in (0.5, 1, 1.5, 2, 3)]
    lines = []
    some = range(0, len(faces.sources), 4)
    for name, change in changes:
        rows, finds = zip(*faces.found(some, change), strict=True)
        cosines = faces.embed(finds) @ reference.T
        same = (faces.labels[list(rows)][:, None] == labels) & (np.array(rows)[:, None] != own)
        widths, sharp = zip(*((each.corners[2] - each.corners[0], sharpness(each.crop)) for each in finds), strict=True)
        accepted, flawed = float((cosines[same] >= threshold).mean()), sum(bool(each.flaw) for each in finds)
        lines.append(
            [
                name,
                f"{len(rows)} of {len(some)}",
                f"{np.median(widths):.0f}",
                f"{np.median(sharp):.4f}",
                f"{accepted:.1%}",
                f"{flawed}",
            ]
        )
    yield "Accepted: pairs of one person, at the threshold that accepts 1 % of the pairs of strangers as they are."
    yield ""
    yield table(["every fourth picture", "faces found", "pixels wide", "sharpness", "accepted", "with a flaw"], lines)


def _shrunk(times: float) -> Change:
    def change(pixels: Any) -> Any:
        size = round(pixels.shape[1] / times), round(pixels.shape[0] / times)
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))

    return change


def _blurred(radius: float) -> Change:
    return lambda pixels: np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def speed(count: int, repeats: int) -> Iterator[str]:
    """Embeddings a second, in turns."""
    import torch

    torch.manual_seed(0)
    network = arcface_resnet(torch).eval()
    images = np.random.default_rng(0).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "arcface.onnx"
        axes = {"faces": {0: "n"}, "embedding": {0: "n"}}
        names: Any = {"input_names": ["faces"], "output_names": ["embedding"], "dynamic_axes": axes}
        content = io.BytesIO()
        torch.onnx.export(network, torch.zeros(2, 3, 112, 112), content, dynamo=False, **names)
        file.write_bytes(content.getvalue())
        backbone = load("arcface", weights=file)

    def eager() -> Any:
        parts = []
        with torch.inference_mode():
            for start in range(0, count, 16):
                batch = torch.from_numpy(images[start : start + 16]).permute(0, 3, 1, 2).float()
                parts.append(network((batch - 127.5) / 127.5))
        return torch.cat(parts).numpy()

    from concurrent.futures import ThreadPoolExecutor

    ways: dict[str, Callable[[], Any]] = {"torch eager, float32, 16 at a time": eager}
    for precision in ("f32", "bf16"):
        engine = open_engine(backbone, (EMBEDDING,), EngineChoice("openvino", precision))  # type: ignore[arg-type]
        parts = np.array_split(images, max(1, count // engine.batch_size))

        def ours(engine: Any = engine, parts: Any = parts) -> Any:
            with ThreadPoolExecutor(engine.callers) as pool:
                return np.concatenate(list(pool.map(engine, parts)))

        ways[f"topwork, {precision}"] = ours
    yield from _beside(ways, "torch eager, float32, 16 at a time", count, repeats)
    yield ""
    yield _bound(torch, network, repeats)
    yield ""
    import dlib

    row = face_row("dlib")
    assert row is not None
    theirs: Any = dlib.face_recognition_model_v1(str(package_file(row)))
    crops = np.random.default_rng(1).integers(0, 256, (16, 150, 150, 3), dtype=np.uint8)
    engine = open_engine(load("dlib"), (EMBEDDING,), CHOICE)
    both: dict[str, Callable[[], Any]] = {
        "dlib itself": lambda: np.array(theirs.compute_face_descriptor(list(crops))),
        "its network by topwork, f32": lambda: engine(crops),
    }
    yield from _beside(both, "dlib itself", len(crops), repeats)


def _bound(torch: Any, network: Any, repeats: int) -> str:
    """What float32 allows on this machine: the network's own arithmetic over that of a plain product of matrices."""
    operations: list[int] = []

    def count(module: Any, given: Any, found: Any) -> None:
        operations.append(2 * module.weight[0].numel() * found[0].numel())

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    hooks = [each.register_forward_hook(count) for each in network.modules() if isinstance(each, kinds)]
    with torch.inference_mode():
        network(torch.zeros(1, 3, 112, 112))
        for hook in hooks:
            hook.remove()
        side, best = 3072, 0.0
        one, other = torch.rand(side, side), torch.rand(side, side)
        for _ in range(2 * repeats):
            start = time.perf_counter()
            torch.mm(one, other)
            best = max(best, 2 * side**3 / (time.perf_counter() - start))
    work = sum(operations)
    return (
        f"The network takes {work / 1e9:.1f} GFLOP a face in convolutions and products; the best of {2 * repeats} "
        f"float32 products of {side} x {side} matrices ran at {best / 1e9:.0f} GFLOP/s: at that rate {best / work:.1f} "
        "faces a second, whoever computes them one product at a time."
    )


def _beside(ways: dict[str, Callable[[], Any]], plain: str, count: int, repeats: int) -> Iterator[str]:
    answers = {name: way() for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    lines = []
    for name in ways:
        times = [slow / own for slow, own in zip(seconds[plain], seconds[name], strict=True)]
        distance = np.abs(answers[name] - answers[plain]).max() / np.abs(answers[plain]).max()
        cosine = np.abs(_cosines(answers[name]) - _cosines(answers[plain])).max()
        rate = spread([count / each for each in seconds[name]], 1)
        lines.append([name, rate, spread(times, 1), f"{distance:.1e}", f"{cosine:.1e}"])
    differs = ("largest difference, of the largest number", "of a cosine of two")
    yield table(["way", "faces a second", f"times {plain.split(',')[0]}", *differs], lines)


def _cosines(values: Any) -> Any:
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit @ unit.T


def arcface_resnet(torch: Any, depths: Sequence[int] = (3, 4, 14, 3)) -> Any:
    """ArcFace's ResNet-50 (Deng et al. 2019): improved residual blocks with PReLU, on 112 pixels, to 512 numbers."""
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, taken: int, given: int, stride: int) -> None:
            super().__init__()
            self.long = nn.Sequential(
                nn.BatchNorm2d(taken),
                nn.Conv2d(taken, given, 3, 1, 1, bias=False),
                nn.BatchNorm2d(given),
                nn.PReLU(given),
                nn.Conv2d(given, given, 3, stride, 1, bias=False),
                nn.BatchNorm2d(given),
            )
            same = taken == given and stride == 1
            short = [nn.Conv2d(taken, given, 1, stride, bias=False), nn.BatchNorm2d(given)]
            self.short = nn.Identity() if same else nn.Sequential(*short)

        def forward(self, maps: Any) -> Any:
            return self.long(maps) + self.short(maps)

    layers, taken = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)], 64
    for depth, given in zip(depths, (64, 128, 256, 512), strict=True):
        for place in range(depth):
            layers.append(Block(taken, given, 2 if place == 0 else 1))
            taken = given
    layers += [nn.BatchNorm2d(512), nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.BatchNorm1d(512)]
    return nn.Sequential(*layers)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("orl", "limits", "speed"))
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument(
        "--images", type=int, default=64, help="for speed: 16 a core at least, or some cores have nothing to do"
    )
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    titles = {"orl": "Faces told apart", "limits": "Small and blurred faces", "speed": "Speed of networks of faces"}
    print(header(titles[given.what]))
    if given.what == "speed":
        lines = speed(given.images, given.repeats)
    elif given.data is None:
        sys.exit("which folder? python bench/faces.py orl FACES")
    else:
        lines = {"orl": orl, "limits": limits}[given.what](Faces(given.data))
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
