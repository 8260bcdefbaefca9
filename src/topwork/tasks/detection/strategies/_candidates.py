"""A trained detector for other classes: its candidates stay as they are and are kept, and a new class layer is trained.

The boxes and what the network makes of each are features like any other. A candidate is to be as sure of a class as
its box overlaps an object of it; the quality focal loss is that of the other heads. Classes that the network has by
name begin with its own rows of the layer, so where nothing is better, it ends as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import box_iou

from topwork._arrays import Float32Array, Int64Array, IntpArray
from topwork.backbones import DetectorNetwork, own_classes
from topwork.data import BoxDataset
from topwork.errors import BackboneError
from topwork.features import FeatureTable
from topwork.tasks._classes._finetuned import halves_of, notes_of, shown
from topwork.tasks._classes._names import meet
from topwork.tasks._task import Announce
from topwork.tasks.detection.network import QueryHead, QuerySpec, in_square
from topwork.tasks.detection.network._queries import told
from topwork.tasks.detection.strategies._fitted import Fitted, judged
from topwork.tasks.detection.strategies._judging import QUICK, precisions
from topwork.tasks.detection.strategies._options import ProbeOptions
from topwork.tasks.detection.strategies._ready import require_objects
from topwork.tasks.detection.strategies._samples import CROWD, NO_BOX
from topwork.tasks.detection.strategies._untrained import candidates, detector
from topwork.train import Batch, train

_OVERLAP = 0.6  # beyond which two candidates of one class are one object: they compete no more as they were trained to
_RIGHT = 0.5  # overlap from which on a candidate shows an object
_SHARPNESS = 2.0  # exponent of how far a score is from the quality, as for other heads
_RARE = -4.0  # logit of a class that is new, before anything is learnt


def fit_candidates(dataset: BoxDataset, network: DetectorNetwork, options: ProbeOptions, say: Announce) -> Fitted:
    """Train a class layer on the split ``train``; the boxes are the network's own.

    Raises:
        DataError: No training image has an object, or too few images to set any aside.
        BackboneError: The network's candidates are decided on already, or its weights do not fit.
        TrainError: The training cannot be made, or not resumed.
    """
    network = detector("probe", network)
    if network.library == "torchvision":
        raise BackboneError(
            f"{network.name} decides on classes within, so there is no layer to train on its candidates",
            hint="take --strategy as-is, or a detector such as rtdetr-r18",
        )
    require_objects(dataset)
    table = candidates(dataset, network, options, say)
    require_objects(table.dataset)
    return fit_layer(table, network, options, say)


def fit_layer(table: FeatureTable, network: DetectorNetwork, options: ProbeOptions, say: Announce) -> Fitted:
    """Train a class layer on candidates that are at hand; ``fit_candidates`` tells the errors."""
    halves = halves_of(table.dataset, options.validation, options.seed)
    layer = ClassLayer(network, table.dataset.classes)
    config = options.config.model_copy(update={"seed": options.seed, "precision": "f32"})
    progress = say("training the class layer")
    result = train(
        layer,
        CandidateSamples(table, np.tile(halves.learn, options.views)),
        CandidateSamples(table, halves.check),
        config,
        layers=[("classes", layer.classes)],
        loss=CandidateLoss(layer.spec),
        checkpoint=options.checkpoint,
        resume=options.resume,
        progress=shown(progress, config, measure="AP of an image") if progress else None,
    )
    found = layer.head()
    validation = judged(found, table, halves.check)
    return Fitted(found, table, validation, history=result.history, notes=notes_of(result))


class ClassLayer(nn.Module):
    """A linear layer on candidates, in torch: features (n, D) to corners (n, K, 4) in pixels and logits (n, K, C)."""

    def __init__(self, network: DetectorNetwork, classes: Sequence[str]) -> None:
        super().__init__()
        rows = tuple(range(len(classes)))
        self.spec = QuerySpec.of(network, len(classes), rows, scoring="sigmoid", overlap=_OVERLAP)
        self.classes = nn.Linear(network.channels, len(classes))
        nn.init.zeros_(self.classes.weight)
        nn.init.constant_(self.classes.bias, _RARE)
        if network.classes and network.scoring == "sigmoid":
            self._begin_with(network, classes)

    def _begin_with(self, network: DetectorNetwork, classes: Sequence[str]) -> None:
        weight, bias = own_classes(network)
        with torch.no_grad():
            for theirs, ours in enumerate(meet(classes, network.classes, needed=False)[0]):
                if ours >= 0:
                    self.classes.weight[ours] = torch.from_numpy(weight[:, theirs].copy())
                    self.classes.bias[ours] = float(bias[theirs])

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Corners, and logits."""
        ends = 4 * self.spec.queries
        corners = (features[:, :ends] * self.spec.size).clamp(0, self.spec.size)
        queries = features[:, ends:].reshape(len(features), self.spec.queries, -1)
        return corners.reshape(len(features), -1, 4), self.classes(queries)

    def head(self) -> QueryHead:
        """As it is saved and used."""
        weight = self.classes.weight.detach().numpy().T
        return QueryHead(self.spec, np.ascontiguousarray(weight), self.classes.bias.detach().numpy().copy())


