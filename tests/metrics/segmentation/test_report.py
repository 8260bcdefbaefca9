"""Figures of pixels and objects beside scikit-learn, torchmetrics, SciPy, and StarDist's definition in plain loops."""

import json

import numpy as np
import pytest

from topwork.data import Mask
from topwork.errors import DataError
from topwork.metrics import SegmentationReport, ece, mask_counts, segmentation_report
from topwork.metrics._segmentation import _bands, _objects
from topwork.metrics._segmentation._figures import ObjectSums, PixelSums

from . import counted, names, simulate

CLASSES = 3


@pytest.fixture(scope="module")
def simulated():
    drawn, counts = simulate(0)
    return drawn, counts, segmentation_report(counts, names(CLASSES), has_background=True, resamples=100)


def pixels(drawn):
    """True and said labels (P,) of the labelled pixels of all images."""
    known = [each[0].labels >= 0 for each in drawn]
    both = ([each[0].labels for each in drawn], [each[1] for each in drawn])
    return tuple(np.concatenate([a[b] for a, b in zip(labels, known, strict=True)]) for labels in both)


def test_pixels_of_all_images_are_scikit_learns(simulated):
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score

    drawn, _, report = simulated
    true, said = pixels(drawn)
    assert any((each[0].labels < 0).any() for each in drawn)
    assert [each.iou.value for each in report.per_class] == pytest.approx(jaccard_score(true, said, average=None))
    assert [each.dice.value for each in report.per_class] == pytest.approx(f1_score(true, said, average=None))
    assert report.iou.value == pytest.approx(jaccard_score(true, said, average="macro", labels=[1, 2]))
    assert report.dice.value == pytest.approx(f1_score(true, said, average="macro", labels=[1, 2]))
    assert report.accuracy.value == pytest.approx(accuracy_score(true, said))
    np.testing.assert_array_equal(report.table, confusion_matrix(true, said, labels=range(CLASSES)))
    assert report.pixels == len(true)
    assert report.pixels + report.unlabelled == 12 * 60 * 80


def test_figures_of_images_are_those_of_each_image_alone(simulated):
    from sklearn.metrics import f1_score, jaccard_score

    drawn, _, report = simulated
    for figure, oracle in (("iou", jaccard_score), ("dice", f1_score)):
        own = []
        for each in drawn:
            true, said = pixels([each])
            if seen := sorted((set(true.tolist()) | set(said.tolist())) - {0}):
                own.append(oracle(true, said, average="macro", labels=seen))
        assert getattr(report, f"{figure}_of_images").value == pytest.approx(np.mean(own))


def test_torchmetrics_says_the_same_of_pixels():
    import torch
    from torchmetrics.classification import MulticlassJaccardIndex

    drawn, counts = simulate(3, unlabelled=0.2)
    metric = MulticlassJaccardIndex(CLASSES, average=None, ignore_index=-1)
    for mask, said, *_ in drawn:
        metric.update(torch.tensor(said), torch.tensor(mask.labels))
    report = segmentation_report(counts, names(CLASSES), has_background=True, resamples=2)
    assert [each.iou.value for each in report.per_class] == pytest.approx(metric.compute().tolist(), abs=1e-6)


def test_calibration_is_that_of_classified_pixels(simulated):
    drawn, _, report = simulated
    true, _ = pixels(drawn)
    probabilities = np.concatenate([each[3][:, each[0].labels >= 0].T for each in drawn])
    assert report.calibration.ece.value == pytest.approx(ece(probabilities, true), abs=1e-6)
    assert sum(each.images for each in report.calibration.reliability) == len(true)


@pytest.mark.parametrize("tolerance", [0.9, 1, 2.5, 6])
def test_outlines_that_are_near_are_those_of_a_distance_transform(tolerance):
    from scipy import ndimage

    drawn, _ = simulate(1, images=4)
    for each in drawn:
        found = counted(each, CLASSES, tolerance=tolerance).boundary
        labels = each[0].labels, np.where(each[0].labels >= 0, each[1], -1)
        for label in range(CLASSES):
            edges = [outline(own, label) for own in labels]
            far = [
                ndimage.distance_transform_edt(~edge) if edge.any() else np.full(edge.shape, np.inf) for edge in edges
            ]
            near = [int((edges[1 - side] & (far[side] <= tolerance)).sum()) for side in range(2)]
            assert found[label].tolist() == [edges[1].sum(), near[0], edges[0].sum(), near[1]]


