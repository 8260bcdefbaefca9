"""Facts of the files, and splits of the picture, that give a class away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from topwork.checking import Examined, Finding, check_shortcuts
from topwork.checking._survey import survey
from topwork.data import read

from .conftest import NO_TWINS, encoded

Write = Callable[..., Path]


def findings(folder: Path) -> dict[str, Finding]:
    seen = survey(read(folder), lambda done: None)
    return {found.name: found for found in check_shortcuts(Examined(seen, NO_TWINS))}


def files(pieces: list[Image.Image], give: Callable[[Image.Image, bool], bytes]) -> dict[str, bytes]:
    """80 pieces in two classes; class b is given True."""
    return {f"{'ab'[row % 2]}/{row:02d}.jpg": give(piece, row % 2 == 1) for row, piece in enumerate(pieces)}


def test_pieces_of_photographs_give_nothing_away(write: Write, pieces: list[Image.Image]) -> None:
    assert findings(write(files(pieces, lambda piece, is_b: encoded(piece)))) == {}


@pytest.mark.parametrize(
    ("fact", "give"),
    [
        ("width", lambda piece, is_b: encoded(piece.resize((120, 120) if is_b else (150, 120)))),
        ("aspect ratio", lambda piece, is_b: encoded(piece.resize((160, 120) if is_b else (120, 160)))),
        ("JPEG quality", lambda piece, is_b: encoded(piece, quality=70 if is_b else 95)),
        ("format", lambda piece, is_b: encoded(piece, "PNG" if is_b else "JPEG")),
        ("greyscale", lambda piece, is_b: encoded(piece.convert("L") if is_b else piece)),
    ],
)
def test_a_fact_that_tells_the_class_is_a_shortcut(
    write: Write, pieces: list[Image.Image], fact: str, give: Callable[[Image.Image, bool], bytes]
) -> None:
    found = findings(write(files(pieces, give)))["shortcut"]
    told = [case.detail for case in found.cases]
    assert any(detail.startswith(f"{fact} alone separates class 'b'") for detail in told)
    assert found.cases[0].score == pytest.approx(1.0)
    assert found.severity == "warning"


def test_sizes_that_vary_alike_in_both_classes_tell_nothing(write: Write, pieces: list[Image.Image]) -> None:
    sizes = iter([(120 + 7 * (row // 2 % 11), 100 + 5 * (row // 2 % 7)) for row in range(len(pieces))])
    assert findings(write(files(pieces, lambda piece, is_b: encoded(piece.resize(next(sizes)))))) == {}


def test_too_few_images_prove_nothing(write: Write, pieces: list[Image.Image]) -> None:
    few = files(pieces[:30], lambda piece, is_b: encoded(piece.resize((120, 120) if is_b else (150, 120))))
    assert "shortcut" not in findings(write(few))


def stamped(piece: Image.Image) -> Image.Image:
    image = piece.copy()
    image.paste((250, 250, 250), (100, 90, 150, 120))
    return image


def bordered(piece: Image.Image) -> Image.Image:
    image = Image.new("RGB", piece.size, "black")
    image.paste(piece.resize((130, 100)), (10, 10))
    return image


@pytest.mark.parametrize("paint", [stamped, bordered])
def test_what_one_class_alone_shares_is_found(
    write: Write, pieces: list[Image.Image], paint: Callable[[Image.Image], Image.Image]
) -> None:
    found = findings(write(files(pieces, lambda piece, is_b: encoded(paint(piece) if is_b else piece))))
    assert set(found) == {"constant-region"}
    assert [case.detail.split(",")[0] for case in found["constant-region"].cases] == ["class 'b'"]


def test_where_the_stamp_is(write: Write, pieces: list[Image.Image]) -> None:
    found = findings(write(files(pieces, lambda piece, is_b: encoded(stamped(piece) if is_b else piece))))
    detail = found["constant-region"].cases[0].detail
    assert detail.endswith("from 69 to 100 % of its width and 75 to 100 % of its height")


@pytest.mark.parametrize("paint", [stamped, bordered])
def test_what_both_classes_share_is_silent(
    write: Write, pieces: list[Image.Image], paint: Callable[[Image.Image], Image.Image]
) -> None:
    assert findings(write(files(pieces, lambda piece, is_b: encoded(paint(piece))))) == {}


def test_one_picture_many_times_is_no_constant_region(write: Write, pieces: list[Image.Image]) -> None:
    copies = files(pieces, lambda piece, is_b: encoded(pieces[0] if is_b else piece))
    assert "constant-region" not in findings(write(copies))