class CandidateSamples:
    """Rows of a table as ``topwork.train`` takes them: features (n, D), and boxes (n, M, 5) in pixels of the square."""

    def __init__(self, table: FeatureTable, rows: IntpArray) -> None:
        self.labels: Int64Array = np.asarray(rows, np.int64)
        self.fingerprint = f"{table.dataset.select(np.unique(rows)).fingerprint()} {len(rows)} {table.choice}"
        self._values = table.values
        self._boxes = {row: _boxes_of(table, row) for row in np.unique(self.labels).tolist()}

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """Pairs, the same in every epoch."""
        for each in rows:
            chosen = self.labels[each]
            features = np.ascontiguousarray(self._values[chosen], np.float32)
            yield torch.from_numpy(features), torch.from_numpy(self._padded(chosen.tolist()))

    def _padded(self, rows: Sequence[int]) -> Float32Array:
        most = max([1, *(len(self._boxes[row]) for row in rows)])
        found = np.full((len(rows), most, 5), NO_BOX, np.float32)
        for place, row in enumerate(rows):
            found[place, : len(self._boxes[row])] = self._boxes[row]
        return found


def _boxes_of(table: FeatureTable, row: int) -> Float32Array:
    """(M, 5): corners in pixels of the square, and the class, or that it is a crowd."""
    dataset: BoxDataset = table.dataset
    boxes = in_square(dataset.boxes(row), table.backbone.preprocessing, *dataset.sizes[row].tolist())
    labels = np.where(boxes.crowd, CROWD, boxes.labels).astype(np.float32)
    return np.concatenate([boxes.corners, labels[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class CandidateLoss:
    """Quality focal loss (Li et al. 2020, arXiv 2006.04388) on candidates whose boxes are given."""

    spec: QuerySpec

    @property
    def fingerprint(self) -> str:
        """Names the loss and its settings."""
        return f"candidates {_RIGHT} quality focal {_SHARPNESS}"

    def __call__(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        """Sum over the images: their number times the loss of an object, a mean over those of the batch."""
        losses, objects = self._losses(outputs, targets)
        return losses.sum() / objects.sum().clamp(min=1) * len(targets)

    def measured(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of each image the loss of an object, and average precision, a mean over overlaps."""
        losses, objects = self._losses(outputs, targets)
        pairs = zip(*(each.detach().numpy() for each in outputs), strict=True)
        found = [told(logits, corners, self.spec, QUICK) for corners, logits in pairs]
        return losses / objects.clamp(min=1), torch.from_numpy(precisions(found, targets, self.spec.n_classes))

    def _losses(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) losses, and (n,) what the best candidates for their objects are worth."""
        corners, logits = outputs
        asked = [_asked(*each, self.spec.n_classes) for each in zip(corners, targets, strict=True)]
        quality, weight = (torch.stack(each) for each in zip(*asked, strict=True))
        apart = (logits.sigmoid() - quality).abs() ** _SHARPNESS * weight[..., None]
        losses = binary_cross_entropy_with_logits(logits, quality, reduction="none") * apart
        return losses.sum(dim=(1, 2)), quality.sum(dim=(1, 2))


@torch.no_grad()
def _asked(corners: Tensor, targets: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """What is asked of one image's candidates: (K, C) from 0 to 1, and (K,) 0 where a crowd is and nothing is asked."""
    quality = corners.new_zeros((len(corners), n_classes))
    objects, crowds = targets[targets[:, 4] >= 0], targets[targets[:, 4] == CROWD]
    overlaps = box_iou(corners, objects[:, :4])
    for place, label in enumerate(objects[:, 4].long().tolist()):
        right = overlaps[:, place].where(overlaps[:, place] >= _RIGHT, 0)
        quality[:, label] = torch.maximum(quality[:, label], right)
    middles = (corners[:, :2] + corners[:, 2:]) / 2
    inside = ((middles[:, None] > crowds[:, :2]) & (middles[:, None] < crowds[:, 2:4])).all(dim=2).any(dim=1)
    return quality, (~inside | (quality > 0).any(dim=1)).float()
