"""Prompts on an image: what transformers gives, embeddings computed once, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import topwork.features._extract as extraction
from tests.backbones.segmenters import image_processor_of, network_of
from topwork.data import read_masks
from topwork.errors import BackboneError, DataError, ImageError, ModelError, TopworkError
from topwork.tasks.segmentation.promptable import EverythingOptions, Labelling, Promptable, written_masks


def pixels(path: Path) -> Any:
    with Image.open(path) as file:
        return np.array(file)


def by_transformers(picture: Any, several: bool, **prompts: Any) -> Any:
    """Masks in the image's size, before they are cut, and scores, by its own processor and network."""
    from transformers import SamProcessor

    processor, network = SamProcessor(image_processor_of("sam")), network_of("sam")
    inputs = processor(Image.fromarray(picture), return_tensors="pt", **prompts)
    inputs = {name: value.float() if value.is_floating_point() else value for name, value in inputs.items()}
    sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
    with torch.no_grad():
        told = network(**inputs, multimask_output=several)
    masks = processor.image_processor.post_process_masks(told.pred_masks, *sizes, binarize=False)
    return masks[0], told.iou_scores[0]


def same(found: Any, logits: Any, score: Any) -> None:
    assert found.score == pytest.approx(float(score), abs=1e-4)
    sure = abs(logits.numpy()) > 1e-3
    np.testing.assert_array_equal(found.mask[sure], (logits.numpy() > 0)[sure])
    assert 0 < found.area < found.mask.size


@pytest.mark.usefixtures("in_f32")
def test_masks_are_those_of_transformers(sam: Promptable, picture: Any) -> None:
    image = sam.image(picture)
    points, labels = [[[20.0, 11.0], [60.0, 40.0]]], [[1, 0]]
    logits, scores = by_transformers(picture, False, input_points=points, input_labels=labels)
    same(image.mask([(20, 11), (60, 40, 0)]), logits[0, 0], scores[0, 0])
    logits, scores = by_transformers(picture, True, input_points=[[[33.0, 20.0]]], input_labels=[[1]])
    order = scores[0].argsort(descending=True).tolist()
    same(image.mask([(33, 20)]), logits[0, order[0]], scores[0, order[0]])
    for found, place in zip(image.choices([(33, 20)]), order, strict=True):
        same(found, logits[0, place], scores[0, place])
    boxes = [[[5.0, 4.0, 40.0, 30.0], [30.0, 20.0, 69.0, 44.0]]]
    logits, scores = by_transformers(picture, False, input_boxes=boxes)
    for place, found in enumerate(image.masks(boxes=boxes[0])):
        same(found, logits[place, 0], scores[place, 0])
    assert image.mask([(20, 11)], (5, 4, 40, 30)).logits.shape == (32, 32)


