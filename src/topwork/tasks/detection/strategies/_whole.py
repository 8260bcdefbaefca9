"""A trained detector that is trained further as a whole, by its own library's loss, for the user's classes."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from topwork._system import optional
from topwork.advising import Trial
from topwork.backbones import DetectorNetwork, own_classes
from topwork.backbones.detecting import Told, WholeDetector, for_classes, library_loss
from topwork.backbones.layers import Normalised
from topwork.data import BoxDataset
from topwork.errors import BackboneError
from topwork.features import FeatureTable, squares
from topwork.tasks._classes._finetuned import halves_of, kept_file, notes_of, shown
from topwork.tasks._classes._names import meet
from topwork.tasks._maps._settings import UNHEARD
from topwork.tasks._task import Announce
from topwork.tasks.detection.network import QueryHead, QuerySpec
from topwork.tasks.detection.network._queries import told as found_by
from topwork.tasks.detection.strategies._augment import Augmentation
from topwork.tasks.detection.strategies._fitted import Fitted, judged
from topwork.tasks.detection.strategies._judging import QUICK, precisions
from topwork.tasks.detection.strategies._options import FinetuneOptions, finetune_config
from topwork.tasks.detection.strategies._samples import BoxSamples
from topwork.tasks.detection.strategies._untrained import can_be_whole, candidates
from topwork.train import TrainConfig, train

_AS_PUBLISHED = {"learning_rate": 1e-4, "layer_decay": 0.1, "weight_decay": 1e-4, "clip": 0.1, "batch_size": 8}
"""How DETR's family is trained by its papers: the body a tenth as fast; taken where nobody says otherwise."""


def fit_whole(table: FeatureTable, probe: Fitted, options: FinetuneOptions, say: Announce) -> Fitted:
    """Train all of a detector; a probe on its candidates is kept where that is no better in AP.

    Args:
        table: Its candidates, of every image.
        probe: A class layer on them.
        options: ``unfreeze`` has no number of stages to choose from here.
        say: Hears of it.

    Raises:
        BackboneError: The design has no loss here, or stages were asked for.
        TrainError: The training cannot be made, or not resumed.
    """
    network: DetectorNetwork = table.backbone
    require_whole(network, options)
    dataset: BoxDataset = table.dataset
    halves = halves_of(dataset, options.probe.validation, options.probe.seed)
    body = Trained(network, dataset.classes)
    body.to("cuda" if table.choice.name == "torch-cuda" else "cpu")
    config = _config(options, next(body.parameters()).device.type)
    used = np.sort(np.concatenate(halves))
    part = dataset.select(used)
    orient = "mirror" if options.probe.orient == "auto" else options.probe.orient
    augmentation = Augmentation(options.probe.augment, orient)
    with squares(part, network.preprocessing, say("resizing images")) as images:
        learn, check = (
            BoxSamples(
                images,
                part,
                network.preprocessing,
                np.searchsorted(used, rows),
                augmentation=shown_as,
                seed=options.probe.seed,
            )
            for rows, shown_as in zip(halves, (augmentation, None), strict=True)
        )
        progress = say("training the whole detector")
        result = train(
            body,
            learn,
            check,
            config,
            layers=body.layers(),
            loss=WholeLoss(body.whole.network, body.spec),
            checkpoint=options.checkpoint,
            resume=options.resume,
            progress=shown(progress, config, measure="AP of an image") if progress else None,
        )
    notes = (*probe.notes, *notes_of(result))
    kept = dataclasses.replace(probe, history=result.history)
    images_told = len(probe.validation.found)
    if result.best_epoch == 0:
        note = f"no epoch of fine-tuning the whole detector beat its start on {images_told} validation images, so the "
        return dataclasses.replace(kept, notes=(*notes, f"{note}probe is kept"))
    tuned = body.backbone()
    head = QueryHead(dataclasses.replace(body.spec, overlap=1.0), *own_classes(tuned))
    found = candidates(dataset, tuned, options.probe, say)
    validation = judged(head, found, halves.check)
    better = validation.beats(probe.validation)
    trials = tuple(
        Trial("strategy", name, images_told, ap50, None, chosen=chosen)
        for name, ap50, chosen in (
            ("probe", probe.validation.ap50, not better),
            ("finetune all", validation.ap50, better),
        )
    )
    if not better:
        note = f"fine-tuning the whole detector was no better in AP on {images_told} validation images, so the probe is"
        return dataclasses.replace(kept, trials=(*trials, *probe.trials), notes=(*notes, f"{note} kept"))
    return Fitted(head, found, validation, "finetune", (*trials, *probe.trials), result.history, notes)