def outline(labels, label):
    """Pixels of a label beside another one, by plain loops."""
    edge = np.zeros(labels.shape, bool)
    for y, x in np.argwhere(labels == label):
        for b, a in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= b < labels.shape[0] and 0 <= a < labels.shape[1] and labels[b, a] >= 0:
                edge[y, x] |= labels[b, a] != label
    return edge


def test_boundary_f1_by_hand():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    # 36 boundary pixels; moved by three, those of the sides are too far, but where the other's top and bottom pass.
    for shift, near in ((0, 36), (1, 36), (3, 18)):
        counts = mask_counts(Mask(labels), np.roll(labels, shift, 1), 2, has_background=True, tolerance=1)
        report = segmentation_report([counts], names(2), has_background=True, resamples=2)
        assert report.boundary_f1.value == pytest.approx(near / 36)
    alone = mask_counts(Mask(labels), np.zeros_like(labels), 2, has_background=True)
    assert segmentation_report([alone], names(2), has_background=True, resamples=2).boundary_f1.value == 0
    assert alone.tolerance == 1  # 0.75 % of the diagonal would be a fifth of a pixel


def by_definition(true, found, iou):
    """What StarDist publishes: the assignment of most pairs, of these the best overlapping; then TP, FP and FN."""
    from scipy.optimize import linear_sum_assignment

    ones = [[image == number for number in np.unique(image[image > 0])] for image in (true, found)]
    table = np.array([[(a & b).sum() / (a | b).sum() for b in ones[1]] for a in ones[0]]).reshape(
        len(ones[0]), len(ones[1])
    )
    if not table.size:
        return 0, len(ones[1]), len(ones[0])
    pairs = linear_sum_assignment(-(table >= iou - 1e-12).astype(float) - table / (2 * min(table.shape)))
    right = int((table[pairs] >= iou - 1e-12).sum())
    return right, len(ones[1]) - right, len(ones[0]) - right


def test_objects_are_stardists():
    drawn, counts = simulate(4, classes=2, unlabelled=0, most=30)
    for (mask, _, found, _), each in zip(drawn, counts, strict=True):
        for place, iou in enumerate(_objects.IOUS):
            own = tuple(int(getattr(each.objects, name)[1, place]) for name in ("right", "invented", "missed"))
            assert own == by_definition(mask.objects, found, iou)
    report = segmentation_report(counts, names(2), has_background=True, resamples=10)
    totals = [
        np.sum([by_definition(mask.objects, found, iou) for mask, _, found, _ in drawn], axis=0)
        for iou in _objects.IOUS
    ]
    expected = [each[0] / each.sum() for each in totals]
    assert [each.value for each in report.objects.ap_by_iou] == pytest.approx(expected)
    assert report.objects.ap.value == pytest.approx(np.mean(expected))
    own = [each[0] / sum(each) for m, _, found, _ in drawn if sum(each := by_definition(m.objects, found, 0.5))]
    assert report.objects.ap50_of_images.value == pytest.approx(np.mean(own))
    numbers = [(len(np.unique(m.objects)), len(np.unique(found))) for m, _, found, _ in drawn]
    assert report.objects.count_error.value == pytest.approx(np.mean([abs(b - a) for a, b in numbers]))
    assert report.objects.count_bias.value == pytest.approx(np.mean([b - a for a, b in numbers]))


def test_halves_of_an_object_overlap_it_by_a_half_and_one_is_taken():
    whole, halves = np.ones((4, 8), np.int32), np.repeat([[1, 2]], 4, axis=0).repeat(4, axis=1).astype(np.int32)
    for true, found in ((whole, halves), (halves, whole)):
        counts = mask_counts(Mask(whole, true), whole, 2, has_background=True, objects=found).objects
        own = tuple(int(each[1, 0]) for each in counts[:3])
        assert own == by_definition(true, found, 0.5)
        assert own[0] == 1
        assert counts.panoptic[1, 0] == 0  # which asks for more than a half


