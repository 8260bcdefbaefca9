"""The images of the demo: cells of two kinds on a slide, drawn for it by a seed, so that nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from topwork._arrays import Float64Array, UInt8Array
from topwork._system import cache_dir, cached
from topwork.data import read_masks, split
from topwork.tasks._task import Sample

_SECONDS = 90.0
_IMAGES, _TEST, _UNSEEN = 63, 1 / 3, 3
_HEIGHT, _WIDTH, _FINE = 240, 320, 2  # pixels, and how much larger each is drawn
_DONE = "classes.txt"
_CLASSES = ("background", "round cell", "long cell")
_STAINS = ((152, 84, 150), (88, 96, 172))
_GROUNDS = ((236, 222, 230), (228, 226, 218), (240, 232, 214))


def sample() -> Sample:
    """Images of cells in two classes: some to train on, others to measure, three to predict."""
    folder = cached(cache_dir() / "samples" / "slide-1", _DONE, lambda: _written).parent
    drawn = read_masks(folder)
    dataset = split(drawn.select(np.arange(len(drawn))[:-_UNSEEN]), test=_TEST)
    train, test = (len(dataset.split(name)) for name in ("train", "test"))
    return Sample(
        dataset,
        {drawn.paths[row]: drawn.full_path(row) for row in range(len(drawn) - _UNSEEN, len(drawn))},
        (
            f"The sample data set: round and long cells on a slide, drawn for it, in {folder}",
            f"{train} images train the model, and {test} others measure it. This takes about a minute.",
        ),
        _SECONDS,
        "PHOTOS -o MODEL    (PHOTOS: a folder with images/ and masks/)",
    )


def _written(file: Path) -> None:
    """Draw every image beside its mask, and last the names of the classes."""
    for name in ("images", "masks"):
        (file.parent / name).mkdir(exist_ok=True)
    for place in range(_IMAGES):
        picture, mask = _slide(np.random.default_rng(place))
        picture.save(file.parent / "images" / f"slide-{place:03}.png")
        Image.fromarray(mask).save(file.parent / "masks" / f"slide-{place:03}.png")
    file.write_text("\n".join(_CLASSES) + "\n", "utf-8")


def _slide(rng: np.random.Generator) -> tuple[Image.Image, UInt8Array]:
    """One image, and the class of each of its pixels."""
    size = (_WIDTH * _FINE, _HEIGHT * _FINE)
    ground = np.array(_GROUNDS[int(rng.integers(len(_GROUNDS)))]) * rng.normal(1, 0.05, (9, 12, 1))
    picture = Image.fromarray(ground.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    mask = Image.new("L", size, 0)
    for _ in range(int(rng.integers(8, 22))):
        kind = int(rng.integers(2))
        long, wide = (rng.uniform(13, 20) * _FINE,) * 2 if kind == 0 else (rng.uniform(26, 42), rng.uniform(7, 10))
        long, wide = (long, wide * rng.uniform(0.85, 1)) if kind == 0 else (long * _FINE / 1.3, wide * _FINE)
        middle, turned = rng.uniform((0, 0), size), rng.uniform(0, np.pi)
        outline = [tuple(each) for each in _ellipse(middle, long, wide, turned)]
        stain = np.array(_STAINS[int(rng.integers(2))]) * rng.uniform(0.8, 1.2)
        inner = [tuple(each) for each in _ellipse(middle, 0.45 * long, 0.45 * wide, turned)]
        ImageDraw.Draw(picture).polygon(outline, fill=_colour(stain))
        ImageDraw.Draw(picture).polygon(inner, fill=_colour(stain * 0.6))
        ImageDraw.Draw(mask).polygon(outline, fill=kind + 1)
    reduced = picture.filter(ImageFilter.GaussianBlur(_FINE)).resize((_WIDTH, _HEIGHT), Image.Resampling.BOX)
    noisy = np.asarray(reduced) + rng.normal(0, 6, (_HEIGHT, _WIDTH, 3))
    small = mask.resize((_WIDTH, _HEIGHT), Image.Resampling.NEAREST)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), np.asarray(small)


def _ellipse(middle: Float64Array, long: float, wide: float, turned: float) -> Float64Array:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    across = np.array([(np.cos(turned), np.sin(turned)), (-np.sin(turned), np.cos(turned))])
    found: Float64Array = middle + np.stack([long * np.cos(angles), wide * np.sin(angles)], axis=1) @ across
    return found


def _colour(stain: Float64Array) -> tuple[int, ...]:
    return tuple(stain.clip(0, 255).astype(int).tolist())
