"""What a region rests on: the image where it is, and not elsewhere; and what is asked of it wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.tasks.segmentation.made import drawn
from tests.tasks.segmentation.made import segmenter as segmenter_of
from topwork.errors import ExplainError, ImageError
from topwork.tasks import task
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation.explain import Explain, PointEvidence
from topwork.tasks.segmentation.explain._target import Target
from topwork.tasks.segmentation.network import PixelHead

IMAGE, MASK = drawn(40)


def test_a_region_rests_on_its_own_pixels_and_the_check_says_so(segmenter: Segmenter) -> None:
    label = segmenter.classes[1]
    found = Explain(segmenter, label)(IMAGE)
    assert (found.label, found.number) == (label, 1)
    assert found.map.shape == found.region.shape == IMAGE.shape[:2]
    assert (MASK[found.region] == 1).mean() > 0.9
    assert found.score > 0.6
    inside, outside = found.map[found.region].mean(), found.map[~found.region].mean()
    assert inside > 3 * abs(outside)
    assert found.inside is not None
    assert found.inside > found.region.mean()
    assert found.checked is not None
    assert found.checked.holds
    assert found.verdict.startswith("Checked: the score is")
    assert found.picture().ndim == 3
    assert found.to_dict()["checked"]["holds"]


def test_the_second_region_is_smaller_and_elsewhere(segmenter: Segmenter) -> None:
    (found,) = segmenter.predict([IMAGE])
    (first, label, count), (second, _, again) = (Explain(segmenter, number=place)._chosen(found) for place in (1, 2))
    assert first.sum() >= second.sum() > 0
    assert not (first & second).any()
    assert count == again >= 2
    assert (found.labels[first] == label).all()


def test_the_task_asks_it(segmenter: Segmenter) -> None:
    evidence = task("segmentation").evidence
    assert evidence is not None
    assert isinstance(evidence(segmenter, label=None, number=1, seed=0), Explain)


def test_a_pixel_rests_on_what_is_around_it(segmenter: Segmenter) -> None:
    discs = np.argwhere(MASK == 1)
    y, x = discs[np.hypot(*(discs - discs.mean(axis=0)).T).argmin()].tolist()
    found = Explain(segmenter, point=(x, y))(IMAGE)
    assert isinstance(found, PointEvidence)
    assert (found.label, found.point) == (segmenter.classes[1], (x, y))
    assert found.score > 0.6
    down, across = np.mgrid[: IMAGE.shape[0], : IMAGE.shape[1]]
    near = np.hypot(down - y, across - x) < 16
    assert found.map[near].mean() > 3 * abs(found.map[~near].mean())
    assert found.picture().ndim == 3
    assert found.headline.endswith(f"at {x},{y}")
    assert found.name == f"point-{x}-{y}"
    assert found.to_dict()["point"] == [x, y]
    assert "number" not in found.to_dict()
    assert f"{found.label} rather than {found.rival}" in found.lines[-1]


def test_what_the_stages_say_adds_up_to_the_logits(segmenter: Segmenter) -> None:
    """Of a place of the ground and a disc's; the head's logits are asked at the same places."""
    explain, square, head = Explain(segmenter), segmenter.backbone.preprocessing(IMAGE), segmenter.head
    assert isinstance(head, PixelHead)
    row = explain._features(square[None])[0]
    logits = head.logits(row[None])[0]
    for place in ((0, 0), (3, 7), (head.spec.side - 1, 2)):
        np.testing.assert_allclose(head.shares(row, place).sum(axis=0), logits[:, *place], rtol=1e-3, atol=1e-3)
    there = np.ones((head.spec.side,) * 2, np.bool_)
    place, size = (5, 9), square.shape[0]
    rival, stages = explain._stages(Target(head, explain._features, square, there, 1, (0, 0, size, size)), place)
    others = [0, *range(2, len(segmenter.classes))]
    assert rival == others[int(logits[others, *place].argmax())]
    assert [name for name, _ in stages] == [*head.spec.stages, "bias"]
    assert sum(value for _, value in stages) == pytest.approx(logits[1, *place] - logits[rival, *place], abs=1e-2)


def test_what_cannot_be_asked(segmenter: Segmenter) -> None:
    with pytest.raises(ExplainError, match="no class is called"):
        Explain(segmenter, "wolf")
    with pytest.raises(ExplainError, match="there is no region 0"):
        Explain(segmenter, number=0)
    with pytest.raises(ExplainError, match="there is no region 99"):
        Explain(segmenter, number=99)(IMAGE)
    for point in ((128, 0), (0, 128), (-1, 5)):
        with pytest.raises(ExplainError, match="the image has 128 x 128 pixels, and none at"):
            Explain(segmenter, point=point)(IMAGE)
    cropped = segmenter_of(96, crop_mode="crop")
    with pytest.raises(ExplainError, match="it is cut off"):
        Explain(cropped, point=(0, 0))(IMAGE)
    with pytest.raises(ImageError):
        Explain(segmenter)(b"no image")


def test_a_point_on_the_command_line(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.cli._progress.EVERY", 0.02)
    model, image = segmenter_of(64).save(tmp_path / "model"), tmp_path / "a.png"
    Image.fromarray(IMAGE).save(image)
    done = run("explain", model, image, "--point", "64,70", "-o", tmp_path / "out", "--json")
    assert done.code == 0
    assert any("evidence" in line for line in done.progress)
    (told,) = json.loads(done.out)["pictures"]
    assert told["point"] == [64, 70]
    assert Path(told["picture"]) == tmp_path / "out" / "a-point-64-70.png"
    for point, said in (("64", "x and y in pixels"), ("a,b", "x and y in pixels"), ("1,2,3", "x and y in pixels")):
        refused = run("explain", model, image, "--point", point, "-o", tmp_path / "out")
        assert refused.code == 2
        assert said in refused.err
    outside = run("explain", model, image, "--point", "500,1", "-o", tmp_path / "out")
    assert outside.code == 1
    assert "none at 500,1" in outside.err
    both = run("explain", model, image, "--point", "1,1", "--box", "1", "-o", tmp_path / "out")
    assert both.code == 2
    network = run("explain", "--backbone", "lite0", image, "--point", "1,1", "-o", tmp_path / "out")
    assert network.code == 2
    assert "--point is for models that segment images" in network.err
