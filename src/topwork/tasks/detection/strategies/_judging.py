"""How near the boxes that are found come to those that are there, image by image, while a network trains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from topwork._arrays import Float32Array, Float64Array
from topwork.data import Boxes
from topwork.metrics import Detections, average_precision_of_boxes
from topwork.tasks.detection.network import Decoding, HeadSpec, Raw, decode
from topwork.tasks.detection.network._module import Predicted
from topwork.tasks.detection.strategies._samples import CROWD, NO_BOX

QUICK = Decoding(threshold=0.05)  # an epoch is judged in a moment; what is less sure hardly moves the figure


def precision_of_each(outputs: Predicted, targets: Tensor, spec: HeadSpec) -> Float64Array:
    """Of each image average precision, a mean over overlaps; without objects, 1 less the highest score."""
    return precisions(decode(_as_raw(outputs), spec, QUICK), targets, spec.n_classes)


def precisions(found: Sequence[Detections], targets: Tensor, n_classes: int) -> Float64Array:
    """The same of what was found in each image."""
    truth = [_boxes(each) for each in targets.cpu().numpy()]
    return np.array([_precision(*each, n_classes) for each in zip(truth, found, strict=True)])


def _precision(truth: Boxes, found: Detections, n_classes: int) -> float:
    if truth.crowd.all():
        return 1 - float(found.scores.max(initial=0))
    return average_precision_of_boxes([truth], [found], n_classes)


def _as_raw(outputs: Predicted) -> Raw:
    near = None if outputs.centreness is None else _array(outputs.centreness)
    return Raw(_array(outputs.logits), _array(outputs.distances), near)


def _array(tensor: Tensor) -> Float32Array:
    array: Float32Array = tensor.detach().float().cpu().numpy()
    return array


def _boxes(targets: Float32Array) -> Boxes:
    """One image's boxes from its targets (K, 5)."""
    held = targets[targets[:, 4] != NO_BOX]
    crowd = held[:, 4] == CROWD
    return Boxes(held[:, :4], np.where(crowd, 0, held[:, 4]).astype(np.int32), crowd)