def test_a_second_prompt_needs_no_encoder(
    sam_folder: Path, empty_cache: Path, tmp_path: Path, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in this process nor in another: by the image's content, whatever the file is called."""
    calls = []
    compute = extraction._compute

    def counted(unknown: Any, *args: Any) -> None:
        there = list(unknown)
        calls.append(len(there))
        compute(iter(there), *args)

    monkeypatch.setattr(extraction, "_compute", counted)
    Image.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    first = Promptable.load("someone/sam", weights=sam_folder).image(tmp_path / "a.png")
    again = Promptable.load("someone/sam", weights=sam_folder).image(tmp_path / "b.png")
    assert calls == [1, 0]
    np.testing.assert_array_equal(first.embedding, again.embedding)
    np.testing.assert_array_equal(first.mask([(9, 9)]).mask, again.mask([(9, 9)]).mask)
    assert calls == [1, 0]


@pytest.mark.usefixtures("in_f32")
def test_everything_is_what_transformers_own_pipeline_finds(sam: Promptable, picture: Any) -> None:
    from transformers import pipeline

    generator = pipeline("mask-generation", model=network_of("sam"), image_processor=image_processor_of("sam"))
    scores = network_scores(sam, picture)
    floor = float(np.quantile(scores, 0.05) - 0.02)
    told = generator(
        Image.fromarray(picture),
        points_per_batch=10,
        points_per_crop=6,
        pred_iou_thresh=floor,
        stability_score_thresh=0.3,
        stability_score_offset=0.01,
        crops_nms_thresh=0.97,
    )
    options = EverythingOptions(grid=6, score=floor, stability=0.3, offset=0.01, overlap=0.97, at_once=10)
    found = sam.image(picture).everything(options)
    assert len(found) == len(told["masks"]) >= 3
    for ours, mask, score in zip(found, told["masks"], told["scores"], strict=True):
        assert ours.score == pytest.approx(float(score), abs=1e-4)
        assert (ours.mask != np.asarray(mask)).mean() < 0.01
    assert sam.image(picture).everything(EverythingOptions(grid=2, score=1.0)) == ()


def network_scores(sam: Promptable, picture: Any) -> Any:
    image = sam.image(picture)
    return [each.score for at in ((10, 10), (30, 20), (50, 30)) for each in image.choices([at])]


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ({}, "no prompt was given"),
        ({"points": [(70, 10)]}, "the point 70,10 lies outside of the image, which is 70 x 45"),
        ({"points": [(-1, 3)]}, "outside of the image"),
        ({"points": [(float("nan"), 3)]}, "a point is two numbers"),
        ({"points": [(1, 2, 0)]}, "all points lie outside of what is meant"),
        ({"boxes": [(30, 10, 20, 30)]}, "the box 30,10,20,30 is swapped"),
        ({"boxes": [(30, 10, 30, 30)]}, "is empty"),
        ({"boxes": [(80, 10, 90, 30)]}, "lies outside of the image"),
        ({"boxes": [(1, 2, 3)]}, "a box is four numbers"),
        ({"boxes": [(1, 2, float("inf"), 4)]}, "a box is four numbers"),
        ({"points": [(1, 2)], "boxes": [(1, 2, 9, 9), (3, 4, 9, 9)]}, "which box the points belong to"),
    ],
)
def test_prompts_that_mean_nothing_are_refused(
    sam: Promptable, picture: Any, prompts: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        sam.image(picture).masks(**prompts)


def test_what_is_no_image_or_takes_no_prompts_is_refused(sam: Promptable, tmp_path: Path, picture: Any) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ImageError):
        sam.image(tmp_path / "a.png")
    with pytest.raises(ModelError, match="was not trained"):
        sam.save(tmp_path / "out")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "promptable.json").write_text("{}")
    with pytest.raises(ModelError, match="not as it was written"):
        Promptable.load(weights=tmp_path / "bad")
    with pytest.raises(BackboneError, match="no segmenter is called"):
        Promptable.load("lite0")
    other = sam.image(picture[:, :40]).mask([(3, 3)])
    with pytest.raises(DataError, match="not one of this image's"):
        sam.image(picture).mask([(3, 3)], correct=other)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_masks_are_written_as_cocos_tools_read_them(sam: Promptable, picture: Any, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    Image.fromarray(picture).save(tmp_path / "a.png")
    image = sam.image(tmp_path / "a.png")
    masks = image.masks(boxes=[(5, 4, 40, 30), (30, 20, 69, 44)])
    *paths, listing, drawn = written_masks(tmp_path / "out", image, masks)
    assert [path.name for path in paths] == ["a-01.png", "a-02.png"]
    fields = json.loads(listing.read_text())
    assert (fields["image"]["width"], fields["image"]["height"]) == (70, 45)
    for path, mask, told in zip(paths, masks, fields["annotations"], strict=True):
        np.testing.assert_array_equal(pixels(path) > 0, mask.mask)
        np.testing.assert_array_equal(coco.decode(told["segmentation"]), mask.mask)
        assert told["area"] == mask.area
        assert told["bbox"] == [*map(int, coco.toBbox(told["segmentation"]))]
    assert pixels(drawn).shape == (45, 70, 3)
    assert (pixels(drawn) != picture).any()
    written_masks(tmp_path / "out", image, masks[:1])  # what is its own is replaced, and what is no more goes
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-01.png", "a-masks.png", "a.json"]
    written_masks(tmp_path / "out", image, masks)
    paths[1].write_bytes(b"a photograph")
    written_masks(tmp_path / "out", image, masks[:1])
    assert paths[1].read_bytes() == b"a photograph"
    paths[1].unlink()
    written_masks(tmp_path / "out", image, masks)
    for path, other in ((paths[0], b"\x89PNG"), (listing, b'{"version": "5"}')):
        path.write_bytes(other)
        with pytest.raises(TopworkError, match="it was not changed"):
            written_masks(tmp_path / "out", image, masks)
        assert path.read_bytes() == other
        path.unlink()


def test_a_labelled_image_is_read_as_masks(sam: Promptable, picture: Any, tmp_path: Path) -> None:
    """The way of the page: ask, correct, keep, save; and what a data set is made of."""
    for place in range(2):
        Image.fromarray(np.roll(picture, 5 * place, axis=0)).save(tmp_path / f"{place}.png")
        session = Labelling(sam.image(tmp_path / f"{place}.png"), ["cell", "nucleus"])
        asked = session.ask([(20, 11)])
        corrected = session.correct((50, 30, 0))
        assert (asked.logits != corrected.logits).any()
        session.keep("cell")
        session.ask(box=(30, 20, 69, 44))
        session.keep("nucleus")
        session.ask([(3, 3)])
        session.keep("cell")
        session.undo()
        mask = session.save(tmp_path / "labelled")
        np.testing.assert_array_equal(pixels(mask), session.labels)
    other = Labelling(sam.image(picture[::-1].copy()), session.classes)
    with pytest.raises(DataError, match="this is another image"):
        other.save(tmp_path / "labelled", mask.stem)
    session.save(tmp_path / "labelled")
    found = read_masks(tmp_path / "labelled")
    assert (found.classes, found.has_background, len(found)) == (("background", "cell", "nucleus"), True, 2)
    np.testing.assert_array_equal(found.mask(1).labels, session.labels)
    with pytest.raises(DataError, match="no mask to keep"):
        session.keep("cell")
    with pytest.raises(DataError, match="no mask to correct"):
        session.correct((3, 3))
    with pytest.raises(DataError, match="these are other classes"):
        Labelling(sam.image(picture), ["dog"]).save(tmp_path / "labelled", "x")
    for classes in ([], ["a", "a"], [" "], ["background"]):
        with pytest.raises(DataError, match="class"):
            Labelling(sam.image(picture), classes)
    with pytest.raises(DataError, match="no name of a file"):
        session.save(tmp_path / "labelled", "../x")
