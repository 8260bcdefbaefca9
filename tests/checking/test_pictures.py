"""Findings on single pictures: each is provoked by one, and none by pictures that are well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from topwork.backbones import Preprocessing
from topwork.checking import Examined, Finding, check_pictures
from topwork.checking._survey import Survey, survey
from topwork.data import read

from .conftest import NO_TWINS, Paint, encoded, pixels_of

Write = Callable[..., Path]
WHOLE = Preprocessing(crop_mode="squash")

CASES: dict[str, Paint] = {
    "nearly-uniform": lambda image: Image.new("RGB", image.size, (90, 140, 90)),
    "too-dark": lambda image: image.point(lambda value: value * 0.15),
    "too-bright": lambda image: image.point(lambda value: 230 + value * 0.1),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(0.025 * min(image.size))),
    "too-small": lambda image: image.resize((40, 60)),
    "extreme-aspect": lambda image: image.resize((1000, 100)),
    "mixed-colour": lambda image: image.convert("L"),
}


def findings(folder: Path, preprocessing: Preprocessing = WHOLE) -> dict[str, Finding]:
    seen: Survey = survey(read(folder), lambda done: None)
    assert not seen.refused
    backbone: Any = SimpleNamespace(preprocessing=preprocessing)
    return {found.name: found for found in check_pictures(Examined(seen, NO_TWINS, backbone))}


def well(photos: list[Path]) -> dict[str, bytes]:
    return {f"{'ab'[row % 2]}/{row:02d}.jpg": encoded(pixels_of(path)) for row, path in enumerate(photos)}


def test_photographs_are_well(write: Write, photos: list[Path]) -> None:
    assert findings(write(well(photos))) == {}


def test_cloth_is_well(write: Write, cloth: dict[str, list[Path]]) -> None:
    files = {f"{name}/{path.name}": path.read_bytes() for name, paths in cloth.items() for path in paths}
    assert findings(write(files)) == {}


def test_a_set_that_is_dark_is_no_set_of_dark_mistakes(write: Write, photos: list[Path]) -> None:
    """As under fluorescence; one dark picture among bright ones is one, and the only one of a few."""
    dark = {name: encoded(CASES["too-dark"](pixels_of(path))) for name, path in zip(well(photos), photos, strict=True)}
    assert len(dark) >= 8
    assert "too-dark" not in findings(write(dark))


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_found_in_the_picture_that_has_it(write: Write, photos: list[Path], name: str) -> None:
    bad = CASES[name](pixels_of(photos[3]))
    found = findings(write(well(photos) | {"a/bad.jpg": encoded(bad)}))
    assert [case.paths for case in found[name].cases] == [("a/bad.jpg",)]
    assert found[name].count == 1
    assert found[name].severity != "blocks"
    assert set(found) <= {name, "mixed-colour"}  # an even surface is grey as well


def test_the_worst_comes_first(write: Write, photos: list[Path]) -> None:
    sides = {"a/x.jpg": 50, "a/y.jpg": 20, "b/z.jpg": 35}
    files = {name: encoded(pixels_of(photos[0]).resize((side, side))) for name, side in sides.items()}
    found = findings(write(well(photos) | files))["too-small"]
    assert [case.paths[0] for case in found.cases] == ["a/y.jpg", "b/z.jpg", "a/x.jpg"]
    assert found.cases[0].detail == "20 × 20 pixels"


def test_a_large_soft_photograph_is_not_blurred_at_the_networks_scale(write: Write, photos: list[Path]) -> None:
    soft = pixels_of(photos[3]).resize((1800, 1800)).filter(ImageFilter.GaussianBlur(3))
    assert "blurred" not in findings(write(well(photos) | {"a/soft.jpg": encoded(soft)}))


def test_animations_and_rare_formats_and_wrong_suffixes(write: Write, photos: list[Path]) -> None:
    images = [pixels_of(path).resize((150, 130)) for path in photos[:3]]
    many = {
        f"c/{row:03d}.jpg": encoded(pixels_of(photos[row % 20]).resize((140, 130)), quality=60 + row)
        for row in range(30)
    }
    many |= {name.replace("c/", "d/"): content for name, content in many.items()}
    files = (
        well(photos)
        | many
        | {
            "a/moving.gif": encoded(images[0].convert("RGB"), "GIF", save_all=True, append_images=images[1:]),
            "a/really.png": encoded(images[1]),
        }
    )
    found = findings(write(files))
    assert [case.paths for case in found["animated"].cases] == [("a/moving.gif",)]
    assert found["animated"].cases[0].detail == "3 frames"
    assert [case.paths for case in found["rare-format"].cases] == [("a/moving.gif",)]
    assert [(case.paths, case.detail) for case in found["wrong-suffix"].cases] == [(("a/really.png",), "is JPEG")]


def test_what_the_centre_crop_would_cut_away(write: Write, photos: list[Path]) -> None:
    long = {f"a/long{row}.jpg": encoded(pixels_of(photos[row]).resize((400, 160))) for row in range(3)}
    folder = write(well(photos) | long)
    found = findings(folder, Preprocessing(crop_mode="crop", crop=0.875))["cut-by-crop"]
    lost = 1 - (160 * 0.875) ** 2 / (400 * 160)
    assert found.count == 3
    assert found.cases[0].score == pytest.approx(lost)
    assert "cut-by-crop" not in findings(folder, WHOLE)


def test_colour_among_greyscale_is_told_the_other_way_round(write: Write, photos: list[Path]) -> None:
    grey = {name: encoded(pixels_of(path).convert("L")) for name, path in zip(well(photos), photos, strict=True)}
    found = findings(write(grey | {"b/colour.jpg": encoded(pixels_of(photos[0]))}))["mixed-colour"]
    assert [case.paths for case in found.cases] == [("b/colour.jpg",)]
    assert "in colour, the others greyscale" in found.what


def test_survey_reads_pixels_that_decoders_give(write: Write, photos: list[Path]) -> None:
    """Sizes and brightness against Pillow and numpy on the whole picture."""
    seen = survey(read(write(well(photos))), lambda done: None)
    for row in range(len(seen.dataset)):
        image = pixels_of(seen.dataset.root / seen.dataset.paths[row])
        assert (seen.facts["width"][row], seen.facts["height"][row]) == image.size
        small = np.asarray(image.resize((32, 32), Image.Resampling.BOX).convert("L"), float)
        assert seen.facts["spread"][row] == pytest.approx(small.std(), abs=1.0)
        assert seen.facts["low"][row] == pytest.approx(np.percentile(small, 1), abs=3.0)
        assert seen.facts["high"][row] == pytest.approx(np.percentile(small, 99), abs=3.0)


def test_without_a_network_nothing_is_said_of_its_size_and_crop(write: Write, photos: list[Path]) -> None:
    bad = {"a/small.jpg": pixels_of(photos[0]).resize((20, 20)), "a/long.jpg": pixels_of(photos[1]).resize((1000, 100))}
    seen = survey(read(write(well(photos) | {name: encoded(image) for name, image in bad.items()})), lambda done: None)
    assert [found.name for found in check_pictures(Examined(seen, NO_TWINS))] == ["extreme-aspect"]


def placeholder(size: tuple[int, int] = (300, 300)) -> Image.Image:
    image = Image.new("RGB", size, (246, 246, 246))
    draw = ImageDraw.Draw(image)
    draw.rectangle((12, 12, size[0] - 12, size[1] - 12), outline=(230, 230, 230))
    draw.text((60, 120), "IMAGE NOT FOUND", fill=(80, 80, 80), font_size=20)
    return image


def logo() -> Image.Image:
    image = Image.new("RGB", (320, 240), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    draw.ellipse((80, 40, 240, 200), fill=(20, 90, 200))
    draw.polygon([(160, 60), (220, 180), (100, 180)], fill=(250, 200, 0))
    return image


def sketch() -> Image.Image:
    image = Image.new("RGB", (400, 300), (255, 255, 255))
    for step in range(0, 300, 60):
        ImageDraw.Draw(image).arc((40 + step // 2, 30, 360, 270 - step // 3), 0, 300, fill=(0, 0, 0), width=2)
    return image


@pytest.mark.parametrize("drawn", [placeholder, logo, sketch])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_lone_drawing_among_photographs_is_found(
    write: Write, photos: list[Path], drawn: Callable[[], Image.Image], kind: str
) -> None:
    found = findings(write(well(photos) | {"a/drawn.jpg": encoded(drawn(), kind)}))["placeholders"]
    assert [case.paths for case in found.cases] == [("a/drawn.jpg",)]
    assert found.severity == "warning"


def test_photographs_cut_out_or_by_night_are_no_drawings(write: Write, photos: list[Path]) -> None:
    image = pixels_of(photos[3])
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).ellipse([side * share for share in (0.3, 0.7) for side in image.size], fill=255)
    cut_out = Image.composite(image, Image.new("RGB", image.size, (255, 255, 255)), mask)
    night = image.convert("L").point(lambda value: max(0, value - 160) * 2).convert("RGB")
    for odd in (cut_out, night):
        assert "placeholders" not in findings(write(well(photos) | {"a/odd.jpg": encoded(odd)}))


def test_a_set_of_drawings_and_several_among_photographs_are_as_they_are(write: Write, photos: list[Path]) -> None:
    drawings = {f"{'ab'[row % 2]}/{row}.png": encoded(placeholder((300 + row, 300)), "PNG") for row in range(12)}
    assert "placeholders" not in findings(write(drawings, "drawings"))
    several = dict(list(drawings.items())[:3])
    assert "placeholders" not in findings(write(well(photos) | several, "several"))
