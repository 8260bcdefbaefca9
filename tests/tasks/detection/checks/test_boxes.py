"""What the doctor says of boxes: each fault is its finding, with the boxes in question, and sound ones are none."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from topwork._texts import Texts
from topwork.checking import Severity
from topwork.data import BoxDataset, BoxFlaw
from topwork.tasks.detection import TASK
from topwork.tasks.detection.checks import BOXES, QUICK_CHECKS
from topwork.tasks.detection.checks._overlaps import nearly_equal

from .conftest import HEIGHT, WIDTH, Box, boxes_of, checked, sound

BLOCKING = TASK.blocking or ()
KOREAN = Texts("ko", ("topwork", "topwork.report", "topwork.tasks.detection"))


def test_of_sound_boxes_it_says_nothing(folder: Path) -> None:
    assert checked(boxes_of(folder, sound())).findings == ()


def with_boxes(*more: Box, times: int = 1) -> list[list[Box]]:
    """Sound ones, and more in each of the first images."""
    boxes = sound()
    for each in boxes[:times]:
        each.extend(more)
    return boxes


FAULTS: dict[str, tuple[list[list[Box]], Severity, int]] = {
    "boxes-beyond-image": (with_boxes((90, 50, 140, 80, 0)), "warning", 1),
    "boxes-in-fractions": (with_boxes((0.2, 0.3, 0.7, 0.9, 0), times=8), "blocks", 8),
    "nearly-equal-boxes": (with_boxes((5, 40, 45, 90, 0), (5, 41, 45, 90, 0)), "warning", 1),
    "boxes-of-two-classes": (with_boxes((5, 40, 45, 90, 0), (5, 41, 45, 90, 1)), "warning", 1),
    "tiny-boxes": (with_boxes((100, 3, 102, 5, 0), times=12), "warning", 12),
    "extreme-boxes": (with_boxes((2, 80, 120, 90, 0)), "note", 1),
    "images-without-boxes": ([*sound(), []], "note", 1),
    "crowded-images": (
        with_boxes(*((x, y, x + 9, y + 9, x % 2) for x in range(2, 100, 9) for y in range(2, 82, 8))),
        "warning",
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_its_finding_in_two_languages(folder: Path, name: str) -> None:
    boxes, severity, count = FAULTS[name]
    checkup = checked(boxes_of(folder, boxes))
    assert [(each.name, each.severity, each.count) for each in checkup.findings] == [(name, severity, count)]
    (finding,) = checkup.findings
    assert severity != "blocks" or name in BLOCKING
    case = finding.cases[0]
    assert case.paths[0] in checkup.dataset.paths
    if name not in ("images-without-boxes", "crowded-images"):
        added = {box[:4] for each, plain in zip(boxes, sound(), strict=True) for box in each[len(plain) :]}
        assert sorted(each.corners for each in case.outlines) == [pytest.approx(each) for each in sorted(added)]
        assert [len(box) for box in case.to_dict()["boxes"]] == [4] * len(case.outlines)
    for text in (finding.what, finding.advice, case.detail):
        assert KOREAN.said(text) != text or not text.strip("0123456789 ×."), text
    assert KOREAN.named("finding", name) != name


def test_boxes_that_fit_with_their_axes_swapped_are_told_as_such(folder: Path) -> None:
    turned = [
        [(y, x, y2, x2, label) for x, y, x2, y2, label in each] for each in with_boxes((80, 2, 126, 40, 0), times=8)
    ]
    finding = checked(boxes_of(folder, turned)).finding("boxes-beyond-image")
    assert finding is not None
    assert finding.severity == "blocks"
    assert f"{finding.count} of them would lie within it with x and y swapped" in finding.what
    assert KOREAN.said(finding.what) != finding.what


@pytest.mark.parametrize(
    "kind", ["outside", "empty", "swapped", "doubled", "unit", "number", "class", "mask", "none", "?"]
)
def test_what_the_reader_could_not_take_is_listed_with_its_box(folder: Path, kind: str) -> None:
    known = kind not in ("number", "mask", "none")
    given = (100.0, 90.0, 20.0, -30.0) if known else None
    flaws = (BoxFlaw("00.png", kind, "why", given, used=True), BoxFlaw("01.png", kind, "why not"))
    (finding,) = checked(boxes_of(folder, sound(), flaws=flaws)).findings
    assert (finding.name in BLOCKING) == (kind != "doubled")
    assert (finding.severity, finding.count) == ("warning", 2)
    assert "2 of 25 boxes" in finding.what
    assert finding.what.endswith("1 corrected, 1 left out.")
    assert KOREAN.said(finding.what) != finding.what
    assert KOREAN.said(finding.advice) != finding.advice
    drawn = {case.paths[0]: [each.corners for each in case.outlines] for case in finding.cases}
    assert drawn == {"00.png": [(20, -30, 100, 90)] if known else [], "01.png": []}


def test_many_boxes_left_out_stop_a_fit_and_many_corrected_do_not(folder: Path) -> None:
    flaws = tuple(BoxFlaw(f"{row:02}.png", "empty", "no area") for row in range(3))
    assert [each.name for each in checked(boxes_of(folder, sound(), flaws=flaws)).blocking()] == ["empty-boxes"]
    corrected = tuple(BoxFlaw(each.path, "outside", "cut", used=True) for each in flaws)
    assert checked(boxes_of(folder, sound(), flaws=corrected)).blocking() == ()
    twice = tuple(BoxFlaw(each.path, "doubled", "twice") for each in flaws)
    assert checked(boxes_of(folder, sound(), flaws=twice)).blocking() == ()


def copied(folder: Path, second: list[Box]) -> BoxDataset:
    """Twelve images, of which the first two are one file."""
    boxes = sound()
    boxes[0], boxes[1] = [(10, 10, 50, 60, 0)], second
    dataset = boxes_of(folder, boxes)
    shutil.copy(folder / "00.png", folder / "01.png")
    return dataset


@pytest.mark.parametrize(
    ("second", "conflict"),
    [
        ([(12, 8, 50, 62, 0)], False),
        ([(12, 8, 50, 62, 1)], True),
        ([(40, 40, 90, 90, 0)], True),
        ([], True),
        ([(12, 8, 50, 62, 0), (60, 60, 90, 90, 0)], True),
    ],
)
def test_copies_with_other_boxes_are_a_conflict(folder: Path, second: list[Box], conflict: bool) -> None:
    found = checked(copied(folder, second)).finding("box-conflicts")
    assert (found is not None) == conflict
    assert found is None or (found.severity, found.cases[0].paths) == ("blocks", ("00.png", "01.png"))


def test_classes_are_counted_by_boxes_and_images(folder: Path) -> None:
    boxes = sound(30)
    for each in boxes[3:]:
        each[1] = (*each[1][:4], 0)
    splits = np.array(["train"] * 20 + ["test"] * 10)
    found = {each.name: each for each in checked(boxes_of(folder, boxes, splits=splits)).findings}
    assert list(found) == ["few-boxes", "imbalance", "class-missing-in-test"]
    assert found["few-boxes"].cases[0].detail == "class 'dog': 3 boxes in 3 images"
    assert found["imbalance"].what == "Class 'cat' has 37 training boxes, 'dog' has 3."
    assert found["class-missing-in-test"].cases[0].detail == "class 'dog': 3 boxes in other splits"
    train = checked(boxes_of(folder, boxes, splits=splits[::-1])).finding("class-missing-in-train")
    assert train is not None
    for each in (*found.values(), train):
        for text in (each.what, each.advice, each.cases[0].detail):
            assert KOREAN.said(text) != text


def test_nearly_equal_boxes_are_those_of_torchvision() -> None:
    rng = np.random.default_rng(0)
    middles = rng.uniform(0, 100, (300, 2)).round()
    corners = np.concatenate([middles - rng.uniform(4, 9, (300, 2)), middles + rng.uniform(4, 9, (300, 2))], axis=1)
    dataset = _of(corners, (100, 200))
    for least in (0.3, 0.6, 0.9):
        pairs, overlap = nearly_equal(dataset, least)
        known = box_iou(*(torch.tensor(dataset.corners).double(),) * 2).numpy()
        same = dataset.rows_of_boxes[:, None] == dataset.rows_of_boxes[None]
        expected = np.argwhere(np.triu((known >= least) & same, 1))
        assert pairs.tolist() == expected.tolist()
        assert overlap == pytest.approx(known[tuple(expected.T)])
    assert len(nearly_equal(dataset, 0.3)[0]) > 20


def test_ten_thousand_boxes_in_an_image_and_none_at_all(folder: Path) -> None:
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, [WIDTH - 9, HEIGHT - 9], (10_000, 2))
    dataset = boxes_of(folder, [[(x, y, x + 8, y + 8, 0) for x, y in starts], *sound()])
    assert {"crowded-images", "nearly-equal-boxes"} <= {each.name for each in checked(dataset).findings}
    assert nearly_equal(_of(np.zeros((0, 4)), (0,)), 0.9)[0].shape == (0, 2)
    assert [each.name for each in checked(boxes_of(folder, [[]] * 12)).findings] == [
        "few-boxes",
        "images-without-boxes",
    ]


def _of(corners: np.ndarray, counts: tuple[int, ...]) -> BoxDataset:
    rest = [*counts, len(corners) - sum(counts)]
    return BoxDataset(
        Path(),
        tuple(f"{place}" for place in range(len(rest))),
        np.array([""] * len(rest)),
        corners=corners,
        labels=np.zeros(len(corners)),
        crowd=np.zeros(len(corners), bool),
        counts=rest,  # type: ignore[arg-type]
        sizes=[(200, 200)] * len(rest),  # type: ignore[arg-type]
        classes=("a",),
    )


def test_the_doctor_looks_at_the_whole_of_an_image() -> None:
    backbone = BOXES.backbone(None)
    assert (backbone.preprocessing.size, backbone.preprocessing.crop_mode) == (320, "squash")
    assert len({*BLOCKING}) == len(BLOCKING)
    assert all(callable(each) for each in QUICK_CHECKS)