def test_panoptic_quality_is_torchmetrics():
    import torch
    from torchmetrics.detection import PanopticQuality

    drawn, counts = simulate(5, unlabelled=0)
    metric = PanopticQuality(things={1, 2}, stuffs={0}, return_sq_and_rq=True, return_per_class=True)
    for mask, said, found, _ in drawn:
        # Objects of several classes are cut in one, as ours are by their pixels' majority.
        labels = [majority(objects, own) for objects, own in ((mask.objects, mask.labels), (found, said))]
        both = [torch.tensor(np.stack(each, axis=-1))[None] for each in zip(labels, (mask.objects, found), strict=True)]
        metric.update(both[1], both[0])
    theirs = dict(zip([*sorted({1, 2}), 0], metric.compute().tolist(), strict=True))
    report = segmentation_report(counts, names(CLASSES), has_background=True, resamples=2).objects
    for place, each in enumerate(report.per_class, 1):
        assert [each.pq.value, each.sq.value, each.rq.value] == pytest.approx(theirs[place], abs=1e-5)
    assert report.pq.value == pytest.approx(np.mean([theirs[1][0], theirs[2][0]]), abs=1e-5)


def majority(objects, labels):
    out = np.zeros_like(labels)
    for number in np.unique(objects[objects > 0]):
        out[objects == number] = np.bincount(labels[objects == number], minlength=CLASSES)[1:].argmax() + 1
    return out


def test_many_objects_are_matched_alike_without_a_table_of_pairs(monkeypatch):
    drawn, counts = simulate(6, images=4)
    monkeypatch.setattr(_objects, "_DENSE", 1)
    for each, before in zip(drawn, counts, strict=True):
        again = counted(each, CLASSES).objects
        for one, other in zip(again, before.objects, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_lies_in_unlabelled_pixels_is_no_invention():
    labels = np.zeros((10, 20), np.int32)
    labels[:, 10:] = -1
    found = np.zeros_like(labels)
    found[2:5, 12:15], found[6:9, 9:15], found[2:5, 2:5] = 1, 2, 3
    said = (found > 0).astype(np.int64)
    counts = mask_counts(Mask(labels, np.zeros_like(labels)), said, 2, has_background=True, objects=found)
    assert counts.objects.invented[1].tolist() == [1] * 10
    assert counts.confusion.sum() == 100
    assert counts.unlabelled == 100


def test_resamples_are_the_figures_of_images_that_come_so_often(simulated):
    _, counts, _ = simulated
    weights = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), 5).T.astype(np.float64)
    for sums in (PixelSums, ObjectSums):
        drawn = sums.of(counts, True).figures()(weights)
        for place, times in enumerate(weights.T.astype(int)):
            again = [each for each, n in zip(counts, times, strict=True) for _ in range(n)]
            alone = sums.of(again, True).figures()(np.ones((12, 1)))[:, 0]
            np.testing.assert_allclose(drawn[:, place], alone, atol=1e-9)


def test_it_goes_to_json_and_back_and_a_changed_one_is_refused(simulated):
    _, counts, report = simulated
    data = json.loads(json.dumps(report.to_dict()))
    assert SegmentationReport.from_dict(data).to_dict() == report.to_dict()
    assert report.to_dict() == segmentation_report(counts, names(3), has_background=True, resamples=100).to_dict()
    for changed in ({"pixels": 5}, {"images": 0}, {"classes": ["a", "b"]}, {"iou": {"value": 2, "low": 3, "high": 4}}):
        with pytest.raises(DataError, match="not a saved report of a segmentation"):
            SegmentationReport.from_dict(data | changed)
    del data["objects"]
    with pytest.raises(DataError, match="'objects' is missing"):
        SegmentationReport.from_dict(data)
    assert "mean IoU" in report._repr_html_()


