"""COCO's figures beside faster-coco-eval and torchmetrics, and their intervals beside data sets drawn anew."""

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.metrics import (
    DetectionReport,
    Detections,
    average_precision50,
    average_precision_of_boxes,
    detection_report,
)
from topwork.metrics._detection import _report
from topwork.metrics._detection._boxes import checked
from topwork.metrics._detection._matching import match
from topwork.metrics._detection._precision import averages

from . import coco, detections, objects, simulate

DRAWS = [
    {"seed": 0, "classes": 1},
    {"seed": 1, "classes": 5, "digits": 1},
    {"seed": 2, "classes": 30, "images": 60},
    {"seed": 3, "classes": 2, "most": 60, "images": 8, "strange": 150, "digits": 2},  # more than a hundred of a class
    {"seed": 4, "classes": 3, "crowd": 0.6, "digits": 1},
]
WHOLE = [0, 0, 100, 100]


@pytest.fixture(params=DRAWS, ids=lambda draw: f"seed-{draw['seed']}")
def draw(request):
    return *simulate(**request.param), request.param["classes"]


@pytest.fixture
def without_the_evaluator(monkeypatch):
    monkeypatch.setattr(_report, "has_evaluator", lambda: False)


def names(classes):
    return [f"class {place}" for place in range(classes)]


def own(truth, found, classes, counts=None):
    matches = match(*checked(truth, found, classes), classes, len(truth))
    return averages(matches, np.ones((len(truth), 1), np.float32) if counts is None else counts)


def expected(evaluation):
    """Average precision (C, A, T) and recall (C, M) of all sizes; NaN for COCO's -1."""
    precision = evaluation.eval["precision"][..., -1].mean(axis=1).transpose(1, 2, 0)
    recall = evaluation.eval["recall"][:, :, 0].mean(axis=0)
    return np.where(precision < 0, np.nan, precision), np.where(recall < 0, np.nan, recall)


def test_every_class_size_and_overlap_is_cocos(draw):
    found = own(*draw)
    precision, recall = expected(coco(*draw))
    np.testing.assert_allclose(found.precision[..., 0], precision, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.recall[..., 0], recall, rtol=0, atol=1e-12)


def test_resamples_are_the_figures_of_images_that_come_so_often():
    truth, found = simulate(7, images=30, classes=4)
    counts = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), 8).T.astype(np.float32)
    drawn = own(truth, found, 4, counts)
    for place, times in enumerate(counts.T.astype(int)):
        again = [[image for image, n in zip(images, times, strict=True) for _ in range(n)] for images in (truth, found)]
        precision, recall = expected(coco(*again, 4))
        np.testing.assert_allclose(drawn.precision[..., place], precision, rtol=0, atol=1e-12)
        np.testing.assert_allclose(drawn.recall[..., place], recall, rtol=0, atol=1e-12)


def test_the_report_is_the_evaluators_and_the_same_without_it(draw, monkeypatch):
    truth, found, classes = draw
    evaluation = coco(*draw)
    report = detection_report(truth, found, names(classes), resamples=20)
    values = [-1 if each is None else each.value for _, each in report.figures()]
    assert values == pytest.approx(evaluation.stats[:9], abs=1e-12)
    assert average_precision50(truth, found, classes) == pytest.approx(evaluation.stats[1], abs=1e-12)
    assert average_precision_of_boxes(truth, found, classes) == pytest.approx(evaluation.stats[0], abs=1e-12)
    monkeypatch.setattr(_report, "has_evaluator", lambda: False)
    alone = detection_report(truth, found, names(classes), resamples=20)
    assert (report.evaluator, alone.evaluator) == ("faster-coco-eval", "topwork")
    for (_, first), (_, second) in zip(report.figures(), alone.figures(), strict=True):
        assert first == second or [first.value, first.low, first.high] == pytest.approx(
            [second.value, second.low, second.high], abs=1e-12
        )


def test_torchmetrics_says_the_same():
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    truth, found = simulate(5, classes=4, crowd=0.2)
    exact = np.linspace(0, 1, 101).tolist()  # its own are of float32, which moves a recall of 1/5 to the next one
    metric = MeanAveragePrecision(backend="faster_coco_eval", class_metrics=True, rec_thresholds=exact)

    def given(images, **names):
        return [{name: torch.tensor(getattr(each, of)) for name, of in names.items()} for each in images]

    metric.update(
        given(found, boxes="corners", scores="scores", labels="labels"),
        given(truth, boxes="corners", labels="labels", iscrowd="crowd"),
    )
    theirs = metric.compute()
    keys = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large", "mar_1", "mar_10", "mar_100")
    report = detection_report(truth, found, names(4), resamples=2)
    assert [each.value for _, each in report.figures()] == pytest.approx([float(theirs[key]) for key in keys], abs=1e-6)
    assert [each.ap.value for each in report.per_class] == pytest.approx(theirs["map_per_class"].tolist(), abs=1e-6)


