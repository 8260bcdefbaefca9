"""What is said of a detector: in English, and whole in Korean, with the same numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.tasks.detection.made import made
from topwork.advising import Advice, Description, Rung
from topwork.cli._console import Console
from topwork.cli._language import screen_texts
from topwork.data import BoxDataset, Boxes, LeftOut
from topwork.metrics import Detections, at_thresholds, compare_detections, detection_report, detection_thresholds
from topwork.model import TrialRecord
from topwork.tasks.detection import Detector, FoundObjects
from topwork.tasks.detection._compared import DetectionCompared
from topwork.tasks.detection._evaluated import DetectionEvaluated
from topwork.tasks.detection._model_of import folds_of
from topwork.tasks.detection._words import WORDS

CLASSES = ("cat", "dog", "eel")
ENGLISH = re.compile(r"\b[a-z]{2,}(?: [a-z]{2,}){2,}")


def truth(images: int = 12) -> list[Boxes]:
    """Two classes of three; every third image shows nothing."""
    rng, found = np.random.default_rng(0), []
    for place in range(images):
        count = 0 if place % 3 == 2 else 2
        corner = rng.uniform(0, 60, (count, 2))
        corners = np.concatenate([corner, corner + rng.uniform(20, 60, (count, 2))], axis=1).astype(np.float32)
        found.append(Boxes(corners, np.arange(count, dtype=np.int32), np.zeros(count, np.bool_)))
    return found


def nearly(boxes: Boxes, far: float) -> Detections:
    """The boxes, a little off, the second with a low score, and an invention."""
    invented = np.array([[5, 5, 15, 15]], np.float32)
    corners = np.concatenate([boxes.corners + far, invented]).astype(np.float32)
    scores = np.array([0.9, 0.4, 0.3][: len(corners)], np.float32) if len(boxes) else np.array([0.2], np.float32)
    return Detections(corners, scores, np.concatenate([boxes.labels, [0]]).astype(np.int32))


def measured(far: float = 1.0) -> DetectionEvaluated:
    there = truth()
    found = tuple(nearly(boxes, far) for boxes in there)
    none: Any = {"corners": np.zeros((0, 4)), "labels": np.zeros(0), "crowd": np.zeros(0), "counts": np.zeros(12)}
    paths = tuple(f"{place}.jpg" for place in range(12))
    dataset = BoxDataset(
        "photos", paths, np.full(12, "test"), sizes=np.full((12, 2), 130), classes=CLASSES, **none
    ).with_boxes(there)  # type: ignore[arg-type]
    report = detection_report(there, found, CLASSES)
    return DetectionEvaluated(
        report, at_thresholds(there, found, CLASSES, (0.3, 0.3, 0.3)), "test", False, dataset, found, 0
    )


def detector(**changes: Any) -> Detector:
    """One with figures, as ``fit`` makes it."""
    found = measured()
    there, said = found.dataset.all_boxes(), found.detections
    block: dict[str, Any] = {
        "training": (20, 18, 0),
        "empty": 4,
        "thresholds": (0.9, 0.4, 1.0),
        "choice": detection_thresholds(there, said, CLASSES).to_dict(),
        "metrics": found.report.to_dict(),
        "operating": found.operating.to_dict(),
        **changes,
    }
    model = made(CLASSES, **block)
    trials = (
        TrialRecord(question="rung", answer="probe", images=9, accuracy=0.8, log_loss=None, chosen=True),
        TrialRecord(question="rung", answer="fine-tuning", images=9, accuracy=None, log_loss=None, chosen=False),
    )
    data = model.record.data.model_copy(
        update={"training": 48, "held_out": 12, "held_out_split": "test", "left_out": 1}
    )
    model.record = model.record.model_copy(update={"trials": trials, "data": data})
    model.held_out = found
    return model


def in_korean(lines: list[str]) -> None:
    """No sentence stays in English, and every number stays."""
    korean = Console(as_json=False, quiet=True, language="ko")
    for line in lines:
        said = korean.said(line)
        plain = re.sub(r"topwork [^(]*|predict --\w+", "", said)
        assert not ENGLISH.search(plain), said
        assert sorted(re.findall(r"\d+(?:[.,]\d+)*", line)) == sorted(re.findall(r"\d+(?:[.,]\d+)*", said)), said


def test_what_was_fitted_is_said_with_its_figures() -> None:
    lines = WORDS.fitted(detector())
    assert lines[0] == "48 training images with 38 boxes of 3 classes; 4 without a box; 1 file left out"
    assert lines[1] == "Strategies tried: probe (AP50 80.0% on 9 images, chosen), fine-tuning (not measured)"
    assert lines[2].startswith("AP50 on 12 held-out images with 16 boxes (test): ")
    assert "Not measured: 1 of the 3 classes, of which no box is here" in lines
    assert any(line.startswith("Weakest class: cat (8 boxes), AP50 ") for line in lines)
    assert "Thresholds for the highest F1 on 12 validation images: cat 0.90, dog 0.40, eel 1.00" in lines
    assert "Never found on the validation images, so only predict --threshold shows them: eel" in lines
    assert lines[-1].startswith("At these thresholds: precision ")
    in_korean(list(lines))


def test_a_wanted_recall_is_named_and_what_it_cannot_promise() -> None:
    found = measured()
    chosen = detection_thresholds(found.dataset.all_boxes(), found.detections, CLASSES, recall=0.99)
    lines = WORDS.fitted(detector(choice=chosen.to_dict(), thresholds=chosen.values))
    assert any(line.startswith("Thresholds for a recall of 99% on 12 validation images: ") for line in lines)
    assert any(line.startswith("Too few objects, or too few found, to promise that recall: ") for line in lines)
    in_korean(list(lines))


def test_without_held_out_images_nothing_is_claimed() -> None:
    lines = WORDS.fitted(detector(metrics=None, operating=None, choice=None))
    assert "No images were held out, so nothing was measured" in lines
    assert lines[-1].startswith("Thresholds, the default: ")
    in_korean(list(lines))


def test_folds_are_averaged() -> None:
    fields = folds_of([detector(), detector()], "all", 0)
    lines = WORDS.fitted(detector(**fields))
    told = next(line for line in lines if line.startswith("2-fold cross-validation on all images: AP50 "))
    value = measured().report.ap50.value  # type: ignore[union-attr]
    assert f"AP50 of each fold: {value:.1%}, {value:.1%}" in told
    in_korean(list(lines))


def test_an_evaluation_has_a_row_for_each_class_and_all_its_fields() -> None:
    found = measured()
    lines = [*WORDS.evaluated(found)]
    rows = [line.split() for line in lines[-1].splitlines()]
    assert [row[0] for row in rows] == ["class", *CLASSES]
    assert rows[3][1:] == ["0", "–", "–", "–"]
    in_korean(lines[1:-2])
    fields = WORDS.fields(found)
    assert fields["ap50"]["value"] == found.report.ap50.value  # type: ignore[union-attr]
    assert fields["at_thresholds"]["overall"]["right"] == found.operating.overall.right
    lost = WORDS.evaluated(
        DetectionEvaluated(
            found.report,
            found.operating,
            "",
            True,
            found.dataset.without([LeftOut("0.jpg", "truncated")]),
            found.detections,
            3,
        )
    )
    assert lost[0].startswith("3 of 11 images were used to train this model")
    assert lost[-1] == "left out: 0.jpg: truncated"


def test_two_detectors_are_compared_in_words() -> None:
    one, other = measured(1.0), measured(12.0)
    count = len(CLASSES)
    for first, second, verdict in (
        (one, one, "No significant difference in AP50"),
        (one, other, "good is better in AP50"),
    ):
        found = compare_detections(first.dataset.all_boxes(), first.detections, second.detections, count)
        assert WORDS.compared is not None
        lines = WORDS.compared(("good", "bad"), DetectionCompared(first, second, found))
        assert lines[-1].startswith(verdict)
        assert lines[-2].startswith("Difference (bad minus good): AP50 ")
        in_korean(list(lines[1:]))


def test_advice_names_the_rungs_and_the_choice() -> None:
    report = measured().report
    rungs = (
        Rung("probe", "probe", "maps of blocks.2, 320 px, squash", report.ap50, None, 9, "held out", 12.0),
        Rung("fine-tuning", "finetune", seconds=0.1, note="5 stages"),
    )
    told = Description(48, 3, 9, 20, 130, 130)
    facts: Any = {"tie": False, "spec": None, "cut_short": False, "stopped": "", "enough": None, "chance": 0.0}
    facts |= {"learnable": True, "forecast": None, "shortlist": (), "changes": (), "budget": 60.0, "seconds": 12.4}
    advice = Advice(backbone="lite0", rungs=rungs, choice=0, runner_up=None, description=told, plans=(), **facts)
    lines = WORDS.advised(advice)
    assert lines[0].startswith("48 training images with 9 to 20 boxes of each of 3 classes")
    assert any(line.startswith("Choice: probe. Expected AP50 on new images: ") for line in lines)
    in_korean([line for line in lines if not line.startswith("  fine-tuning: ") and "\n" not in line])


@pytest.mark.parametrize("name", ["cat", "fire truck", "a\tb\nc", "콩; 0.5"])
def test_a_line_can_be_taken_apart_whatever_a_class_is_called(name: str) -> None:
    found = Detections(
        np.array([[1.26, 2, 30, 40], [0, 0, 5, 5]], np.float32), np.array([0.91234, 0.5], np.float32), np.array([1, 0])
    )
    prediction = FoundObjects("a\nb.jpg", found, ("dog", name), (50, 60))
    source, count, first, second = WORDS.predicted(prediction).split("\t")
    assert "\n" not in WORDS.predicted(prediction)
    assert (source, count) == ("a\\nb.jpg", "2")
    assert first.rsplit(" ", 5)[1:] == ["0.9123", "1.3", "2.0", "28.7", "38.0"]
    assert second == "dog 0.5000 0.0 0.0 5.0 5.0"
    assert WORDS.brief(prediction).count("1 ") == 2
    (row, _) = WORDS.rows(prediction, ())
    assert (row["label"], row["xmax"]) == (name, 30.0)
    assert WORDS.brief(FoundObjects("a.jpg")) == "nothing"
    assert screen_texts("ko").said(WORDS.predicted(prediction)) == WORDS.predicted(prediction)