def test_a_class_that_is_nowhere_has_no_figure_and_no_say():
    labels = np.zeros((8, 8), np.int32)
    labels[2:4, 2:4] = 1
    counts = mask_counts(Mask(labels, labels), labels, 4, has_background=True, objects=labels)
    report = segmentation_report([counts], names(4), has_background=True)
    assert report.iou.value == report.dice.value == report.objects.ap50.value == report.objects.pq.value == 1
    assert report.iou.low < 0.9  # one image leaves much open
    assert report.per_class[2].iou is report.per_class[3].boundary_f1 is report.objects.per_class[2].ap is None
    assert report.measured == 1
    invented = mask_counts(Mask(labels), np.where(labels, labels, 2), 4, has_background=True)
    report = segmentation_report([invented], names(4), has_background=True)
    assert report.per_class[2].iou.value == 0
    assert report.iou.value == 0.5


@pytest.mark.parametrize(
    "labels", [np.zeros((5, 5), np.int32), np.full((5, 5), -1, np.int32), np.zeros((0, 4), np.int32)]
)
def test_images_of_nothing_have_no_figures(labels):
    empty = np.zeros_like(labels)
    flat = np.full((2, *labels.shape), 0.5, np.float32)
    counts = mask_counts(Mask(labels, empty), empty, 2, has_background=True, objects=empty, probabilities=flat)
    report = segmentation_report([counts, counts], names(2), has_background=True)
    assert report.iou is report.dice_of_images is report.boundary_f1 is report.objects.ap is report.objects.pq is None
    assert report.objects.count_error.value == 0
    assert (report.accuracy is None) == (report.calibration.ece is None) == bool((labels < 0).all())
    assert SegmentationReport.from_dict(report.to_dict()).to_dict() == report.to_dict()


def test_bad_input_is_refused_by_name():
    labels = np.zeros((4, 5), np.int32)

    def count(said=labels, there=labels, classes=2, **given):
        return mask_counts(Mask(there, given.pop("true_objects", None)), said, classes, has_background=True, **given)

    flat = np.full((2, 4, 5), 0.5, np.float32)
    for given, told in [
        ({"said": labels.T}, "4, 5"),
        ({"said": labels + 2}, "outside 0..1"),
        ({"said": labels - 1}, "outside 0..1"),
        ({"there": labels + 2}, "outside 0..1"),
        ({"said": flat[0]}, "integers"),
        ({"classes": 0}, "no classes"),
        ({"probabilities": flat[:1]}, "probabilities must be floats"),
        ({"probabilities": flat + 1}, "do not sum to 1"),
        ({"probabilities": flat * np.nan}, "do not sum to 1"),
        ({"true_objects": labels, "objects": labels.T}, "objects must be integers"),
        ({"true_objects": labels, "objects": labels - 1}, "0 or more"),
    ]:
        with pytest.raises(DataError, match=told):
            count(**given)
    several = [count(), count(true_objects=labels, objects=labels)]
    for counts, classes, told in [
        ([], 2, "no images"),
        ([count()], 3, "3 classes"),
        (several, 2, "objects told apart"),
        ([count(), count(probabilities=flat)], 2, "probabilities"),
    ]:
        with pytest.raises(DataError, match=told):
            segmentation_report(counts, names(classes), has_background=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_an_image_counted_in_bands_adds_the_same(monkeypatch, classes):
    drawn, _ = simulate(7, images=3, classes=classes, shape=(61, 80))
    whole = [counted(each, classes, tolerance=2.5) for each in drawn]
    monkeypatch.setattr(_bands, "PIXELS", 80 * 7)
    assert len([*_bands.bands((61, 80))]) == 9
    for each, before in zip(drawn, whole, strict=True):
        again = counted(each, classes, tolerance=2.5)
        assert before.boundary.sum() > 0
        np.testing.assert_array_equal(again.confusion, before.confusion)
        np.testing.assert_array_equal(again.boundary, before.boundary)
        np.testing.assert_allclose(again.bins, before.bins, rtol=1e-12)
        np.testing.assert_array_equal(again.scores, before.scores)
        assert again.unlabelled == before.unlabelled
        for one, other in zip(again.objects, before.objects, strict=True):
            np.testing.assert_array_equal(one, other)
        monkeypatch.setattr(_objects, "_DENSE", 1)
        np.testing.assert_array_equal(counted(each, classes).objects.right, before.objects.right)
        monkeypatch.undo()
        monkeypatch.setattr(_bands, "PIXELS", 80 * 7)