def test_an_interval_holds_the_figure_and_is_that_of_the_resamples():
    truth, found = simulate(8, images=60, classes=3)
    report = detection_report(truth, found, names(3), resamples=200)
    assert report == detection_report(truth, found, names(3), resamples=200)
    assert report != detection_report(truth, found, names(3), resamples=200, seed=1)
    for each in (report.ap, report.ap50, report.ar100, report.per_class[0].ap50):
        assert each.low < each.value < each.high
        assert 0.01 < each.high - each.low < 0.4
    wider = detection_report(truth[:15], found[:15], names(3), resamples=200)
    assert wider.ap50.high - wider.ap50.low > 1.3 * (report.ap50.high - report.ap50.low)


def test_a_report_goes_to_json_and_back():
    truth, found = simulate(9, images=12, classes=6, most=3)
    report = detection_report(truth, found, names(6), resamples=10)
    assert DetectionReport.from_dict(report.to_dict()) == report
    assert "AP50" in report._repr_html_()
    with pytest.raises(DataError, match="which are not those of the classes"):
        DetectionReport.from_dict({**report.to_dict(), "boxes": 1})


def test_flawless_detections_leave_open_what_so_many_images_do():
    truth = [objects(WHOLE)] * 10
    report = detection_report(truth, [detections((0.9, 0, *WHOLE))] * 10, ["it"], resamples=50)
    assert report.ap.value == report.ar1.value == 1
    assert report.ap.low == pytest.approx(0.722, abs=1e-3)  # Wilson's of 10 out of 10
    assert (report.ap_small, report.ap_medium) == (None, None)
    assert report.ap_large.value == 1


def test_a_class_without_boxes_has_no_figure_and_no_say():
    truth, found = [objects(WHOLE)], [detections((0.9, 0, *WHOLE), (0.8, 1, *WHOLE))]
    report = detection_report(truth, found, ["it", "other"], resamples=5)
    assert (report.per_class[1].ap, report.per_class[1].boxes, report.measured) == (None, 0, 1)
    assert report.ap.value == 1


@pytest.mark.parametrize("evaluator", [True, False])
def test_nothing_there_and_nothing_found(evaluator, monkeypatch):
    monkeypatch.setattr(_report, "has_evaluator", lambda: evaluator)
    nothing = [objects(), objects()]
    report = detection_report(nothing, [Detections.none()] * 2, ["it"], resamples=5)
    assert all(each is None for _, each in report.figures())
    assert np.isnan(average_precision50(nothing, [detections((0.5, 0, *WHOLE)), Detections.none()], 1))
    only_crowds = [objects(WHOLE, crowd=[True])]
    report = detection_report(only_crowds, [detections((0.5, 0, *WHOLE))], ["it"], resamples=5)
    assert (report.ap, report.crowds, report.boxes) == (None, 1, 0)
    missed = detection_report([objects(WHOLE)] * 3, [Detections.none()] * 3, ["it"], resamples=5)
    assert missed.ap.value == missed.ap.low == 0
    assert 0 < missed.ap.high < 1


def test_what_is_found_in_a_crowd_is_neither_right_nor_wrong():
    crowd = objects([0, 0, 20, 20], WHOLE, crowd=[False, True])
    inside = [(0.9, 0, 50, 50, 60, 60), (0.8, 0, 0, 0, 20, 20)]
    assert average_precision50([crowd], [detections(*inside)], 1) == pytest.approx(1)
    alone = objects([0, 0, 20, 20])
    assert average_precision50([alone], [detections(*inside)], 1) == pytest.approx(0.5)


def test_ten_thousand_boxes_in_one_image(without_the_evaluator):
    place = np.arange(10_000, dtype=np.float32)
    low = np.stack([place % 100, place // 100], axis=1) * 20
    corners = np.concatenate([low, low + 10], axis=1)
    many = Detections(corners, np.linspace(1, 0.5, 10_000, dtype=np.float32), np.zeros(10_000, np.int32))
    report = detection_report([objects(*corners)], [many], ["it"], resamples=3)
    assert report.ar100.value == pytest.approx(0.01)  # COCO's limit
    every = match(*checked([objects(*corners)], [many], 1), 1, 1, limit=None)
    assert every.right[0].all()


@pytest.mark.parametrize(
    ("truth", "found", "said"),
    [
        ([], [], "no images"),
        ([objects()], [], "objects of 1 images, but detections of 0"),
        ([objects()], [detections((np.nan, 0, *WHOLE))], "1 of 1 scores"),
        ([objects()], [detections((1.5, 0, *WHOLE))], "1 of 1 scores"),
        ([objects()], [detections((0.5, 0, 0, np.nan, 1, 1))], "1 of 1 boxes of detections are no boxes"),
        ([objects([5, 5, 0, 0])], [Detections.none()], "1 of 1 boxes of objects are no boxes"),
        ([objects()], [detections((0.5, 3, *WHOLE))], r"1 of 1 labels of detections are outside 0\.\.1"),
        ([objects(WHOLE, labels=[-1])], [Detections.none()], r"1 of 1 labels of objects are outside 0\.\.1"),
        ([objects(WHOLE, crowd=[])], [Detections.none()], "1 objects, but 0 marks of a crowd"),
    ],
)
def test_what_is_no_detection_is_refused(truth, found, said):
    for figure in (lambda: detection_report(truth, found, ["a", "b"]), lambda: average_precision50(truth, found, 2)):
        with pytest.raises(DataError, match=said):
            figure()
    with pytest.raises(DataError, match="no classes"):
        average_precision50([objects()], [Detections.none()], 0)