def seconds_an_image(table: FeatureTable) -> float:
    """What one image takes on this machine, once forward and back; the quicker of two steps."""
    network: DetectorNetwork = table.backbone
    body = Trained(network, table.dataset.classes)
    body.to("cuda" if table.choice.name == "torch-cuda" else "cpu")
    device, size = next(body.parameters()).device, network.preprocessing.size
    loss = WholeLoss(body.whole.network, body.spec)
    image = torch.zeros((1, 3, size, size), dtype=torch.uint8, device=device)
    targets = torch.tensor([[[0.0, 0.0, size / 2, size / 2, 0.0]]], device=device)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        loss(body(image), targets).backward()  # type: ignore[no-untyped-call]
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def require_whole(network: DetectorNetwork, options: FinetuneOptions) -> None:
    """Refuse what cannot be trained so, before anything is looked at.

    Raises:
        BackboneError: The design has no loss here, or stages were asked for.
    """
    if not can_be_whole(network):
        raise BackboneError(
            f"{network.name} cannot be trained as a whole: no loss for that is here",
            hint="take --strategy as-is or zero-shot, or a detector such as rtdetr-r18",
        )
    optional("scipy", extra="detectors", what="the loss of a whole detector")
    if options.unfreeze not in ("auto", "all"):
        raise BackboneError(
            f"{network.name} is trained as a whole, so --unfreeze {options.unfreeze} has no meaning",
            hint="leave it out, or take --strategy probe to train its class layer alone",
        )


def _config(options: FinetuneOptions, device: str) -> TrainConfig:
    """As published, but for what somebody chose."""
    given, usual = options.config, finetune_config()
    for name in UNHEARD:
        if getattr(given, name) != TrainConfig.model_fields[name].default:
            raise BackboneError(f"a detector's training does not know {name}", hint=f"leave out --set {name}")
    changes: dict[str, Any] = {k: v for k, v in _AS_PUBLISHED.items() if getattr(given, k) == getattr(usual, k)}
    if given.precision == "auto" and device == "cpu":
        changes["precision"] = "f32"
    return given.model_copy(update={"seed": options.probe.seed, **changes})


class Trained(nn.Module):
    """The network for the user's classes, from pixels (n, 3, size, size), uint8, to what it says."""

    def __init__(self, network: DetectorNetwork, classes: Sequence[str]) -> None:
        super().__init__()
        rows = meet(classes, network.classes, needed=False)[0]
        self.pixels = Normalised(network.preprocessing)
        self.whole = WholeDetector(for_classes(network, classes, rows))
        nothing = [-1] * (network.scoring == "softmax")  # its last row is for nothing at all
        self.spec = QuerySpec.of(network, len(classes), (*range(len(classes)), *nothing))
        self._facts, self._classes = network, tuple(classes)

    def forward(self, images: Tensor) -> Told:
        """What it says."""
        found: Told = self.whole(self.pixels(images))
        return found

    def layers(self) -> list[tuple[str, nn.Module]]:
        """The body, and what is behind it."""
        body = self.whole.network.model.backbone
        rest = nn.ModuleList(_leaves(self.whole.network, body))
        return [("body", body), ("detector", rest)]

    def backbone(self) -> DetectorNetwork:
        """As it is saved and used: the weights lie in the cache, named by their hash."""
        from safetensors.torch import save

        network = self.whole.network.cpu()
        state = {name: value.detach().contiguous().clone() for name, value in network.state_dict().items()}
        config = json.loads(network.config.to_json_string())
        facts = dataclasses.replace(self._facts, config=config, classes=self._classes)
        return dataclasses.replace(facts, weights=kept_file(facts.name, save(state)))


def _leaves(module: nn.Module, without: nn.Module) -> list[nn.Module]:
    """The largest modules that have nothing of one of them."""
    if module is without:
        return []
    if without not in list(module.modules()):
        return [module]
    return [leaf for child in module.children() for leaf in _leaves(child, without)]


@dataclasses.dataclass(frozen=True, eq=False)
class WholeLoss:
    """The library's own loss: objects are matched with candidates (Carion et al. 2020, arXiv 2005.12872)."""

    network: Any
    spec: QuerySpec

    @property
    def fingerprint(self) -> str:
        """Names the loss and its settings."""
        return f"transformers {type(self.network).__name__}"

    def __call__(self, outputs: Told, targets: Tensor) -> Tensor:
        """Sum over the images: their number times the batch's loss, which is a mean over its objects."""
        return library_loss(self.network, outputs, [self._labels(each) for each in targets]) * len(targets)

    def measured(self, outputs: Told, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of each image the loss of an object, and average precision, a mean over overlaps."""
        losses = torch.stack(
            [
                library_loss(self.network, outputs.only(place), [self._labels(each)])
                for place, each in enumerate(targets)
            ]
        )
        corners = _corners(outputs.boxes).clamp(0, 1) * self.spec.size
        pairs = zip(outputs.logits.float().cpu().numpy(), corners.float().cpu().numpy(), strict=True)
        found = [found_by(logits, boxes, self.spec, QUICK) for logits, boxes in pairs]
        right = torch.from_numpy(precisions(found, targets, self.spec.n_classes))
        return losses, right.to(losses.device)

    def _labels(self, targets: Tensor) -> dict[str, Tensor]:
        """Objects as the library takes them; a crowd is none."""
        objects = targets[targets[:, 4] >= 0]
        corners = objects[:, :4] / self.spec.size
        middles, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        return {"class_labels": objects[:, 4].long(), "boxes": torch.cat([middles, sides], dim=1)}


def _corners(boxes: Tensor) -> Tensor:
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], dim=-1)
