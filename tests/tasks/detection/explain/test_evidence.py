"""What a box's score rests on: where it was planted, in the image's own pixels, and not claimed where nothing is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.tasks.detection.made import made
from topwork._arrays import Float32Array, UInt8Array
from topwork.backbones import Preprocessing
from topwork.data import decode
from topwork.errors import ExplainError, ImageError
from topwork.explain import stored, write_result
from topwork.explain.places import Shown, checked, named, occlusion
from topwork.metrics import overlaps
from topwork.tasks.detection.explain import Checked, Explain
from topwork.tasks.detection.explain._target import Target
from topwork.tasks.detection.network import QueryHead, QuerySpec

SIDE = 96
BOX = np.array([8, 8, 56, 56], np.float32)
WHOLE = (0, 0, SIDE, SIDE)


def target(seen: Callable[[UInt8Array], Float32Array], placed: tuple[int, int, int, int] = WHOLE) -> Target:
    """One candidate that always lies in the box; its score is the sigmoid of what is seen, (N,), times 12, less 2."""
    head = QueryHead(
        QuerySpec(1, 1, SIDE, 1, (0,), "sigmoid"), np.full((1, 1), 12, np.float32), np.full(1, -2, np.float32)
    )

    def features(squares: UInt8Array) -> Float32Array:
        told = seen(squares.astype(np.float32) / 255)
        return np.concatenate([np.tile(BOX / SIDE, (len(squares), 1)), told[:, None]], axis=1).astype(np.float32)

    rng = np.random.default_rng(0)
    square = rng.integers(60, 120, (SIDE, SIDE, 3)).astype(np.uint8)
    square[16:24, 70:78] = (255, 0, 0)
    return Target(head, features, square, BOX, 0, placed)


def redness(squares: Float32Array) -> Float32Array:
    """How red the spot is that was planted beside the box."""
    spot = squares[:, 16:24, 70:78]
    return np.asarray((spot[..., 0] - spot[..., 1:].mean(axis=3)).mean(axis=(1, 2)), np.float32)


def test_the_peak_lies_where_the_score_was_planted() -> None:
    asked = target(redness)
    values = occlusion(asked)
    assert values.shape == (SIDE, SIDE)
    row, column = divmod(int(values.argmax()), SIDE)
    assert 16 <= row < 24
    assert 70 <= column < 78
    assert values[60:, :40].max() == 0  # no window of the largest size reaches from there to the spot
    assert 0.3 < values.max() <= asked.score - asked.scores_without([values > 0])[0]
    told = checked(asked, named(values))
    assert told.holds
    assert told.score < 0.5 < told.elsewhere <= asked.score == pytest.approx(1 / (1 + np.exp(2 - 12)), abs=1e-4)


def test_what_rests_on_nothing_in_particular_is_not_confirmed() -> None:
    assert not named(occlusion(target(lambda squares: np.ones(len(squares), np.float32)))).any()
    noise = np.random.default_rng(1)
    anything = target(lambda squares: noise.uniform(0, 0.4, len(squares)).astype(np.float32))
    told = [checked(anything, named(occlusion(anything)), seed=seed) for seed in range(6)]
    assert sum(each.holds for each in told) <= 1
    assert not Checked(0.1, 0.5, 0.5, 1.0).holds


def test_nothing_is_named_or_blurred_in_the_margin_of_a_padded_image() -> None:
    asked_of = list[UInt8Array]()

    def seen(squares: Float32Array) -> Float32Array:
        asked_of.append((squares * 255).round().astype(np.uint8))
        return redness(squares)

    asked = target(seen, placed=(0, 12, SIDE, 84))
    values = occlusion(asked)
    checked(asked, named(values), seed=3)
    assert not values[:12].any()
    assert not values[84:].any()
    squares = np.concatenate(asked_of)
    assert (squares[:, :12] == asked.square[:12]).all()
    assert (squares[:, 84:] == asked.square[84:]).all()
    assert (squares[:, 12:84] != asked.square[12:84]).any(axis=(1, 2, 3)).sum() == len(squares) - 1


def test_half_of_the_evidence_is_named_in_as_few_places_as_can_be() -> None:
    values = np.array([[4, 3, -9], [2, 1, 0]], np.float32)
    assert named(values).tolist() == [[True, True, False], [False, False, False]]
    assert not named(np.zeros((2, 3), np.float32)).any()


@pytest.mark.parametrize("mode", ["pad", "crop"])
def test_a_map_lies_upon_the_image_whatever_the_square_shows_of_it(
    photos: list[Path], mode: str, tmp_path: Path
) -> None:
    detector = made()
    detector.backbone = detector.backbone.replace(crop_mode=mode)
    pixels = decode(photos[0])[:, :200]
    found = Explain(detector, label="dog", number=2)(pixels)
    assert (found.object.label, found.place, found.number) == ("dog", 1, 2)
    assert found.map.shape == found.image.shape[:2] == pixels.shape[:2]
    if mode == "crop":
        assert found.map[:2].max() == 0
    seen = detector.predict([pixels], threshold=0)[0].detections
    seen = seen.select(seen.labels == 1)
    alike = overlaps(seen.corners[:3], np.array([found.object.corners], np.float32), np.zeros(1, np.bool_))[:, 0]
    assert alike.argmax() == 1
    assert alike[1] > 0.95
    left, top, right, bottom = (round(each) for each in found.corners)
    weights = found.map.clip(0)
    assert found.inside == pytest.approx(weights[top:bottom, left:right].sum() / weights.sum(), abs=0.05)
    picture = found.picture()
    assert (picture.dtype, picture.ndim) == (np.uint8, 3)
    path = write_result(found, tmp_path / "why.png", what="evidence", source="photo")
    (kept,) = stored(path.parent)
    assert kept.numbers["bbox"] == [round(number, 2) for number in found.object.box]
    assert kept.headline == found.headline == found.lines[0]
    assert found.verdict.startswith(
        "Checked: " if found.checked is not None and found.checked.holds else "Not confirmed"
    )


def test_a_large_image_is_drawn_smaller() -> None:
    large = np.zeros((900, 1600, 3), np.uint8)
    shown = Shown(large, Preprocessing(size=64, crop_mode="squash"), (1800, 3200))
    assert shown.image.shape == (360, 640, 3)
    assert shown.corners(np.array([0, 180, 1600, 1800], np.float32)) == pytest.approx((0, 36, 320, 360))
    half = np.zeros((64, 64), np.float32)
    half[:, :32] = 1
    assert shown.map(half)[:, :310].min() == 1
    assert shown.map(half)[:, 330:].max() == 0


def test_what_cannot_be_explained_is_said(photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ExplainError, match="no class is called 'cow'") as refused:
        Explain(made(), label="cow")
    assert refused.value.hint == "the classes are 'cat', 'dog', 'eel'"
    with pytest.raises(ExplainError, match="boxes are counted from 1"):
        Explain(made(), number=0)
    unsure = made(thresholds=(1.0, 1.0, 1.0))
    with pytest.raises(ExplainError, match="no object was found") as refused:
        Explain(unsure)(photos[0])
    assert "--class" in refused.value.hint
    with pytest.raises(ExplainError, match="there is no box 9000") as refused:
        Explain(unsure, label="cat", number=9000)(photos[0])
    assert refused.value.hint.startswith("the last one is box ")
    (tmp_path / "bad.jpg").write_text("no image")
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        Explain(unsure)(tmp_path / "bad.jpg")
