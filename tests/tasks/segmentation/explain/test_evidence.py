"""What a region rests on: the image where it is, and not elsewhere; and what is asked of it wrongly."""

from __future__ import annotations

import pytest

from tests.tasks.segmentation.made import drawn
from topwork.errors import ExplainError, ImageError
from topwork.tasks import task
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation.explain import Explain

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


def test_what_cannot_be_asked(segmenter: Segmenter) -> None:
    with pytest.raises(ExplainError, match="no class is called"):
        Explain(segmenter, "wolf")
    with pytest.raises(ExplainError, match="there is no region 0"):
        Explain(segmenter, number=0)
    with pytest.raises(ExplainError, match="there is no region 99"):
        Explain(segmenter, number=99)(IMAGE)
    with pytest.raises(ImageError):
        Explain(segmenter)(b"no image")
